package vault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// Algorithm names the kind and size of a key.
type Algorithm string

// The algorithms of the software provider. Keys come from the system's
// generator as SP 800-133 rev. 2 and FIPS 186-5 say.
const (
	Ed25519    Algorithm = "ed25519"              // FIPS 186-5, RFC 8032; private as PKCS#8, public as SPKI
	ECDSAP256  Algorithm = "ecdsa-p256"           // FIPS 186-5; private as PKCS#8, public as SPKI
	ECDSAP384  Algorithm = "ecdsa-p384"           // FIPS 186-5; private as PKCS#8, public as SPKI
	RSA4096    Algorithm = "rsa-4096"             // FIPS 186-5; private as PKCS#8, public as SPKI
	RSA2048    Algorithm = "rsa-2048"             // the same; for PurposeCapgoApp alone, whose devices can read no other
	AES256     Algorithm = "aes-256"              // FIPS 197; 32 bytes, no public part
	HMACSHA256 Algorithm = "hmac-sha256"          // FIPS 198-1; 32 bytes, no public part
	HPKEHybrid Algorithm = "hpke-mlkem768-x25519" // RFC 9180 with KEM 0x647a; private as bundle.PrivateKey's secret form
	HPKEP256   Algorithm = "hpke-p256"            // RFC 9180 with KEM 0x0010; the same
)

// ParseAlgorithm accepts the algorithms above. Smaller RSA keys are refused by
// name, since people ask for them.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch a := Algorithm(s); a {
	case Ed25519, ECDSAP256, ECDSAP384, RSA4096, RSA2048, AES256, HMACSHA256, HPKEHybrid, HPKEP256:
		return a, nil
	case "rsa-1024", "rsa-3072":
		return "", sealift.Errorf(sealift.KindInvalid, "parsing key algorithm", "%s is too small", a).
			WithHint("RSA keys here have 4096 bits: use %s, or %s", RSA4096, ECDSAP384)
	}
	return "", sealift.Errorf(sealift.KindInvalid, "parsing key algorithm", "%.40q is not an algorithm", s).
		WithHint("use %s, %s, %s, %s, %s, %s, %s or %s", Ed25519, ECDSAP256, ECDSAP384, RSA4096, AES256, HMACSHA256, HPKEHybrid, HPKEP256)
}

// Material is a generated key that no row holds yet. It exists apart from
// Create because an RSA-4096 key takes a second to find, which is too long
// inside a transaction. It can be used once, and prints as "[key material]".
type Material struct {
	provider  string
	token     string // URI of the private half in a token
	algorithm Algorithm
	public    []byte
	private   func() []byte // behind a function: fmt follows a pointer where the verb is wrong
	imported  bool          // it was made elsewhere
}

// Generate makes a key. It fails with KindInvalid for an unknown algorithm and
// returns ctx's error if ctx is done before it starts.
func Generate(ctx context.Context, a Algorithm) (*Material, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := ParseAlgorithm(string(a)); err != nil {
		return nil, err
	}
	secret, public, err := generate(a)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "generating a key", "%s: %w", a, err)
	}
	return &Material{provider: ProviderSoftware, algorithm: a, public: public, private: func() []byte { return secret }}, nil
}

// take returns the private key for the one use that a Material has.
func (m *Material) take(a Algorithm) ([]byte, error) {
	if m.algorithm != a {
		return nil, sealift.Errorf(sealift.KindInvalid, "making a key", "the material is for %s, not %s", m.algorithm, a)
	}
	if m.private == nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "making a key", "the material was used already")
	}
	private := m.private()
	m.private = nil
	return private, nil
}

// Algorithm returns what kind of key it is.
func (m *Material) Algorithm() Algorithm { return m.algorithm }

// Token returns the URI of a key in a token; "" for one in software.
func (m *Material) Token() string { return m.token }

// String hides the key.
func (m Material) String() string { return "[key material]" }

// Format hides the key from every verb.
func (m Material) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// MarshalJSON hides the key.
func (m Material) MarshalJSON() ([]byte, error) { return []byte(`"[key material]"`), nil }

func generate(a Algorithm) (private, public []byte, err error) {
	switch a {
	case AES256, HMACSHA256:
		return random(keySize), nil, nil
	case HPKEHybrid:
		return generateHPKE(bundle.DefaultSuite)
	case HPKEP256:
		return generateHPKE(bundle.P256Suite)
	}
	var signer crypto.Signer
	switch a {
	case Ed25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case ECDSAP256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA4096:
		signer, err = rsa.GenerateKey(rand.Reader, 4096)
	case RSA2048:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = errors.New("no generator")
	}
	if err != nil {
		return nil, nil, err
	}
	return marshalSigner(signer)
}

func generateHPKE(suite bundle.Suite) (private, public []byte, err error) {
	key, err := bundle.GenerateKey(suite)
	if err != nil {
		return nil, nil, err
	}
	private, err = key.MarshalSecret()
	return private, key.Public().Bytes, err
}

// parseHPKE reads a private key and checks it against algorithm and public key
// as parseSigner does.
func parseHPKE(a Algorithm, private, public []byte) (*bundle.PrivateKey, error) {
	key, err := bundle.ParseSecret(private)
	if err != nil {
		return nil, err
	}
	suite := map[Algorithm]bundle.Suite{HPKEHybrid: bundle.DefaultSuite, HPKEP256: bundle.P256Suite}[a]
	if key.Suite() != suite {
		return nil, fmt.Errorf("the private key is not of algorithm %s", a)
	}
	if !bytes.Equal(key.Public().Bytes, public) {
		return nil, errOtherHalf
	}
	return key, nil
}

func marshalSigner(signer crypto.Signer) (private, public []byte, err error) {
	if private, err = x509.MarshalPKCS8PrivateKey(signer); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(signer.Public())
	return private, public, err
}

// parseSigner reads a PKCS#8 private key and checks that it is of algorithm a
// and belongs to the SPKI public key: a row whose two halves differ would
// certify one key and sign with another.
func parseSigner(a Algorithm, private, public []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, errors.New("the private key does not parse") // the cause may quote it
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok || algorithmOf(signer.Public()) != a {
		return nil, fmt.Errorf("the private key is not of algorithm %s", a)
	}
	half, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil || !bytes.Equal(half, public) {
		return nil, errOtherHalf
	}
	return signer, nil
}

var errOtherHalf = errors.New("the private key is not that of the public key")

// algorithmOf names a signing key's algorithm; "" for one that is not ours.
func algorithmOf(public crypto.PublicKey) Algorithm {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return Ed25519
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return ECDSAP256
		case elliptic.P384():
			return ECDSAP384
		}
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 4096:
			return RSA4096
		case 2048:
			return RSA2048
		}
	}
	return ""
}
