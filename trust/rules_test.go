package trust_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"maps"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// copied returns the world's trust.json and deny.json, to be bent.
func (b *bench) copied() (trust.Trust, trust.Deny) {
	t, d := b.world.Trust, b.world.Deny
	t.ReleaseCAs, t.DeviceCAs, t.Log.Keys, t.Revoked = slices.Clone(t.ReleaseCAs), slices.Clone(t.DeviceCAs), slices.Clone(t.Log.Keys), slices.Clone(t.Revoked)
	t.Apps, d.Floors = maps.Clone(t.Apps), maps.Clone(d.Floors)
	d.Revoked = slices.Clone(d.Revoked)
	return t, d
}

func cosigner(t testing.TB) trust.Cosigner {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(sealifttest.NewKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	return trust.Cosigner{Algorithm: trust.Ed25519, PublicKey: spki}
}

// TestUnusableRules: a document that cannot be used in full is not used at all.
func TestUnusableRules(t *testing.T) {
	b := newBench(t)
	weak, _ := newCA(t, ecKey(t, elliptic.P256()), nil)
	_, foreign, err := note.GenerateKey(rand.Reader, "sealift/ffffffffffffffffffffffffffffffff")
	if err != nil {
		t.Fatal(err)
	}
	one := cosigner(t)
	for name, bend := range map[string]func(*trust.Trust, *trust.Deny){
		"no release CA":           func(t *trust.Trust, _ *trust.Deny) { t.ReleaseCAs = nil },
		"no device CA":            func(t *trust.Trust, _ *trust.Deny) { t.DeviceCAs = nil },
		"weak release CA":         func(t *trust.Trust, _ *trust.Deny) { t.ReleaseCAs = append(t.ReleaseCAs, trust.CA{Certificate: weak}) },
		"weak device CA":          func(t *trust.Trust, _ *trust.Deny) { t.DeviceCAs = append(t.DeviceCAs, trust.CA{Certificate: weak}) },
		"garbled CA":              func(t *trust.Trust, _ *trust.Deny) { t.ReleaseCAs[0].Certificate = []byte("x") },
		"no log key":              func(t *trust.Trust, _ *trust.Deny) { t.Log.Keys = nil },
		"garbled log key":         func(t *trust.Trust, _ *trust.Deny) { t.Log.Keys[0] += "x" },
		"log key of another":      func(t *trust.Trust, _ *trust.Deny) { t.Log.Keys = append(t.Log.Keys, foreign) },
		"too many co-signers":     func(t *trust.Trust, _ *trust.Deny) { t.Defaults.CosignersNeeded = 1 },
		"fewer than no co-signer": func(t *trust.Trust, _ *trust.Deny) { t.Defaults.CosignersNeeded = -1 },
		"one co-signer twice": func(t *trust.Trust, _ *trust.Deny) {
			t.Defaults = trust.AppTrust{Cosigners: []trust.Cosigner{one, one}, CosignersNeeded: 2}
		},
		"garbled co-signer": func(t *trust.Trust, _ *trust.Deny) {
			t.Defaults.Cosigners = []trust.Cosigner{{Algorithm: trust.Ed25519}}
		},
		"floor of no version":   func(t *trust.Trust, _ *trust.Deny) { t.Defaults.Floor.Version = "1" },
		"denied floor likewise": func(_ *trust.Trust, d *trust.Deny) { d.Floors[testApp] = trust.Floor{Version: "v1.0.0"} },
		"serial in upper case":  func(t *trust.Trust, _ *trust.Deny) { t.Revoked = append(t.Revoked, trust.Revocation{Serial: "1F"}) },
		"serial with a zero":    func(_ *trust.Trust, d *trust.Deny) { d.Revoked = append(d.Revoked, trust.Revocation{Serial: "01f"}) },
		"serial with 0x":        func(_ *trust.Trust, d *trust.Deny) { d.Revoked = append(d.Revoked, trust.Revocation{Serial: "0x1f"}) },
		"serial below zero":     func(_ *trust.Trust, d *trust.Deny) { d.Revoked = append(d.Revoked, trust.Revocation{Serial: "-1f"}) },
		"no serial":             func(_ *trust.Trust, d *trust.Deny) { d.Revoked = append(d.Revoked, trust.Revocation{}) },
	} {
		doc, deny := b.copied()
		bend(&doc, &deny)
		rules, err := trust.NewRules(&doc, &deny, testApp)
		if sealift.KindOf(err) != sealift.KindMetadata || sealift.ReasonOf(err) != "malformed" || rules != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRulesAreAUnion: what either document refuses is refused, and the higher
// floor holds.
func TestRulesAreAUnion(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ own, denied, want trust.Floor }{
		{trust.Floor{Counter: 3, Version: "1.0.0"}, trust.Floor{Counter: 2, Version: "2.0.0"}, trust.Floor{Counter: 3, Version: "2.0.0"}},
		{trust.Floor{Counter: 3, Version: "2.0.0"}, trust.Floor{Counter: 9, Version: "1.0.0"}, trust.Floor{Counter: 9, Version: "2.0.0"}},
		{trust.Floor{Version: "2.0.0"}, trust.Floor{Counter: 1}, trust.Floor{Counter: 1, Version: "2.0.0"}},
		{trust.Floor{}, trust.Floor{Version: "1.0.0"}, trust.Floor{Version: "1.0.0"}},
		{trust.Floor{}, trust.Floor{}, trust.Floor{}},
	} {
		doc, deny := b.copied()
		doc.Defaults.Floor = trust.Floor{Counter: 99} // of apps that are not named
		doc.Apps[testApp], deny.Floors[testApp] = trust.AppTrust{Floor: c.own}, c.denied
		rules, err := trust.NewRules(&doc, &deny, testApp)
		if err != nil {
			t.Fatal(err)
		}
		if rules.Floor() != c.want || rules.Vault() != b.world.Vault {
			t.Errorf("%v and %v: %v, want %v", c.own, c.denied, rules.Floor(), c.want)
		}
		if rules, err = trust.NewRules(&doc, &deny, "com.acme.other"); err != nil || rules.Floor().Counter != 99 {
			t.Errorf("an app that is not named: %v", err)
		}
	}
}

func TestFollows(t *testing.T) {
	b := newBench(t)
	old, _ := b.copied()
	old.Revoked = []trust.Revocation{{Issuer: digest("ca"), Serial: "1f"}}
	old.Apps = map[sealift.AppID]trust.AppTrust{testApp: {Floor: trust.Floor{Counter: 3, Version: "1.5.0"}}}
	old.Defaults.Floor = trust.Floor{Counter: 2}
	_, otherLog, err := note.GenerateKey(rand.Reader, trust.LogOrigin(testVault))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		bend func(*trust.Trust)
		ok   bool
	}{
		"the same": {func(*trust.Trust) {}, true},
		"more revoked": {func(t *trust.Trust) {
			t.Revoked = append(t.Revoked, trust.Revocation{Issuer: digest("ca"), Serial: "2f"})
		}, true},
		"higher floor": {func(t *trust.Trust) {
			t.Apps[testApp] = trust.AppTrust{Floor: trust.Floor{Counter: 4, Version: "1.6.0"}}
		}, true},
		"floor for another": {func(t *trust.Trust) { t.Apps["a.b"] = trust.AppTrust{Floor: trust.Floor{Counter: 2}} }, true},
		"another vault":     {func(t *trust.Trust) { t.Vault, t.Log.Keys = testVault, []string{otherLog} }, false},
		"less revoked":      {func(t *trust.Trust) { t.Revoked = nil }, false},
		"of another issuer": {func(t *trust.Trust) { t.Revoked[0].Issuer = digest("other") }, false},
		"lower counter": {func(t *trust.Trust) {
			t.Apps[testApp] = trust.AppTrust{Floor: trust.Floor{Counter: 2, Version: "1.5.0"}}
		}, false},
		"lower version": {func(t *trust.Trust) {
			t.Apps[testApp] = trust.AppTrust{Floor: trust.Floor{Counter: 3, Version: "1.4.9"}}
		}, false},
		"no version":      {func(t *trust.Trust) { t.Apps[testApp] = trust.AppTrust{Floor: trust.Floor{Counter: 3}} }, false},
		"no longer named": {func(t *trust.Trust) { delete(t.Apps, testApp) }, false},
		"named below":     {func(t *trust.Trust) { t.Apps["a.b"] = trust.AppTrust{Floor: trust.Floor{Counter: 1}} }, false},
		"lower defaults":  {func(t *trust.Trust) { t.Defaults.Floor = trust.Floor{} }, false},
		"no CA":           {func(t *trust.Trust) { t.ReleaseCAs = nil }, false},
		"another app's rules unusable": {func(t *trust.Trust) {
			t.Apps["a.b"] = trust.AppTrust{Floor: trust.Floor{Counter: 2}, CosignersNeeded: 1}
		}, false},
	} {
		next, _ := b.copied()
		next.Revoked, next.Apps, next.Defaults = slices.Clone(old.Revoked), maps.Clone(old.Apps), old.Defaults
		c.bend(&next)
		if err := next.Follows(&old); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOfferPathIsReadAsItIsWritten(t *testing.T) {
	app, channel, platform, ok := trust.ParseOfferPath(trust.OfferPath("com.acme.shop", "beta", "ios"))
	if !ok || app != "com.acme.shop" || channel != "beta" || platform != "ios" {
		t.Error(app, channel, platform, ok)
	}
	for _, other := range []string{"", "deny.json", trust.EpochPath("com.acme.shop", "beta"), "a/b/c/offer.jsonx", "a/b/c/d/offer.json"} {
		if _, _, _, ok := trust.ParseOfferPath(other); ok {
			t.Errorf("%q is taken for an offer", other)
		}
	}
}

func TestTrustPublicKeys(t *testing.T) {
	w, err := sealifttest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := w.Trust.PublicKeys()
	if err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	verifier, err := note.NewEd25519VerifierKey(trust.LogOrigin(w.Vault), keys[2].(ed25519.PublicKey))
	if err != nil || verifier != w.Trust.Log.Keys[0] {
		t.Errorf("%q, %v; want %q", verifier, err, w.Trust.Log.Keys[0])
	}
	ca, err := trust.ParseCA(w.Trust.ReleaseCAs[0].Certificate)
	if err != nil || !ca.PublicKey.(*ecdsa.PublicKey).Equal(keys[0]) {
		t.Errorf("the first is not the release CA's: %v", err)
	}
	for name, bent := range map[string]trust.Trust{
		"CA": {ReleaseCAs: []trust.CA{{Certificate: []byte{1}}}}, "log": {Log: trust.Log{Keys: []string{"x+00000000+AA=="}}},
	} {
		if _, err := bent.PublicKeys(); sealift.KindOf(err) != sealift.KindMetadata {
			t.Errorf("%s: %v", name, err)
		}
	}
}
