package approval_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// urgent is a draft as it was submitted, and its payload's digest.
func (w *world) urgent(id string, urgent *trust.Urgent) (store.Draft, sealift.Digest) {
	w.Helper()
	return w.draft(id, func(r *trust.Release) { r.Urgent = urgent })
}

// draft is a draft as it was submitted, of a release that change changes.
func (w *world) draft(id string, change func(*trust.Release)) (store.Draft, sealift.Digest) {
	w.Helper()
	some := sealift.DigestOf([]byte(id))
	r := trust.Release{
		Vault: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", App: app, Channel: "production", Platform: "web", Runtime: "*", Version: "1.0.0", Counter: 7,
		Act: sealift.ActRelease, SignedAt: trust.At(w.clock), Archive: trust.Pointer{Digest: some, Length: 100},
		Blobs: []trust.Blob{{Kind: trust.BlobFull, Digest: some, Length: 100}}, Epoch: trust.EpochRef{Number: 1, PublicKey: some},
		ContentKey: trust.SealedKey{Sealed: []byte("sealed")},
	}
	change(&r)
	payload, err := r.Encode()
	w.check(err)
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.check(err)
	envelope, err := trust.Sign(trust.ReleasePayloadType, payload, leaf)
	w.check(err)
	return store.Draft{
		ID: id, Coordinates: store.Coordinates{App: app, Channel: "production", Platform: "web", Version: "1.0.0"}, Counter: 7, Envelope: envelope,
	}, sealift.DigestOf(payload)
}

// missing says how many people a draft wants; 0 for none.
func (w *world) missing(d store.Draft, payload sealift.Digest) (need int) {
	w.Helper()
	w.check(w.store.View(w.Context(), func(tx store.Tx) error {
		m, err := w.board.MissingForRelease(w.Context(), tx, d, payload)
		if m != nil {
			need = m.Need
		}
		return err
	}))
	return need
}

func (w *world) askFor(by access.Caller, d store.Draft, payload sealift.Digest) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) error { return w.board.AskRelease(w.Context(), tx, by, d, payload) }))
}

// Which policy an urgent release goes by: its own, else that for releases, and
// those of the app before those of the installation.
func TestPolicyOfUrgent(t *testing.T) {
	w, ann, bob, _ := trio(t)
	ordinary, ofOrdinary := w.urgent("d1", nil)
	urgent, ofUrgent := w.urgent("d2", &trust.Urgent{Reason: "orders are lost"})
	want := func(what string, forUrgent, forOrdinary int) {
		t.Helper()
		if a, b := w.missing(urgent, ofUrgent), w.missing(ordinary, ofOrdinary); a != forUrgent || b != forOrdinary {
			t.Errorf("%s: an urgent one wants %d, another one %d; want %d and %d", what, a, b, forUrgent, forOrdinary)
		}
	}
	want("no policy", 0, 0)
	w.policy(approval.ActionRelease, "", 2, access.RoleOwner, access.RoleSecurityOfficer)
	want("that for releases", 2, 2)

	// To ask for less goes by what asks for more, and nobody does it alone.
	less := service.NewPolicy{Action: approval.ActionUrgent, Needed: 1, Roles: []access.Role{access.RoleOwner, access.RoleSecurityOfficer}}
	_, err := w.board.SetPolicy(t.Context(), ann.Caller, less)
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	if r := w.only(store.ApprovalOpen); r.Needed != 2 {
		t.Errorf("the first policy for urgent ones wants %d approvals, as many as releases want are 2", r.Needed)
	}
	w.reject(w.only(store.ApprovalOpen).ID)

	w.askFor(ann.Caller, urgent, ofUrgent)
	r := w.only(store.ApprovalOpen)
	if r.Action != approval.ActionUrgent || r.Parameters["reason"] != "orders are lost" || !strings.Contains(r.Parameters["urgent"], "skips stages and quiet hours") {
		t.Errorf("people are asked: %+v", r)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
	if w.missing(ordinary, ofOrdinary) != 2 || w.missing(urgent, ofUrgent) != 2 {
		t.Error("one approval is enough, or serves another draft")
	}
}

// An approval for an urgent release certifies it once; one for the same draft as if
// it were not urgent serves for nothing, and none outlives the draft.
func TestUrgentIsApproved(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.policy(approval.ActionUrgent, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	ordinary, ofOrdinary := w.urgent("d1", nil)
	if n := w.missing(ordinary, ofOrdinary); n != 0 {
		t.Errorf("a policy for urgent releases asks %d people about another one", n)
	}
	d, payload := w.urgent("d2", &trust.Urgent{})
	var granted string
	w.board.OnGranted(func(_ context.Context, _ sealift.AppID, draft string) { granted = draft })
	w.askFor(ann.Caller, d, payload)
	_, err := bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	if granted != "d2" || w.missing(d, payload) != 0 {
		t.Errorf("granted %q, %d are missing", granted, w.missing(d, payload))
	}
	calm, _ := w.urgent("d2", nil)
	use := func(d store.Draft) error {
		return w.vault.Update(t.Context(), func(tx *vault.Tx) error {
			return w.board.UseForRelease(t.Context(), tx, audit.Actor{Kind: audit.System, ID: "publisher"}, d, payload)
		})
	}
	w.check(use(calm)) // nobody is asked about it: its policy is another
	w.check(use(d))
	w.refused(use(d), sealift.KindDenied, approval.ReasonApproval)

	again, payload := w.urgent("d3", &trust.Urgent{})
	w.askFor(ann.Caller, again, payload)
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) error {
		return w.board.EndForRelease(t.Context(), tx, audit.Actor{Kind: audit.System, ID: "publisher"}, store.Draft{ID: "d3"})
	}))
	if open := w.requests(store.ApprovalOpen); len(open) != 0 {
		t.Errorf("people are still asked: %+v", open)
	}
}

// How a roll-out begins is a part of what people approve: held or not, and with which
// plan.
func TestBeginningIsApproved(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.policy(approval.ActionRelease, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	slow, quick := rollout.DefaultPlan(), rollout.AtOnce()
	plan, err := slow.Encode()
	w.check(err)
	other, err := quick.Encode()
	w.check(err)
	d, payload := w.urgent("d1", nil)
	d.Hold, d.Plan = true, plan
	w.askFor(ann.Caller, d, payload)
	_, err = bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	let, hasty := d, d
	let.Hold = false
	hasty.Plan = other
	for what, missing := range map[string]int{"as it was": w.missing(d, payload), "not held": 1 - w.missing(let, payload), "with another plan": 1 - w.missing(hasty, payload)} {
		if missing != 0 {
			t.Errorf("%s: what people approved is taken for it, or not", what)
		}
	}
}

// What an app asks for stands above what the installation asks for urgent releases;
// and a policy for these that is off leaves that for releases.
func TestPolicyOfUrgentIsNeverWeaker(t *testing.T) {
	w, _, _, _ := trio(t)
	d, payload := w.urgent("d1", &trust.Urgent{})
	w.policy(approval.ActionRelease, app, 2, access.RoleOwner, access.RoleSecurityOfficer)
	w.policy(approval.ActionUrgent, "", 1, access.RoleOwner)
	if n := w.missing(d, payload); n != 2 {
		t.Errorf("%d approvals, want the app's 2", n)
	}
	row := func(action string, of sealift.AppID) (found service.Policy) {
		all, err := w.board.Policies(t.Context())
		w.check(err)
		for _, p := range all.Policies {
			if p.Action == action && p.App == of {
				found = p
			}
		}
		return found
	}
	if r, u := row(approval.ActionRelease, app).Version, row(approval.ActionUrgent, "").Version; u <= r {
		t.Errorf("version %d for urgent releases is not above %d, under which people may have been asked", u, r)
	}

	alone := newWorld(t)
	alone.member("ann@acme.com", access.RoleOwner)
	alone.member("bob@acme.com", access.RoleOwner)
	_, err := alone.board.SetPolicy(t.Context(), founder(), service.NewPolicy{Action: approval.ActionUrgent, Off: true})
	alone.check(err)
	alone.policy(approval.ActionRelease, "", 1, access.RoleOwner)
	d, payload = alone.urgent("d1", &trust.Urgent{})
	if n := alone.missing(d, payload); n != 1 {
		t.Errorf("one that is off asks %d people, want those of releases", n)
	}
}
