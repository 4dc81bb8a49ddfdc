package release_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Nobody has what was stopped offered again by SQL, in the place of what is offered:
// the rows of releases bear no MAC, but the roll-out's names the file.
func TestReleaseFileBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	good := b.publish("1.1.0")
	b.change(good.Counter, func(r *store.Rollout) { r.Share = 100 })
	halted := b.publish("1.2.0")
	_, err := b.PauseRollout(b.Context(), officer, b.app, halted.Counter, "it crashes")
	b.check(err)
	b.wantOffer("1.1.0", "1.0.0")
	const swap = "UPDATE releases SET file = (SELECT file FROM releases AS other WHERE other.app = releases.app AND other.counter = ?) WHERE app = ? AND counter = ?"
	b.sql(swap, uint64(halted.Counter), string(b.app), uint64(good.Counter))
	_, err = b.PauseRollout(b.Context(), officer, b.app, b.counterOfRow("1.0.0"), "so that the offer is made anew")
	wantRefusal(t, "a file by SQL", err, sealift.KindDenied, vault.ReasonForged)
	b.wantOffer("1.1.0", "1.0.0")
}

// A roll-out whose row somebody deleted does not begin anew under another plan, and
// is not taken for one that never was.
func TestRolloutDeletedBySQL(t *testing.T) {
	b := newBench(t)
	old := b.publish("1.0.0")
	canary := b.publish("1.1.0")
	b.change(canary.Counter, func(r *store.Rollout) { r.Share = 100 })
	b.sql("DELETE FROM rollouts WHERE app = ? AND counter = ?", string(b.app), uint64(canary.Counter))
	_, err := b.PauseRollout(b.Context(), officer, b.app, old.Counter, "so that the offer is made anew")
	wantRefusal(t, "an offer", err, sealift.KindDenied, vault.ReasonDeleted)
	_, err = b.PauseRollout(b.Context(), officer, b.app, canary.Counter, "x")
	wantRefusal(t, "the roll-out itself", err, sealift.KindDenied, vault.ReasonDeleted)
	_, err = b.RollBack(b.Context(), alice, b.app, back("1.0.0"))
	wantRefusal(t, "a roll-back from it", err, sealift.KindDenied, vault.ReasonDeleted)
}

// What people read of a roll-back, and what whoever revokes a release names, is what
// was signed.
func TestReleaseNamedBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	b.publish("1.2.0")
	b.sql("UPDATE releases SET version = '1.9.0' WHERE app = ? AND counter = ?", string(b.app), uint64(r.Counter))
	_, err := b.RollBack(b.Context(), alice, b.app, back("1.0.0"))
	wantRefusal(t, "a version that people would read", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Version: "1.9.0"}, Reason: "x"})
	wantRefusal(t, "a revocation", err, sealift.KindDenied, vault.ReasonForged)
}
