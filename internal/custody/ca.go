package custody

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// What a CA of path length 0 asks of its issuer (RFC 5280 sections 4.2.1.3 and
// 4.2.1.9): basicConstraints CA:TRUE, pathlen:0, and keyUsage keyCertSign and
// cRLSign, both critical.
var caExtensions = []pkix.Extension{
	{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00}},
	{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x01, 0x06}},
}

// RequestCertificate implements service.Keys.
func (c *Cabinet) RequestCertificate(ctx context.Context, by access.Caller, id string, version uint64) ([]byte, error) {
	return vault.Do(ctx, c.vault, func(tx *vault.Tx) ([]byte, error) {
		now := c.now().UTC()
		info, own, err := c.issuer(ctx, tx, id, version)
		if err != nil {
			return nil, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.use", Key: vault.Ref{ID: id, Version: version}, Now: now}, err)
		}
		key, err := c.vault.Signer(ctx, tx, vault.Use{
			Purpose: info.Purpose, Key: info.Ref, Actor: by.Actor(), Now: now, Why: vault.Why{Action: "ca.request"}, Possession: true,
		})
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			RawSubject: own.RawSubject, SignatureAlgorithm: signatureOf(key.Public()), ExtraExtensions: caExtensions,
		}, key)
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "requesting a certificate", "%w", err)
		}
		return der, nil
	})
}

// signatureOf is how a CA's key signs, as trust.Issue has it.
func signatureOf(pub crypto.PublicKey) x509.SignatureAlgorithm {
	if _, ok := pub.(*ecdsa.PublicKey); ok {
		return x509.ECDSAWithSHA384
	}
	return x509.SHA512WithRSAPSS
}

// issuer returns a version of the release CA that is or may come into use, with
// its certificate of now.
func (c *Cabinet) issuer(ctx context.Context, tx *vault.Tx, id string, version uint64) (vault.KeyInfo, *x509.Certificate, error) {
	doing := "looking up the CA"
	if version == 0 {
		return vault.KeyInfo{}, nil, sealift.Errorf(sealift.KindInvalid, doing, "no version is named").WithHint("see them with: sealift ca list")
	}
	info, err := c.vault.Lookup(ctx, tx, vault.Ref{ID: id, Version: version})
	switch {
	case err != nil:
		return info, nil, err
	case info.Purpose != vault.PurposeReleaseCA:
		return info, nil, sealift.Errorf(sealift.KindDenied, doing, "%s is for %s, not a release CA", info.Ref, info.Purpose).WithReason(vault.ReasonPurpose).
			WithHint("see the CAs there are with: sealift ca list")
	case info.State != vault.PreActive && info.State != vault.Active:
		return info, nil, sealift.Errorf(sealift.KindDenied, doing, "%s is %s", info.Ref, info.State).WithReason(vault.ReasonState).
			WithHint("take the version that is pending or active: sealift ca list")
	}
	own, err := trust.ParseCA(info.Certificate)
	if err != nil {
		return info, nil, sealift.Errorf(sealift.KindInternal, doing, "the certificate of %s: %w", info.Ref, err)
	}
	return info, own, nil
}

// InstallCertificate implements service.Keys.
func (c *Cabinet) InstallCertificate(ctx context.Context, by access.Caller, want service.CACertificate) (service.Key, error) {
	return c.changed(ctx, func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error) {
		info, own, err := c.issuer(ctx, tx, want.ID, want.Version)
		if err == nil {
			err = mayInstall(info, own, want, now)
		}
		if err != nil {
			return info, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.certificate", Key: vault.Ref{ID: want.ID, Version: want.Version}, Now: now}, err)
		}
		return c.vault.SetCertificate(ctx, tx, info.Ref, want.Certificate, by.Actor(), now)
	})
}

// mayInstall lints a certificate for a release CA. Its name is that of the one
// before: what the CA certified names its issuer by it.
func mayInstall(info vault.KeyInfo, own *x509.Certificate, want service.CACertificate, now time.Time) error {
	const doing = "taking a certificate for the release CA"
	refuse := func(hint, format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, doing, format, args...).WithReason("ca").WithHint("%s", hint)
	}
	var issuer *x509.Certificate
	if len(want.Issuer) > 0 {
		var err error
		if issuer, err = x509.ParseCertificate(want.Issuer); err != nil {
			return refuse("bring the root CA's certificate with --issuer", "the issuer's certificate: %w", err)
		}
	}
	cert, err := trust.LintReleaseCA(want.Certificate, issuer, now)
	switch {
	case err != nil:
		return refuse("sign the request as it is, for a CA of path length 0, with a P-384 or RSA-4096 root, and bring that with --issuer", "%w", err)
	case !bytes.Equal(cert.RawSubjectPublicKeyInfo, info.Public):
		return refuse("sign the request of this very version: sealift ca csr", "it certifies another key than %s", info.Ref)
	case !bytes.Equal(cert.RawSubject, own.RawSubject):
		return refuse("keep the request's subject as it is", "its subject is %q, not %q", cert.Subject, own.Subject)
	case cert.NotAfter.Sub(now) < sealift.LeastCALife:
		return refuse("give it the life of the key's cryptoperiod and of its time as a standby, such as 3 years", "it ends at %s, in less than %d days", cert.NotAfter.UTC().Format(time.RFC3339), sealift.LeastCALife/(24*time.Hour))
	}
	return nil
}
