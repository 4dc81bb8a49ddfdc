package capgo

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"

	"github.com/sealift/sealift"
)

const (
	keyBits     = 2048
	encodedSize = keyBits / 8 // bytes of what a private key encoded
	keyIDLength = 20
)

// CheckKey refuses a key that devices do not take: another size than 2048 bits, or
// another public exponent than 65537. KindInvalid.
func CheckKey(key *rsa.PublicKey) error {
	if key.N.BitLen() != keyBits || key.E != 65537 {
		return sealift.Errorf(sealift.KindInvalid, "looking at the key of an app", "RSA of %d bits with public exponent %d; devices take 2048 bits and 65537 alone", key.N.BitLen(), key.E).
			WithHint("bring the private key with which Capgo's own program encrypts: .capgo_key_v2")
	}
	return nil
}

// PublicPEM returns the text that the app's store build holds: PKCS #1 (RFC 8017
// appendix A.1.1) in PEM, of a key that CheckKey takes.
func PublicPEM(key *rsa.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)}))
}

// KeyID returns the 20 characters by which devices name the key that they have.
func KeyID(key *rsa.PublicKey) string {
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(key))[:keyIDLength]
}
