package people_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	invited := w.invite("alice@example.com", access.RoleSecurityOfficer)
	if invited.State != store.PersonInvited || invited.Creator != founder().ID || len(invited.Methods) != 0 || invited.Expires.Sub(w.now) != sealift.InvitationLife {
		t.Errorf("%+v", invited)
	}
	_, err := w.registry.Invite(t.Context(), founder(), service.NewPerson{Login: "alice@example.com", Role: access.RoleAuditor})
	w.wants(err, sealift.KindConflict, "login")
	_, err = w.registry.Invite(t.Context(), founder(), service.NewPerson{Login: "bob@example.com", Role: access.RoleAuditor, App: "com.acme.none"})
	w.wants(err, sealift.KindNotFound, "app")
	alice := w.accept(invited)
	list, err := w.registry.Persons(t.Context())
	w.check(err)
	if len(list) != 1 || list[0].Name != "Somebody" || list[0].State != store.PersonActive || len(list[0].Methods) != 2 || list[0].Forged {
		t.Errorf("%+v", list)
	}
	if len(alice.codes) != sealift.RecoveryCodes || alice.in.AMR != access.AMRPassword {
		t.Errorf("%+v", alice.in)
	}
	// A security officer invites nobody who may do what they may not.
	_, err = w.registry.Invite(t.Context(), alice.caller(), service.NewPerson{Login: "carol@example.com", Role: access.RoleOwner})
	w.wants(err, sealift.KindDenied, "role")
	_, err = w.registry.Invite(t.Context(), alice.caller(), service.NewPerson{Login: "carol@example.com", Role: access.RoleAuditor})
	w.check(err)
	entries := w.entries("person.")
	if len(entries) != 6 || entries[0].Details["login"] != "alice@example.com" || entries[0].Subject != alice.id || entries[0].Details[vault.RowDetail] == "" ||
		entries[1].Result != audit.Refused || entries[1].Details["reason"] != "login" || entries[3].Action != "person.accept" || entries[3].Actor.ID != alice.id {
		t.Errorf("%+v", entries)
	}
}

// An invitation serves once, for three days, and nobody signs in with it.
func TestInvitationRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		invited := w.invite("alice@example.com", access.RoleOwner)
		text := invited.Secret.Reveal()
		_, err := w.authenticate(text)
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		begun, err := w.registry.BeginAcceptance(t.Context(), from, text)
		w.check(err)
		m := &member{w: w, secret: begun.Secret}
		end := service.AcceptanceEnd{Invitation: text, Ceremony: begun.Ceremony, Name: "Alice", Password: password, Code: m.code(0)}
		for name, c := range map[string]struct {
			bend   func(*service.AcceptanceEnd)
			kind   sealift.Kind
			reason string
		}{
			"wrong code":     {func(e *service.AcceptanceEnd) { e.Code = "000000" }, sealift.KindDenied, "code"},
			"weak password":  {func(e *service.AcceptanceEnd) { e.Password = "alice" }, sealift.KindInvalid, "password"},
			"other ceremony": {func(e *service.AcceptanceEnd) { e.Ceremony = "x" }, sealift.KindNotFound, "ceremony"},
			"other invitation": {func(e *service.AcceptanceEnd) {
				e.Invitation = access.NewToken(access.KindInvitation, sealift.Digest{}).Reveal()
			}, sealift.KindDenied, "invitation"},
			"no invitation": {func(e *service.AcceptanceEnd) { e.Invitation = "" }, sealift.KindDenied, "invitation"},
		} {
			bent := end
			c.bend(&bent)
			if _, err := w.registry.FinishAcceptance(t.Context(), from, bent); sealift.KindOf(err) != c.kind || sealift.ReasonOf(err) != c.reason {
				t.Errorf("%s: %v", name, err)
			}
		}
		bob := w.invite("bob@example.com", access.RoleOwner)
		bent := end
		bent.Invitation = bob.Secret.Reveal()
		_, err = w.registry.FinishAcceptance(t.Context(), from, bent)
		w.wants(err, sealift.KindNotFound, "ceremony") // it is another's
		_, err = w.registry.FinishAcceptance(t.Context(), from, end)
		w.check(err)
		_, err = w.registry.FinishAcceptance(t.Context(), from, end)
		w.wants(err, sealift.KindDenied, "invitation")
		_, err = w.registry.BeginAcceptance(t.Context(), from, text)
		w.wants(err, sealift.KindDenied, "invitation")

		w.now = w.now.Add(sealift.InvitationLife)
		_, err = w.registry.BeginAcceptance(t.Context(), from, bob.Secret.Reveal())
		w.wants(err, sealift.KindDenied, "invitation")
	})
}

// Two who accept at once: one is first.
func TestInvitationIsAcceptedOnce(t *testing.T) {
	w := newWorld(t)
	invited := w.invite("alice@example.com", access.RoleOwner)
	begun, err := w.registry.BeginAcceptance(t.Context(), from, invited.Secret.Reveal())
	w.check(err)
	m := &member{w: w, secret: begun.Secret}
	end := service.AcceptanceEnd{Invitation: invited.Secret.Reveal(), Ceremony: begun.Ceremony, Name: "Alice", Password: password, Code: m.code(0)}
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := w.registry.FinishAcceptance(context.WithoutCancel(t.Context()), from, end)
			errs <- err
		}()
	}
	good := 0
	for range 4 {
		if err := <-errs; err == nil {
			good++
		} else if r := sealift.ReasonOf(err); r != "invitation" && r != "ceremony" {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d were first", good)
	}
}

// What changes about a person holds at their next request.
func TestRoleChangedMidSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		owner, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleReleaseManager)
		if role := bob.caller().Role; role != access.RoleReleaseManager {
			t.Fatal(role)
		}
		role := access.RoleAuditor
		for range 2 { // once more is no error
			changed, err := w.registry.ChangePerson(t.Context(), owner.caller(), bob.login, service.PersonChange{Role: &role})
			w.check(err)
			if changed.Role != role || changed.ID != bob.id {
				t.Errorf("%+v", changed)
			}
		}
		if role := bob.caller().Role; role != access.RoleAuditor {
			t.Errorf("the session is still a %s's", role)
		}
		state := store.PersonDisabled
		_, err := w.registry.ChangePerson(t.Context(), owner.caller(), bob.id, service.PersonChange{State: &state})
		w.check(err)
		_, err = w.authenticate(bob.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		state = store.PersonActive
		_, err = w.registry.ChangePerson(t.Context(), owner.caller(), bob.id, service.PersonChange{State: &state})
		w.check(err)
		_, err = w.authenticate(bob.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated) // it does not come back
	})
}

func TestLastOwner(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice@example.com", access.RoleOwner)
	w.invite("late@example.com", access.RoleOwner) // has not accepted, and so does not count
	by := alice.caller()
	role, disabled := access.RoleAuditor, store.PersonDisabled
	app := sealift.AppID("com.acme.shop")
	w.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.InsertApp(ctx, store.App{ID: app, Created: w.now})
	})
	demote := func() error {
		_, err := w.registry.ChangePerson(t.Context(), by, alice.id, service.PersonChange{Role: &role})
		return err
	}
	disable := func() error {
		_, err := w.registry.ChangePerson(t.Context(), by, alice.id, service.PersonChange{State: &disabled})
		return err
	}
	remove := func() error { return w.registry.RemovePerson(t.Context(), by, alice.id) }
	for _, do := range []func() error{demote, disable, remove} {
		w.wants(do(), sealift.KindConflict, "last-owner")
	}
	bob := w.member("bob@example.com", access.RoleOwner)
	for _, do := range []func() error{disable, demote, remove, remove} {
		w.check(do())
	}
	w.wants(func() error {
		_, err := w.registry.ChangePerson(t.Context(), by, alice.id, service.PersonChange{})
		return err
	}(), sealift.KindNotFound, "person")
	by = bob.caller()
	alice.id = bob.id
	w.wants(remove(), sealift.KindConflict, "last-owner")
	// The login is free again, and the log goes on naming who had it.
	again := w.invite("alice@example.com", access.RoleDeveloper)
	if list, err := w.registry.Persons(t.Context()); err != nil || len(list) != 3 || again.ID == alice.id {
		t.Errorf("%+v, %v", list, err)
	}
}

// Who may change whom.
func TestWhoChangesWhom(t *testing.T) {
	w := newWorld(t)
	owner, officer, dev := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleSecurityOfficer), w.member("carol@example.com", access.RoleDeveloper)
	w.member("other@example.com", access.RoleOwner)
	by := officer.caller()
	disabled, active, manager, auditor := store.PersonDisabled, store.PersonActive, access.RoleReleaseManager, access.RoleAuditor
	change := func(id string, c service.PersonChange) error {
		_, err := w.registry.ChangePerson(t.Context(), by, id, c)
		return err
	}
	w.wants(change(owner.id, service.PersonChange{State: &disabled}), sealift.KindDenied, "role")
	w.wants(w.registry.RemovePerson(t.Context(), by, owner.id), sealift.KindDenied, "role")
	_, err := w.registry.ResetPerson(t.Context(), by, owner.id)
	w.wants(err, sealift.KindDenied, "role")
	_, err = w.registry.ResetPerson(t.Context(), by, dev.id) // would be the developer
	w.wants(err, sealift.KindDenied, "role")
	w.wants(change(dev.id, service.PersonChange{Role: &manager}), sealift.KindDenied, "role")
	w.check(change(dev.id, service.PersonChange{State: &disabled}))
	w.wants(change(dev.id, service.PersonChange{State: &active}), sealift.KindDenied, "role")
	w.check(change(dev.id, service.PersonChange{Role: &auditor}))
	w.check(change(dev.id, service.PersonChange{State: &active}))
	w.check(w.registry.RemovePerson(t.Context(), by, dev.id))
	none := sealift.AppID("com.acme.none")
	w.wants(change(officer.id, service.PersonChange{App: &none}), sealift.KindNotFound, "app")
}

// A lost phone: what there was is over, and the invitation sets it anew.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		owner, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleDeveloper)
		first, err := w.registry.ResetPerson(t.Context(), owner.caller(), bob.id)
		w.check(err)
		_, err = w.authenticate(bob.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		_, err = w.registry.SignIn(t.Context(), from, service.SignIn{Login: bob.login, Password: password, Code: bob.code(1)})
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		second, err := w.registry.ResetPerson(t.Context(), owner.caller(), bob.id)
		w.check(err)
		_, err = w.registry.BeginAcceptance(t.Context(), from, first.Secret.Reveal())
		w.wants(err, sealift.KindDenied, "invitation")
		again := w.accept(second)
		if again.secret == bob.secret || again.id != bob.id {
			t.Error("it is the secret of before")
		}
		row, entries := w.person(bob.id), w.entries("person.accept")
		if row.Inviter != owner.id || row.Creator != founder().ID || row.AcceptedFrom != from.Address || row.AcceptedWith != from.Label || row.Accepted.IsZero() {
			t.Errorf("%+v", row)
		}
		if last := entries[len(entries)-1].Details; last["same-address"] == "" || last["inviter"] != owner.id || entries[0].Details["same-address"] != "" {
			t.Errorf("the log: %+v", entries)
		}
		again.signIn()
		disabled := store.PersonDisabled
		_, err = w.registry.ChangePerson(t.Context(), owner.caller(), bob.id, service.PersonChange{State: &disabled})
		w.check(err)
		_, err = w.registry.ResetPerson(t.Context(), owner.caller(), bob.id)
		w.wants(err, sealift.KindConflict, "disabled")
	})
}

// Rows that something else than the vault wrote sign nobody in.
func TestForgedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bob, eve := w.member("bob@example.com", access.RoleDeveloper), w.member("eve@example.com", access.RoleAuditor)
		// Eve puts her own password and app beside bob's name.
		w.bend(func(ctx context.Context, tx store.Tx) error {
			theirs, err := tx.Credentials(ctx, bob.id)
			if err != nil {
				return err
			}
			mine, err := tx.Credentials(ctx, eve.id)
			for i, c := range theirs {
				old := c.MAC
				c.Data, c.Counter, c.MAC = mine[i].Data, mine[i].Counter, mine[i].MAC
				err = errors.Join(err, tx.UpdateCredential(ctx, c, old))
			}
			return err
		})
		_, err := w.registry.SignIn(t.Context(), from, service.SignIn{Login: bob.login, Password: password, Code: bob.code(1)})
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		// And makes her session bob's, herself an owner.
		w.bend(func(ctx context.Context, tx store.Tx) error {
			s, err := tx.Session(ctx, eve.in.ID)
			old := s.MAC
			s.Person = bob.id
			return errors.Join(err, tx.UpdateSession(ctx, s, old))
		})
		_, err = w.authenticate(eve.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		eve.signIn()
		w.bend(func(ctx context.Context, tx store.Tx) error {
			p, err := tx.Person(ctx, eve.id)
			old := p.MAC
			p.Role = string(access.RoleOwner)
			return errors.Join(err, tx.UpdatePerson(ctx, p, old))
		})
		_, err = w.authenticate(eve.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		list, err := w.registry.Persons(t.Context())
		if err != nil || len(list) != 2 || list[0].Forged == list[1].Forged {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleDeveloper)
		first := bob.in
		bob.signIn()
		list, err := w.registry.Sessions(t.Context(), bob.caller(), "")
		if err != nil || len(list) != 2 || list[0].Present || !list[1].Present || list[1].Label != "test" || list[1].Address != "192.0.2.1" {
			t.Fatalf("%+v, %v", list, err)
		}
		w.wants(w.registry.EndSession(t.Context(), bob.caller(), alice.in.ID), sealift.KindNotFound, "session")
		w.wants(w.registry.EndSession(t.Context(), bob.caller(), "ffffffffffffffff"), sealift.KindNotFound, "session")
		_, err = w.registry.Sessions(t.Context(), bob.caller(), alice.id)
		w.wants(err, sealift.KindDenied, "role")
		w.check(w.registry.EndSession(t.Context(), bob.caller(), first.ID))
		_, err = w.authenticate(first.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		others, err := w.registry.Sessions(t.Context(), alice.caller(), bob.id)
		if err != nil || len(others) != 1 {
			t.Errorf("%+v, %v", others, err)
		}
		// A new password ends the other sessions, and an invitation is none of them.
		bob.signIn()
		w.check(w.registry.SetPassword(t.Context(), bob.caller(), "another five random words"))
		others, err = w.registry.Sessions(t.Context(), alice.caller(), bob.id)
		if err != nil || len(others) != 1 || others[0].ID != bob.in.ID {
			t.Errorf("%+v, %v", others, err)
		}
		carol := w.invite("carol@example.com", access.RoleDeveloper)
		others, err = w.registry.Sessions(t.Context(), alice.caller(), carol.ID)
		if err != nil || len(others) != 0 {
			t.Errorf("%+v, %v", others, err)
		}
		w.wants(w.registry.EndSession(t.Context(), alice.caller(), carol.Secret.ID()), sealift.KindNotFound, "session")
		w.check(w.registry.EndSession(t.Context(), alice.caller(), bob.in.ID))
		for range sealift.MaxSessions + 3 {
			alice.signIn()
		}
		mine, err := w.registry.Sessions(t.Context(), alice.caller(), "")
		if err != nil || len(mine) != sealift.MaxSessions {
			t.Errorf("%d sessions, %v", len(mine), err)
		}
	})
}

// What people change about how they sign in wants a fresh proof.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.member("bob@example.com", access.RoleDeveloper)
		account, err := w.registry.Account(t.Context(), bob.caller())
		if err != nil || account.ID != bob.id || account.Session.ID != bob.in.ID || account.RecoveryCodesLeft != sealift.RecoveryCodes {
			t.Errorf("%+v, %v", account, err)
		}
		begun, err := w.registry.BeginTOTP(t.Context(), bob.caller())
		w.check(err)
		next := *bob
		next.secret = begun.Secret
		w.wants(w.registry.FinishTOTP(t.Context(), bob.caller(), begun.Ceremony, bob.code(0)), sealift.KindDenied, "code")
		w.wants(w.registry.FinishTOTP(t.Context(), bob.caller(), "x", next.code(0)), sealift.KindNotFound, "ceremony")
		w.check(w.registry.FinishTOTP(t.Context(), bob.caller(), begun.Ceremony, next.code(0)))
		_, err = w.registry.SignIn(t.Context(), from, service.SignIn{Login: bob.login, Password: password, Code: bob.code(1)})
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		next.signIn()
		w.wants(w.registry.SetPassword(t.Context(), next.caller(), "short"), sealift.KindInvalid, "password")

		begun, err = w.registry.BeginTOTP(t.Context(), next.caller())
		w.check(err)
		late := next
		late.secret = begun.Secret
		w.now = w.now.Add(sealift.StepUpAge + 1)
		w.wants(w.registry.FinishTOTP(t.Context(), next.caller(), begun.Ceremony, late.code(0)), sealift.KindDenied, access.ReasonStepUp)
		w.wants(w.registry.SetPassword(t.Context(), next.caller(), "another five random words"), sealift.KindDenied, access.ReasonStepUp)
		_, err = w.registry.NewRecoveryCodes(t.Context(), next.caller())
		w.wants(err, sealift.KindDenied, access.ReasonStepUp)
		_, err = w.registry.BeginTOTP(t.Context(), next.caller())
		w.wants(err, sealift.KindDenied, access.ReasonStepUp)
		for _, err := range []error{
			w.registry.SetPassword(t.Context(), founder(), "another five random words"), second(w.registry.Account(t.Context(), founder())),
			second(w.registry.NewRecoveryCodes(t.Context(), founder())), second(w.registry.BeginTOTP(t.Context(), founder())),
			second(w.registry.Sessions(t.Context(), founder(), "")),
		} {
			w.wants(err, sealift.KindDenied, access.ReasonPerson)
		}
	})
}

func second[T any](_ T, err error) error { return err }
