package release_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
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

// Each column by which a release is found, or told from another, is compared with what
// was signed; so is the file itself with its digest.
func TestReleaseColumnsBySQL(t *testing.T) {
	b := newBench(t)
	old := b.publish("1.0.0")
	b.publish("1.1.0")
	var file []byte
	b.view(func(tx store.Tx) error {
		r, err := tx.Release(b.Context(), b.app, old.Digest)
		file = r.File
		return err
	})
	another := b.bent(file, func(r *trust.Release) { r.Urgent = &trust.Urgent{Reason: "it is not"} })
	for name, change := range map[string]struct {
		to, back string
		with     any
	}{
		"the counter": {"UPDATE releases SET counter = ? WHERE app = ? AND digest = ?", "UPDATE releases SET counter = 1 WHERE app = ? AND digest = ?", 77},
		"the act":     {"UPDATE releases SET act = ? WHERE app = ? AND digest = ?", "UPDATE releases SET act = 'release' WHERE app = ? AND digest = ?", "promotion"},
		"the file":    {"UPDATE releases SET file = ? WHERE app = ? AND digest = ?", "", another},
	} {
		t.Run(name, func(t *testing.T) {
			b.sql(change.to, change.with, string(b.app), old.Digest[:])
			_, err := b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Digest: old.Digest}, Reason: "x"})
			wantRefusal(t, name, err, sealift.KindDenied, vault.ReasonForged)
			if change.back != "" {
				b.sql(change.back, string(b.app), old.Digest[:])
			} else {
				b.sql("UPDATE releases SET file = ? WHERE app = ? AND digest = ?", file, string(b.app), old.Digest[:])
			}
		})
	}
	b.lift(b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Digest: old.Digest}, Reason: "x"}))
}

// A patch is opened against the archive that it names, whatever the database says of
// which release has it.
func TestPatchBaseBySQL(t *testing.T) {
	b := newBench(t)
	b.publishPage("1.0.0")
	other := b.publishPage("1.0.1")
	b.sql("UPDATE releases SET archive = zeroblob(32) WHERE app = ? AND counter = ?", string(b.app), uint64(other.Counter))
	b.sql("UPDATE releases SET archive = ? WHERE app = ? AND counter = ?", other.Archive.Digest[:], string(b.app), uint64(other.Counter)-1)
	w := b.reservePage("1.1.0")
	b.name(w, page("1.0.1"), b.patch(page("1.0.0"), page("1.1.0"), w.key), true) // which is from another
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "a patch from another archive", err, sealift.KindNotFound, "base")
}
