package bundle

import (
	"crypto/hpke"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/sealift/sealift"
)

// seedSize is the length of a private key of either suite in bytes: the seed
// of MLKEM768-X25519, or the scalar of P-256 (RFC 9180, section 7.1.2).
const seedSize = 32

// PublicKey is an HPKE public key: of an epoch, or of a device.
type PublicKey struct {
	Suite
	Bytes []byte `json:"publicKey"` // as SerializePublicKey writes it (RFC 9180, section 4)
}

// ParsePublicKey checks that the suite is allowed and that key is a key of
// it. The error is KindInvalid with Reason "suite" or "public_key".
func ParsePublicKey(suite Suite, key []byte) (PublicKey, error) {
	p := PublicKey{Suite: suite, Bytes: key}
	_, err := p.hpke()
	return p, err
}

// Digest returns the SHA-256 of Bytes, by which a release names its epoch.
func (p PublicKey) Digest() sealift.Digest { return sealift.DigestOf(p.Bytes) }

func (p PublicKey) hpke() (hpke.PublicKey, error) {
	kem, _, _, err := p.algorithms()
	if err != nil {
		return nil, err
	}
	key, err := kem.NewPublicKey(p.Bytes)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading HPKE public key", "%w", err).WithReason("public_key")
	}
	return key, nil
}

// PrivateKey is an HPKE private key, kept as its 32-byte seed. It never prints
// itself; only MarshalSecret gives it away.
type PrivateKey struct {
	suite Suite
	seed  [seedSize]byte
	key   hpke.PrivateKey
}

// GenerateKey makes a new random key. The error is that of ParseSuite.
func GenerateKey(suite Suite) (*PrivateKey, error) {
	kem, _, _, err := suite.algorithms()
	if err != nil {
		return nil, err
	}
	key, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("generating HPKE key: %w", err)
	}
	seed, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("generating HPKE key: %w", err)
	}
	return NewPrivateKey(suite, seed)
}

// NewPrivateKey makes the key of a suite from its 32-byte seed. The error is
// KindInvalid with Reason "suite" or "private_key".
func NewPrivateKey(suite Suite, seed []byte) (*PrivateKey, error) {
	kem, _, _, err := suite.algorithms()
	if err != nil {
		return nil, err
	}
	if len(seed) != seedSize {
		return nil, badPrivateKey("a seed of %d bytes instead of %d", len(seed), seedSize)
	}
	key, err := kem.NewPrivateKey(seed)
	if err != nil {
		return nil, badPrivateKey("%w", err)
	}
	return &PrivateKey{suite: suite, seed: [seedSize]byte(seed), key: key}, nil
}

func badPrivateKey(format string, args ...any) error {
	return sealift.Errorf(sealift.KindInvalid, "reading HPKE private key", format, args...).WithReason("private_key")
}

// Public returns the public half.
func (k *PrivateKey) Public() PublicKey {
	return PublicKey{Suite: k.suite, Bytes: k.key.PublicKey().Bytes()}
}

// Suite returns the algorithms the key is for.
func (k *PrivateKey) Suite() Suite { return k.suite }

// secretKey is the JSON of a private key.
type secretKey struct {
	Suite
	Seed []byte `json:"seed"`
}

// MarshalSecret returns {"kem","kdf","aead","seed"} as JSON, the seed in
// standard base64. It is for storage that is itself sealed, and has a name of
// its own so that no encoder comes upon it.
func (k *PrivateKey) MarshalSecret() ([]byte, error) {
	return json.Marshal(secretKey{Suite: k.suite, Seed: k.seed[:]})
}

// ParseSecret reads what MarshalSecret wrote. The error is KindInvalid with
// Reason "suite" or "private_key", and repeats nothing of data.
func ParseSecret(data []byte) (*PrivateKey, error) {
	var secret secretKey
	if len(data) > sealift.MaxSecretKey || json.Unmarshal(data, &secret) != nil {
		return nil, badPrivateKey("it is not the JSON of a private key")
	}
	return NewPrivateKey(secret.Suite, secret.Seed)
}

// appendSecret appends the form that is sealed to a device: the suite's three
// numbers, big-endian, and the seed.
func (k *PrivateKey) appendSecret(dst []byte) []byte {
	for _, id := range [...]uint16{k.suite.KEM, k.suite.KDF, k.suite.AEAD} {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	return append(dst, k.seed[:]...)
}

func parseSealedSecret(b []byte) (*PrivateKey, error) {
	if len(b) != 6+seedSize {
		return nil, badPrivateKey("%d bytes instead of %d", len(b), 6+seedSize)
	}
	id := binary.BigEndian.Uint16
	return NewPrivateKey(Suite{KEM: id(b), KDF: id(b[2:]), AEAD: id(b[4:])}, b[6:])
}

const redactedPrivateKey = "[private key]"

// String returns "[private key]".
func (*PrivateKey) String() string { return redactedPrivateKey }

// Format implements fmt.Formatter: every verb prints "[private key]".
func (*PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, redactedPrivateKey) }

// MarshalJSON returns "[private key]" as a JSON string.
func (*PrivateKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedPrivateKey + `"`), nil }
