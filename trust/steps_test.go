package trust_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// TestReleaseFileForm: what cannot be read is a refusal of step 1, before any
// key is looked at.
func TestReleaseFileForm(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	var file map[string]json.RawMessage
	if err := json.Unmarshal(p.ReleaseJSON, &file); err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) []byte {
		bent := map[string]json.RawMessage{}
		for k, v := range file {
			bent[k] = v
		}
		bent[key] = json.RawMessage(value)
		data, err := json.Marshal(bent)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	chain := string(file["chain"])
	for name, bad := range map[string][]byte{
		"empty":                nil,
		"null":                 []byte("null"),
		"too long":             with("later", `"`+strings.Repeat("a", sealift.MaxRelease)+`"`),
		"an answer":            with("mediaType", `"`+trust.AnswerMediaType+`"`),
		"no media type":        with("mediaType", `""`),
		"no leaf":              with("chain", `[]`),
		"two leaves":           with("chain", `[`+chain[1:len(chain)-1]+`,`+chain[1:]),
		"a leaf that is null":  with("chain", `[null]`),
		"a leaf of nothing":    with("chain", `[""]`),
		"a garbled leaf":       with("chain", `["AAAA"]`),
		"a critical field":     with("critical", `["later"]`),
		"a payload of garbage": with("dsseEnvelope", `{"payload":"!","payloadType":"x","signatures":[]}`),
		"no payload":           with("dsseEnvelope", `{}`),
	} {
		if _, err := b.verify(bad, p.Proof); sealift.KindOf(err) != sealift.KindChain {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]string{"empty": "", "null": "null", "garbage": `{"payload":"!"}`, "long": `"` + strings.Repeat("a", sealift.MaxRelease) + `"`} {
		if _, err := trust.ParseReleaseEnvelope([]byte(bad)); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "malformed" {
			t.Errorf("envelope, %s: %v", name, err)
		}
	}
	signed, err := signRelease(p.Payload, p.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.VerifiedBy(p.Leaf.Public()); err != nil {
		t.Error(err)
	}
	if signed.VerifiedBy(b.prepare(sealifttest.Spec{Version: "1.0.1"}).Leaf.Public()) == nil {
		t.Error("verified by another key")
	}
	if text := signed.String(); !strings.HasPrefix(text, "signed payload of ") || len(text) > 40 {
		t.Errorf("it prints as %.100s", text)
	}
}

// TestPayloadIsReadLast: a payload that no device can read is a refusal of the
// chain, once the leaf vouches for its bytes.
func TestPayloadIsReadLast(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	p.Payload = []byte(`{"critical":["later"]}`)
	_, err := b.verify(b.forge(p, b.world.ReleaseCA, p.Leaf, nil), p.Proof)
	b.wantRefusal(err, sealift.KindChain, "malformed")

	p = b.prepare(sealifttest.Spec{BendPayload: func([]byte) []byte { return []byte("garbage") }})
	b.refuse(p, sealift.KindChain, "binding") // not read at all: the leaf does not vouch for it
}

// TestOrderOfSteps: with everything wrong at once, the first step speaks; with
// one step put right after the other, the next one.
func TestOrderOfSteps(t *testing.T) {
	b := newBench(t)
	foreign, err := sealifttest.NewCA("release CA", start)
	if err != nil {
		t.Fatal(err)
	}
	wrong := sealifttest.Spec{CA: foreign, PayloadType: "application/x", SkipLog: true, Platform: "ios"}
	b.refuse(b.prepare(wrong), sealift.KindChain, "unknown-ca")
	wrong.CA = sealifttest.CA{}
	b.refuse(b.prepare(wrong), sealift.KindSignature, "payload-type")
	wrong.PayloadType = ""
	b.refuse(b.prepare(wrong), sealift.KindSignature, "log")
	wrong.SkipLog = false
	b.refuse(b.prepare(wrong), sealift.KindVersion, "platform")
	wrong.Platform = ""
	b.take(b.prepare(wrong))
}

// TestRulesOfAnotherApp: rules are of one app, and serve its devices alone.
func TestRulesOfAnotherApp(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	rules, err := trust.NewRules(&b.world.Trust, &b.world.Deny, "com.acme.other")
	if err != nil {
		t.Fatal(err)
	}
	b.wantRefusal(rules.CheckVersion(b.device, &p.Release, start), sealift.KindVersion, "app")
}

func TestCheckBlob(t *testing.T) {
	want := trust.Blob{Kind: trust.BlobFull, Digest: digest("blob"), Length: 4}
	if err := trust.CheckBlob(want, digest("blob"), 4); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		digest sealift.Digest
		length int64
		reason string
	}{{digest("blob"), 3, "blob-length"}, {digest("blob"), 5, "blob-length"}, {digest("other"), 4, "blob-digest"}, {sealift.Digest{}, 4, "blob-digest"}} {
		err := trust.CheckBlob(want, c.digest, c.length)
		if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != c.reason {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// TestRollbackEdges: to the second, and for devices that need no authority.
func TestRollbackEdges(t *testing.T) {
	b := newBench(t)
	b.take(b.prepare(sealifttest.Spec{Version: "1.0.0"}))
	installed := b.device.Installed.Release
	back := func(version sealift.Version, from sealift.Digest, end time.Duration) *sealifttest.Published {
		return b.prepare(sealifttest.Spec{Version: version, Act: sealift.ActRollback, Rollback: &trust.Rollback{
			From: []sealift.Digest{digest("x"), from}, NotAfter: trust.At(start.Add(end)),
		}})
	}
	b.refuse(back("0.9.0", installed, -time.Second), sealift.KindVersion, "rollback-expired")
	b.refuse(back("0.9.0", digest("other"), 0), sealift.KindVersion, "rollback-from")
	before := b.device
	b.take(back("0.9.0", installed, 0)) // at its very end
	b.device = before
	b.take(back("1.0.0", installed, 0)) // to the same version, under a new certificate
	b.device = before
	b.take(back("1.1.0", digest("other"), -time.Second)) // newer: needs no authority
}
