package control_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

var (
	person1 = service.Person{
		ID: "5d20c2e9c4a8b1f7", Login: "alice@example.com", Name: "Alice", Role: access.RoleDeveloper, App: "com.acme.shop",
		State: store.PersonActive, Creator: "init", Created: time.Unix(1, 0), Methods: []string{"password", "totp"}, Forged: true,
	}
	invitation1 = service.Invited{Person: person1, Secret: access.NewToken(access.KindInvitation, sealift.Digest{1}), Expires: time.Unix(2, 0)}
	session1    = service.Session{
		ID: "0f9a7c4e1b2d3c55", Person: person1.ID, Label: "sealift/1", Address: "192.0.2.1", AMR: access.AMRPassword,
		Created: time.Unix(1, 0), Seen: time.Unix(2, 0), Proven: time.Unix(3, 0), Expires: time.Unix(4, 0), Present: true,
	}
	sessionSecret = access.NewToken(access.KindSession, sealift.Digest{1})
	totp1         = service.TOTP{Ceremony: "c", Secret: "JBSWY3DP", URI: "otpauth://totp/x", Expires: time.Unix(5, 0)}
)

func (s *services) Persons(context.Context) ([]service.Person, error) {
	return []service.Person{person1, {ID: "x"}}, s.note("persons")
}

func (s *services) Invite(_ context.Context, by access.Caller, want service.NewPerson) (service.Invited, error) {
	return invitation1, s.note(by, want)
}

func (s *services) ChangePerson(_ context.Context, by access.Caller, id string, want service.PersonChange) (service.Person, error) {
	return person1, s.note(by, id, want)
}

func (s *services) ResetPerson(_ context.Context, by access.Caller, id string) (service.Invited, error) {
	return invitation1, s.note(by, id)
}

func (s *services) ConfirmPerson(_ context.Context, by access.Caller, id string, accepted time.Time) (service.Person, error) {
	return person1, s.note(by, id, accepted)
}

func (s *services) RemovePerson(_ context.Context, by access.Caller, id string) error {
	return s.note(by, id)
}

func (s *services) BeginAcceptance(_ context.Context, from service.Origin, invitation string) (service.Acceptance, error) {
	return service.Acceptance{Login: person1.Login, Name: "Alice", Role: access.RoleDeveloper, App: "com.acme.shop", TOTP: totp1}, s.note(from, invitation)
}

func (s *services) FinishAcceptance(_ context.Context, from service.Origin, want service.AcceptanceEnd) (service.Accepted, error) {
	return service.Accepted{SignedIn: service.SignedIn{Secret: sessionSecret, Session: session1}, RecoveryCodes: []string{"k3vx"}}, s.note(from, want)
}

func (s *services) SignIn(_ context.Context, from service.Origin, want service.SignIn) (service.SignedIn, error) {
	return service.SignedIn{Secret: sessionSecret, Session: session1, RecoveryCodesLeft: 9}, s.note(from, want)
}

func (s *services) Account(_ context.Context, by access.Caller) (service.Account, error) {
	return service.Account{Person: person1, Session: session1, RecoveryCodesLeft: 9}, s.note(by)
}

func (s *services) StepUp(_ context.Context, by access.Caller, code string) (service.Session, error) {
	return session1, s.note(by, code)
}

func (s *services) NewRecoveryCodes(_ context.Context, by access.Caller) ([]string, error) {
	return []string{"k3vx"}, s.note(by)
}

func (s *services) SetPassword(_ context.Context, by access.Caller, password string) error {
	return s.note(by, password)
}

func (s *services) BeginTOTP(_ context.Context, by access.Caller) (service.TOTP, error) {
	return totp1, s.note(by)
}

func (s *services) FinishTOTP(_ context.Context, by access.Caller, ceremony, code string) error {
	return s.note(by, ceremony, code)
}

func (s *services) Sessions(_ context.Context, by access.Caller, person string) ([]service.Session, error) {
	return []service.Session{session1}, s.note(by, person)
}

func (s *services) EndSession(_ context.Context, by access.Caller, id string) error {
	return s.note(by, id)
}

var (
	wirePerson = api.Person{
		ID: person1.ID, Login: "alice@example.com", Name: "Alice", Role: "developer", App: "com.acme.shop", State: "active",
		Creator: "init", Created: time.Unix(1, 0).UTC(), Methods: []string{"password", "totp"}, Forged: true,
	}
	wireInvited = api.Invited{Person: wirePerson, Invitation: invitation1.Secret.Reveal(), Expires: time.Unix(2, 0).UTC()}
	wireSession = api.Session{
		ID: session1.ID, Person: person1.ID, Label: "sealift/1", Address: "192.0.2.1", AMR: []string{"pwd", "otp"}, Created: time.Unix(1, 0).UTC(),
		Seen: time.Unix(2, 0).UTC(), Proven: time.Unix(3, 0).UTC(), Expires: time.Unix(4, 0).UTC(), Present: true,
	}
	wireTOTP = api.TOTP{Ceremony: "c", Secret: "JBSWY3DP", URI: "otpauth://totp/x", Expires: time.Unix(5, 0).UTC()}
)

func TestPersons(t *testing.T) {
	f := newFixture(t, roles{})
	c, by := f.client(access.RoleOwner), caller(access.RoleOwner)
	list, err := c.Persons(t.Context())
	if len(list) != 2 || list[1].Methods == nil {
		t.Fatalf("%+v, %v", list, err)
	}
	check(t, "person", err, list[0], wirePerson)
	f.services.last()
	invited, err := c.InvitePerson(t.Context(), api.NewPerson{Login: "Alice@Example.com", Role: "developer", App: "com.acme.shop", Name: " Alice "})
	check(t, "invited", err, invited, wireInvited)
	check(t, "asked", nil, f.services.last(), []any{by, service.NewPerson{Login: "alice@example.com", Role: access.RoleDeveloper, App: "com.acme.shop", Name: "Alice"}})
	if strings.Contains(f.log.String(), invitation1.Secret.Reveal()) {
		t.Error("the invitation is in the server's log")
	}
	role, none, state := access.RoleAuditor, sealift.AppID(""), store.PersonDisabled
	changed, err := c.ChangePerson(t.Context(), person1.ID, api.PersonChange{Role: "auditor", App: new(string), State: "disabled"})
	check(t, "changed", err, changed, wirePerson)
	check(t, "asked", nil, f.services.last(), []any{by, person1.ID, service.PersonChange{Role: &role, App: &none, State: &state}})
	_, err = c.ChangePerson(t.Context(), "ALICE@example.com", api.PersonChange{})
	check(t, "asked", err, f.services.last(), []any{by, "alice@example.com", service.PersonChange{}})
	reset, err := c.ResetPerson(t.Context(), person1.ID)
	check(t, "reset", err, reset, wireInvited)
	check(t, "asked", nil, f.services.last(), []any{by, person1.ID})
	check(t, "removed", c.RemovePerson(t.Context(), person1.ID), f.services.last(), []any{by, person1.ID})
	for _, body := range []string{
		`{}`, `{"login":"alice","role":"developer"}`, `{"login":"a@b","role":"god"}`, `{"login":"a@b","role":"auditor","app":"x"}`,
		`{"login":"a@b","role":"auditor","name":"a\nb"}`, `{"login":"a@b","role":"auditor","password":"x"}`,
	} {
		f.wantProblem(f.do("POST", control.Prefix+"/persons", "owner", body), 400, sealift.KindInvalid, "")
	}
	for _, body := range []string{`{"role":"god"}`, `{"app":"x"}`, `{"state":"removed"}`, `{"state":"invited"}`, `{"login":"a@b"}`} {
		f.wantProblem(f.do("PATCH", control.Prefix+"/persons/"+person1.ID, "owner", body), 400, sealift.KindInvalid, "")
	}
	for _, id := range []string{"x", "5D20C2E9C4A8B1F7", "@", "a@b@c"} {
		f.wantProblem(f.do("DELETE", control.Prefix+"/persons/"+id, "owner", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

func TestAccounts(t *testing.T) {
	f := newFixture(t, roles{})
	c, by := f.client(access.RoleOperator), caller(access.RoleOperator)
	from := service.Origin{Address: "127.0.0.1", Label: "Go-http-client/1.1"}

	begun, err := c.BeginAcceptance(t.Context(), "sealift_invitation_x")
	check(t, "begun", err, begun, api.Acceptance{Login: "alice@example.com", Name: "Alice", Role: "developer", App: "com.acme.shop", TOTP: wireTOTP})
	check(t, "asked", nil, f.services.last(), []any{from, "sealift_invitation_x"})
	done, err := c.AcceptInvitation(t.Context(), api.AcceptInvitation{Invitation: "x", Ceremony: "c", Name: " Alice ", Password: " secret ", Code: "492 039"})
	check(t, "accepted", err, done, api.Accepted{Secret: sessionSecret.Reveal(), Session: wireSession, RecoveryCodes: []string{"k3vx"}})
	check(t, "asked", nil, f.services.last(), []any{from, service.AcceptanceEnd{Invitation: "x", Ceremony: "c", Name: "Alice", Password: " secret ", Code: "492 039"}})
	in, err := c.SignIn(t.Context(), api.SignIn{Login: "Alice@example.com", Password: "secret", RecoveryCode: "k3vx"})
	check(t, "signed in", err, in, api.SignedIn{Secret: sessionSecret.Reveal(), Session: wireSession, RecoveryCodesLeft: 9})
	check(t, "asked", nil, f.services.last(), []any{from, service.SignIn{Login: "alice@example.com", Password: "secret", RecoveryCode: "k3vx"}})

	account, err := c.Account(t.Context())
	check(t, "account", err, account, api.Account{Person: wirePerson, Session: wireSession, RecoveryCodesLeft: 9})
	f.services.last()
	proven, err := c.StepUp(t.Context(), "492039")
	check(t, "proven", err, proven, wireSession)
	check(t, "asked", nil, f.services.last(), []any{by, "492039"})
	codes, err := c.NewRecoveryCodes(t.Context())
	check(t, "codes", err, codes, []string{"k3vx"})
	f.services.last()
	check(t, "password", c.SetPassword(t.Context(), "secret"), f.services.last(), []any{by, "secret"})
	secret, err := c.BeginTOTP(t.Context())
	check(t, "totp", err, secret, wireTOTP)
	f.services.last()
	check(t, "totp proven", c.FinishTOTP(t.Context(), api.TOTPProof{Ceremony: "c", Code: "492039"}), f.services.last(), []any{by, "c", "492039"})
	sessions, err := c.Sessions(t.Context(), person1.ID)
	check(t, "sessions", err, sessions, []api.Session{wireSession})
	check(t, "asked", nil, f.services.last(), []any{by, person1.ID})
	check(t, "ended", c.EndSession(t.Context(), session1.ID), f.services.last(), []any{by, session1.ID})

	for _, secret := range []string{"secret", "492039", "k3vx", sessionSecret.Reveal()} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("%s is in the server's log", secret)
		}
	}
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/sessions", `{"login":"a@b","password":"x"}`},
		{"POST", "/sessions", `{"login":"a@b","password":"x","code":"492039","recoveryCode":"k3vx"}`},
		{"POST", "/sessions", `{"login":"a@b","password":"x","code":"49203"}`},
		{"POST", "/sessions", `{"login":"a","password":"x","code":"492039"}`},
		{"POST", "/invitations/accept", strings.Replace(acceptance, "Alice", " ", 1)},
		{"POST", "/invitations/accept", strings.Replace(acceptance, "492039", "", 1)},
		{"POST", "/account/step-up", `{"code":"x"}`},
		{"PUT", "/account/totp", `{"ceremony":"x","code":"1234567"}`},
		{"GET", "/sessions?person=alice", ""},
		{"DELETE", "/sessions/x", ""},
	} {
		a := f.do(r.method, control.Prefix+r.path, "owner", r.body)
		if a.status != 400 {
			t.Errorf("%s %s %s: %d %s", r.method, r.path, r.body, a.status, a.body)
		}
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
