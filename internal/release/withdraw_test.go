package release_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

func (b *bench) withdraw(counter sealift.Counter) {
	b.Helper()
	_, err := b.WithdrawRelease(b.Context(), officer, b.app, counter, "it loses orders")
	b.check(err)
}

// What is withdrawn is out of the offer though everybody could take it, says so, and
// is offered again by whoever may.
func TestWithdraw(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	_, err := b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerFinish, "it is good")
	b.check(err)
	b.withdraw(r.Counter)
	b.wantOffer("1.0.0")
	if got := b.releases()[0]; got.State != service.ReleaseWithdrawn {
		t.Errorf("it is %s", got.State)
	}
	if e := b.last("rollout.withdraw"); e.Actor.ID != officer.ID || e.Details["reason-given"] != "it loses orders" || e.Details["was"] != "finished" || e.Details["phase"] != "withdrawn" {
		t.Errorf("%+v", e)
	}
	before := b.logged()
	b.withdraw(r.Counter)
	if b.logged() != before {
		t.Error("withdrawing what is withdrawn is an entry")
	}
	if p := b.phase(r.Counter); p.State.Phase != rollout.Withdrawn || p.Share != 0 || !p.Next.IsZero() {
		t.Errorf("%+v", p)
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerReinstate, "it was the server")
	b.check(err)
	b.wantOffer("1.1.0")
	if p := b.phase(r.Counter); p.State.Phase != rollout.Running || p.State.Cleared.IsZero() || p.Share != sealift.Everybody {
		t.Errorf("%+v", p)
	}
	if got := b.releases()[0]; got.State != service.ReleasePublished {
		t.Errorf("it is %s", got.State)
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerReinstate, "again")
	wantRefusal(t, "twice", err, sealift.KindConflict, "phase")
	b.wantRefused("rollout.reinstate", "phase")

	b.withdraw(r.Counter)
	b.withdraw(b.counterOf("1.0.0"))
	b.wantOffer()
	_, err = b.WithdrawRelease(b.Context(), officer, b.app, 99, "x")
	wantRefusal(t, "none", err, sealift.KindNotFound, "rollout")
}

// Nobody brings back by SQL what was withdrawn.
func TestWithdrawnBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	b.withdraw(r.Counter)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.Rollout(b.Context(), b.app, r.Counter)
		b.check(err)
		row.Phase = string(rollout.Running)
		return tx.UpdateRollout(b.Context(), row, row.MAC)
	}))
	_, err := b.Releases(b.Context(), b.app, service.Page{Limit: 10})
	wantRefusal(t, "a phase by SQL", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.PauseRollout(b.Context(), officer, b.app, b.counterOfRow("1.0.0"), "x")
	wantRefusal(t, "an offer beside it", err, sealift.KindDenied, vault.ReasonForged)
}

// counterOfRow is counterOf, of the rows themselves.
func (b *bench) counterOfRow(version sealift.Version) (counter sealift.Counter) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		rows, err := tx.Releases(b.Context(), b.app, store.ReleaseFilter{Version: version, Limit: 1})
		b.check(err)
		counter = rows[0].Counter
		return nil
	})
	return counter
}
