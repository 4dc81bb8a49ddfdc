package people_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

const origin = "https://updates.example.com"

// passkeyWorld is one whose server knows its origin.
func passkeyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.check(w.registry.SetOrigin(origin))
	return w
}

// register gives a member a passkey.
func (m *member) register() (*accesstest.Authenticator, service.Passkey) {
	m.w.t.Helper()
	a := accesstest.New(origin, "updates.example.com")
	asked, err := m.w.registry.BeginPasskey(m.w.t.Context(), m.caller())
	m.w.check(err)
	made, err := m.w.registry.FinishPasskey(m.w.t.Context(), m.caller(), asked.Ceremony, "laptop", a.Register(asked.Options))
	m.w.check(err)
	return a, made
}

func (w *world) askPasskey() service.PasskeyCeremony {
	w.t.Helper()
	asked, err := w.registry.BeginPasskeySignIn(w.t.Context(), from)
	w.check(err)
	return asked
}

func (w *world) wantsNoSignIn(name string, in service.SignedIn, err error) {
	w.t.Helper()
	if sealift.ReasonOf(err) != access.ReasonUnauthenticated || in.Secret.Reveal() != "" {
		w.t.Errorf("%s: %v, %v", name, in.Secret, err)
	}
}

func TestPasskeySignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		key, made := alice.register()
		for range 2 { // the counter goes on
			w.now = w.now.Add(time.Hour)
			asked := w.askPasskey()
			in, err := w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, key.Assert(asked.Options))
			w.check(err)
			if in.Person != alice.id || in.AMR != access.AMRPasskey {
				t.Errorf("%+v", in)
			}
			alice.in = in
			w.check(alice.caller().StepUp(access.ManagePersons, w.now))
		}
		list, err := w.registry.Passkeys(t.Context(), alice.caller())
		if err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].Label != "laptop" || !list[0].Used.Equal(w.now) {
			t.Errorf("%+v, %v", list, err)
		}
		persons, err := w.registry.Persons(t.Context())
		if err != nil || strings.Join(persons[0].Methods, " ") != "passkey password totp" {
			t.Errorf("%+v, %v", persons, err)
		}
		w.wants(w.registry.RemovePasskey(t.Context(), alice.caller(), "ffffffffffffffff"), sealift.KindNotFound, "passkey")
		w.check(w.registry.RemovePasskey(t.Context(), alice.caller(), made.ID))
		asked := w.askPasskey()
		in, err := w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, key.Assert(asked.Options))
		w.wantsNoSignIn("removed", in, err)
		// Without a fresh proof nobody adds one, nor a service ever.
		begun, err := w.registry.BeginPasskey(t.Context(), alice.caller())
		w.check(err)
		w.now = w.now.Add(sealift.StepUpAge + 1)
		w.wants(second(w.registry.FinishPasskey(t.Context(), alice.caller(), begun.Ceremony, "late", accesstest.New(key.Origin, key.RPID).Register(begun.Options))), sealift.KindDenied, access.ReasonStepUp)
		w.wants(second(w.registry.BeginPasskey(t.Context(), alice.caller())), sealift.KindDenied, access.ReasonStepUp)
		w.wants(second(w.registry.BeginPasskey(t.Context(), founder())), sealift.KindDenied, access.ReasonPerson)
		w.wants(w.registry.RemovePasskey(t.Context(), alice.caller(), made.ID), sealift.KindDenied, access.ReasonStepUp)
	})
}

func TestPasskeySignInRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleDeveloper)
		key, _ := alice.register()
		bobs, _ := bob.register()
		for name, bend := range map[string]func(a *accesstest.Authenticator){
			"wrong origin":       func(a *accesstest.Authenticator) { a.Origin = "https://evil.example" },
			"wrong party":        func(a *accesstest.Authenticator) { a.RPID = "evil.example" },
			"user not verified":  func(a *accesstest.Authenticator) { a.User = false },
			"counter of before":  func(a *accesstest.Authenticator) { a.Counter = 0 },
			"broken signature":   func(a *accesstest.Authenticator) { a.Flip = true },
			"bob's own, alice's": func(a *accesstest.Authenticator) { *a = *bobs.Clone(); a.Handle = []byte(alice.id) },
			"nobody's":           func(a *accesstest.Authenticator) { a.Handle = []byte("ffffffffffffffff") },
			"without a handle":   func(a *accesstest.Authenticator) { a.Handle = nil },
		} {
			asked := w.askPasskey()
			bent := key.Clone()
			bend(bent)
			in, err := w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, bent.Assert(asked.Options))
			w.wantsNoSignIn(name, in, err)
			// What was asked serves for one answer, also where that was bad.
			_, err = w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, key.Assert(asked.Options))
			w.wants(err, sealift.KindNotFound, "ceremony")
		}
		// A good answer, again; and to what another asked.
		asked := w.askPasskey()
		answer := key.Assert(asked.Options)
		_, err := w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, answer)
		w.check(err)
		_, err = w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, answer)
		w.wants(err, sealift.KindNotFound, "ceremony")
		in, err := w.registry.FinishPasskeySignIn(t.Context(), from, w.askPasskey().Ceremony, answer)
		w.wantsNoSignIn("an answer of before", in, err)
		late := w.askPasskey()
		w.now = w.now.Add(sealift.CeremonyLife)
		_, err = w.registry.FinishPasskeySignIn(t.Context(), from, late.Ceremony, key.Assert(late.Options))
		w.wants(err, sealift.KindNotFound, "ceremony")
		// A registration is another's, or is no sign-in.
		w.now = w.now.Add(-sealift.CeremonyLife)
		registration, err := w.registry.BeginPasskey(t.Context(), alice.caller())
		w.check(err)
		_, err = w.registry.FinishPasskeySignIn(t.Context(), from, registration.Ceremony, key.Assert(registration.Options))
		w.wants(err, sealift.KindNotFound, "ceremony")
		_, err = w.registry.FinishPasskey(t.Context(), bob.caller(), registration.Ceremony, "x", key.Register(registration.Options))
		w.wants(err, sealift.KindNotFound, "ceremony")
		_, err = w.registry.FinishPasskey(t.Context(), alice.caller(), registration.Ceremony, "x", json.RawMessage("{}"))
		w.wants(err, sealift.KindDenied, "passkey")
		// Disabled, and forged.
		disabled := store.PersonDisabled
		_, err = w.registry.ChangePerson(t.Context(), founder(), bob.id, service.PersonChange{State: &disabled})
		w.check(err)
		asked = w.askPasskey()
		in, err = w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, bobs.Assert(asked.Options))
		w.wantsNoSignIn("disabled", in, err)
		w.bend(func(ctx context.Context, tx store.Tx) error {
			rows, err := tx.Credentials(ctx, alice.id)
			for _, c := range rows {
				if c.Kind == "passkey" {
					old := c.MAC
					c.Label = "somebody else's"
					err = errors.Join(err, tx.UpdateCredential(ctx, c, old))
				}
			}
			return err
		})
		asked = w.askPasskey()
		in, err = w.registry.FinishPasskeySignIn(t.Context(), from, asked.Ceremony, key.Assert(asked.Options))
		w.wantsNoSignIn("forged", in, err)
		if entries := w.entries("session.create"); entries[len(entries)-1].Result != audit.Refused {
			t.Errorf("%+v", entries[len(entries)-1])
		}
	})
}

// Without an origin there are no passkeys, and it says what to do.
func TestNoOrigin(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice@example.com", access.RoleOwner)
	for _, err := range []error{
		second(w.registry.BeginPasskey(t.Context(), alice.caller())), second(w.registry.BeginPasskeySignIn(t.Context(), from)),
		second(w.registry.BeginRequest(t.Context(), from)), second(w.registry.FinishPasskeySignIn(t.Context(), from, "x", nil)),
	} {
		w.wants(err, sealift.KindConflict, "no-origin")
	}
	w.wants(w.registry.SetOrigin("http://127.0.0.1:8470"), sealift.KindInvalid, "")
}

// A terminal without a browser: confirmed by who has signed in elsewhere, once.
func TestSignInRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		terminal := service.Origin{Address: "192.0.2.77", Label: "sealift/1"}
		asked, err := w.registry.BeginRequest(t.Context(), terminal)
		w.check(err)
		if asked.URL != origin+"/people/#"+asked.Code || len(asked.Code) != 9 {
			t.Errorf("%+v", asked)
		}
		_, err = w.registry.PollRequest(t.Context(), terminal, asked.Secret)
		w.wants(err, sealift.KindDenied, "pending")
		seen, err := w.registry.ShowRequest(t.Context(), alice.caller(), asked.Code)
		if err != nil || seen != (service.Asked{Origin: terminal}) {
			t.Errorf("%+v, %v", seen, err)
		}
		w.wants(second(w.registry.ShowRequest(t.Context(), founder(), asked.Code)), sealift.KindDenied, access.ReasonPerson)
		w.wants(w.registry.ConfirmRequest(t.Context(), founder(), asked.Code), sealift.KindDenied, access.ReasonPerson)
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), "AAAA-AAAA"), sealift.KindNotFound, "ceremony")
		w.now = w.now.Add(time.Minute)
		w.check(w.registry.ConfirmRequest(t.Context(), alice.caller(), asked.Code))
		in, err := w.registry.PollRequest(t.Context(), terminal, asked.Secret)
		w.check(err)
		if !in.Proven.Equal(alice.in.Proven) {
			t.Errorf("proven at %s by who was at %s", in.Proven, alice.in.Proven)
		}
		if in.Person != alice.id || in.Address != "192.0.2.77" || in.ID == alice.in.ID {
			t.Errorf("%+v", in)
		}
		_, err = w.registry.PollRequest(t.Context(), terminal, asked.Secret)
		w.wants(err, sealift.KindNotFound, "ceremony")
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), asked.Code), sealift.KindNotFound, "ceremony")
		// Only a fresh proof confirms, and the secret of something else is none.
		_, err = w.registry.PollRequest(t.Context(), terminal, w.askPasskey().Ceremony)
		w.wants(err, sealift.KindNotFound, "ceremony")
		w.now = w.now.Add(sealift.StepUpAge + 1)
		again, err := w.registry.BeginRequest(t.Context(), terminal)
		w.check(err)
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), again.Code), sealift.KindDenied, access.ReasonStepUp)
	})
}

// TestEndedSessionConfirmsNobody: what a session confirmed is worth no more than the
// session. A thief who holds a confirmed request back is out with the session.
func TestEndedSessionConfirmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleOwner)
		terminal := service.Origin{Address: "192.0.2.77", Label: "sealift/1"}
		confirmed := func() service.SignInRequest {
			asked, err := w.registry.BeginRequest(t.Context(), terminal)
			w.check(err)
			w.check(w.registry.ConfirmRequest(t.Context(), alice.caller(), asked.Code))
			return asked
		}
		refused := func(asked service.SignInRequest) {
			t.Helper()
			w.wants(second(w.registry.PollRequest(t.Context(), terminal, asked.Secret)), sealift.KindNotFound, "ceremony")
		}
		ended := confirmed()
		w.check(w.registry.EndSession(t.Context(), bob.caller(), alice.in.ID))
		refused(ended)

		alice.signIn()
		reset := confirmed()
		if _, err := w.registry.ResetPerson(t.Context(), bob.caller(), alice.id); err != nil {
			t.Fatal(err)
		}
		refused(reset)
	})
}

// Strangers fill what they begin with, and keep out nobody who has signed in.
func TestCeremoniesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		mine, err := w.registry.BeginTOTP(t.Context(), alice.caller())
		w.check(err)
		refused := 0
		for i := range sealift.MaxCeremonies + 100 {
			if _, err := w.registry.BeginPasskeySignIn(t.Context(), service.Origin{Address: fmt.Sprintf("198.51.%d.%d", i/50/250, i/50%250)}); err != nil {
				w.wants(err, sealift.KindExhausted, "rate")
				refused++
			}
		}
		if refused != 0 {
			t.Errorf("%d of 50 a network were refused", refused)
		}
		next := *alice
		next.secret = mine.Secret
		w.check(w.registry.FinishTOTP(t.Context(), alice.caller(), mine.Ceremony, next.code(0)))
		for range sealift.SignInsPerMinute {
			_, err = w.registry.BeginRequest(t.Context(), from)
			w.check(err)
		}
		_, err = w.registry.BeginRequest(t.Context(), from)
		w.wants(err, sealift.KindExhausted, "rate")
	})
}

// A terminal's session is proven in a browser by its own person, who has just proven
// themselves there; and by nobody else, nor for longer.
func TestStepUpInABrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := passkeyWorld(t)
		alice, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleOwner)
		terminal := *alice
		w.now = w.now.Add(sealift.StepUpAge + 1)
		w.wants(terminal.caller().StepUp(access.ManageTokens, w.now), sealift.KindDenied, access.ReasonStepUp)
		asked, err := w.registry.BeginStepUp(t.Context(), terminal.caller(), "sealift/1", "POST /api/v1/tokens")
		w.check(err)

		alice.signIn() // in the browser
		bob.signIn()
		seen, err := w.registry.ShowRequest(t.Context(), alice.caller(), asked.Code)
		if err != nil || !seen.StepUp || seen.Doing != "POST /api/v1/tokens" || seen.Address != terminal.caller().Address || seen.Label != "sealift/1" {
			t.Errorf("%+v, %v", seen, err)
		}
		w.wants(second(w.registry.ShowRequest(t.Context(), bob.caller(), asked.Code)), sealift.KindNotFound, "ceremony")
		w.wants(w.registry.ConfirmRequest(t.Context(), bob.caller(), asked.Code), sealift.KindNotFound, "ceremony")
		w.wants(w.registry.ConfirmRequest(t.Context(), terminal.caller(), asked.Code), sealift.KindDenied, access.ReasonStepUp)
		w.wants(second(w.registry.PollRequest(t.Context(), from, asked.Secret)), sealift.KindNotFound, "ceremony")
		w.wants(second(w.registry.BeginStepUp(t.Context(), founder(), "", "")), sealift.KindDenied, access.ReasonPerson)
		w.wants(terminal.caller().StepUp(access.ManageTokens, w.now), sealift.KindDenied, access.ReasonStepUp)

		w.now = w.now.Add(sealift.StepUpAge - 31*time.Second) // she signed in before bob did
		w.check(w.registry.ConfirmRequest(t.Context(), alice.caller(), asked.Code))
		w.check(terminal.caller().StepUp(access.ManageTokens, w.now))
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), asked.Code), sealift.KindNotFound, "ceremony") // once
		if entries := w.entries("session.step-up"); len(entries) != 1 || entries[0].Subject != terminal.in.ID || entries[0].Details["by"] != alice.in.ID {
			t.Errorf("%+v", entries)
		}
		same, err := w.registry.BeginStepUp(t.Context(), terminal.caller(), "", "")
		w.check(err)
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), same.Code), sealift.KindDenied, access.ReasonStepUp)
		// The browser's proof, no fresher than it was: two sessions keep each other
		// fresh for no longer.
		w.now = w.now.Add(2 * time.Second)
		w.wants(terminal.caller().StepUp(access.ManageTokens, w.now), sealift.KindDenied, access.ReasonStepUp)
		again, err := w.registry.BeginStepUp(t.Context(), terminal.caller(), "", "")
		w.check(err)
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), again.Code), sealift.KindDenied, access.ReasonStepUp)

		// A session that ended in the meantime stays so.
		alice.signIn()
		w.check(w.registry.EndSession(t.Context(), alice.caller(), terminal.in.ID))
		w.wants(w.registry.ConfirmRequest(t.Context(), alice.caller(), again.Code), sealift.KindNotFound, "ceremony")
	})
}
