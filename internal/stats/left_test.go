package stats_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// TestDisown: of a revoked device nothing is evidence any more, of an erased one what
// it said is; and nothing that was counted is gone.
func TestDisown(t *testing.T) {
	f := newWorld(t).fleet(t)
	back := failed(1, trust.StepRolledBack, sealift.KindRollback, "crash")
	stays, revoked, erased := f.device(1, "t"), f.device(2, "t"), f.device(3, "t")
	for _, d := range []store.Device{stays, revoked, erased} {
		f.count(d, "", back)
		f.count(d, "", step(2, trust.StepDownloading))
	}
	failures := func(n int) rollout.Counts { return rollout.Counts{Taken: n, Failed: [4]int{0, 0, n, 0}} }
	leave := func(d store.Device, state store.DeviceState) {
		d.State = state
		f.update(func(tx store.Tx) error { return stats.Disown(t.Context(), tx, d) })
	}
	leave(erased, store.DeviceErased)
	f.wantTotal("what an erased one said", release(1), failures(3), rollout.Counts{})
	f.wantTotal("what it never says", release(2), rollout.Counts{Taken: 2}, rollout.Counts{Taken: 1})
	for range 2 { // to do it again changes nothing
		leave(revoked, store.DeviceRevoked)
		f.wantTotal("what a revoked one said", release(1), failures(2), failures(1))
		f.wantTotal("what it took", release(2), rollout.Counts{Taken: 1}, rollout.Counts{Taken: 2})
	}
}

// TestWays: how a bundle came counts once a device, by its first word of it.
func TestWays(t *testing.T) {
	f := newWorld(t).fleet(t)
	patch := step(1, trust.StepVerified)
	patch.Patch = sealift.DigestOf([]byte("patch"))
	d := f.device(1, "t")
	f.count(d, "", step(1, trust.StepDownloading), patch, step(1, trust.StepConfirmed))
	f.count(d, "", step(1, trust.StepVerified))
	f.count(f.device(2, ""), "192.0.2.1", step(1, trust.StepVerified))
	f.count(f.device(3, "t"), "", step(1, trust.StepConfirmed)) // which does not say
	s := stats.Summarize(f.hours(release(1)), time.Hour)
	want := stats.Ways{Whole: 1, Patched: 1}
	if s.Ways != want || s.Patches[patch.Patch.String()] != 1 || s.Evidence.Taken != 3 || s.Evidence.Confirmed != 2 || len(s.Course) != 1 {
		t.Errorf("%+v", s)
	}
	f.update(func(tx store.Tx) error {
		total, err := stats.Total(t.Context(), tx, f.app, release(1))
		if total.Ways != want || total.Evidence != s.Evidence {
			t.Errorf("%+v", total)
		}
		return err
	})
	// Whoever makes patches up fills no table.
	for n := range byte(sealift.MaxOutcomeReasons + 5) {
		made := step(1, trust.StepVerified)
		made.Patch = sealift.DigestOf([]byte{n})
		f.count(f.device(10+int(n), "t"), "", made)
	}
	s = stats.Summarize(f.hours(release(1)), time.Hour)
	if len(s.Patches) != sealift.MaxOutcomeReasons+1 || s.Patches["other"] != 6 || s.Patched != sealift.MaxOutcomeReasons+6 {
		t.Errorf("%d are told apart, others %d, of %d", len(s.Patches), s.Patches["other"], s.Patched)
	}
}

// TestHistory: it counts back from now, by what devices left and came to.
func TestHistory(t *testing.T) {
	f := newWorld(t).fleet(t)
	move := func(before, after sealift.Digest) {
		f.update(func(tx store.Tx) error { return stats.Move(t.Context(), tx, f.app, before, after, f.at) })
	}
	none, strange := sealift.Digest{}, sealift.DigestOf([]byte("of no app"))
	move(none, release(0))
	move(strange, release(0))
	f.at = noon.Add(time.Hour)
	move(release(0), release(1))
	move(release(1), release(1))
	f.at = noon.Add(3 * time.Hour)
	move(release(0), strange)
	f.at = noon.Add(3*time.Hour + 10*time.Minute)
	running := func(n int, live int64) stats.Running {
		s := stats.Summarize(f.hours(release(n)), time.Hour)
		if len(s.Course) != 0 {
			t.Errorf("whoever leaves it takes it: %+v", s.Course)
		}
		return stats.Running{DeviceVersion: version(n, live), Moves: s.Moves}
	}
	// Five more run 1.0.0 of before anything was counted.
	got := stats.History([]stats.Running{running(1, 1), running(0, 5)}, noon.Add(-time.Hour), f.at, time.Hour)
	want := []stats.Moment{
		{At: noon.Add(-time.Hour), Versions: []store.DeviceVersion{version(0, 5)}},
		{At: noon.Add(time.Hour), Versions: []store.DeviceVersion{version(0, 7)}},
		{At: noon.Add(2 * time.Hour), Versions: []store.DeviceVersion{version(1, 1), version(0, 6)}},
		{At: f.at, Versions: []store.DeviceVersion{version(1, 1), version(0, 5)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := stats.History(nil, noon, noon, time.Hour); len(got) != 1 || got[0].Versions != nil {
		t.Errorf("%+v", got)
	}
	f.update(func(tx store.Tx) error { // and no slice comes of it
		slices, confirmed, err := stats.Slices(t.Context(), tx, f.app, release(1), release(0), noon, time.Hour, f.at)
		if len(slices) != 0 || confirmed != 0 {
			t.Errorf("%+v", slices)
		}
		return err
	})
}

func version(n int, devices int64) store.DeviceVersion {
	return store.DeviceVersion{Version: sealift.Version([]string{"1.0.0", "1.1.0"}[n]), Counter: sealift.Counter(n + 1), Devices: devices}
}
