package approval_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

func TestPoliciesThatCannotBe(t *testing.T) {
	w, ann, bob, _ := trio(t)
	set := func(p service.NewPolicy) error {
		_, err := w.board.SetPolicy(t.Context(), ann.Caller, p)
		return err
	}
	owners := []access.Role{access.RoleOwner}
	for name, p := range map[string]service.NewPolicy{
		"nobody":         {Action: approval.ActionRelease, Roles: owners},
		"fewer":          {Action: approval.ActionRelease, Needed: -1, Roles: owners},
		"too many":       {Action: approval.ActionRelease, Needed: sealift.MaxApprovals + 1, Roles: owners},
		"no role":        {Action: approval.ActionRelease, Needed: 1},
		"no such role":   {Action: approval.ActionRelease, Needed: 1, Roles: []access.Role{"king"}},
		"not an auditor": {Action: approval.ActionRelease, Needed: 1, Roles: []access.Role{access.RoleAuditor}},
		"no such action": {Action: "breathe", Needed: 1, Roles: owners},
		"not of an app":  {App: app, Action: approval.ActionKey, Needed: 1, Roles: owners},
		"on and off":     {Action: approval.ActionRelease, Needed: 1, Roles: owners, Off: true},
	} {
		if err := set(p); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.refused(set(service.NewPolicy{Action: approval.ActionRelease, Needed: 2, Roles: owners}), sealift.KindConflict, "approvers")
	w.refused(set(service.NewPolicy{App: "com.acme.none", Action: approval.ActionRelease, Needed: 1, Roles: owners}), sealift.KindNotFound, "app")
	w.check(set(service.NewPolicy{App: app, Action: approval.ActionRelease, Needed: 1, Roles: owners}))
	_ = bob
}

// Nobody weakens a policy alone.
func TestPolicyGoesByItself(t *testing.T) {
	w, ann, bob, eve := trio(t)
	off := service.NewPolicy{Action: approval.ActionKey, Off: true}
	_, err := w.board.SetPolicy(t.Context(), ann.Caller, off)
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	p, err := w.board.SetPolicy(t.Context(), ann.Caller, off)
	w.check(err)
	if p.Needed != 0 || p.Version != 2 {
		t.Fatalf("%+v", p)
	}
	w.check(a.by(ann.Caller))
}
