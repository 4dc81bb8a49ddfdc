package people_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// issuerWorld is one whose server takes an issuer's word, and alice.
func issuerWorld(t *testing.T) (*world, *accesstest.Issuer, *member) {
	t.Helper()
	w := passkeyWorld(t)
	issuer := accesstest.NewIssuer(func() time.Time { return w.now })
	t.Cleanup(issuer.Close)
	w.check(w.registry.SetIssuer(issuer.Settings(), accesstest.ClientSecret))
	return w, issuer, w.member("alice@example.com", access.RoleOwner)
}

// visit is a browser that begins, goes to the issuer and comes back.
func (w *world) visit(issuer *accesstest.Issuer) (ceremony, state, code string) {
	w.t.Helper()
	begun, err := w.registry.BeginOIDC(w.t.Context(), from)
	w.check(err)
	back, err := issuer.Visit(begun.URL)
	w.check(err)
	if !strings.HasPrefix(back.String(), origin+"/people/?") || strings.Contains(begun.URL, begun.Ceremony) {
		w.t.Fatalf("to %s, back at %s", begun.URL, back)
	}
	return begun.Ceremony, back.Query().Get("state"), back.Query().Get("code")
}

func (w *world) signInAt(issuer *accesstest.Issuer) (service.SignedIn, error) {
	w.t.Helper()
	ceremony, state, code := w.visit(issuer)
	return w.registry.FinishOIDC(w.t.Context(), from, ceremony, state, code)
}

// person reads a row.
func (w *world) isVaults(row store.Person) bool {
	w.t.Helper()
	return w.store.View(w.t.Context(), func(tx store.Tx) error { return w.vault.CheckRow(w.t.Context(), tx, row) }) == nil
}

func (w *world) person(id string) (p store.Person) {
	w.t.Helper()
	w.check(w.store.View(w.t.Context(), func(tx store.Tx) (err error) {
		p, err = tx.Person(w.t.Context(), id)
		return err
	}))
	return p
}

func TestOIDCSignIn(t *testing.T) {
	w, issuer, alice := issuerWorld(t)
	w.now = w.now.Add(time.Hour)
	proven := w.now.Add(-time.Minute)
	issuer.Claims = func(c map[string]any) { c["auth_time"] = proven.Unix() }
	in, err := w.signInAt(issuer)
	w.check(err)
	if in.Person != alice.id || in.AMR != access.AMRFederate || !in.Proven.Equal(proven) || in.Address != from.Address {
		t.Errorf("%+v", in)
	}
	alice.in = in
	w.check(alice.caller().StepUp(access.ManagePersons, w.now)) // as fresh as the issuer said, and no fresher
	w.wants(alice.caller().StepUp(access.ManagePersons, w.now.Add(sealift.StepUpAge)), sealift.KindDenied, access.ReasonStepUp)
	// Bound, by the vault, once.
	row := w.person(alice.id)
	bound := w.entries("person.bind")
	if row.Issuer != issuer.URL || row.Subject != issuer.Subject || !w.isVaults(row) || len(bound) != 1 ||
		bound[0].Details["subject"] != issuer.Subject || bound[0].Details["issuer"] != issuer.URL || bound[0].Details[vault.RowDetail] != vault.RowTag(row.MAC) {
		t.Errorf("%+v, %+v", row, bound)
	}
	if list, err := w.registry.Persons(t.Context()); err != nil || strings.Join(list[0].Methods, " ") != "password totp issuer" {
		t.Errorf("%+v, %v", list, err)
	}
	proven = w.now
	issuer.Email = "Alice@Example.COM"
	_, err = w.signInAt(issuer)
	w.check(err)
	if len(w.entries("person.bind")) != 1 {
		t.Error("bound twice")
	}
	all := w.entries("session.create")
	if last := all[len(all)-1]; last.Result != audit.OK || last.Details["amr"] != "mfa" || last.Actor.ID != alice.id {
		t.Errorf("%+v", last)
	}
	// Whoever is reset is bound anew.
	again, err := w.registry.ResetPerson(t.Context(), founder(), alice.id)
	w.check(err)
	_, err = w.signInAt(issuer)
	w.wantsNoSignIn("reset, and has not accepted", service.SignedIn{}, err)
	w.accept(again)
	issuer.Subject = "of a new directory"
	_, err = w.signInAt(issuer)
	w.check(err)
}

// Nobody is made or promoted, and outside every refusal is the same.
func TestOIDCRefusals(t *testing.T) {
	w, issuer, alice := issuerWorld(t)
	bob := w.member("bob@example.com", access.RoleDeveloper)
	w.invite("carol@example.com", access.RoleOwner)
	_, err := w.signInAt(issuer)
	w.check(err)
	outside := ""
	refused := func(name, cause string, in service.SignedIn, err error) {
		t.Helper()
		w.wantsNoSignIn(name, in, err)
		if text := fmt.Sprint(err, sealift.HintOf(err)); outside != "" && text != outside {
			t.Errorf("%s: outside %q, others %q", name, text, outside)
		} else {
			outside = text
		}
		all := w.entries("session.create")
		if last := all[len(all)-1]; last.Result != audit.Refused || !strings.Contains(last.Details["cause"], cause) {
			t.Errorf("%s: %+v, want the cause %q", name, last, cause)
		}
	}
	before := len(w.entries("person."))
	for name, c := range map[string]struct {
		cause string
		bend  func()
	}{
		"another subject":  {"another subject", func() { issuer.Subject = "1" }},
		"a stranger":       {"nobody has that login", func() { issuer.Email, issuer.Subject = "mallory@example.com", "1" }},
		"invited":          {"person is invited", func() { issuer.Email, issuer.Subject = "carol@example.com", "1" }},
		"alice as bob":     {"bound to another person", func() { issuer.Email = "bob@example.com" }},
		"not verified":     {"not verified", func() { issuer.Claims = func(c map[string]any) { c["email_verified"] = false } }},
		"another audience": {"audience", func() { issuer.Claims = func(c map[string]any) { c["aud"] = "other" } }},
		"another key":      {"signature", func() { issuer.Foreign = true }},
		"expired":          {"expired", func() { issuer.Claims = func(c map[string]any) { c["exp"] = 1 } }},
		"one factor, stranger": {"nobody has that login", func() {
			issuer.Email, issuer.Subject = "mallory@example.com", "1"
			issuer.Claims = func(c map[string]any) { c["amr"] = nil }
		}},
	} {
		issuer.Subject, issuer.Email, issuer.Claims, issuer.Foreign = "248289761001", "alice@example.com", nil, false
		w.now = w.now.Add(time.Hour) // of entries about failures there are few in an hour
		c.bend()
		in, err := w.signInAt(issuer)
		refused(name, c.cause, in, err)
	}
	issuer.Subject, issuer.Email, issuer.Claims, issuer.Foreign = "248289761001", "alice@example.com", nil, false
	// Disabled, and forged: a row that somebody bound to their own subject.
	w.now = w.now.Add(time.Hour)
	disabled, active := store.PersonDisabled, store.PersonActive
	w.member("dora@example.com", access.RoleOwner)
	_, err = w.registry.ChangePerson(t.Context(), founder(), alice.id, service.PersonChange{State: &disabled})
	w.check(err)
	in, err := w.signInAt(issuer)
	refused("disabled", "disabled", in, err)
	_, err = w.registry.ChangePerson(t.Context(), founder(), alice.id, service.PersonChange{State: &active})
	w.check(err)
	w.bend(func(ctx context.Context, tx store.Tx) error {
		row, err := tx.Person(ctx, alice.id)
		row.Subject = "mallory"
		return second2(err, tx.UpdatePerson(ctx, row, row.MAC))
	})
	issuer.Subject = "mallory"
	in, err = w.signInAt(issuer)
	refused("forged", "forged", in, err)
	if p := w.person(bob.id); p.Subject != "" || len(w.entries("person.bind")) != 1 || before == 0 {
		t.Errorf("%+v", p)
	}
	if all, err := w.registry.Persons(t.Context()); err != nil || len(all) != 4 {
		t.Errorf("%d people, %v", len(all), err)
	}
}

// second2 is the first of two errors.
func second2(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// A browser that did not begin does not finish: what another began, or somebody
// sent it.
func TestOIDCState(t *testing.T) {
	w, issuer, _ := issuerWorld(t)
	mine, state, code := w.visit(issuer)
	other, otherState, otherCode := w.visit(issuer)
	in, err := w.registry.FinishOIDC(t.Context(), from, mine, otherState, otherCode)
	w.wantsNoSignIn("a foreign state", in, err)
	_, err = w.registry.FinishOIDC(t.Context(), from, mine, state, code)
	w.wants(err, sealift.KindNotFound, "ceremony") // it was for one answer
	_, err = w.registry.FinishOIDC(t.Context(), from, other, otherState, otherCode)
	w.check(err)
	_, err = w.registry.FinishOIDC(t.Context(), from, other, otherState, otherCode)
	w.wants(err, sealift.KindNotFound, "ceremony")
	// Its own state, another's code: another nonce, and another verifier.
	mine, state, _ = w.visit(issuer)
	_, _, otherCode = w.visit(issuer)
	in, err = w.registry.FinishOIDC(t.Context(), from, mine, state, otherCode)
	w.wantsNoSignIn("a foreign code", in, err)
	mine, state, code = w.visit(issuer)
	w.now = w.now.Add(sealift.CeremonyLife)
	_, err = w.registry.FinishOIDC(t.Context(), from, mine, state, code)
	w.wants(err, sealift.KindNotFound, "ceremony")
	// What else is going on is no sign-in at the issuer.
	asked := w.askPasskey()
	_, err = w.registry.FinishOIDC(t.Context(), from, asked.Ceremony, "", "x")
	w.wants(err, sealift.KindNotFound, "ceremony")
	request, err := w.registry.BeginRequest(t.Context(), from)
	w.check(err)
	_, err = w.registry.FinishOIDC(t.Context(), from, request.Secret, "", "x")
	w.wants(err, sealift.KindNotFound, "ceremony")
	mine, _, _ = w.visit(issuer)
	_, err = w.registry.ProveOIDC(t.Context(), from, mine, "123456")
	w.wants(err, sealift.KindNotFound, "ceremony")
}

// Where the issuer does not say that it asked for more than one factor, a code is
// wanted, and guessing it is bounded.
func TestOIDCWithCode(t *testing.T) {
	w, issuer, alice := issuerWorld(t)
	issuer.Claims = func(c map[string]any) { c["amr"] = []string{"pwd"} }
	w.now = w.now.Add(time.Minute)
	ceremony, state, code := w.visit(issuer)
	in, err := w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)
	w.wants(err, sealift.KindDenied, people.ReasonSecondFactor)
	if in.Secret.Reveal() != "" || w.person(alice.id).Subject != "" {
		t.Errorf("%+v", in)
	}
	_, err = w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)
	w.wants(err, sealift.KindNotFound, "ceremony")
	ceremony, state, code = w.visit(issuer)
	_, err = w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)
	w.wants(err, sealift.KindDenied, people.ReasonSecondFactor)
	in, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(5))
	w.wantsNoSignIn("a wrong code", in, err)
	if w.person(alice.id).Subject != "" {
		t.Error("bound without a second factor")
	}
	in, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(0))
	w.check(err)
	if in.Person != alice.id || in.AMR != access.AMRWithCode || !in.Proven.Equal(w.now) || w.person(alice.id).Subject == "" {
		t.Errorf("%+v", in)
	}
	_, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(1))
	w.wants(err, sealift.KindNotFound, "ceremony")
	// The same code does not serve again, nor does guessing go on for long: it is
	// counted with what is guessed with a password.
	ceremony, state, code = w.visit(issuer)
	_, err = w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)
	w.wants(err, sealift.KindDenied, people.ReasonSecondFactor)
	in, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(0))
	w.wantsNoSignIn("a code of before", in, err)
	limited := false
	for range 20 {
		_, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(7))
		limited = limited || sealift.ReasonOf(err) == "rate"
	}
	w.wants(err, sealift.KindExhausted, "rate")
	_, err = w.registry.SignIn(t.Context(), from, service.SignIn{Login: alice.login, Password: password, Code: alice.code(1)})
	w.wants(err, sealift.KindExhausted, "rate")
	// Between the issuer's word and the code the person was disabled.
	w.now = w.now.Add(time.Hour)
	w.member("dora@example.com", access.RoleOwner)
	ceremony, state, code = w.visit(issuer)
	_, err = w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)
	w.wants(err, sealift.KindDenied, people.ReasonSecondFactor)
	disabled := store.PersonDisabled
	_, err = w.registry.ChangePerson(t.Context(), founder(), alice.id, service.PersonChange{State: &disabled})
	w.check(err)
	in, err = w.registry.ProveOIDC(t.Context(), from, ceremony, alice.code(0))
	w.wantsNoSignIn("disabled meanwhile", in, err)
}

// Without an issuer there is none, and one that is away is not believed, and does
// not count against anybody.
func TestNoIssuer(t *testing.T) {
	w := newWorld(t)
	if name, err := w.registry.IssuerName(t.Context(), from); name != "" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	w.wants(second(w.registry.BeginOIDC(t.Context(), from)), sealift.KindConflict, "no-issuer")
	w.wants(second(w.registry.FinishOIDC(t.Context(), from, "x", "y", "z")), sealift.KindConflict, "no-issuer")
	w.wants(w.registry.SetIssuer(access.IssuerSettings{}, "x"), sealift.KindInvalid, "no-origin")
	w, issuer, _ := issuerWorld(t)
	if name, err := w.registry.IssuerName(t.Context(), from); name != issuer.URL || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	ceremony, state, code := w.visit(issuer)
	issuer.Instead = map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }}
	w.wants(second(w.registry.FinishOIDC(t.Context(), from, ceremony, state, code)), sealift.KindNetwork, access.ReasonIssuerAway)
	for range sealift.SignInsPerMinute {
		if _, err := w.registry.BeginOIDC(t.Context(), from); err != nil {
			w.wants(err, sealift.KindExhausted, "rate")
			return
		}
	}
	t.Error("one network begins without end")
}

// What keeps people from signing in at the issuer is found before they try.
func TestCheckIssuer(t *testing.T) {
	w := newWorld(t)
	if s, err := w.registry.CheckIssuer(t.Context()); s != (service.IssuerState{}) || err != nil {
		t.Errorf("without one: %+v, %v", s, err)
	}
	w, issuer, _ := issuerWorld(t)
	answers := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, test := range map[string]struct {
		bend    func()
		problem string
	}{
		"well":          {func() {}, ""},
		"another name":  {func() { issuer.Discovery = func(said map[string]any) { said["issuer"] = issuer.URL + "/" } }, "did not match"},
		"no discovery":  {func() { issuer.Instead["/.well-known/openid-configuration"] = answers(404, "none") }, "404"},
		"no keys there": {func() { issuer.Instead["/keys"] = answers(404, "none") }, "404 Not Found where its keys are to be"},
		"keys of none":  {func() { issuer.Instead["/keys"] = answers(200, `{"keys":[]}`) }, "it has no keys"},
		"no JSON":       {func() { issuer.Instead["/keys"] = answers(200, "hello") }, "it has no keys"},
	} {
		issuer.Discovery, issuer.Instead = nil, map[string]http.HandlerFunc{}
		test.bend()
		s, err := w.registry.CheckIssuer(t.Context())
		if err != nil || s.Issuer != issuer.URL || s.ClientID != accesstest.ClientID || (s.Problem == "") != (test.problem == "") || !strings.Contains(s.Problem, test.problem) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	issuer.Close()
	if s, err := w.registry.CheckIssuer(t.Context()); s.Problem == "" || err != nil {
		t.Errorf("away: %+v, %v", s, err)
	}
}
