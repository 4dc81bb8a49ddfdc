package stats_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}

// world is a store with apps of their own for each use.
type world struct {
	t     *testing.T
	store store.Store
	apps  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &world{t: t, store: s}
}

// fleet is an app with releases and devices.
type fleet struct {
	tester
	*world
	app sealift.AppID
	at  time.Time
}

func (w *world) fleet(t tester) *fleet {
	t.Helper()
	w.apps++
	f := &fleet{t, w, sealift.AppID(fmt.Sprintf("com.acme.app%d", w.apps)), noon}
	f.update(func(tx store.Tx) error {
		if err := tx.InsertApp(w.t.Context(), store.App{ID: f.app, Created: noon}); err != nil {
			return err
		}
		if err := tx.InsertChannel(w.t.Context(), store.Channel{App: f.app, Name: "production", Created: noon}); err != nil {
			return err
		}
		for n := range sealift.Counter(3) {
			version := sealift.Version(fmt.Sprintf("1.%d.0", n))
			err := tx.InsertRelease(w.t.Context(), store.Release{
				Coordinates: store.Coordinates{App: f.app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: version},
				Digest:      release(int(n)), Counter: n + 1, Act: sealift.ActRelease, File: []byte("{}"), Proof: []byte("p"), Serial: "1",
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return f
}

func release(n int) sealift.Digest { return sealift.DigestOf([]byte{byte(n)}) }

func (f *fleet) update(fn func(tx store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.t.Context(), fn); err != nil {
		f.Fatal(err)
	}
}

// device is one that somebody vouches for, unless it has no token.
func (f *fleet) device(n int, token string) store.Device {
	f.Helper()
	d := store.Device{App: f.app, ID: sealift.DeviceID(fmt.Sprintf("d%d", n)), Token: token, State: store.DeviceActive, Enrolled: noon}
	f.update(func(tx store.Tx) error { return tx.PutDevice(f.t.Context(), d) })
	return d
}

func (f *fleet) count(d store.Device, address string, steps ...trust.ReportStep) {
	f.Helper()
	reporter := stats.Reporter{Device: d, Address: address, Now: f.at}
	f.update(func(tx store.Tx) error { return reporter.Count(f.t.Context(), tx, steps) })
}

func (f *fleet) hours(digest sealift.Digest) (rows []store.ReleaseHour) {
	f.Helper()
	f.update(func(tx store.Tx) (err error) {
		rows, err = tx.ReleaseHours(f.t.Context(), f.app, digest, time.UnixMicro(0))
		return err
	})
	return rows
}

func (f *fleet) total(digest sealift.Digest) (evidence, unvouched rollout.Counts) {
	f.Helper()
	f.update(func(tx store.Tx) error {
		s, err := stats.Total(f.t.Context(), tx, f.app, digest)
		evidence, unvouched = s.Evidence, s.Unvouched
		return err
	})
	return evidence, unvouched
}

func (f *fleet) wantTotal(what string, digest sealift.Digest, evidence, unvouched rollout.Counts) {
	f.Helper()
	if e, u := f.total(digest); e != evidence || u != unvouched {
		f.Errorf("%s: evidence %+v, unvouched %+v, want %+v and %+v", what, e, u, evidence, unvouched)
	}
}

func step(n int, s trust.Step) trust.ReportStep {
	return trust.ReportStep{Step: s, Release: release(n)}
}

func failed(n int, s trust.Step, kind sealift.Kind, reason string) trust.ReportStep {
	return trust.ReportStep{Step: s, Release: release(n), Kind: kind, Reason: reason}
}

// TestStepsAndOutcomes: what each step says of a release.
func TestStepsAndOutcomes(t *testing.T) {
	w := newWorld(t)
	none, confirmed := rollout.Counts{Taken: 1}, rollout.Counts{Taken: 1, Confirmed: 1}
	of := func(f rollout.Failure) (c rollout.Counts) {
		c.Taken, c.Failed[f.Kind()] = 1, 1
		return c
	}
	for _, test := range []struct {
		step trust.ReportStep
		want rollout.Counts
	}{
		{step(0, trust.StepChecked), rollout.Counts{}},
		{step(0, trust.StepDownloading), none},
		{step(0, trust.StepVerified), none},
		{step(0, trust.StepInstalled), none},
		{step(0, trust.StepConfirmed), confirmed},
		{failed(0, trust.StepRolledBack, sealift.KindRollback, "timeout"), of(rollout.RolledBack)},
		{failed(0, trust.StepRolledBack, "made-up", ""), of(rollout.RolledBack)},
		{failed(0, trust.StepRefused, sealift.KindChain, "expired"), of(rollout.Refused)},
		{failed(0, trust.StepRefused, sealift.KindSignature, ""), of(rollout.Refused)},
		{failed(0, trust.StepRefused, sealift.KindVersion, ""), of(rollout.Refused)},
		{failed(0, trust.StepRefused, sealift.KindIntegrity, "digest"), of(rollout.Refused)},
		{failed(0, trust.StepRefused, sealift.KindInvalid, ""), of(rollout.Refused)},
		{failed(0, trust.StepRefused, sealift.KindExhausted, ""), of(rollout.NotStored)},
		{failed(0, trust.StepRefused, sealift.KindInternal, ""), of(rollout.NotStored)},
		{failed(0, trust.StepRefused, sealift.KindMetadata, "expired"), rollout.Counts{}},
		{failed(0, trust.StepRefused, sealift.KindDenied, ""), rollout.Counts{}},
		{failed(0, trust.StepRefused, "made-up", ""), rollout.Counts{}},
		{trust.ReportStep{Step: trust.StepChecked}, rollout.Counts{}},
	} {
		f := w.fleet(t)
		f.count(f.device(1, "t"), "192.0.2.1", test.step)
		f.wantTotal(fmt.Sprintf("%s %s", test.step.Step, test.step.Kind), release(0), test.want, rollout.Counts{})
		for _, row := range f.hours(release(0)) {
			if row.Kind == "made-up" {
				t.Errorf("%+v: a device makes up kinds", row)
			}
		}
	}
}

// TestRanks: which of two outcomes a device has in the end.
func TestRanks(t *testing.T) {
	w := newWorld(t)
	notStored, refused := failed(0, trust.StepRefused, sealift.KindExhausted, "space"), failed(0, trust.StepRefused, sealift.KindIntegrity, "digest")
	confirmed, back := step(0, trust.StepConfirmed), failed(0, trust.StepRolledBack, sealift.KindRollback, "crash")
	ranked := []trust.ReportStep{step(0, trust.StepInstalled), notStored, refused, confirmed, back}
	want := []string{"", string(rollout.NotStored), string(rollout.Refused), string(stats.Confirmed), string(rollout.RolledBack)}
	for i, low := range ranked {
		for j, high := range ranked {
			f := w.fleet(t)
			d := f.device(1, "t")
			f.count(d, "192.0.2.1", low)
			f.count(d, "192.0.2.1", high)
			var outcomes []string
			for _, row := range f.hours(release(0)) {
				if row.Evidence != 0 && row.Outcome != string(stats.Taken) {
					outcomes = append(outcomes, row.Outcome)
				}
			}
			if wanted := want[max(i, j)]; wanted == "" && len(outcomes) > 0 || wanted != "" && !slices.Equal(outcomes, []string{wanted}) {
				t.Errorf("%s, then %s: %v, want %q", low.Kind, high.Kind, outcomes, wanted)
			}
		}
	}
}

// TestCountsOnce: however often and in whichever order devices say something, in
// however many reports, the counts are the same.
func TestCountsOnce(t *testing.T) {
	w := newWorld(t)
	kinds := []trust.ReportStep{
		step(0, trust.StepDownloading), step(0, trust.StepInstalled), step(0, trust.StepConfirmed),
		failed(0, trust.StepRefused, sealift.KindIntegrity, "digest"), failed(0, trust.StepRefused, sealift.KindExhausted, "space"),
		failed(0, trust.StepRolledBack, sealift.KindRollback, "crash"),
	}
	rapid.Check(t, func(r *rapid.T) {
		type word struct {
			device int
			step   trust.ReportStep
		}
		said := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) word {
			s := kinds[rapid.IntRange(0, len(kinds)-1).Draw(r, "step")]
			s.Release = release(rapid.IntRange(0, 1).Draw(r, "release"))
			return word{rapid.IntRange(0, 3).Draw(r, "device"), s}
		}), 1, 16).Draw(r, "said")
		play := func(said []word, batch int) (all []rollout.Counts) {
			f := w.fleet(r)
			var devices []store.Device
			for n := range 4 {
				devices = append(devices, f.device(n, "t"))
			}
			for i := 0; i < len(said); {
				device, steps := said[i].device, []trust.ReportStep(nil)
				for ; i < len(said) && said[i].device == device && len(steps) < batch; i++ {
					steps = append(steps, said[i].step)
				}
				f.count(devices[device], "192.0.2.1", steps...)
			}
			for n := range 2 {
				evidence, unvouched := f.total(release(n))
				if sum := evidence.Confirmed + evidence.Failures(); sum > evidence.Taken || unvouched != (rollout.Counts{}) {
					r.Errorf("%+v, %+v", evidence, unvouched)
				}
				all = append(all, evidence)
			}
			return all
		}
		once := play(said, 1)
		again := slices.Concat(said, said)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0)).Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if diff := cmp.Diff(once, play(again, 48)); diff != "" {
			r.Errorf("twice and shuffled: %s", diff)
		}
	})
}

// TestUnvouched: devices that anybody can make up are evidence up to a number of
// each network and hour, and the rest is seen beside.
func TestUnvouched(t *testing.T) {
	f := newWorld(t).fleet(t)
	const cap = sealift.UnvouchedPerHour
	of := func(n int) rollout.Counts { return rollout.Counts{Taken: n} }
	n := 0
	several := func(devices int, address string, steps ...trust.ReportStep) (made []store.Device) {
		for i := range devices {
			n++
			made = append(made, f.device(n, ""))
			f.count(made[i], fmt.Sprintf(address, i+1), steps...)
		}
		return made
	}
	many := several(cap+4, "192.0.2.%d", step(0, trust.StepInstalled))
	f.wantTotal("one network", release(0), of(cap), of(4))
	several(1, "192.0.3.%d", step(0, trust.StepInstalled))
	f.wantTotal("another", release(0), of(cap+1), of(4))
	several(cap+2, "2001:db8:1:%x::1", step(0, trust.StepInstalled)) // all of one /48
	f.wantTotal("IPv6", release(0), of(2*cap+1), of(6))
	several(1, "::ffff:192.0.2.%d", step(0, trust.StepInstalled))
	f.wantTotal("IPv4 in IPv6", release(0), of(2*cap+1), of(7))
	several(cap+1, "no address %d", step(0, trust.StepInstalled))
	f.wantTotal("no address", release(0), of(3*cap+1), of(8))
	several(1, "192.0.2.%d", step(1, trust.StepInstalled))
	f.wantTotal("another release", release(1), of(1), of(0))
	vouched := f.device(1000, "t")
	f.count(vouched, "192.0.2.1", step(0, trust.StepInstalled))
	f.wantTotal("vouched for", release(0), of(3*cap+2), of(8))
	// What becomes of them counts where they count, also from elsewhere and later.
	f.at = f.at.Add(time.Hour)
	for _, d := range many {
		f.count(d, "198.51.100.1", failed(0, trust.StepRolledBack, sealift.KindRollback, "crash"))
	}
	evidence, unvouched := of(3*cap+2), of(8)
	evidence.Failed[rollout.RolledBack.Kind()], unvouched.Failed[rollout.RolledBack.Kind()] = cap, 4
	f.wantTotal("failures", release(0), evidence, unvouched)
	several(cap+1, "192.0.2.%d", step(0, trust.StepInstalled))
	evidence.Taken, unvouched.Taken = evidence.Taken+cap, unvouched.Taken+1
	f.wantTotal("the next hour", release(0), evidence, unvouched)
}

// TestUnknown: what names a release of nobody counts as that, and as nothing else.
func TestUnknown(t *testing.T) {
	f := newWorld(t).fleet(t)
	f.count(f.device(1, "t"), "192.0.2.1", step(7, trust.StepInstalled), step(7, trust.StepConfirmed), step(8, trust.StepInstalled), step(0, trust.StepConfirmed))
	f.count(f.device(2, ""), "192.0.2.1", step(7, trust.StepInstalled))
	want := []store.ReleaseHour{{App: f.app, Hour: noon, Outcome: string(stats.Unknown), Evidence: 3, Unvouched: 1}}
	if diff := cmp.Diff(want, f.hours(sealift.Digest{})); diff != "" {
		t.Error(diff)
	}
	f.wantTotal("unknown", release(7), rollout.Counts{}, rollout.Counts{})
	f.wantTotal("known beside it", release(0), rollout.Counts{Taken: 1, Confirmed: 1}, rollout.Counts{})
}

// TestReasonsAreBounded: devices make up reasons, and rows do not grow with them.
func TestReasonsAreBounded(t *testing.T) {
	f := newWorld(t).fleet(t)
	const devices = sealift.MaxOutcomeReasons + 8
	for range 2 {
		for n := range devices {
			f.count(f.device(n, "t"), "192.0.2.1", failed(0, trust.StepRefused, sealift.KindIntegrity, fmt.Sprintf("made-up-%d", n)))
		}
	}
	f.count(f.device(900, "t"), "192.0.2.1", failed(0, trust.StepRefused, sealift.KindIntegrity, "made-up-0"))
	f.count(f.device(devices-1, "t"), "192.0.2.1", step(0, trust.StepConfirmed)) // leaves the row that it is counted in
	reasons := map[string]int64{}
	for _, row := range f.hours(release(0)) {
		if row.Outcome == string(rollout.Refused) {
			reasons[row.Reason] = row.Evidence
		}
	}
	if len(reasons) != sealift.MaxOutcomeReasons+1 || reasons["other"] != 7 || reasons["made-up-0"] != 2 || reasons["made-up-1"] != 1 {
		t.Errorf("%d reasons: %v", len(reasons), reasons)
	}
}

// TestOldIsForgotten: what is older than MaxStatsAge goes when something new comes.
func TestOldIsForgotten(t *testing.T) {
	f := newWorld(t).fleet(t)
	d := f.device(1, "t")
	f.count(d, "192.0.2.1", step(0, trust.StepConfirmed))
	f.at = noon.Add(sealift.MaxStatsAge)
	f.count(d, "192.0.2.1", step(1, trust.StepConfirmed))
	f.wantTotal("at the limit", release(0), rollout.Counts{Taken: 1, Confirmed: 1}, rollout.Counts{})
	f.at = f.at.Add(time.Hour)
	f.count(d, "192.0.2.1", step(2, trust.StepConfirmed))
	f.wantTotal("beyond", release(0), rollout.Counts{}, rollout.Counts{})
	f.wantTotal("later", release(1), rollout.Counts{Taken: 1, Confirmed: 1}, rollout.Counts{})
}

// TestSlices: by the hour in which devices took the new release, with the same hour
// of the old one; silence only where it is due; evidence alone.
func TestSlices(t *testing.T) {
	f := newWorld(t).fleet(t)
	n := 0
	took := func(devices, which int, token string, steps ...trust.ReportStep) {
		for range devices {
			n++
			d := f.device(n, token)
			f.count(d, "192.0.2.1", step(which, trust.StepDownloading))
			for _, s := range steps {
				s.Release = release(which)
				f.count(d, "192.0.2.1", s)
			}
		}
	}
	back := failed(0, trust.StepRolledBack, sealift.KindRollback, "crash")
	took(8, 1, "t") // before the roll-out
	took(1, 1, "t", step(0, trust.StepConfirmed))
	f.at = noon.Add(time.Hour + time.Minute)
	took(3, 1, "t")
	took(2, 1, "t", step(0, trust.StepConfirmed))
	took(1, 1, "t", back)
	took(sealift.UnvouchedPerHour+9, 1, "", back) // most of them are nobody's word
	took(4, 0, "t")
	took(1, 0, "t", back)
	f.at = noon.Add(2 * time.Hour)
	took(5, 0, "t") // the old one alone: no slice
	f.at = noon.Add(3 * time.Hour)
	took(2, 1, "t")

	confirmed := 0
	judged := func(old sealift.Digest, now time.Time) (all []rollout.Slice) {
		f.update(func(tx store.Tx) (err error) {
			all, confirmed, err = stats.Slices(t.Context(), tx, f.app, release(1), old, noon.Add(time.Hour+50*time.Minute), 2*time.Hour, now)
			return err
		})
		return all
	}
	const made = sealift.UnvouchedPerHour
	want := []rollout.Slice{
		{From: noon.Add(time.Hour), New: rollout.Counts{Taken: 6 + made, Confirmed: 2, Failed: [4]int{0, 0, 1 + made, 0}}, Old: rollout.Counts{Taken: 5, Failed: [4]int{0, 0, 1, 0}}},
		{From: noon.Add(3 * time.Hour), New: rollout.Counts{Taken: 2}},
	}
	if diff := cmp.Diff(want, judged(release(0), noon.Add(4*time.Hour-1))); diff != "" {
		t.Error(diff)
	}
	want[0].Due, want[0].New.Failed[3], want[0].Old.Failed[3] = true, 3, 4
	if diff := cmp.Diff(want, judged(release(0), noon.Add(4*time.Hour))); diff != "" {
		t.Errorf("when silence is due: %s", diff)
	}
	want[0].Old = rollout.Counts{}
	if diff := cmp.Diff(want, judged(sealift.Digest{}, noon.Add(4*time.Hour))); diff != "" {
		t.Errorf("with no old release: %s", diff)
	}
	if confirmed != 3 { // before the roll-out too
		t.Errorf("%d confirmed it", confirmed)
	}
	if got := judged(release(2), noon.Add(9*time.Hour)); len(got) != 2 || !got[1].Due || got[1].New.Failed[3] != 2 {
		t.Errorf("%+v", got)
	}
}

// TestSummarize: sums, the course in spans, and why a release failed.
func TestSummarize(t *testing.T) {
	row := func(hours int, outcome, reason string, evidence, unvouched int64) store.ReleaseHour {
		r := store.ReleaseHour{Hour: noon.Add(time.Duration(hours) * time.Hour), Outcome: outcome, Reason: reason, Evidence: evidence, Unvouched: unvouched}
		if reason != "" {
			r.Kind = "rollback"
		}
		return r
	}
	rows := []store.ReleaseHour{
		row(0, "confirmed", "", 3, 1), row(0, "rolled-back", "crash", 1, 2), row(0, "rolled-back", "moved", 0, 0), row(0, "taken", "", 6, 4),
		row(2, "rolled-back", "crash", 1, 0), row(2, "rolled-back", "timeout", 5, 0), row(2, "taken", "", 7, 0), row(13, "taken", "", 2, 0),
	}
	s := stats.Summarize(rows, time.Hour)
	want := stats.Summary{
		Evidence: rollout.Counts{Taken: 15, Confirmed: 3, Failed: [4]int{0, 0, 7, 0}}, Unvouched: rollout.Counts{Taken: 4, Confirmed: 1, Failed: [4]int{0, 0, 2, 0}},
		Causes: []stats.Cause{{rollout.RolledBack, "rollback", "timeout", 5, 0}, {rollout.RolledBack, "rollback", "crash", 2, 2}},
		Course: []stats.Point{
			{noon, rollout.Counts{Taken: 6, Confirmed: 3, Failed: [4]int{0, 0, 1, 0}}},
			{noon.Add(2 * time.Hour), rollout.Counts{Taken: 7, Failed: [4]int{0, 0, 6, 0}}}, {noon.Add(13 * time.Hour), rollout.Counts{Taken: 2}},
		},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	days := stats.Summarize(rows, 24*time.Hour).Course
	if len(days) != 2 || days[0].Taken != 13 || !days[0].From.Equal(noon.Add(-12*time.Hour)) || days[1].Taken != 2 {
		t.Errorf("by day: %+v", days)
	}
	if stats.Span(noon, noon.AddDate(0, 0, 14)) != time.Hour || stats.Span(noon, noon.AddDate(0, 0, 15)) != 24*time.Hour {
		t.Error("spans")
	}
	var many []store.ReleaseHour
	for i := range 2 * sealift.MaxCauses {
		many = append(many, row(0, "refused", fmt.Sprintf("r%d", i), 1, 0))
	}
	if got := len(stats.Summarize(many, time.Hour).Causes); got != sealift.MaxCauses {
		t.Errorf("%d causes", got)
	}
}
