package trust_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// caller is a device as far as messages go.
type caller struct {
	key  *ecdsa.PrivateKey
	spki []byte
	req  *trust.Request
}

func newCaller(t testing.TB, vault sealift.VaultID) *caller {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	body, err := trust.EncodeBody(trust.EpochRequest{Channel: "production", Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &caller{key, spki, &trust.Request{
		Vault: vault, App: testApp, Device: sealift.DeviceIDOf(spki), Kind: trust.RequestEpoch,
		Nonce: strings.Repeat("0f", 16), Time: trust.At(start), Body: body,
	}}
}

func TestRequest(t *testing.T) {
	c := newCaller(t, testVault)
	message, err := trust.SignRequest(c.req, c.key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := trust.ParseRequest(message)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := signed.Claims()
	if err != nil || claims.Device != c.req.Device {
		t.Errorf("claims %+v, %v", claims, err)
	}
	req, err := signed.Verify(c.spki)
	if err != nil || req.Nonce != c.req.Nonce || req.Kind != trust.RequestEpoch {
		t.Fatalf("%+v, %v", req, err)
	}
	var body trust.EpochRequest
	if err := trust.DecodeBody(req.Body, &body); err != nil || body.Number != 1 {
		t.Errorf("%+v, %v", body, err)
	}
	for _, bad := range []string{``, `null`, `[]`, `{"number":1,"number":2}`, `{"Number":1}`, `{"later":1,"critical":["later"]}`, `{"critical":"later"}`} {
		if err := trust.DecodeBody(json.RawMessage(bad), &body); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "malformed" {
			t.Errorf("body %q: %v", bad, err)
		}
	}
	for i := range message { // no byte is idle
		bent := bytes.Clone(message)
		bent[i] ^= 1
		signed, err := trust.ParseRequest(bent)
		if err == nil {
			_, err = signed.Verify(c.spki)
		}
		if err == nil && !benign(message, bent) {
			t.Fatalf("byte %d bent and taken: %s", i, bent)
		}
	}
}

// benign reports whether two messages differ in nothing that is signed or
// verified: in a key id that is not there, or in the final newline.
func benign(a, b []byte) bool {
	type envelope struct {
		Payload, PayloadType string
		Signatures           []struct{ Sig string }
	}
	type message struct {
		envelope
		MediaType    string
		Chain        []string
		DSSEEnvelope envelope
	}
	var x, y message
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func TestRequestRefusals(t *testing.T) {
	c, other := newCaller(t, testVault), newCaller(t, testVault)
	p384 := ecKey(t, elliptic.P384())
	spki384, err := x509.MarshalPKIXPublicKey(p384.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		bend func(*trust.Request)
		key  crypto.Signer
		spki []byte
	}{
		"signed by another key":     {key: other.key, spki: c.spki},
		"checked by another key":    {key: c.key, spki: other.spki},
		"of another device's id":    {bend: func(r *trust.Request) { r.Device = other.req.Device }, key: c.key, spki: c.spki},
		"checked by no key":         {key: c.key},
		"checked by a garbled key":  {key: c.key, spki: []byte("x")},
		"with a key on P-384":       {bend: func(r *trust.Request) { r.Device = sealift.DeviceIDOf(spki384) }, key: p384, spki: spki384},
		"with a key with an excess": {bend: func(r *trust.Request) { r.Device = sealift.DeviceIDOf(append(slices.Clone(c.spki), 0)) }, key: c.key, spki: append(slices.Clone(c.spki), 0)},
	} {
		req := *c.req
		if v.bend != nil {
			v.bend(&req)
		}
		message, err := trust.SignRequest(&req, v.key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.ParseRequest(message)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := signed.Verify(v.spki); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "signature" || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	payload, err := json.Marshal(c.req)
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"a release": trust.ReleasePayloadType, "an answer": trust.AnswerPayloadType} {
		message, err := trust.Sign(kind, payload, c.key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.ParseRequest(message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Verify(c.spki); sealift.KindOf(err) != sealift.KindDenied {
			t.Errorf("signed as %s: %v", name, err)
		}
	}

	for name, bend := range map[string]func(*trust.Request){
		"vault":   func(r *trust.Request) { r.Vault = "x" },
		"app":     func(r *trust.Request) { r.App = "shop" },
		"device":  func(r *trust.Request) { r.Device = "x" },
		"no kind": func(r *trust.Request) { r.Kind = "" },
		"kind":    func(r *trust.Request) { r.Kind = "strange" },
	} {
		req := *c.req
		bend(&req)
		message, err := trust.SignRequest(&req, c.key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.ParseRequest(message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Claims(); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, nonce := range []string{"", "0f", strings.Repeat("0F", 16), strings.Repeat("0f", 17), strings.Repeat("0f", 16) + "\n"} {
		req := *c.req
		req.Nonce = nonce
		message, err := trust.SignRequest(&req, c.key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.ParseRequest(message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Claims(); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("nonce %q: claims %v", nonce, err)
		}
		if _, err := signed.Verify(c.spki); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("nonce %q: %v", nonce, err)
		}
	}
}

// TestEnvelopeForms: base64 of the standard alphabet with padding, nothing else.
func TestEnvelopeForms(t *testing.T) {
	c := newCaller(t, testVault)
	c.req.Body = json.RawMessage(`{"channel":"production","number":1,"x":"???>>>ÿÿ"}`) // '/' and '+' in base64
	message, err := trust.SignRequest(c.req, c.key)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Payload     string              `json:"payload"`
		PayloadType string              `json:"payloadType"`
		Signatures  []map[string]string `json:"signatures"`
	}
	if err := json.Unmarshal(message, &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(e.Signatures[0]["sig"])
	if err != nil {
		t.Fatal(err)
	}
	for len(sig)%3 == 0 { // a spelling with idle bits needs padding
		if message, err = trust.SignRequest(c.req, c.key); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(message, &e); err != nil {
			t.Fatal(err)
		}
		if sig, err = base64.StdEncoding.DecodeString(e.Signatures[0]["sig"]); err != nil {
			t.Fatal(err)
		}
	}
	good, goodSig := e.Payload, e.Signatures[0]["sig"]
	try := func(name string, ok bool) {
		t.Helper()
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.ParseRequest(data)
		if err == nil {
			_, err = signed.Verify(c.spki)
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		e.Payload, e.Signatures[0]["sig"] = good, goodSig
	}
	try("as it is", true)
	e.Payload = base64.URLEncoding.EncodeToString(payload)
	try("payload in the URL alphabet", e.Payload == good)
	e.Payload = base64.RawStdEncoding.EncodeToString(payload)
	try("payload without padding", len(payload)%3 == 0)
	e.Payload = good[:8] + "\n" + good[8:]
	try("payload with a line break", false)
	e.Signatures[0]["sig"] = base64.URLEncoding.EncodeToString(sig)
	try("signature in the URL alphabet", e.Signatures[0]["sig"] == goodSig)
	e.Signatures[0]["sig"] = base64.RawStdEncoding.EncodeToString(sig)
	try("signature without padding", false)
	e.Signatures[0]["sig"] = idle(goodSig)
	try("signature with idle bits", false)
	e.Signatures[0]["keyid"] = "someone else"
	try("the key id of another key", false)
	delete(e.Signatures[0], "keyid")
	try("no key id", true)
	e.Signatures = append(e.Signatures, map[string]string{"sig": "AAAA"})
	try("a second signature of nobody", true)
	e.Signatures[1]["sig"] = "!"
	try("a second signature that is none", false)
	e.Signatures = slices.Repeat(e.Signatures[:1], 33)
	try("too many signatures", false)
	e.Signatures = e.Signatures[:0]
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := trust.ParseRequest(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(c.spki); err == nil {
		t.Error("no signature was taken")
	}
	if _, err := trust.ParseRequest(make([]byte, sealift.MaxMessage+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a long message: %v", err)
	}
}

// idle spells base64 with padding so that it has other bits where none count.
func idle(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	at := strings.IndexByte(s, '=') - 1
	return s[:at] + string(alphabet[strings.IndexByte(alphabet, s[at])|1]) + s[at+1:]
}

// TestEnrolmentMAC bends every field that the token's proof is over.
func TestEnrolmentMAC(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	c := newCaller(t, testVault)
	good := trust.Enrolment{
		Identity: c.spki, HPKE: trust.HPKEKey{KEM: 0x647a, KDF: 1, AEAD: 2, PublicKey: []byte("key")}, Platform: "web", Runtime: "1.0.0",
	}
	good.Token = &trust.TokenProof{ID: "0123456789abcdef", MAC: trust.EnrolmentMAC(secret, c.req, &good)}
	if !trust.CheckToken(secret, c.req, &good) {
		t.Fatal("a good proof was refused")
	}
	for name, bend := range map[string]func(*trust.Request, *trust.Enrolment){
		"vault":            func(r *trust.Request, _ *trust.Enrolment) { r.Vault = "f" + r.Vault[1:] },
		"app":              func(r *trust.Request, _ *trust.Enrolment) { r.App += "x" },
		"device":           func(r *trust.Request, _ *trust.Enrolment) { r.Device = "f" + r.Device[1:] + "x" },
		"nonce":            func(r *trust.Request, _ *trust.Enrolment) { r.Nonce = "f" + r.Nonce[1:] },
		"identity":         func(_ *trust.Request, e *trust.Enrolment) { e.Identity = append(slices.Clone(e.Identity), 1) },
		"KEM":              func(_ *trust.Request, e *trust.Enrolment) { e.HPKE.KEM++ },
		"KDF":              func(_ *trust.Request, e *trust.Enrolment) { e.HPKE.KDF++ },
		"AEAD":             func(_ *trust.Request, e *trust.Enrolment) { e.HPKE.AEAD++ },
		"HPKE key":         func(_ *trust.Request, e *trust.Enrolment) { e.HPKE.PublicKey = []byte("kez") },
		"platform":         func(_ *trust.Request, e *trust.Enrolment) { e.Platform = "ios" },
		"runtime":          func(_ *trust.Request, e *trust.Enrolment) { e.Runtime = "1.0.1" },
		"platform/runtime": func(_ *trust.Request, e *trust.Enrolment) { e.Platform, e.Runtime = "web1", ".0.0" },
		"MAC": func(_ *trust.Request, e *trust.Enrolment) {
			e.Token = &trust.TokenProof{MAC: append([]byte{e.Token.MAC[0] ^ 1}, e.Token.MAC[1:]...)}
		},
		"MAC, cut": func(_ *trust.Request, e *trust.Enrolment) { e.Token = &trust.TokenProof{MAC: e.Token.MAC[:16]} },
		"no MAC":   func(_ *trust.Request, e *trust.Enrolment) { e.Token = &trust.TokenProof{} },
		"no token": func(_ *trust.Request, e *trust.Enrolment) { e.Token = nil },
	} {
		req, e := *c.req, good
		bend(&req, &e)
		if trust.CheckToken(secret, &req, &e) {
			t.Errorf("%s bent, and taken", name)
		}
	}
	if trust.CheckToken(append([]byte{8}, secret[1:]...), c.req, &good) {
		t.Error("taken under another secret")
	}
}

// TestKeysOfOtherPurposes: neither kind of certificate serves for the other, even
// if one CA issues both.
func TestKeysOfOtherPurposes(t *testing.T) {
	o := newOffice(t)
	o.world.Trust.DeviceCAs = append(o.world.Trust.DeviceCAs, o.world.Trust.ReleaseCAs...)
	o.world.Trust.ReleaseCAs = append(o.world.Trust.ReleaseCAs, o.world.Trust.DeviceCAs...)
	p := o.prepare(sealifttest.Spec{})
	if _, err := o.verify(p.ReleaseJSON, p.Proof); err != nil {
		t.Fatal(err)
	}
	o.key, o.certificate = p.Leaf.(*ecdsa.PrivateKey), p.Certificate
	o.refused(o.answer(nil), "eku") // a release's leaf as an answer key

	a := newOffice(t)
	signed, err := signRelease(p.Payload, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.world = o.world
	file, err := trust.AssembleRelease(signed, a.certify(o.world.DeviceCA, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.verify(file, p.Proof)
	a.wantRefusal(err, sealift.KindChain, "eku") // an answer key as a release's leaf
}

// TestRefusalByTheVault: what the vault says no with reaches the caller.
func TestRefusalByTheVault(t *testing.T) {
	o := newOffice(t)
	refuse := func(r trust.Refusal) error {
		_, err := o.open(o.answer(func(a *trust.Answer) { a.Body, a.Refused = nil, &r }), start)
		return err
	}
	err := refuse(trust.Refusal{Kind: sealift.KindDenied, Reason: "token", Message: "no such token", Hint: "ask for another"})
	if sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "token" || sealift.HintOf(err) != "ask for another" || !strings.Contains(err.Error(), "no such token") {
		t.Errorf("%v", err)
	}
	long := strings.Repeat("a", 5000)
	if err := refuse(trust.Refusal{Kind: sealift.KindSealed, Message: long, Hint: long}); len(err.Error()) > 1100 || len(sealift.HintOf(err)) > 1000 {
		t.Errorf("an error of %d bytes, a hint of %d", len(err.Error()), len(sealift.HintOf(err)))
	}
	for _, kind := range []sealift.Kind{"", "strange", sealift.KindIntegrity, sealift.KindNetwork} {
		if err := refuse(trust.Refusal{Kind: kind}); sealift.KindOf(err) != sealift.KindDenied {
			t.Errorf("refused with kind %q: %v", kind, sealift.KindOf(err))
		}
	}
	for _, kind := range []sealift.Kind{
		sealift.KindInvalid, sealift.KindNotFound, sealift.KindConflict, sealift.KindSealed, sealift.KindExhausted, sealift.KindInternal,
	} {
		if err := refuse(trust.Refusal{Kind: kind}); sealift.KindOf(err) != kind {
			t.Errorf("refused with kind %q: %v", kind, sealift.KindOf(err))
		}
	}
}
