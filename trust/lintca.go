package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/sealift/sealift"
)

// LintReleaseCA judges the certificate of a release CA, DER, before anybody
// relies on it: a throwaway key takes its key's place in a certificate that is the
// same otherwise, certifies a leaf at the time now, and a device's own checks run
// over both. So what the certificate's issuer put into it (constraints, policies,
// key usages) is found out by what it does to a release.
//
// issuer is the CA that signed it, or nil if it is self-signed. Its signature,
// life and path length are checked, too, though devices do not ask for it.
func LintReleaseCA(der []byte, issuer *x509.Certificate, now time.Time) (*x509.Certificate, error) {
	cert, err := ParseCA(der)
	if err != nil {
		return nil, err
	}
	if now.Before(cert.NotBefore) || !now.Before(cert.NotAfter) {
		return nil, fmt.Errorf("it is good from %s to %s, and now is not in that", cert.NotBefore.UTC().Format(timeForm), cert.NotAfter.UTC().Format(timeForm))
	}
	if err := checkIssuer(cert, issuer, now); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	standIn := *cert
	standIn.PublicKey, standIn.PublicKeyAlgorithm, standIn.SignatureAlgorithm = nil, x509.UnknownPublicKeyAlgorithm, x509.ECDSAWithSHA384
	raw, err := x509.CreateCertificate(rand.Reader, &standIn, &standIn, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("standing in for it: %w", err)
	}
	ca, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("standing in for it: %w", err)
	}
	return cert, certifiesLeaf(ca, key, now)
}

// checkIssuer checks what stands above a CA.
func checkIssuer(cert, issuer *x509.Certificate, now time.Time) error {
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return nil // ParseCA checked its signature
	}
	if issuer == nil {
		return fmt.Errorf("it is signed by %q, whose certificate is not here", cert.Issuer)
	}
	if alg, err := AlgorithmOf(issuer.PublicKey); err != nil || alg != ECDSAP384SHA384 && alg != RSA4096PSS {
		return errors.New("its issuer's key is not on P-384 or RSA-4096")
	}
	if issuer.MaxPathLen == 0 && issuer.MaxPathLenZero {
		return errors.New("its issuer may certify no CA: path length 0")
	}
	roots := x509.NewCertPool()
	roots.AddCert(issuer)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// certifiesLeaf lets ca certify a leaf and checks it as a device does.
func certifiesLeaf(ca *x509.Certificate, key *ecdsa.PrivateKey, now time.Time) error {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := LeafTemplate(Binding{"com.example.app", "production", "web", 1, sealift.ActRelease, sealift.Digest{1}}, now)
	if err != nil {
		return err
	}
	der, err := Issue(template, ca, own.Public(), key)
	if err != nil {
		return fmt.Errorf("it certifies no leaf: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err == nil {
		err = leaf.CheckSignatureFrom(ca)
	}
	if err == nil {
		err = checkLeafProfile(leaf)
	}
	if err == nil {
		err = checkValidity(leaf, ca, now)
	}
	if err != nil {
		return fmt.Errorf("devices would refuse what it certifies: %w", err)
	}
	return nil
}
