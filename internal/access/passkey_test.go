package access_test

import (
	"encoding/json"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
)

const origin = "https://updates.example.com"

func newParty(t *testing.T) *access.RelyingParty {
	t.Helper()
	p, err := access.NewRelyingParty(origin)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// enrolled registers a passkey for alice.
func enrolled(t *testing.T, p *access.RelyingParty) (*accesstest.Authenticator, access.Holder) {
	t.Helper()
	a := accesstest.New(origin, "updates.example.com")
	h := access.Holder{ID: "5d20c2e9c4a8b1f7", Login: "alice@example.com", Name: "Alice"}
	c, err := p.BeginRegistration(h)
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.FinishRegistration(h, c.State, a.Register(c.Options))
	if err != nil {
		t.Fatal(err)
	}
	h.Passkeys = []access.Passkey{key}
	return a, h
}

func wantPasskeyRefused(t *testing.T, name string, err error) {
	t.Helper()
	if sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "passkey" || sealift.HintOf(err) == "" {
		t.Errorf("%s: %v", name, err)
	}
}

func TestPasskey(t *testing.T) {
	p := newParty(t)
	a, h := enrolled(t, p)
	for _, who := range []*access.Holder{nil, &h} {
		c, err := p.BeginAssertion(who, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer := a.Assert(c.Options)
		if got := access.UserHandle(answer); got != h.ID {
			t.Errorf("the handle is %q", got)
		}
		which, kept, err := p.FinishAssertion(h, c.State, answer)
		if err != nil || which != 0 || access.PasskeyCounter(kept) != int64(a.Counter) {
			t.Fatalf("%d, %s, %v", which, kept, err)
		}
		h.Passkeys[0] = kept
	}
	// An approval's challenge is what it says.
	challenge := []byte("0123456789abcdef0123456789abcdef")
	c, err := p.BeginAssertion(&h, challenge)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.FinishAssertion(h, c.State, a.Assert(c.Options)); err != nil {
		t.Error(err)
	}
	other, _ := p.BeginAssertion(&h, nil)
	_, _, err = p.FinishAssertion(h, c.State, a.Assert(other.Options))
	wantPasskeyRefused(t, "another challenge", err)
}

// Each way to bend an answer.
func TestPasskeyRefusals(t *testing.T) {
	for name, bend := range map[string]func(a *accesstest.Authenticator, h *access.Holder){
		"wrong origin": func(a *accesstest.Authenticator, _ *access.Holder) {
			a.Origin = "https://updates.example.com.evil.example"
		},
		"another port":        func(a *accesstest.Authenticator, _ *access.Holder) { a.Origin = origin + ":8443" },
		"plain http":          func(a *accesstest.Authenticator, _ *access.Holder) { a.Origin = "http://updates.example.com" },
		"wrong relying party": func(a *accesstest.Authenticator, _ *access.Holder) { a.RPID = "example.com" },
		"user not verified":   func(a *accesstest.Authenticator, _ *access.Holder) { a.User = false },
		"a counter of before": func(a *accesstest.Authenticator, _ *access.Holder) { a.Counter = 0 },
		"wrong signature":     func(a *accesstest.Authenticator, _ *access.Holder) { a.Flip = true },
		"another's handle":    func(a *accesstest.Authenticator, _ *access.Holder) { a.Handle = []byte("ffffffffffffffff") },
		"another person":      func(_ *accesstest.Authenticator, h *access.Holder) { h.ID = "ffffffffffffffff" },
		"no such passkey":     func(_ *accesstest.Authenticator, h *access.Holder) { h.Passkeys = nil },
	} {
		p := newParty(t)
		a, h := enrolled(t, p)
		c, err := p.BeginAssertion(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		bend(a, &h)
		_, kept, err := p.FinishAssertion(h, c.State, a.Assert(c.Options))
		wantPasskeyRefused(t, name, err)
		if kept != nil {
			t.Errorf("%s: something is kept", name)
		}
	}
}

func TestRegistrationRefusals(t *testing.T) {
	for name, bend := range map[string]func(a *accesstest.Authenticator){
		"wrong origin":        func(a *accesstest.Authenticator) { a.Origin = "https://evil.example" },
		"wrong relying party": func(a *accesstest.Authenticator) { a.RPID = "evil.example" },
		"user not verified":   func(a *accesstest.Authenticator) { a.User = false },
	} {
		p := newParty(t)
		a := accesstest.New(origin, "updates.example.com")
		h := access.Holder{ID: "5d20c2e9c4a8b1f7", Login: "alice@example.com"}
		c, err := p.BeginRegistration(h)
		if err != nil {
			t.Fatal(err)
		}
		bend(a)
		_, err = p.FinishRegistration(h, c.State, a.Register(c.Options))
		wantPasskeyRefused(t, name, err)
	}
	p := newParty(t)
	_, h := enrolled(t, p)
	c, err := p.BeginAssertion(&h, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, nonsense := range []string{"", "{}", "null", `{"id":"x"}`, `[1]`} {
		_, err := p.FinishRegistration(h, c.State, json.RawMessage(nonsense))
		wantPasskeyRefused(t, nonsense, err)
		_, _, err = p.FinishAssertion(h, c.State, json.RawMessage(nonsense))
		wantPasskeyRefused(t, nonsense, err)
		if got := access.UserHandle(json.RawMessage(nonsense)); got != "" {
			t.Errorf("%q has the handle %q", nonsense, got)
		}
	}
	h.Passkeys = nil
	if _, err := p.BeginAssertion(&h, nil); sealift.ReasonOf(err) != "no-passkey" {
		t.Error(err)
	}
}

// A copy of an authenticator and its original: whoever is behind is refused.
func TestClonedAuthenticator(t *testing.T) {
	p := newParty(t)
	a, h := enrolled(t, p)
	stolen := a.Clone()
	c, err := p.BeginAssertion(&h, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, kept, err := p.FinishAssertion(h, c.State, a.Assert(c.Options))
	if err != nil {
		t.Fatal(err)
	}
	h.Passkeys[0] = kept
	_, _, err = p.FinishAssertion(h, c.State, stolen.Assert(c.Options))
	wantPasskeyRefused(t, "the copy", err)
}

func TestParseOrigin(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://updates.example.com": true, "https://updates.example.com:8443": true, "http://localhost:8470": true,
		"http://127.0.0.1:8470": false, "https://192.0.2.1": false, "https://[2001:db8::1]:8470": false, "https://%zz": false, "http://updates.example.com": false, "https://updates.example.com/": false, "https://a@b": false,
		"": false, "updates.example.com": false, "https://x?y": false, "ftp://localhost": false,
	} {
		if _, err := access.ParseOrigin(text); (err == nil) != ok || err != nil && sealift.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := access.NewRelyingParty(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
