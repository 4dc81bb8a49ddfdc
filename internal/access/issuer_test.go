package access_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
)

const page = "https://updates.example.com/people/"

func newIssuer(t *testing.T) (*access.Issuer, *accesstest.Issuer) {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	theirs := accesstest.NewIssuer(now)
	t.Cleanup(theirs.Close)
	return access.NewIssuer(theirs.Settings(), accesstest.ClientSecret, page, now), theirs
}

// redeem goes to the issuer and back, as a browser does.
func redeem(t *testing.T, ours *access.Issuer, theirs *accesstest.Issuer, bend func(q *access.IssuerQuestion)) (access.IssuerClaim, error) {
	t.Helper()
	q, err := ours.Ask(t.Context())
	if err != nil {
		return access.IssuerClaim{}, err
	}
	back, err := theirs.Visit(q.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(back.String(), page+"?") || back.Query().Get("state") != q.State {
		t.Fatalf("back at %s", back)
	}
	if bend != nil {
		bend(&q)
	}
	return ours.Redeem(t.Context(), q, back.Query().Get("code"))
}

func TestIssuer(t *testing.T) {
	ours, theirs := newIssuer(t)
	theirs.Email = "Alice@Example.com"
	for range 2 {
		c, err := redeem(t, ours, theirs, nil)
		want := access.IssuerClaim{Issuer: theirs.URL, Subject: "248289761001", Login: "alice@example.com", Proven: theirs.Now()}
		if err != nil || c != want {
			t.Errorf("%+v, %v", c, err)
		}
	}
	// Discovery and the keys once; the code goes to the token endpoint alone.
	want := []string{"/.well-known/openid-configuration", "/authorize", "/token", "/keys", "/authorize", "/token"}
	if asked := theirs.Asked(); !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
}

// What counts as more than one factor is a setting, and a proof of long ago is none.
func TestIssuerProof(t *testing.T) {
	ours, theirs := newIssuer(t)
	now := theirs.Now()
	at := func(age time.Duration) func(map[string]any) {
		return func(c map[string]any) { c["auth_time"] = now.Add(-age).Unix() }
	}
	for name, c := range map[string]struct {
		bend func(claims map[string]any)
		want time.Time
	}{
		"amr":              {func(map[string]any) {}, now},
		"acr":              {func(c map[string]any) { c["amr"], c["acr"] = nil, "gold" }, now},
		"one factor":       {func(c map[string]any) { c["amr"] = []string{"pwd"} }, time.Time{}},
		"nothing is said":  {func(c map[string]any) { delete(c, "amr") }, time.Time{}},
		"another acr":      {func(c map[string]any) { c["amr"], c["acr"] = nil, "silver" }, time.Time{}},
		"acr among amr":    {func(c map[string]any) { c["amr"] = []string{"gold"} }, time.Time{}},
		"as old as may be": {at(sealift.StepUpAge), now.Add(-sealift.StepUpAge)},
		"older":            {at(sealift.StepUpAge + time.Second), time.Time{}},
		"no auth_time":     {func(c map[string]any) { delete(c, "auth_time") }, time.Time{}},
		"a day ahead":      {at(-24 * time.Hour), now},
		"verified in text": {func(c map[string]any) { c["email_verified"] = "true" }, now},
		"with its party":   {func(c map[string]any) { c["azp"] = accesstest.ClientID }, now},
	} {
		theirs.Claims = c.bend
		got, err := redeem(t, ours, theirs, nil)
		if err != nil || !got.Proven.Equal(c.want) {
			t.Errorf("%s: %+v, %v, want proven at %s", name, got, err, c.want)
		}
	}
}

func TestIssuerRefusals(t *testing.T) {
	claim := func(name string, value any) func(i *accesstest.Issuer) {
		return func(i *accesstest.Issuer) { i.Claims = func(c map[string]any) { c[name] = value } }
	}
	for name, bend := range map[string]func(i *accesstest.Issuer){
		"another audience":     claim("aud", "other"),
		"no audience":          claim("aud", nil),
		"two audiences":        claim("aud", []string{accesstest.ClientID, "other"}),
		"another party":        claim("azp", "other"),
		"another issuer":       claim("iss", "https://login.example.com"),
		"another nonce":        claim("nonce", "other"),
		"no nonce":             claim("nonce", nil),
		"expired":              claim("exp", time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC).Unix()),
		"no expiry":            claim("exp", nil),
		"not yet":              claim("nbf", time.Date(2026, 1, 1, 0, 6, 0, 0, time.UTC).Unix()),
		"no subject":           claim("sub", ""),
		"a long subject":       claim("sub", strings.Repeat("x", sealift.MaxSubject+1)),
		"address not verified": claim("email_verified", false),
		"address said nothing": claim("email_verified", nil),
		"verified is a number": claim("email_verified", 1),
		"no address":           claim("email", nil),
		"an odd address":       claim("email", "alice"),
		"algorithm none": func(i *accesstest.Issuer) {
			i.Header = func(h map[string]any) { h["alg"] = "none" }
		},
		"a shared key": func(i *accesstest.Issuer) { i.Header = func(h map[string]any) { h["alg"] = "HS256" } },
		"another key":  func(i *accesstest.Issuer) { i.Foreign = true },
		"another key id": func(i *accesstest.Issuer) {
			i.Foreign = true
			i.Header = func(h map[string]any) { h["kid"] = "2" }
		},
	} {
		ours, theirs := newIssuer(t)
		bend(theirs)
		c, err := redeem(t, ours, theirs, nil)
		if sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != access.ReasonUnauthenticated || c != (access.IssuerClaim{}) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	// The code is bound to who asked, and serves once.
	ours, theirs := newIssuer(t)
	for name, bend := range map[string]func(q *access.IssuerQuestion){
		"no PKCE":          func(q *access.IssuerQuestion) { q.Verifier = "" },
		"another verifier": func(q *access.IssuerQuestion) { q.Verifier = strings.Repeat("x", 43) },
		"another nonce":    func(q *access.IssuerQuestion) { q.Nonce = "other" },
	} {
		if _, err := redeem(t, ours, theirs, bend); sealift.ReasonOf(err) != access.ReasonUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ours.Redeem(t.Context(), access.IssuerQuestion{}, "guessed"); sealift.ReasonOf(err) != access.ReasonUnauthenticated {
		t.Errorf("a code of nobody: %v", err)
	}
}

// An issuer that does not do its work is no refusal, and takes nothing down.
func TestIssuerAway(t *testing.T) {
	huge := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"x":"`+strings.Repeat("x", sealift.MaxIssuerAnswer)+`"}`)
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
	broken := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	empty := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"x","token_type":"Bearer"}`)
	}
	const wellKnown = "/.well-known/openid-configuration"
	said := func(name, value string) func(map[string]any) {
		return func(said map[string]any) { said[name] = value }
	}
	for name, bend := range map[string]func(i *accesstest.Issuer){
		"a huge discovery":  func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{wellKnown: huge} },
		"it redirects":      func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{wellKnown: elsewhere} },
		"it is broken":      func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{wellKnown: broken} },
		"a huge token":      func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/token": huge} },
		"the token moves":   func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/token": elsewhere} },
		"the token breaks":  func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/token": broken} },
		"no ID token":       func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/token": empty} },
		"huge keys":         func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/keys": huge} },
		"the keys move":     func(i *accesstest.Issuer) { i.Instead = map[string]http.HandlerFunc{"/keys": elsewhere} },
		"it is another":     func(i *accesstest.Issuer) { i.Discovery = said("issuer", "https://login.example.com") },
		"browsers in clear": func(i *accesstest.Issuer) { i.Discovery = said("authorization_endpoint", "http://login.example.com/a") },
		"tokens in clear":   func(i *accesstest.Issuer) { i.Discovery = said("token_endpoint", "http://login.example.com/t") },
		"keys in clear":     func(i *accesstest.Issuer) { i.Discovery = said("jwks_uri", "http://login.example.com/k") },
		"nobody is there":   func(i *accesstest.Issuer) { i.Close() },
	} {
		ours, theirs := newIssuer(t)
		ours.Through(stays{t})
		bend(theirs)
		_, err := redeem(t, ours, theirs, nil)
		if sealift.KindOf(err) != sealift.KindNetwork || sealift.ReasonOf(err) != access.ReasonIssuerAway || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if slices.Contains(theirs.Asked(), "/elsewhere") {
			t.Errorf("%s: it was followed", name)
		}
	}
}

// stays fails a test that asks another machine.
type stays struct{ t *testing.T }

func (s stays) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		s.t.Errorf("%s is asked", r.URL)
		return nil, errors.New("it is another machine")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// slow answers a path with a text after a while, and others never.
type slow map[string]slowly

type slowly struct {
	after time.Duration
	text  string
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, ok := s[r.URL.Path]
	if !ok {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	select {
	case <-time.After(answer.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	h := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(answer.text)), Request: r}, nil
}

// Whatever hangs, the person waits for so long and no longer, and nothing is left
// behind that waits on.
func TestIssuerHangs(t *testing.T) {
	const said = `{"issuer":"https://i.example","authorization_endpoint":"https://i.example/authorize","token_endpoint":"https://i.example/token","jwks_uri":"https://i.example/keys"}`
	token := `{"access_token":"x","token_type":"Bearer","id_token":"` + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"1"}`)) + `.e30.c2ln"}`
	const wellKnown = "/.well-known/openid-configuration"
	for name, answers := range map[string]slow{
		"discovery":         {},
		"slow, and a token": {wellKnown: {sealift.IssuerTimeout * 2 / 3, said}, "/token": {sealift.IssuerTimeout * 2 / 3, token}},
		"keys":              {wellKnown: {0, said}, "/token": {0, token}},
	} {
		synctest.Test(t, func(t *testing.T) {
			settings := access.IssuerSettings{Issuer: "https://i.example", ClientID: "x"}
			ours := access.NewIssuer(settings, "x", page, time.Now)
			ours.Through(answers)
			began := time.Now()
			_, err := ours.Redeem(context.WithoutCancel(t.Context()), access.IssuerQuestion{Verifier: "x"}, "x")
			if passed := time.Since(began); sealift.ReasonOf(err) != access.ReasonIssuerAway || passed != sealift.IssuerTimeout {
				t.Errorf("%s: after %s: %v", name, passed, err)
			}
		})
	}
}

// Some issuers take the secret in the form alone; and say so.
func TestIssuerClientSecret(t *testing.T) {
	for method, inForm := range map[string]bool{"client_secret_basic": false, "client_secret_post": true} {
		ours, theirs := newIssuer(t)
		theirs.Discovery = func(said map[string]any) { said["token_endpoint_auth_methods_supported"] = []string{method} }
		var form url.Values
		basic := false
		theirs.Instead = map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
			_, _, basic = r.BasicAuth()
			_ = r.ParseForm()
			form = r.PostForm
			w.WriteHeader(http.StatusBadRequest)
		}}
		if _, err := redeem(t, ours, theirs, nil); err == nil {
			t.Error("nobody answered, and it is believed")
		}
		asked := 0
		for _, path := range theirs.Asked() {
			if path == "/token" {
				asked++
			}
		}
		if basic == inForm || (form.Get("client_secret") != "") != inForm || asked != 1 {
			t.Errorf("%s: basic %v, form %v, asked %d times", method, basic, form, asked)
		}
	}
}

func TestIssuerSettings(t *testing.T) {
	good := `{"issuer":"https://login.example.com","clientId":"sealift","clientSecretFile":"secret","mfa":{"amr":["mfa"],"acr":["gold"]}}`
	s, err := access.ParseIssuerSettings([]byte(good))
	if err != nil || s.Issuer != "https://login.example.com" || s.ClientID != "sealift" || s.ClientSecretFile != "secret" || !slices.Equal(s.MFA.AMR, []string{"mfa"}) || !slices.Equal(s.MFA.ACR, []string{"gold"}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, issuer := range []string{"http://localhost:5556/dex", "http://127.0.0.1:5556", "http://[::1]:5556", "https://login.example.com/realms/acme/"} {
		if _, err := access.ParseIssuerSettings([]byte(strings.Replace(good, "https://login.example.com", issuer, 1))); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, bad := range []string{
		"", "{}", "null", "[]", good + good, strings.Replace(good, "issuer", "Issuer", 1), strings.Replace(good, `"sealift"`, `""`, 1),
		strings.Replace(good, `"secret"`, `""`, 1), strings.Replace(good, `"mfa"]`, `""]`, 1), strings.Replace(good, `"gold"`, `""`, 1),
		strings.Replace(good, "https://login.example.com", "http://login.example.com", 1), strings.Replace(good, "https://login.example.com", "login.example.com", 1),
		strings.Replace(good, "https://login.example.com", "https://a@login.example.com", 1), strings.Replace(good, "https://login.example.com", "https://login.example.com/?a=b", 1),
		strings.Replace(good, `"mfa":{`, `"more":1,"mfa":{`, 1), strings.Replace(good, "sealift", strings.Repeat("x", sealift.MaxIssuerSettings), 1),
	} {
		if _, err := access.ParseIssuerSettings([]byte(bad)); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%.80s: %v", bad, err)
		}
	}
}
