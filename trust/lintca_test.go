package trust_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// offlineRoot signs a release CA's certificate as bend leaves its template.
func offlineRoot(t *testing.T, ca crypto.PublicKey, bendRoot, bend func(*x509.Certificate)) (root *x509.Certificate, der []byte) {
	t.Helper()
	key := ecKey(t, elliptic.P384())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign,
	}
	if bendRoot != nil {
		bendRoot(template)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	under, err := trust.CATemplate("release CA", start.AddDate(0, 0, -1), start.AddDate(3, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if bend != nil {
		bend(under)
	}
	if der, err = trust.Issue(under, root, ca, key); err != nil {
		t.Fatal(err)
	}
	return root, der
}

func TestLintReleaseCA(t *testing.T) {
	ca := ecKey(t, elliptic.P384())
	root, good := offlineRoot(t, ca.Public(), nil, nil)
	if cert, err := trust.LintReleaseCA(good, root, start); err != nil || !ca.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("as it should be: %v", err)
	}
	own, _ := newCA(t, ca, nil)
	if _, err := trust.LintReleaseCA(own, nil, start); err != nil {
		t.Errorf("self-signed: %v", err)
	}
	other, _ := offlineRoot(t, ca.Public(), nil, nil)
	for name, c := range map[string]struct {
		root, bend func(*x509.Certificate)
		issuer     *x509.Certificate
		at         time.Time
		want       string
	}{
		"no issuer":           {at: start, want: "whose certificate is not here"},
		"another issuer":      {issuer: other, at: start, want: "unknown authority"},
		"not yet":             {at: start.AddDate(-1, 0, 0), want: "now is not in that"},
		"over":                {at: start.AddDate(3, 0, 0), want: "now is not in that"},
		"a root of length 0":  {root: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, at: start, want: "may certify no CA"},
		"a root that is over": {root: func(c *x509.Certificate) { c.NotAfter = start.AddDate(0, 0, -1) }, at: start, want: "expired"},
		"for servers":         {bend: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, at: start, want: "devices would refuse"},
		"constrained": {bend: func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedURIDomains = true, []string{"acme.com"}
		}, at: start, want: "devices would refuse"},
		"no CA":    {bend: func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, at: start, want: "path length 0"},
		"length 1": {bend: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false }, at: start, want: "path length 0"},
	} {
		issuer, der := offlineRoot(t, ca.Public(), c.root, c.bend)
		if c.issuer != nil || name == "no issuer" {
			issuer = c.issuer
		}
		if _, err := trust.LintReleaseCA(der, issuer, c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestCAUnderARoot: devices take what such a CA certifies once trust.json lists
// it, and not before.
func TestCAUnderARoot(t *testing.T) {
	b := newBench(t)
	key := ecKey(t, elliptic.P384())
	_, der := offlineRoot(t, key.Public(), nil, nil)
	cert, err := trust.ParseCA(der)
	if err != nil {
		t.Fatal(err)
	}
	ca := sealifttest.CA{Key: key, Certificate: cert}
	b.refuse(b.prepare(sealifttest.Spec{CA: ca}), sealift.KindChain, "unknown-ca")
	b.world.Trust.ReleaseCAs = append(b.world.Trust.ReleaseCAs, trust.CA{Certificate: der})
	b.take(b.prepare(sealifttest.Spec{CA: ca}))
}
