package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// Binding is what a leaf certificate authorises: one release, to the byte. It
// stands in the leaf's only SAN URI (RFC 5280 section 4.2.1.6).
type Binding struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Counter  sealift.Counter
	Act      sealift.Act
	Payload  sealift.Digest // SHA-256 of the DSSE payload
}

// BindingOf returns what the leaf of the release r, signed as payload, binds.
func BindingOf(r *Release, payload []byte) Binding {
	return Binding{r.App, r.Channel, r.Platform, r.Counter, r.Act, sealift.DigestOf(payload)}
}

const bindingPrefix = "sealift:release/v1/"

// URI returns sealift:release/v1/<app>/<channel>/<platform>/<counter>/<act>/<sha256>.
func (b Binding) URI() string {
	return fmt.Sprintf("%s%s/%s/%s/%d/%s/%s", bindingPrefix, b.App, b.Channel, b.Platform, b.Counter, b.Act, b.Payload)
}

func parseBinding(uri string) (Binding, error) {
	var b Binding
	rest, ok := strings.CutPrefix(uri, bindingPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 6 {
		return b, fmt.Errorf("the SAN URI %.80q binds no release", uri)
	}
	counter, counterErr := strconv.ParseUint(parts[3], 10, 64)
	digest, digestErr := sealift.ParseDigest(parts[5])
	b = Binding{sealift.AppID(parts[0]), sealift.Channel(parts[1]), sealift.Platform(parts[2]),
		sealift.Counter(counter), sealift.Act(parts[4]), digest}
	if err := errors.Join(counterErr, digestErr); err != nil {
		return b, err
	}
	if b.URI() != uri {
		return b, fmt.Errorf("the SAN URI %.80q is not in its canonical spelling", uri)
	}
	return b, nil
}

// AnswerURI is the SAN URI of a certificate whose key signs a vault's answers
// to its devices.
func AnswerURI(vault sealift.VaultID) string { return "sealift:answer/v1/" + string(vault) }

// answerUsage is the extended key usage of such a certificate:
// id-kp-documentSigning (RFC 9336), which no other certificate here has.
var answerUsage = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}

// CATemplate returns the template of a self-signed release CA or device CA
// with the given life. Sign it with a P-384 or RSA-4096 key.
func CATemplate(name string, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore.UTC(),
		NotAfter:              notAfter.UTC(),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil
}

// LeafTemplate returns the template of the certificate for one release, valid
// sealift.LeafValidity to both sides of signedAt.
func LeafTemplate(b Binding, signedAt time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse(b.URI())
	if err != nil {
		return nil, err
	}
	signedAt = signedAt.UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             signedAt.Add(-sealift.LeafValidity),
		NotAfter:              signedAt.Add(sealift.LeafValidity),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		URIs:                  []*url.URL{uri},
	}, nil
}

// AnswerTemplate returns the template of the certificate for a vault's answer
// key.
func AnswerTemplate(vault sealift.VaultID, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse(AnswerURI(vault))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             notBefore.UTC(),
		NotAfter:              notAfter.UTC(),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage:    []asn1.ObjectIdentifier{answerUsage},
		URIs:                  []*url.URL{uri},
	}, nil
}

// newSerial returns 127 random bits: RFC 5280 section 4.1.2.2 wants a positive
// number of at most 20 bytes, and a random one cannot be predicted.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

// Issue signs template for pub by the CA. For a self-signed CA, pass the
// template as ca and the CA's own key. The result is DER.
func Issue(template, ca *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P384() {
			return nil, errors.New("an ECDSA CA must be on P-384")
		}
		template.SignatureAlgorithm = x509.ECDSAWithSHA384
	case *rsa.PublicKey:
		template.SignatureAlgorithm = x509.SHA512WithRSAPSS
	default:
		return nil, fmt.Errorf("a CA key cannot be a %T", k)
	}
	return x509.CreateCertificate(rand.Reader, template, ca, pub, key)
}

// ParseCA reads a CA certificate and holds it to the profile: P-384 or RSA-4096,
// may issue end entities and nothing else, and signed by itself or by another
// CA. That CA is not looked for: a certificate that trust.json lists is a trust
// anchor (RFC 5280 section 6.1.1), and people vouched for it with their own keys.
func ParseCA(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	alg, err := AlgorithmOf(cert.PublicKey)
	switch {
	case err != nil:
		return nil, err
	case alg != ECDSAP384SHA384 && alg != RSA4096PSS:
		return nil, fmt.Errorf("a CA key of %s; P-384 and RSA-4096 are allowed", alg)
	case !certificateAlgorithms[cert.SignatureAlgorithm]:
		return nil, fmt.Errorf("a CA signed by %s", cert.SignatureAlgorithm)
	case !cert.IsCA || !cert.BasicConstraintsValid || cert.MaxPathLen != 0 || !cert.MaxPathLenZero:
		return nil, errors.New("not a CA of path length 0")
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("a CA that may not sign certificates")
	case len(cert.UnhandledCriticalExtensions) > 0:
		return nil, errors.New("a CA with critical extensions that are not known here")
	}
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return cert, cert.CheckSignatureFrom(cert)
	}
	return cert, nil
}

// checkLeafProfile holds a leaf to what LeafTemplate makes, save its binding
// and its dates' place.
func checkLeafProfile(leaf *x509.Certificate) error {
	if err := checkEndEntity(leaf); err != nil {
		return err
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 2*sealift.LeafValidity {
		return fmt.Errorf("the leaf lives %s, at most %s are allowed", life, 2*sealift.LeafValidity)
	}
	return nil
}

// checkEndEntity holds the certificates of leaves and answer keys to what they
// have in common.
func checkEndEntity(cert *x509.Certificate) error {
	alg, err := AlgorithmOf(cert.PublicKey)
	switch {
	case err != nil:
		return err
	case alg != ECDSAP256SHA256:
		return fmt.Errorf("an end-entity key of %s; P-256 is allowed", alg)
	case !certificateAlgorithms[cert.SignatureAlgorithm]:
		return fmt.Errorf("an end entity signed by %s", cert.SignatureAlgorithm)
	case cert.IsCA:
		return errors.New("an end entity that is a CA")
	case cert.KeyUsage != x509.KeyUsageDigitalSignature:
		return errors.New("an end entity whose key usage is not digitalSignature alone")
	case len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.EmailAddresses)+len(cert.IPAddresses) != 0:
		return errors.New("an end entity whose names are not exactly one URI")
	case len(cert.UnhandledCriticalExtensions) > 0:
		return errors.New("an end entity with critical extensions that are not known here")
	}
	return nil
}

// onlyCodeSigning reports whether the leaf serves for code signing and nothing
// else.
func onlyCodeSigning(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage) == 1 && leaf.ExtKeyUsage[0] == x509.ExtKeyUsageCodeSigning && len(leaf.UnknownExtKeyUsage) == 0
}

// onlyAnswers reports whether the certificate serves for answers and nothing
// else.
func onlyAnswers(cert *x509.Certificate) bool {
	return len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 1 && cert.UnknownExtKeyUsage[0].Equal(answerUsage)
}
