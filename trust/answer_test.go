package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// office answers as a vault, with what a thief might have.
type office struct {
	*bench
	caller      *caller
	key         *ecdsa.PrivateKey
	certificate []byte
}

func newOffice(t *testing.T) *office {
	b := newBench(t)
	o := &office{bench: b, caller: newCaller(t, b.world.Vault), key: ecKey(t, elliptic.P256())}
	o.certificate = o.certify(b.world.DeviceCA, nil)
	return o
}

func (o *office) certify(ca sealifttest.CA, bend func(*x509.Certificate)) []byte {
	o.Helper()
	template, err := trust.AnswerTemplate(o.world.Vault, start.Add(-time.Hour), start.Add(time.Hour))
	if err != nil {
		o.Fatal(err)
	}
	if bend != nil {
		bend(template)
	}
	der, err := trust.Issue(template, ca.Certificate, o.key.Public(), ca.Key)
	if err != nil {
		o.Fatal(err)
	}
	return der
}

func (o *office) answer(bend func(*trust.Answer)) []byte {
	o.Helper()
	a := trust.AnswerTo(o.caller.req, start)
	body, err := trust.EncodeBody(trust.EpochGrant{Channel: "production", Number: 1, Sealed: []byte("sealed")})
	if err != nil {
		o.Fatal(err)
	}
	a.Body = body
	if bend != nil {
		bend(a)
	}
	message, err := trust.SignAnswer(a, o.certificate, o.key)
	if err != nil {
		o.Fatal(err)
	}
	return message
}

func (o *office) open(message []byte, now time.Time) (*trust.Answer, error) {
	o.Helper()
	return o.rules().OpenAnswer(message, o.caller.req, now)
}

func (o *office) refused(message []byte, reason string) {
	o.Helper()
	a, err := o.open(message, start)
	o.wantRefusal(err, sealift.KindDenied, reason)
	if a != nil {
		o.Error("refused, and yet an answer")
	}
}

func TestAnswer(t *testing.T) {
	o := newOffice(t)
	good := o.answer(nil)
	a, err := o.open(good, start)
	if err != nil {
		t.Fatal(err)
	}
	var grant trust.EpochGrant
	if err := trust.DecodeBody(a.Body, &grant); err != nil || string(grant.Sealed) != "sealed" {
		t.Errorf("%+v, %v", grant, err)
	}
	for name, bend := range map[string]func(*trust.Answer){
		"vault":  func(a *trust.Answer) { a.Vault = testVault },
		"app":    func(a *trust.Answer) { a.App = "com.acme.other" },
		"device": func(a *trust.Answer) { a.Device = sealift.DeviceIDOf(nil) },
		"kind":   func(a *trust.Answer) { a.Kind = trust.RequestEnrol },
		"nonce":  func(a *trust.Answer) { a.Nonce = strings.Repeat("f0", 16) },
	} {
		o.refused(o.answer(bend), "nonce")
		if t.Failed() {
			t.Fatalf("that was: %s", name)
		}
	}
	o.refused(o.answer(func(a *trust.Answer) { a.Critical = []string{"later"} }), "malformed")
	rules := o.rules()
	for i := 0; i < len(good); i += 5 { // no byte is idle; all would take long
		bent := bytes.Clone(good)
		bent[i] ^= 1
		if _, err := rules.OpenAnswer(bent, o.caller.req, start); err == nil && !benign(good, bent) {
			t.Fatalf("byte %d bent and taken: %s", i, bent)
		}
	}
}

func TestAnswerRefusals(t *testing.T) {
	o := newOffice(t)
	now := start
	good := o.certificate
	certified := func(ca sealifttest.CA, bend func(*x509.Certificate)) []byte {
		o.certificate = o.certify(ca, bend)
		defer func() { o.certificate = good }()
		return o.answer(nil)
	}
	foreign, err := sealifttest.NewCA("device CA", start)
	if err != nil {
		t.Fatal(err)
	}
	own := o.world.DeviceCA
	o.refused(certified(foreign, nil), "unknown-ca")
	o.refused(certified(o.world.ReleaseCA, nil), "unknown-ca") // which is no device CA
	o.refused(certified(own, func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }), "eku")
	o.refused(certified(own, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), "eku")
	o.refused(certified(own, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, nil
	}), "eku")
	o.refused(certified(own, func(c *x509.Certificate) { c.UnknownExtKeyUsage[0] = append(slices.Clone(c.UnknownExtKeyUsage[0]), 1) }), "eku")
	o.refused(certified(own, func(c *x509.Certificate) { c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, []int{2, 25, 1}) }), "eku")
	o.refused(certified(own, func(c *x509.Certificate) { c.DNSNames = []string{"acme.com"} }), "profile")
	o.refused(certified(own, func(c *x509.Certificate) { c.URIs = nil }), "profile")
	o.refused(certified(own, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }), "profile")
	other, err := trust.AnswerTemplate(testVault, start, start)
	if err != nil {
		t.Fatal(err)
	}
	o.refused(certified(own, func(c *x509.Certificate) { c.URIs = other.URIs }), "vault")

	if _, err := o.open(o.answer(nil), now.Add(time.Hour)); err != nil {
		t.Errorf("at the certificate's end: %v", err)
	}
	for _, at := range []time.Time{now.Add(time.Hour + time.Second), now.Add(-time.Hour - time.Second)} {
		_, err := o.open(o.answer(nil), at)
		o.wantRefusal(err, sealift.KindDenied, "expired")
	}

	cert, err := x509.ParseCertificate(good)
	if err != nil {
		t.Fatal(err)
	}
	revocation := trust.Revocation{Issuer: trust.IssuerOf(own.Certificate), Serial: trust.SerialOf(cert)}
	o.world.Deny.Revoked = []trust.Revocation{revocation}
	o.refused(o.answer(nil), "revoked")
	o.world.Deny.Revoked = nil

	// The right certificate, and another key's signature.
	key := o.key
	o.key = ecKey(t, elliptic.P256())
	o.refused(o.answer(nil), "signature")
	o.key = key

	payload, err := json.Marshal(trust.AnswerTo(o.caller.req, start))
	if err != nil {
		t.Fatal(err)
	}
	for reason, kind := range map[string]string{"payload-type": trust.RequestPayloadType, "": trust.AnswerPayloadType} {
		envelope, err := trust.Sign(kind, payload, o.key)
		if err != nil {
			t.Fatal(err)
		}
		message, err := json.Marshal(map[string]any{"mediaType": trust.AnswerMediaType, "chain": [][]byte{good}, "dsseEnvelope": json.RawMessage(envelope)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = o.open(message, start); reason == "" && err != nil {
			t.Errorf("put together by hand: %v", err)
		} else if reason != "" {
			o.wantRefusal(err, sealift.KindDenied, reason)
		}
		for name, bad := range map[string]any{
			"a release's media type": map[string]any{"mediaType": trust.ReleaseMediaType, "chain": [][]byte{good}, "dsseEnvelope": json.RawMessage(envelope)},
			"no certificate":         map[string]any{"mediaType": trust.AnswerMediaType, "chain": [][]byte{}, "dsseEnvelope": json.RawMessage(envelope)},
			"two certificates":       map[string]any{"mediaType": trust.AnswerMediaType, "chain": [][]byte{good, good}, "dsseEnvelope": json.RawMessage(envelope)},
			"garbled certificate":    map[string]any{"mediaType": trust.AnswerMediaType, "chain": [][]byte{[]byte("x")}, "dsseEnvelope": json.RawMessage(envelope)},
		} {
			message, err := json.Marshal(bad)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.open(message, start); sealift.KindOf(err) != sealift.KindDenied {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := o.open(make([]byte, sealift.MaxMessage+1), start); sealift.KindOf(err) != sealift.KindDenied {
		t.Errorf("a long answer: %v", err)
	}
}
