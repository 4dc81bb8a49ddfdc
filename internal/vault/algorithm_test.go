package vault

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

func TestGenerate(t *testing.T) {
	for _, a := range []Algorithm{Ed25519, ECDSAP256, ECDSAP384, RSA4096} {
		m, err := Generate(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := parseSigner(a, m.private(), m.public)
		if err != nil || algorithmOf(signer.Public()) != a {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []Algorithm{AES256, HMACSHA256} {
		m, err := Generate(t.Context(), a)
		if err != nil || len(m.private()) != keySize || len(m.public) != 0 {
			t.Errorf("%s: %d private, %d public bytes, %v", a, len(m.private()), len(m.public), err)
		}
	}
	for _, a := range []Algorithm{HPKEHybrid, HPKEP256} {
		m, err := Generate(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseHPKE(a, m.private(), m.public); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if _, err := parseHPKE(a, m.private(), m.public[1:]); err == nil {
			t.Errorf("%s: another public key accepted", a)
		}
		if _, err := parseHPKE(Ed25519, m.private(), m.public); err == nil {
			t.Errorf("%s: another algorithm accepted", a)
		}
	}
}

func TestParseSignerRefusesAnotherKey(t *testing.T) {
	one, err := Generate(t.Context(), ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Generate(t.Context(), ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseSigner(ECDSAP256, one.private(), two.public); err == nil {
		t.Error("halves of two keys accepted")
	}
	if _, err := parseSigner(ECDSAP384, one.private(), one.public); err == nil {
		t.Error("a key of another algorithm accepted")
	}
	if _, err := parseSigner(ECDSAP256, []byte("garbage"), one.public); err == nil {
		t.Error("garbage accepted")
	}
}

func TestParseAlgorithm(t *testing.T) {
	for _, p := range Purposes() {
		for _, a := range p.Algorithms() {
			if got, err := ParseAlgorithm(string(a)); err != nil || got != a {
				t.Errorf("%s: %v", a, err)
			}
		}
	}
	for _, s := range []string{"", "rsa-1024", "rsa-3072", "dsa", "ED25519"} {
		_, err := ParseAlgorithm(s)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := Generate(t.Context(), Algorithm(s)); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("generating %q: %v", s, err)
		}
	}
}

func TestMaterialNeverPrints(t *testing.T) {
	m := &Material{algorithm: AES256, private: func() []byte { return []byte("SECRETSECRET") }}
	for _, v := range []any{m, *m, struct{ M *Material }{m}, struct{ m Material }{*m}, []*Material{m}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "SECRET") || strings.Contains(out, "534543") || strings.Contains(out, "83 69 67") {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
		out, err := json.Marshal(v)
		if err != nil || strings.Contains(string(out), "SECRET") || strings.Contains(string(out), "U0VDUkVU") {
			t.Errorf("JSON of %T: %s, %v", v, out, err)
		}
	}
}
