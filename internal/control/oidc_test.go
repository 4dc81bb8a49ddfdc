package control_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/service"
)

func (s *services) CheckIssuer(context.Context) (service.IssuerState, error) {
	return service.IssuerState{Issuer: "https://x", ClientID: "sealift", Problem: "away"}, s.note("check")
}

func (s *services) IssuerName(_ context.Context, from service.Origin) (string, error) {
	return "https://login.example.com", s.note(from)
}

func (s *services) BeginOIDC(_ context.Context, from service.Origin) (service.OIDCCeremony, error) {
	return service.OIDCCeremony{Ceremony: "c", URL: "https://login.example.com/?state=s", Expires: time.Unix(1, 0)}, s.note(from)
}

func (s *services) FinishOIDC(_ context.Context, from service.Origin, ceremony, state, code string) (service.SignedIn, error) {
	return service.SignedIn{Secret: sessionSecret, Session: session1}, s.note(from, ceremony, state, code)
}

func (s *services) ProveOIDC(_ context.Context, from service.Origin, ceremony, code string) (service.SignedIn, error) {
	return service.SignedIn{Secret: sessionSecret, Session: session1}, s.note(from, ceremony, code)
}

func TestOIDC(t *testing.T) {
	f := newFixture(t, roles{})
	if a := f.do("GET", control.Prefix+"/sessions/oidc", "", ""); !strings.Contains(a.body, `"issuer":"https://login.example.com"`) {
		t.Error(a.body)
	}
	f.services.last()
	if a := f.do("POST", control.Prefix+"/sessions/oidc/begin", "", ""); a.status != 200 || !strings.Contains(a.body, `"ceremony":"c"`) ||
		!strings.Contains(a.body, `"url":"https://login.example.com/?state=s"`) {
		t.Error(a.body)
	}
	f.services.last()
	for path, body := range map[string]string{
		"finish": `{"ceremony":"x","state":"y","code":"z","cookie":true}`,
		"prove":  `{"ceremony":"x","code":"492039","cookie":true}`,
	} {
		a := f.do("POST", control.Prefix+"/sessions/oidc/"+path, "", body)
		set, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
		if err != nil || a.status != 201 || set.Value != sessionSecret.Reveal() || strings.Contains(a.body, sessionSecret.Reveal()) {
			t.Errorf("%d %s, %v", a.status, a.body, err)
		}
		f.services.last()
		a = f.do("POST", control.Prefix+"/sessions/oidc/"+path, "", body, "Sec-Fetch-Site", "cross-site")
		f.wantProblem(a, 403, sealift.KindDenied, "cross_origin")
	}
	f.wantProblem(f.do("POST", control.Prefix+"/sessions/oidc/finish", "", `{"ceremony":"x","state":"","code":"z"}`), 400, sealift.KindInvalid, "")
	f.wantProblem(f.do("POST", control.Prefix+"/sessions/oidc/prove", "", `{"ceremony":"x","code":"none"}`), 400, sealift.KindInvalid, "code")
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
