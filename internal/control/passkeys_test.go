package control_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

var (
	ceremony1 = service.PasskeyCeremony{Ceremony: "c", Options: json.RawMessage(`{"publicKey":{}}`), Expires: time.Unix(1, 0)}
	passkey1  = service.Passkey{ID: "77aa0c4e1b2d3c55", Label: "laptop", Created: time.Unix(1, 0), Used: time.Unix(2, 0)}
	request1  = service.SignInRequest{Secret: "s", Code: "K3VX-M2PQ", URL: "https://x/people/#K3VX-M2PQ", Expires: time.Unix(1, 0)}
)

func (s *services) BeginPasskey(_ context.Context, by access.Caller) (service.PasskeyCeremony, error) {
	return ceremony1, s.note(by)
}

func (s *services) FinishPasskey(_ context.Context, by access.Caller, ceremony, label string, answer json.RawMessage) (service.Passkey, error) {
	return passkey1, s.note(by, ceremony, label, string(answer))
}

func (s *services) Passkeys(_ context.Context, by access.Caller) ([]service.Passkey, error) {
	return []service.Passkey{passkey1, {ID: "x"}}, s.note(by)
}

func (s *services) RemovePasskey(_ context.Context, by access.Caller, id string) error {
	return s.note(by, id)
}

func (s *services) BeginPasskeySignIn(_ context.Context, from service.Origin) (service.PasskeyCeremony, error) {
	return ceremony1, s.note(from)
}

func (s *services) FinishPasskeySignIn(_ context.Context, from service.Origin, ceremony string, answer json.RawMessage) (service.SignedIn, error) {
	return service.SignedIn{Secret: sessionSecret, Session: session1}, s.note(from, ceremony, string(answer))
}

func (s *services) BeginRequest(_ context.Context, from service.Origin) (service.SignInRequest, error) {
	return request1, s.note(from)
}

func (s *services) BeginStepUp(_ context.Context, by access.Caller, program, doing string) (service.SignInRequest, error) {
	return service.SignInRequest{Code: "K3VX-M2PQ", URL: "https://x/people/#K3VX-M2PQ", Expires: time.Unix(5, 0)}, s.note(by, program, doing)
}

func (s *services) ShowRequest(_ context.Context, by access.Caller, code string) (service.Asked, error) {
	return service.Asked{Origin: service.Origin{Address: "192.0.2.7", Label: "sealift/1"}, StepUp: true, Doing: "token create"}, s.note(by, code)
}

func (s *services) ConfirmRequest(_ context.Context, by access.Caller, code string) error {
	return s.note(by, code)
}

func (s *services) PollRequest(_ context.Context, from service.Origin, secret string) (service.SignedIn, error) {
	return service.SignedIn{Secret: sessionSecret, Session: session1}, s.note(from, secret)
}

func TestPasskeys(t *testing.T) {
	f := newFixture(t, roles{})
	c, by := f.client(access.RoleAuditor), caller(access.RoleAuditor)
	used := time.Unix(2, 0).UTC()
	list, err := c.Passkeys(t.Context())
	check(t, "list", err, list, []api.Passkey{{ID: passkey1.ID, Label: "laptop", Created: time.Unix(1, 0).UTC(), Used: &used}, {ID: "x", Created: time.Time{}}})
	f.services.last()
	check(t, "removed", c.RemovePasskey(t.Context(), passkey1.ID), f.services.last(), []any{by, passkey1.ID})
	begun, err := c.BeginSignInRequest(t.Context())
	check(t, "begun", err, begun, api.SignInRequest{Secret: "s", Code: "K3VX-M2PQ", URL: request1.URL, Expires: time.Unix(1, 0).UTC()})
	f.services.last()
	in, err := c.PollSignInRequest(t.Context(), "s")
	check(t, "polled", err, in, api.SignedIn{Secret: sessionSecret.Reveal(), Session: wireSession})
	f.services.last()
	check(t, "confirmed", c.ConfirmSignInRequest(t.Context(), "K3VX-M2PQ"), f.services.last(), []any{by, "K3VX-M2PQ"})
	a := f.do("POST", control.Prefix+"/passkeys/finish", "auditor", `{"ceremony":"c","label":"laptop","credential":{"id": "y"}}`)
	if a.status != 201 {
		t.Error(a.body)
	}
	check(t, "asked", nil, f.services.last(), []any{by, "c", "laptop", `{"id": "y"}`}) // as the browser wrote it
	if a := f.do("POST", control.Prefix+"/passkeys/begin", "auditor", ""); !strings.Contains(a.body, `"options":{"publicKey":{}}`) {
		t.Error(a.body)
	}
	f.services.last()
	for _, code := range []string{"k3vx-m2pq", "K3VXM2PQ", "K3VX-M2P", "K3VX-M2P1"} {
		f.wantProblem(f.do("POST", control.Prefix+"/sign-in-requests/"+code, "owner", ""), 400, sealift.KindInvalid, "")
	}
	f.wantProblem(f.do("DELETE", control.Prefix+"/passkeys/x", "owner", ""), 400, sealift.KindInvalid, "")
	f.wantProblem(f.do("POST", control.Prefix+"/passkeys/finish", "owner", `{"ceremony":"c","label":"a\nb","credential":{}}`), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// A browser's session is in a cookie that no script reads, and serves like a
// token; but not for what another site asks.
func TestCookie(t *testing.T) {
	f := newFixture(t, roles{})
	for path, body := range map[string]string{
		"/sessions":                `{"login":"a@b","password":"x","code":"492039","cookie":true}`,
		"/sessions/passkey/finish": `{"ceremony":"x","credential":{},"cookie":true}`,
	} {
		a := f.do("POST", control.Prefix+path, "", body)
		set, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
		if err != nil || a.status != 201 || strings.Contains(a.body, sessionSecret.Reveal()) {
			t.Fatalf("%d %s, %v", a.status, a.body, err)
		}
		if set.Name != "__Host-sealift" || set.Value != sessionSecret.Reveal() || !set.Secure || !set.HttpOnly || set.SameSite != http.SameSiteStrictMode ||
			set.Path != "/" || set.Domain != "" || set.MaxAge != int(sealift.SessionLife/time.Second) {
			t.Errorf("%+v", set)
		}
	}
	if a := f.do("POST", control.Prefix+"/sessions", "", `{"login":"a@b","password":"x","code":"492039"}`); a.header.Get("Set-Cookie") != "" {
		t.Error("a program that did not ask for it is given a cookie")
	}
	const cookie = "__Host-sealift=owner"
	if a := f.do("GET", control.Prefix+"/apps", "", "", "Cookie", cookie); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := f.do("POST", control.Prefix+"/apps", "", `{"id":"com.acme.shop"}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f.services.last()
	for _, site := range []string{"cross-site", "same-site"} {
		a := f.do("POST", control.Prefix+"/apps", "", `{"id":"com.acme.shop"}`, "Cookie", cookie, "Sec-Fetch-Site", site)
		f.wantProblem(a, 403, sealift.KindDenied, "cross_origin")
	}
	// A header goes before it, also one that is none of ours.
	f.wantProblem(f.do("GET", control.Prefix+"/apps", "", "", "Cookie", cookie, "Authorization", "Basic x"), 401, sealift.KindDenied, access.ReasonUnauthenticated)
	f.wantProblem(f.do("GET", control.Prefix+"/apps", "", "", "Cookie", "sealift=owner"), 401, sealift.KindDenied, access.ReasonUnauthenticated)
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
