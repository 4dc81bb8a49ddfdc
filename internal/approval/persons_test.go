package approval_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// row is what the store has of somebody.
func (w *world) row(id string) (p store.Person) {
	w.Helper()
	w.check(w.store.View(w.Context(), func(tx store.Tx) (err error) {
		p, err = tx.Person(w.Context(), id)
		return err
	}))
	return p
}

// principal is what the API makes of somebody who signs in with their passkey.
func (m *member) principal() access.Principal {
	m.w.Helper()
	from := service.Origin{Address: m.Address}
	asked, err := m.w.registry.BeginPasskeySignIn(m.w.Context(), from)
	m.w.check(err)
	m.key.Handle = []byte(m.ID)
	in, err := m.w.registry.FinishPasskeySignIn(m.w.Context(), from, asked.Ceremony, m.key.Assert(asked.Options))
	m.w.check(err)
	a := access.Authenticator{Directory: m.w.registry.Directory(), Sessions: m.w.registry, Now: m.w.now}
	p, err := a.Authenticate(m.w.Context(), in.Secret.Reveal(), nil)
	m.w.check(err)
	return p
}

// pair is a world in which ann and bob, both owners, stand behind who gets in.
func pair(t *testing.T) (w *world, ann, bob *member) {
	t.Helper()
	w = newWorld(t)
	ann, bob = w.member("ann@acme.com", access.RoleOwner), w.member("bob@acme.com", access.RoleOwner)
	w.policy(approval.ActionRole, "", 1, access.RoleOwner)
	return w, ann, bob
}

// Whoever invites holds the invitation. If they accept it themselves they have one
// more name, and it does nothing: neither act nor approve, however it is asked, until
// somebody else has confirmed that there is somebody else.
func TestAnInviterIsNoSecondPerson(t *testing.T) {
	for name, invite := range map[string]func(w *world, ann *member) (invited service.Invited){
		"invited under the policy": func(w *world, ann *member) service.Invited {
			w.policy(approval.ActionRole, "", 1, access.RoleOwner)
			made, err := w.board.People(w.registry).Invite(t.Context(), ann.Caller, service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
			w.check(err)
			return made
		},
		"invited before it": func(w *world, ann *member) service.Invited {
			made, err := w.registry.Invite(t.Context(), ann.Caller, service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
			w.check(err)
			w.policy(approval.ActionRole, "", 1, access.RoleOwner)
			return made
		},
		"somebody's phone was lost": func(w *world, ann *member) service.Invited {
			eve := w.member("eve@acme.com", access.RoleOwner)
			w.policy(approval.ActionRole, "", 1, access.RoleOwner)
			made, err := w.board.People(w.registry).ResetPerson(t.Context(), ann.Caller, eve.ID)
			w.check(err)
			return made
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ann, bob := w.member("ann@acme.com", access.RoleOwner), w.member("bob@acme.com", access.RoleOwner)
			sham := w.accept(invite(w, ann), service.Origin{Address: ann.Address, Label: "sealift"})
			if row := w.row(sham.ID); row.State != store.PersonAccepted || row.Inviter != ann.ID {
				t.Fatalf("%+v", row)
			}
			p := sham.principal()
			w.refused(p.Allow(access.ListApps, ""), sealift.KindDenied, access.ReasonUnconfirmed)
			w.refused(p.Allow(access.ManagePersons, ""), sealift.KindDenied, access.ReasonUnconfirmed)
			w.refused(p.Allow(access.Decide, ""), sealift.KindDenied, access.ReasonUnconfirmed)
			w.check(p.Allow(access.UseAccount, ""))
			if access.Allow(p.CallerFrom("").Role, access.ManagePersons) == nil {
				t.Error("who is not confirmed has a role")
			}

			// It approves nothing.
			people, active := w.board.People(w.registry), store.PersonActive
			role := access.RoleDeveloper
			_, err := people.ChangePerson(t.Context(), ann.Caller, bob.ID, service.PersonChange{Role: &role})
			w.refused(err, sealift.KindDenied, approval.ReasonApproval)
			r := w.only(store.ApprovalOpen)
			sham.Role = access.RoleOwner // as if the API let it in
			_, err = w.board.Approve(t.Context(), sham.Caller, r.ID, json.RawMessage("{}"))
			w.refused(err, sealift.KindDenied, approval.ReasonApprover)
			_, err = w.board.Reject(t.Context(), ann.Caller, r.ID, "no matter")
			w.check(err)

			// Nor is it let in by another way, about which nobody is asked.
			_, err = people.ChangePerson(t.Context(), bob.Caller, sham.ID, service.PersonChange{State: &active})
			w.refused(err, sealift.KindConflict, access.ReasonUnconfirmed)
			if open := w.requests(store.ApprovalOpen); len(open) != 0 || !audit.IsEntered(err) {
				t.Errorf("asked %+v; %v", open, err)
			}

			// Confirmed by whoever invited, or on bob's asking by ann: never.
			accepted := w.row(sham.ID).Accepted
			_, err = people.ConfirmPerson(t.Context(), bob.Caller, sham.ID, accepted)
			w.refused(err, sealift.KindDenied, approval.ReasonApproval)
			r = w.only(store.ApprovalOpen)
			shown, err := w.board.Request(t.Context(), ann.Caller, r.ID)
			w.check(err)
			if shown.Options != nil || !strings.Contains(shown.WhyNot, "you made the invitation") {
				t.Errorf("ann is asked: %q", shown.WhyNot)
			}
			asked, err := w.registry.AskPasskey(t.Context(), ann.ID, approval.Challenge(shown.Document))
			w.check(err)
			_, err = w.board.Approve(t.Context(), ann.Caller, r.ID, ann.key.Assert(asked))
			w.refused(err, sealift.KindDenied, approval.ReasonApprover)
			if w.row(sham.ID).State != store.PersonAccepted {
				t.Error("they may act")
			}
		})
	}
}

// Others see who accepted, from where and with which passkey, and confirm that; of
// another acceptance, or of another passkey, they have confirmed nothing.
func TestConfirmPerson(t *testing.T) {
	w, ann, bob := pair(t)
	people := w.board.People(w.registry)
	invited, err := people.Invite(t.Context(), ann.Caller, service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
	w.check(err) // nobody is asked about a promise
	confirm := func() error {
		_, err := people.ConfirmPerson(t.Context(), ann.Caller, invited.ID, w.row(invited.ID).Accepted)
		return err
	}
	w.refused(confirm(), sealift.KindConflict, "invited")
	eve := w.accept(invited, service.Origin{Address: "203.0.113.7", Label: "Firefox"})
	w.refused(confirm(), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	for key, want := range map[string]string{
		"login": "eve@acme.com", "role": "owner", "invitedByName": "ann@acme.com", "acceptedFrom": "203.0.113.7", "acceptedWith": "Firefox",
	} {
		if r.Parameters[key] != want {
			t.Errorf("%s: %q", key, r.Parameters[key])
		}
	}
	if prints := r.Parameters["passkeys"]; len(prints) != len("SHA-256 ")+64 {
		t.Errorf("passkeys: %q", prints)
	}
	_, err = bob.approve(r.ID)
	w.check(err)

	// Another passkey in the meantime, as of somebody who found the laptop open.
	eve.passkey()
	w.refused(confirm(), sealift.KindDenied, approval.ReasonApproval)
	w.refused(confirm(), sealift.KindDenied, approval.ReasonApproval)

	// Ann has it accepted once more, by herself: what bob approved is not that.
	again, err := people.ResetPerson(t.Context(), ann.Caller, invited.ID)
	w.check(err)
	w.clock = w.clock.Add(time.Second)
	w.accept(again, service.Origin{Address: ann.Address, Label: "sealift"})
	w.refused(confirm(), sealift.KindDenied, approval.ReasonApproval)
	if w.row(invited.ID).State != store.PersonAccepted {
		t.Fatal("they may act")
	}
	var last service.ApprovalRequest
	rows, err := w.board.Requests(t.Context(), founder(), service.ApprovalFilter{State: store.ApprovalOpen, Limit: 10})
	w.check(err)
	for _, r := range rows {
		if strings.HasSuffix(r.Parameters["acceptedFrom"], "as invited from") {
			last = r
		}
	}
	_, err = bob.approve(last.ID)
	w.check(err)
	w.check(confirm())
	if row := w.row(invited.ID); row.State != store.PersonActive || row.Confirmed != ann.ID {
		t.Errorf("%+v", row)
	}
	w.refused(confirm(), sealift.KindConflict, "confirmed")
}

// An invitation for which nobody with a name answers could be held by any of those
// who approve, so one more is needed.
func TestAnInvitationOfNobodyWantsOneMore(t *testing.T) {
	w, ann, bob := pair(t)
	people := w.board.People(w.registry)
	invited, err := w.registry.Invite(t.Context(), founder(), service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
	w.check(err)
	eve := w.accept(invited, service.Origin{Address: "203.0.113.7"})
	_, err = people.ConfirmPerson(t.Context(), ann.Caller, eve.ID, w.row(eve.ID).Accepted)
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	if r.Needed != 2 {
		t.Errorf("%d are needed", r.Needed)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
	w.only(store.ApprovalOpen)
}

// Without a policy it takes another person than whoever invited.
func TestConfirmWithoutAPolicy(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.member("ann@acme.com", access.RoleOwner), w.member("bob@acme.com", access.RoleOwner)
	people := w.board.People(w.registry)
	invited, err := people.Invite(t.Context(), ann.Caller, service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
	w.check(err)
	eve := w.accept(invited, service.Origin{Address: "203.0.113.7"})
	eve.Role = access.RoleOwner
	if w.row(eve.ID).State != store.PersonActive {
		t.Fatal("nobody is asked without a policy")
	}
	accepted := w.row(eve.ID).Accepted
	for name, by := range map[string]access.Caller{"whoever invited": ann.Caller, "themselves": eve.Caller, "a token": founder()} {
		_, err := people.ConfirmPerson(t.Context(), by, eve.ID, accepted)
		if sealift.ReasonOf(err) != access.ReasonPerson {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = people.ConfirmPerson(t.Context(), bob.Caller, eve.ID, accepted.Add(time.Microsecond))
	w.refused(err, sealift.KindConflict, "acceptance")
	_, err = people.ConfirmPerson(t.Context(), bob.Caller, eve.ID, accepted)
	w.check(err)
	if w.row(eve.ID).Confirmed != bob.ID {
		t.Errorf("%+v", w.row(eve.ID))
	}
}

// Nobody accepts while the policy is one that something else wrote.
func TestAcceptanceUnderAForgedPolicy(t *testing.T) {
	w, ann, _ := pair(t)
	invited, err := w.registry.Invite(t.Context(), ann.Caller, service.NewPerson{Login: "eve@acme.com", Role: access.RoleOwner})
	w.check(err)
	w.bend(func(ctx context.Context, tx store.Tx) error {
		rows, err := tx.Policies(ctx)
		if err != nil {
			return err
		}
		rows[0].Needed, rows[0].Version = 0, rows[0].Version+1
		return tx.PutPolicy(ctx, rows[0])
	})
	begun, err := w.registry.BeginAcceptance(t.Context(), service.Origin{}, invited.Secret.Reveal())
	w.check(err)
	_, err = w.registry.FinishAcceptance(t.Context(), service.Origin{}, service.AcceptanceEnd{
		Invitation: invited.Secret.Reveal(), Ceremony: begun.Ceremony, Name: "Eve", Password: password, Code: w.code(begun.Secret),
	})
	if sealift.KindOf(err) != sealift.KindDenied || w.row(invited.ID).State != store.PersonInvited {
		t.Errorf("%v, %+v", err, w.row(invited.ID))
	}
}
