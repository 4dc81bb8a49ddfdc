package ceremony_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

const shop sealift.AppID = "com.acme.shop"

func cosigner(t *testing.T) trust.Cosigner {
	t.Helper()
	k, err := trust.CheckCosigner(sealifttest.NewKey().Public())
	check(t, err)
	return k
}

func caOf(t *testing.T, name string) (trust.CA, sealift.Digest) {
	t.Helper()
	ca, err := sealifttest.NewCA(name, foundedAt)
	check(t, err)
	return trust.CA{Certificate: ca.Certificate.Raw}, trust.IssuerOf(ca.Certificate)
}

// apply changes a trust.json and says in plain words how.
func apply(t *testing.T, present trust.Trust, a ceremony.Anchors, c ceremony.Change) (trust.Trust, string) {
	t.Helper()
	next, err := c.Apply(present, a)
	check(t, err)
	return next, strings.Join(ceremony.Differences(&present, &next), "\n")
}

func TestChange(t *testing.T) {
	a, err := anchors()
	check(t, err)
	present := a.Trust
	if next, words := apply(t, present, a, ceremony.Change{}); words != "" || len(next.Apps) != 0 {
		t.Errorf("nothing changes %q", words)
	}
	one, two := cosigner(t), cosigner(t)
	revoked := trust.Revocation{Issuer: sealift.Digest{1}, Serial: "7f"}
	next, words := apply(t, present, a, ceremony.Change{
		Floors: map[sealift.AppID]trust.Floor{shop: {Version: "1.2.0"}, ceremony.Defaults: {Counter: 3}}, Revoke: []trust.Revocation{revoked},
		AddCosigners: map[sealift.AppID][]trust.Cosigner{shop: {one, two, one}}, Needed: map[sealift.AppID]int{shop: 2},
	})
	own := next.Apps[shop]
	if own.Floor != (trust.Floor{Version: "1.2.0"}) && own.Floor != (trust.Floor{Version: "1.2.0", Counter: 3}) || own.CosignersNeeded != 2 || len(own.Cosigners) != 2 || !slices.Contains(next.Revoked, revoked) || next.Defaults.Floor.Counter != 3 {
		t.Errorf("%+v", next)
	}
	for _, want := range []string{
		"certificate 7f of CA 01", "revoked for good", "com.acme.shop: the floor rises from nothing to version 1.2.0",
		"the apps that are not named: the floor rises from nothing to counter 3", ceremony.CosignerID(one) + " may co-sign",
		"a release needs 2 of 2 co-signatures instead of 0; devices refuse those that have fewer, what is offered now included",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in:\n%s", want, words)
		}
	}
	if present.Apps[shop].CosignersNeeded != 0 || len(present.Revoked) != 0 {
		t.Error("what was there before changed, too")
	}

	// An app that is named for the first time keeps what held for it.
	fresh, _ := apply(t, next, a, ceremony.Change{Needed: map[sealift.AppID]int{"com.acme.till": 0}})
	if fresh.Apps["com.acme.till"].Floor.Counter != 3 {
		t.Errorf("it lost its floor: %+v", fresh.Apps)
	}
	fewer, words := apply(t, next, a, ceremony.Change{
		Needed: map[sealift.AppID]int{shop: 1}, DropCosigners: map[sealift.AppID][]string{shop: {ceremony.CosignerID(two)[:12]}},
	})
	if own := fewer.Apps[shop]; own.CosignersNeeded != 1 || len(own.Cosigners) != 1 || !strings.Contains(words, "may not co-sign any more") {
		t.Errorf("%+v, %s", own, words)
	}
}

func TestChangeOfKeys(t *testing.T) {
	a, err := anchors()
	check(t, err)
	present := a.Trust
	newer, newerID := caOf(t, "release CA 2")
	extra, extraID := caOf(t, "offline")
	a.Trust.ReleaseCAs = append(slices.Clone(present.ReleaseCAs), newer)
	next, words := apply(t, present, a, ceremony.Change{AddCA: [][]byte{extra.Certificate}})
	if len(next.ReleaseCAs) != 3 || !strings.Contains(words, newerID.String()) || !strings.Contains(words, extraID.String()) || !strings.Contains(words, "devices take releases that it certifies") {
		t.Errorf("%d CAs: %s", len(next.ReleaseCAs), words)
	}
	older := trust.IssuerOf(mustCA(t, present.ReleaseCAs[0]))
	dropped, words := apply(t, next, a, ceremony.Change{DropCA: []sealift.Digest{older}})
	if len(dropped.ReleaseCAs) != 1 || !strings.Contains(words, "devices take nothing that it certified any more") {
		t.Errorf("%d CAs: %s", len(dropped.ReleaseCAs), words)
	}
	// What the director refuses becomes permanent.
	revoked := trust.Revocation{Issuer: older, Serial: "1"}
	confirmed, _ := apply(t, present, a, ceremony.Change{Confirm: &trust.Deny{
		Revoked: []trust.Revocation{revoked}, SuspendedCAs: []sealift.Digest{newerID}, Floors: map[sealift.AppID]trust.Floor{shop: {Counter: 9}},
	}})
	if !slices.Contains(confirmed.Revoked, revoked) || len(confirmed.ReleaseCAs) != 1 || confirmed.Apps[shop].Floor.Counter != 9 {
		t.Errorf("%+v", confirmed)
	}
	if _, err := (ceremony.Change{DropCA: []sealift.Digest{older, newerID}}).Apply(present, a); sealift.ReasonOf(err) != "ca" {
		t.Errorf("no CA is left: %v", err)
	}
}

func mustCA(t *testing.T, ca trust.CA) *x509.Certificate {
	t.Helper()
	cert, err := trust.ParseCA(ca.Certificate)
	check(t, err)
	return cert
}

func TestChangesThatMayNeverBe(t *testing.T) {
	a, err := anchors()
	check(t, err)
	present := a.Trust
	present.Apps = map[sealift.AppID]trust.AppTrust{shop: {Floor: trust.Floor{Version: "2.0.0", Counter: 5}, Cosigners: []trust.Cosigner{cosigner(t)}, CosignersNeeded: 1}}
	many := make([]trust.Cosigner, sealift.MaxCosigners)
	for i := range many {
		many[i] = cosigner(t)
	}
	for name, c := range map[string]struct {
		change ceremony.Change
		kind   sealift.Kind
		reason string
	}{
		"a version's floor that falls":  {ceremony.Change{Floors: map[sealift.AppID]trust.Floor{shop: {Version: "1.9.9"}}}, sealift.KindInvalid, "floor"},
		"a counter's floor that falls":  {ceremony.Change{Floors: map[sealift.AppID]trust.Floor{shop: {Counter: 4}}}, sealift.KindInvalid, "floor"},
		"a threshold too high":          {ceremony.Change{Needed: map[sealift.AppID]int{shop: 2}}, sealift.KindInvalid, "cosigners"},
		"a negative threshold":          {ceremony.Change{Needed: map[sealift.AppID]int{shop: -1}}, sealift.KindInvalid, "cosigners"},
		"the last co-signer goes":       {ceremony.Change{DropCosigners: map[sealift.AppID][]string{shop: {ceremony.CosignerID(present.Apps[shop].Cosigners[0])}}}, sealift.KindInvalid, "trust"},
		"more co-signers than fit":      {ceremony.Change{AddCosigners: map[sealift.AppID][]trust.Cosigner{shop: many}}, sealift.KindInvalid, "trust"},
		"a co-signer that is not there": {ceremony.Change{DropCosigners: map[sealift.AppID][]string{shop: {"zz"}}}, sealift.KindNotFound, "cosigner"},
		"any co-signer":                 {ceremony.Change{DropCosigners: map[sealift.AppID][]string{shop: {""}}}, sealift.KindNotFound, "cosigner"},
		"a CA that is none":             {ceremony.Change{AddCA: [][]byte{{1}}}, sealift.KindInvalid, "ca"},
		"a CA that is not there":        {ceremony.Change{DropCA: []sealift.Digest{{1}}}, sealift.KindNotFound, "ca"},
		"a serial of another spelling":  {ceremony.Change{Revoke: []trust.Revocation{{Serial: "0A"}}}, sealift.KindInvalid, "trust"},
	} {
		if _, err := c.change.Apply(present, a); sealift.KindOf(err) != c.kind || sealift.ReasonOf(err) != c.reason || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v (%s/%s, hint %q), want %s/%s", name, err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err), c.kind, c.reason)
		}
	}
}
