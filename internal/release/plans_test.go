package release_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func (b *bench) plan(text string) *rollout.Plan {
	b.Helper()
	plan, err := rollout.ParsePlan([]byte(text))
	b.check(err)
	return &plan
}

func (b *bench) setPlan(plan *rollout.Plan) {
	b.Helper()
	got, err := b.SetPlan(b.Context(), officer, b.app, "production", plan)
	b.check(err)
	if (got.Plan == nil) != (plan == nil) || got.Creator != officer.ID {
		b.Errorf("%+v", got)
	}
}

// reserveWith is reserve with a reservation as change changes it; nil for as it is.
func (b *bench) reserveWith(version sealift.Version, change func(*service.Reservation)) *work {
	b.Helper()
	want := b.reservation(version)
	if change != nil {
		change(&want)
	}
	return b.reserveAs(want)
}

// begun publishes a version with a reservation as want changes it.
func (b *bench) begun(version sealift.Version, want func(*service.Reservation), bend func(*work)) service.Rollout {
	b.Helper()
	w := b.reserveWith(version, want)
	if bend != nil {
		bend(w)
	}
	b.upload(w)
	b.sign(w)
	r, err := b.submit(w)
	b.check(err)
	return b.phase(r.Counter)
}

const canary = `{"stages":[{"percent":1,"duration":"1h"},{"percent":100,"duration":"1h","gate":"approval"}]}`

// A release begins with the channel's plan, with its own, with none, or held.
func TestPlans(t *testing.T) {
	b := newBench(t)
	if got, err := b.Plan(b.Context(), b.app, "production"); err != nil || got.Plan != nil || !got.Changed.IsZero() {
		t.Errorf("before: %+v, %v", got, err)
	}
	b.setPlan(b.plan(canary))
	if got, err := b.Plan(b.Context(), b.app, "production"); err != nil || got.Plan == nil || got.Plan.Stages[0].Share != 100 || !got.Changed.Equal(b.clock) {
		t.Errorf("set: %+v, %v", got, err)
	}
	if e := b.last("rollout.plan-set"); !strings.HasPrefix(e.Details["plan"], "1 % for 1h0m0s") || e.Details[vault.RowDetail] == "" {
		t.Errorf("%+v", e)
	}
	of := b.begun("1.0.0", nil, nil)
	if of.Share != 100 || len(of.Plan.Stages) != 2 || of.State.Phase != rollout.Running || of.Urgent {
		t.Errorf("with the channel's plan: %+v", of)
	}
	if share := b.offer()[0].Share; share != 100 {
		t.Errorf("offered to %s percent", share)
	}
	own := b.begun("1.1.0", func(r *service.Reservation) {
		r.Plan = b.plan(`{"stages":[{"percent":5,"duration":"1h"},{"percent":100,"duration":"1h"}]}`)
	}, nil)
	if own.Share != 500 {
		t.Errorf("with its own: %+v", own)
	}
	b.setPlan(nil)
	if e := b.last("rollout.plan-clear"); e.Details[vault.RowDetail] == "" || e.Actor.ID != officer.ID {
		t.Errorf("%+v", e)
	}
	if of := b.phase(of.Counter); of.Share != 100 || len(of.Plan.Stages) != 2 {
		t.Errorf("what had begun: %+v", of)
	}
	held := b.begun("1.2.0", func(r *service.Reservation) { r.Hold = true }, nil)
	if held.State.Phase != rollout.Paused || held.Share != 0 {
		t.Errorf("held: %+v", held)
	}
	b.wantOffer("1.1.0", "1.0.0")
	_, err := b.SteerRollout(b.Context(), officer, b.app, held.Counter, service.SteerResume, "the office is awake")
	b.check(err)
	b.wantOffer("1.2.0")
	if got := b.phase(held.Counter); got.Share != sealift.Everybody || !got.Next.Equal(b.clock.Add(24*time.Hour)) {
		t.Errorf("started: %+v", got)
	}
	_, err = b.SetPlan(b.Context(), officer, b.app, "beta", nil)
	wantRefusal(t, "no channel", err, sealift.KindNotFound, "channel")
	b.wantRefused("rollout.plan-clear", "channel")
	_, err = b.Plan(b.Context(), b.app, "beta")
	wantRefusal(t, "no channel", err, sealift.KindNotFound, "channel")
}

// What is urgent is for everybody, whatever the channel's plan: it has none of its
// own, is not held, and says why.
func TestUrgentSkipsStages(t *testing.T) {
	b := newBench(t)
	b.setPlan(b.plan(canary))
	urgently := func(w *work) { w.release.Urgent = &trust.Urgent{Reason: "it leaks"} }
	of := b.begun("1.0.0", nil, urgently)
	if of.Share != sealift.Everybody || len(of.Plan.Stages) != 1 || !of.Urgent {
		t.Errorf("urgent: %+v", of)
	}
	refused := func(what string, change func(*service.Reservation), urgent trust.Urgent, reason string) {
		t.Helper()
		w := b.reserveWith("1.1.0", change)
		w.release.Urgent = &urgent
		b.upload(w)
		b.sign(w)
		_, err := b.submit(w)
		wantRefusal(t, what, err, sealift.KindInvalid, reason)
		if sealift.HintOf(err) == "" {
			t.Errorf("%s: no hint", what)
		}
	}
	none := func(*service.Reservation) {}
	leaks := trust.Urgent{Reason: "it leaks"}
	refused("with a plan of its own", func(r *service.Reservation) { r.Plan = b.plan(canary) }, leaks, "plan")
	refused("held", func(r *service.Reservation) { r.Hold = true }, leaks, "hold")
	refused("for no reason", none, trust.Urgent{}, "reason")
	refused("for blanks", none, trust.Urgent{Reason: " \n"}, "reason")
}

// The plan that people approve is the one it begins with, whatever becomes of the
// channel's meanwhile.
func TestPlanOfWhatWaits(t *testing.T) {
	b := newBench(t)
	b.setPlan(b.plan(canary))
	key := sealifttest.NewKey()
	b.demand(1, key)
	w := b.waiting("1.0.0")
	d, err := b.Draft(b.Context(), b.app, w.draft.ID)
	b.check(err)
	if d.Plan == nil || d.Plan.Stages[0].Share != 100 {
		t.Fatalf("%+v", d)
	}
	b.setPlan(nil)
	d, err = b.cosign(w, key)
	b.check(err)
	if got := b.phase(d.Release.Counter); got.Share != 100 {
		t.Errorf("%+v", got)
	}
}

// Nobody changes a plan by SQL, or takes it away.
func TestPlanBySQL(t *testing.T) {
	b := newBench(t)
	b.setPlan(b.plan(canary))
	put := func(change func(*store.ChannelPlan)) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
			row, err := tx.ChannelPlan(b.Context(), b.app, "production")
			if err != nil {
				return err
			}
			change(&row)
			return tx.PutChannelPlan(b.Context(), row)
		}))
	}
	var plan []byte
	put(func(p *store.ChannelPlan) { plan, p.Plan = p.Plan, nil })
	w := b.reserve("1.0.0")
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "a plan by SQL", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.Plan(b.Context(), b.app, "production")
	wantRefusal(t, "a plan by SQL", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.SetPlan(b.Context(), officer, b.app, "production", nil)
	wantRefusal(t, "a plan by SQL", err, sealift.KindDenied, vault.ReasonForged)
	put(func(p *store.ChannelPlan) { p.Plan = plan })
	row, err := view(b, func(tx store.Tx) (store.ChannelPlan, error) { return tx.ChannelPlan(b.Context(), b.app, "production") })
	b.check(err)
	db, err := sql.Open("sqlite", filepath.Join(b.dir, "vault.db")+"?_pragma=busy_timeout(5000)")
	b.check(err)
	defer db.Close()
	_, err = db.ExecContext(b.Context(), "DELETE FROM channel_plans WHERE app = ?", string(b.app))
	b.check(err)
	_, err = b.submit(w)
	wantRefusal(t, "a plan deleted by SQL", err, sealift.KindDenied, vault.ReasonDeleted)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutChannelPlan(b.Context(), row) }))
	_, err = b.submit(w)
	b.check(err)
}

// view reads from a bench's store.
func view[T any](b *bench, read func(store.Tx) (T, error)) (out T, err error) {
	b.Helper()
	err = b.store.View(b.Context(), func(tx store.Tx) (err error) {
		out, err = read(tx)
		return err
	})
	return out, err
}
