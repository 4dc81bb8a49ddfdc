package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	if bits == 4096 { // making one takes seconds
		data, err := os.ReadFile("testdata/rsa4096.pem")
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return key.(*rsa.PrivateKey)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newCA self-signs the CA template as bend leaves it, with whatever key.
func newCA(t testing.TB, key crypto.Signer, bend func(*x509.Certificate)) ([]byte, sealifttest.CA) {
	t.Helper()
	template, err := trust.CATemplate("CA", start.AddDate(0, 0, -1), start.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		template.SignatureAlgorithm = x509.SHA512WithRSAPSS
	}
	if bend != nil {
		bend(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return der, sealifttest.CA{Key: key, Certificate: cert}
}

var strangeExtension = pkix.Extension{Id: asn1.ObjectIdentifier{2, 25, 7}, Critical: true, Value: []byte{5, 0}}

func TestParseCA(t *testing.T) {
	p384 := ecKey(t, elliptic.P384())
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		name string
		key  crypto.Signer
		bend func(*x509.Certificate)
		want string // "" is allowed
	}{
		{"P-384", p384, nil, ""},
		{"RSA-4096", rsaKey(t, 4096), nil, ""},
		{"RSA-4096 without PSS", rsaKey(t, 4096), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA512WithRSA }, ""},
		{"RSA-4096 with SHA-256", rsaKey(t, 4096), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS }, "signed by"},
		{"RSA-2048", rsaKey(t, 2048), nil, "not allowed"},
		{"P-256", ecKey(t, elliptic.P256()), nil, "P-384 and RSA-4096 are allowed"},
		{"P-521", ecKey(t, elliptic.P521()), nil, "not allowed"},
		{"Ed25519", ed, nil, "P-384 and RSA-4096 are allowed"},
		{"P-384 with SHA-256", p384, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 }, "signed by"},
		{"P-384 with SHA-512", p384, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA512 }, "signed by"},
		{"not a CA", p384, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, "path length 0"},
		{"without basic constraints", p384, func(c *x509.Certificate) { c.BasicConstraintsValid = false }, "path length 0"},
		{"without a path length", p384, func(c *x509.Certificate) { c.MaxPathLenZero = false }, "path length 0"},
		{"path length 1", p384, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false }, "path length 0"},
		{"may not sign certificates", p384, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, "may not sign certificates"},
		{"strange critical extension", p384, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{strangeExtension} }, "critical extensions"},
	} {
		der, _ := newCA(t, c.key, c.bend)
		cert, err := trust.ParseCA(der)
		if c.want == "" && (err != nil || cert == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	der, _ := newCA(t, p384, nil)
	der[len(der)-1] ^= 1
	if _, err := trust.ParseCA(der); err == nil {
		t.Error("a CA whose own signature is wrong was taken")
	}
	if _, err := trust.ParseCA(nil); err == nil {
		t.Error("nothing was taken for a CA")
	}
	for name, key := range map[string]crypto.Signer{"P-256": ecKey(t, elliptic.P256()), "Ed25519": ed} {
		template, err := trust.CATemplate("CA", start, start.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Issue(template, template, key.Public(), key); err == nil {
			t.Errorf("Issue signed by %s", name)
		}
	}
}

// forge makes a release.json of p's payload with a leaf of the caller's.
func (b *bench) forge(p *sealifttest.Published, ca sealifttest.CA, leaf crypto.Signer, bend func(*x509.Certificate)) []byte {
	b.Helper()
	template, err := trust.LeafTemplate(trust.BindingOf(&p.Release, p.Payload), p.Release.SignedAt.Time)
	if err != nil {
		b.Fatal(err)
	}
	if _, ok := ca.Key.Public().(*rsa.PublicKey); ok {
		template.SignatureAlgorithm = x509.SHA512WithRSAPSS
	}
	if bend != nil {
		bend(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate, leaf.Public(), ca.Key)
	if err != nil {
		b.Fatal(err)
	}
	signed, err := signRelease(p.Payload, p.Leaf)
	if err != nil {
		b.Fatal(err)
	}
	file, err := trust.AssembleRelease(signed, der)
	if err != nil {
		b.Fatal(err)
	}
	return file
}

// TestLeafProfile bends each thing that the profile says of a leaf.
func TestLeafProfile(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	own := p.Leaf
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		name   string
		leaf   crypto.Signer
		bend   func(*x509.Certificate)
		reason string
	}{
		{"P-384 key", ecKey(t, elliptic.P384()), nil, "profile"},
		{"Ed25519 key", ed, nil, "profile"},
		{"RSA-4096 key", rsaKey(t, 4096), nil, "profile"},
		{"P-224 key", ecKey(t, elliptic.P224()), nil, "profile"},
		{"signed with SHA-256", own, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 }, "profile"},
		{"a CA", own, func(c *x509.Certificate) { c.IsCA = true }, "profile"},
		{"no key usage", own, func(c *x509.Certificate) { c.KeyUsage = 0 }, "profile"},
		{"another key usage", own, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageContentCommitment }, "profile"},
		{"no name", own, func(c *x509.Certificate) { c.URIs = nil }, "profile"},
		{"two URIs", own, func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }, "profile"},
		{"a DNS name", own, func(c *x509.Certificate) { c.DNSNames = []string{"acme.com"} }, "profile"},
		{"an e-mail address", own, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@acme.com"} }, "profile"},
		{"an IP address", own, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }, "profile"},
		{"a strange critical extension", own, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{strangeExtension} }, "profile"},
		{"a second longer", own, func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }, "profile"},
		{"for answers", own, func(c *x509.Certificate) {
			a, err := trust.AnswerTemplate(b.world.Vault, start, start)
			if err != nil {
				t.Fatal(err)
			}
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, a.UnknownExtKeyUsage
		}, "eku"},
		{"for code signing and answers", own, func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 25, 1}}
		}, "eku"},
		{"for anything", own, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, "eku"},
		{"a second after its end", own, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.Add(-10*time.Minute-time.Second), c.NotAfter.Add(-10*time.Minute-time.Second)
		}, "expired"},
		{"a second before its beginning", own, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.Add(10*time.Minute+time.Second), c.NotAfter.Add(10*time.Minute+time.Second)
		}, "expired"},
	} {
		_, err := b.verify(b.forge(p, b.world.ReleaseCA, c.leaf, c.bend), p.Proof)
		b.wantRefusal(err, sealift.KindChain, c.reason)
		if t.Failed() {
			t.Fatalf("that was: %s", c.name)
		}
	}
	// The CA signs whatever key it is given; the key that signed the payload
	// must be that one.
	_, err := b.verify(b.forge(p, b.world.ReleaseCA, ecKey(t, elliptic.P256()), nil), p.Proof)
	b.wantRefusal(err, sealift.KindSignature, "signature")
	for name, file := range map[string][]byte{
		"as it is":      b.forge(p, b.world.ReleaseCA, own, nil),
		"at its end":    b.forge(p, b.world.ReleaseCA, own, func(c *x509.Certificate) { c.NotAfter = p.Release.SignedAt.Time }),
		"at its start":  b.forge(p, b.world.ReleaseCA, own, func(c *x509.Certificate) { c.NotBefore = p.Release.SignedAt.Time }),
		"shorter lived": b.forge(p, b.world.ReleaseCA, own, func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(-time.Minute) }),
	} {
		if _, err := b.verify(file, p.Proof); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBindingSpelling: the URI in the leaf has one spelling.
func TestBindingSpelling(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	good := trust.BindingOf(&p.Release, p.Payload).URI()
	for _, bad := range []string{
		"urn:x", "https://acme.com/", strings.Replace(good, "release/v1", "release/v2", 1), good + "/", good + "/x", good + "?x", good + "#x",
		strings.Replace(good, "/1/", "/01/", 1), strings.Replace(good, "/1/", "/+1/", 1), strings.Replace(good, "/1/", "/x/", 1),
		strings.Replace(good, "/1/", "/-1/", 1), strings.Replace(good, "/1/", "/18446744073709551617/", 1),
		good[:len(good)-1], good[:len(good)-64] + strings.ToUpper(good[len(good)-64:]),
		strings.Replace(good, "sealift:", "Sealift:", 1), strings.Replace(good, "/web/", "/", 1), strings.Replace(good, "com.acme", "com%2eacme", 1),
		"sealift:answer/v1/" + string(b.world.Vault),
	} {
		uri, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if uri.String() == good { // the parser tidied it up
			continue
		}
		_, err = b.verify(b.forge(p, b.world.ReleaseCA, p.Leaf, func(c *x509.Certificate) { c.URIs = []*url.URL{uri} }), p.Proof)
		b.wantRefusal(err, sealift.KindChain, "binding")
		if t.Failed() {
			t.Fatalf("that was: %s", bad)
		}
	}
}

// TestRSACA: a release CA on a token that has RSA alone.
func TestRSACA(t *testing.T) {
	b := newBench(t)
	_, b.world.ReleaseCA = newCA(t, rsaKey(t, 4096), nil)
	b.refuse(b.prepare(sealifttest.Spec{}), sealift.KindChain, "unknown-ca")
	b.world.Trust.ReleaseCAs = append(b.world.Trust.ReleaseCAs, trust.CA{Certificate: b.world.ReleaseCA.Certificate.Raw})
	p := b.prepare(sealifttest.Spec{})
	pkcs1 := b.forge(p, b.world.ReleaseCA, p.Leaf, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA512WithRSA })
	if _, err := b.verify(pkcs1, p.Proof); err != nil {
		t.Error(err)
	}
	weak := b.forge(p, b.world.ReleaseCA, p.Leaf, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS })
	_, err := b.verify(weak, p.Proof)
	b.wantRefusal(err, sealift.KindChain, "profile")
	b.take(p)
}

// TestConstrainedCA: what a CA's certificate says of its own limits counts.
func TestConstrainedCA(t *testing.T) {
	b := newBench(t)
	_, ca := newCA(t, ecKey(t, elliptic.P384()), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	b.world.Trust.ReleaseCAs = []trust.CA{{Certificate: ca.Certificate.Raw}}
	b.refuse(b.prepare(sealifttest.Spec{CA: ca}), sealift.KindChain, "expired")
}

// TestCosignerAlgorithms: every algorithm of the list signs and verifies, and
// no other is taken.
func TestCosignerAlgorithms(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	all := map[trust.Algorithm]crypto.Signer{
		trust.ECDSAP256SHA256: ecKey(t, elliptic.P256()), trust.ECDSAP384SHA384: ecKey(t, elliptic.P384()),
		trust.Ed25519: ed, trust.RSA4096PSS: rsaKey(t, 4096),
	}
	b := newBench(t)
	trusting := func(alg trust.Algorithm, key crypto.Signer) error {
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		b.world.Trust.Apps[testApp] = trust.AppTrust{Cosigners: []trust.Cosigner{{Algorithm: alg, PublicKey: spki}}, CosignersNeeded: 1}
		_, err = trust.NewRules(&b.world.Trust, &b.world.Deny, testApp)
		return err
	}
	for alg, key := range all {
		if err := trusting(alg, key); err != nil {
			t.Fatal(err)
		}
		if _, err := func() (*trust.Verified, error) {
			p := b.prepare(sealifttest.Spec{Cosigners: []crypto.Signer{key}})
			return b.verify(p.ReleaseJSON, p.Proof)
		}(); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for other := range all {
			if err := trusting(other, key); (err == nil) != (other == alg) {
				t.Errorf("a key of %s called %s: %v", alg, other, err)
			}
		}
	}
	for name, key := range map[string]crypto.Signer{"P-224": ecKey(t, elliptic.P224()), "P-521": ecKey(t, elliptic.P521()), "RSA-2048": rsaKey(t, 2048)} {
		for alg := range all {
			if err := trusting(alg, key); sealift.KindOf(err) != sealift.KindMetadata {
				t.Errorf("a key of %s called %s: %v", name, alg, err)
			}
		}
		if err := trusting("", key); sealift.KindOf(err) != sealift.KindMetadata {
			t.Errorf("a key of %s called nothing: %v", name, err)
		}
		if _, err := trust.Sign("x", nil, key); err == nil {
			t.Errorf("signed by %s", name)
		}
		if alg, err := trust.AlgorithmOf(key.Public()); err == nil {
			t.Errorf("%s is %s", name, alg)
		}
	}
	for _, pub := range []crypto.PublicKey{nil, "x", ed25519.PublicKey("short"), all[trust.Ed25519]} {
		if alg, err := trust.AlgorithmOf(pub); err == nil {
			t.Errorf("%T is %s", pub, alg)
		}
	}
}
