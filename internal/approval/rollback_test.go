package approval_test

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// rollback is a draft that takes devices back from a release that is published.
func (w *world) rollback(id string) (store.Draft, sealift.Digest) {
	w.Helper()
	bad := store.Release{Coordinates: store.Coordinates{App: app, Channel: "production", Platform: "web", Version: "1.1.0"}, Counter: 6, Digest: sealift.DigestOf([]byte("bad"))}
	w.check(w.store.Update(w.Context(), func(tx store.Tx) error {
		err := tx.InsertChannel(w.Context(), store.Channel{App: app, Name: "production"})
		if err != nil && sealift.KindOf(err) != sealift.KindConflict {
			return err
		}
		if err := tx.InsertRelease(w.Context(), bad); sealift.KindOf(err) != sealift.KindConflict {
			return err
		}
		return nil
	}))
	return w.draft(id, func(r *trust.Release) {
		r.Act = sealift.ActRollback
		r.Rollback = &trust.Rollback{From: []sealift.Digest{bad.Digest}, NotAfter: trust.At(w.clock.Add(time.Hour)), Reason: "white screen"}
	})
}

// A roll-back goes by a policy of its own, or by that for releases, and whoever is
// asked reads what goes back to what.
func TestPolicyOfRollbacks(t *testing.T) {
	w, ann, bob, _ := trio(t)
	d, payload := w.rollback("d1")
	ordinary, ofOrdinary := w.urgent("d2", nil)
	want := func(what string, forRollback, forOrdinary int) {
		t.Helper()
		if a, b := w.missing(d, payload), w.missing(ordinary, ofOrdinary); a != forRollback || b != forOrdinary {
			t.Errorf("%s: a roll-back wants %d, another one %d; want %d and %d", what, a, b, forRollback, forOrdinary)
		}
	}
	want("no policy", 0, 0)
	w.policy(approval.ActionUrgent, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	want("that for urgent ones", 0, 0)
	w.policy(approval.ActionRelease, "", 2, access.RoleOwner, access.RoleSecurityOfficer)
	want("that for releases", 2, 2)
	less := service.NewPolicy{Action: approval.ActionRollback, Needed: 1, Roles: []access.Role{access.RoleOwner, access.RoleSecurityOfficer}}
	_, err := w.board.SetPolicy(t.Context(), ann.Caller, less)
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	if r := w.only(store.ApprovalOpen); r.Needed != 2 {
		t.Errorf("the first policy for roll-backs wants %d approvals, as many as releases want are 2", r.Needed)
	}
	w.reject(w.only(store.ApprovalOpen).ID)

	w.askFor(ann.Caller, d, payload)
	r := w.only(store.ApprovalOpen)
	if p := r.Parameters; r.Action != approval.ActionRollback || p["from"] != "1.1.0 (counter 6)" || p["reason"] != "white screen" ||
		p["not-after"] != w.clock.Add(time.Hour).UTC().Format(time.RFC3339) || p["version"] != "1.0.0" {
		t.Errorf("people are asked: %+v", r)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
	want("after one", 2, 2)

	// What roll-outs ask by themselves nobody asked who approves.
	own, ofOwn := w.rollback("d3")
	w.askFor(access.Caller{Kind: access.CallerSystem, ID: access.Machine}, own, ofOwn)
	for _, r := range w.requests(store.ApprovalOpen) {
		if r.Subject == "d3" && (r.Needed != 2 || r.Requester != access.Machine || r.Person != "") {
			t.Errorf("asked by a halt: %+v", r)
		}
	}
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) error {
		return w.board.EndForRelease(t.Context(), tx, audit.Actor{Kind: audit.System, ID: "publisher"}, own)
	}))
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) error {
		return w.board.EndForRelease(t.Context(), tx, audit.Actor{Kind: audit.System, ID: "publisher"}, d)
	}))
	if open := w.requests(store.ApprovalOpen); len(open) != 0 {
		t.Errorf("people are still asked: %+v", open)
	}
}
