package release_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

// alone is a bench over a vault of its own: Look looks at all of it.
func alone(t *testing.T) *bench {
	t.Helper()
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return newBenchIn(t, w)
}

func (b *bench) phase(counter sealift.Counter) service.Rollout {
	b.Helper()
	all, err := b.Rollouts(b.Context(), b.app, "production", "web", true)
	b.check(err)
	for _, r := range all {
		if r.Counter == counter {
			return r
		}
	}
	b.Fatalf("there is no roll-out of %d", counter)
	return service.Rollout{}
}

// last returns the newest entry of an action.
func (b *bench) last(action string) (found audit.Entry) {
	b.Helper()
	for _, e := range b.entries() {
		if e.Action == action {
			found = e
		}
	}
	return found
}

// entries returns the vault's whole log.
func (b *bench) entries() (all []audit.Entry) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		size, err := tx.AuditSize(b.Context())
		if err != nil {
			return err
		}
		records, err := audit.Records(b.Context(), tx, 0, int(size))
		for _, r := range records {
			if r.Entry != nil {
				all = append(all, *r.Entry)
			}
		}
		return err
	})
	return all
}

func (b *bench) logged() (size int64) {
	b.view(func(tx store.Tx) (err error) {
		size, err = tx.AuditSize(b.Context())
		return err
	})
	return size
}

// What people do to a roll-out is in the offer and in the log at once.
func TestSteer(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	b.wantOffer("1.1.0")
	got, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "it crashes")
	b.check(err)
	if got.State.Phase != rollout.Paused || got.Share != 0 || !got.Next.IsZero() {
		t.Errorf("%+v", got.State)
	}
	b.wantOffer("1.0.0")
	if e := b.last("rollout.pause"); e.Actor.ID != officer.ID || e.Details["reason-given"] != "it crashes" || e.Details["was"] != "running" || e.Details["percent"] != "0" {
		t.Errorf("%+v", e)
	}
	before := b.logged()
	if _, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "again"); err != nil || b.logged() != before {
		t.Errorf("pausing what is paused: %v, and %d entries", err, b.logged()-before)
	}
	steer := func(do service.Steer) error {
		_, err := b.SteerRollout(b.Context(), officer, b.app, r.Counter, do, "because")
		return err
	}
	for _, do := range []service.Steer{service.SteerApprove, service.SteerFinish} {
		wantRefusal(t, string(do), steer(do), sealift.KindConflict, "phase")
		b.wantRefused("rollout."+string(do), "phase")
	}
	b.check(steer(service.SteerResume))
	b.wantOffer("1.1.0")
	wantRefusal(t, "resume", steer(service.SteerResume), sealift.KindConflict, "phase")
	b.check(steer(service.SteerFinish))
	b.wantOffer("1.1.0")
	wantRefusal(t, "abort", steer(service.SteerAbort), sealift.KindConflict, "phase")
	if err := steer("dance"); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("dance: %v", err)
	}
	if open, err := b.Rollouts(b.Context(), b.app, "", "", false); err != nil || len(open) != 1 {
		t.Errorf("%d are open: %v", len(open), err)
	}

	next := b.publish("1.2.0")
	_, err = b.SteerRollout(b.Context(), officer, b.app, next.Counter, service.SteerAbort, "never mind")
	b.check(err)
	b.wantOffer("1.1.0")
	_, err = b.PauseRollout(b.Context(), officer, b.app, next.Counter, "x")
	wantRefusal(t, "pausing what is over", err, sealift.KindConflict, "phase")
	_, err = b.PauseRollout(b.Context(), officer, b.app, 99, "x")
	wantRefusal(t, "none", err, sealift.KindNotFound, "rollout")
	b.wantRefused("rollout.pause", "rollout")
	_, err = b.PauseRollout(b.Context(), officer, "com.acme.none", 1, "x")
	wantRefusal(t, "no app", err, sealift.KindNotFound, "app")
	_, err = b.Rollouts(b.Context(), "com.acme.none", "", "", false)
	wantRefusal(t, "no app", err, sealift.KindNotFound, "app")
}

// report adds to what came of a release in this hour.
func (b *bench) report(r service.Release, outcome stats.Outcome, n int64) {
	b.Helper()
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		_, err := tx.AddReleaseHour(b.Context(), store.ReleaseHour{
			App: b.app, Release: r.Digest, Hour: b.clock.Truncate(time.Hour), Outcome: string(outcome), Evidence: n,
		})
		return err
	}))
}

func (b *bench) look(want int) {
	b.Helper()
	done, err := b.Look(b.Context())
	b.check(err)
	if len(done) != want {
		b.Errorf("it did %q, want %d", done, want)
	}
}

// A release that fails is taken out of the offer, and nothing but a person brings it
// back; then what they saw counts no more.
func TestHalt(t *testing.T) {
	b := alone(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	b.look(0)
	b.report(r, stats.Taken, 20)
	b.report(r, stats.Confirmed, 8)
	b.look(0)
	b.report(r, stats.Outcome(rollout.RolledBack), 8)
	done, err := b.Look(b.Context())
	b.check(err)
	if len(done) != 1 || !strings.Contains(done[0].What, "8 of 20 devices rolled-back") || done[0].Phase != rollout.Halted {
		t.Errorf("it did %q", done)
	}
	b.wantOffer("1.0.0")
	e := b.last("rollout.halt")
	if e.Actor != release.System("rollout") || !strings.Contains(e.Details["why"], "8 of 20") || e.Details["phase"] != "halted" || e.Details["confirmed"] != "8" {
		t.Errorf("%+v", e)
	}
	b.clock = b.clock.Add(100 * time.Hour)
	b.look(1) // the older one ends; the halted one stays
	if p := b.phase(r.Counter); p.State.Phase != rollout.Halted {
		t.Errorf("it is %s", p.State.Phase)
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerResume, "the server was down")
	b.check(err)
	b.wantOffer("1.1.0")
	b.look(0)
	b.clock = b.clock.Add(2 * time.Hour)
	b.report(r, stats.Taken, 20)
	b.report(r, stats.Outcome(rollout.RolledBack), 8)
	b.look(1)
	b.wantOffer("1.0.0")
}

// Somebody's brake is never released by the time, nor by a good report.
func TestBrakeWins(t *testing.T) {
	b := alone(t)
	r := b.publish("1.0.0")
	_, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "wait")
	b.check(err)
	b.report(r, stats.Taken, 1000)
	b.report(r, stats.Confirmed, 1000)
	b.clock = b.clock.Add(1000 * time.Hour)
	b.look(0)
	b.wantOffer()
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerResume, "go on")
	b.check(err)
	b.look(0) // the time in which it was paused does not count
	b.clock = b.clock.Add(24 * time.Hour)
	b.look(1)
	if p := b.phase(r.Counter); p.State.Phase != rollout.Finished {
		t.Errorf("it is %s", p.State.Phase)
	}
	b.wantOffer("1.0.0")
}

// An outage that hits both releases halts neither.
func TestOlderReleaseCounts(t *testing.T) {
	b := alone(t)
	old := b.publish("1.0.0")
	_, err := b.SteerRollout(b.Context(), officer, b.app, old.Counter, service.SteerFinish, "it is old")
	b.check(err)
	r := b.publish("1.1.0")
	b.report(old, stats.Taken, 1000)
	b.report(old, stats.Outcome(rollout.NotStored), 150)
	b.report(r, stats.Taken, 100)
	b.report(r, stats.Outcome(rollout.NotStored), 15)
	b.look(0)
	b.report(old, stats.Confirmed, 850)
	b.report(old, stats.Taken, 100_000) // the older one works after all
	b.look(1)
	if p := b.phase(r.Counter); p.State.Phase != rollout.Halted {
		t.Errorf("it is %s", p.State.Phase)
	}
}

// A row that somebody bent moves nothing, is said, and keeps no other back.
func TestLookAtBentRow(t *testing.T) {
	b := alone(t)
	r := b.publish("1.0.0")
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.Rollout(b.Context(), b.app, r.Counter)
		if err != nil {
			return err
		}
		row.Since = row.Since.Add(-1000 * time.Hour)
		return tx.UpdateRollout(b.Context(), row, row.MAC)
	}))
	other := *b
	other.app = b.makeApp(service.AppWeb)
	other.epoch = b.epochOf(other.app)
	other.publish("1.0.0")
	b.clock = b.clock.Add(25 * time.Hour)
	done, err := b.Look(b.Context())
	if len(done) != 1 || !strings.Contains(done[0].What, string(other.app)) {
		t.Errorf("it did %q", done)
	}
	var one *sealift.Error
	if !errors.As(err, &one) || sealift.ReasonOf(err) != vault.ReasonForged {
		t.Errorf("%v", err)
	}
}

// What is adopted for a share of the devices stays there until a person lets it go
// on.
func TestPlanOfAShare(t *testing.T) {
	for share, want := range map[sealift.Share]rollout.Phase{100: rollout.Waiting, sealift.Everybody: rollout.Finished} {
		text, err := release.PlanFor(share)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := rollout.ParsePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		state := plan.Advance(rollout.Start(foundedAt), foundedAt.Add(1000*time.Hour), rollout.Known{Confirmed: 1000})
		if state.Phase != want || plan.Share(state) != share {
			t.Errorf("%s percent: %s, at %s percent", share, state.Phase, plan.Share(state))
		}
	}
}
