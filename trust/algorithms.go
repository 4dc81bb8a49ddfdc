package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
)

// Algorithm names a signature algorithm with its hash and its key size. Every
// signature outside of X.509 and TUF, which have names of their own, stands
// beside one of these.
type Algorithm string

// The signature algorithms that Sealift accepts. This is the only list; ML-DSA
// (FIPS 204) joins it when the standard library has it.
const (
	ECDSAP256SHA256 Algorithm = "ecdsa-p256-sha256"  // FIPS 186-5, ASN.1 signature
	ECDSAP384SHA384 Algorithm = "ecdsa-p384-sha384"  // FIPS 186-5, ASN.1 signature
	Ed25519         Algorithm = "ed25519"            // RFC 8032
	RSA4096PSS      Algorithm = "rsa4096-pss-sha512" // RFC 8017, salt as long as the hash
)

// certificateAlgorithms are the X.509 signature algorithms that a release CA
// or device CA may use.
var certificateAlgorithms = map[x509.SignatureAlgorithm]bool{
	x509.ECDSAWithSHA384:  true,
	x509.SHA512WithRSAPSS: true,
	x509.SHA512WithRSA:    true, // hardware tokens that lack PSS
}

// AlgorithmOf returns the algorithm of a public key. A key of another kind or
// size is an error: there is no fallback.
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256():
			return ECDSAP256SHA256, nil
		case elliptic.P384():
			return ECDSAP384SHA384, nil
		}
	case ed25519.PublicKey:
		if len(pub) == ed25519.PublicKeySize {
			return Ed25519, nil
		}
	case *rsa.PublicKey:
		if pub.N.BitLen() == 4096 {
			return RSA4096PSS, nil
		}
	}
	return "", fmt.Errorf("keys of type %T and this size are not allowed", pub)
}

// sign signs message by key under the algorithm of its public key.
func sign(key crypto.Signer, message []byte) ([]byte, error) {
	alg, err := AlgorithmOf(key.Public())
	if err != nil {
		return nil, err
	}
	switch alg {
	case ECDSAP256SHA256:
		sum := sha256.Sum256(message)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	case ECDSAP384SHA384:
		sum := sha512.Sum384(message)
		return key.Sign(rand.Reader, sum[:], crypto.SHA384)
	case RSA4096PSS:
		sum := sha512.Sum512(message)
		return key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512})
	}
	return key.Sign(rand.Reader, message, crypto.Hash(0))
}

// verify checks sig over message by pub under the algorithm alg, which must be
// the one of pub.
func verify(pub crypto.PublicKey, alg Algorithm, message, sig []byte) error {
	have, err := AlgorithmOf(pub)
	if err != nil {
		return err
	}
	if have != alg {
		return fmt.Errorf("the key is of %s, the signature of %s", have, alg)
	}
	ok := false
	switch alg {
	case ECDSAP256SHA256:
		sum := sha256.Sum256(message)
		ok = ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), sum[:], sig)
	case ECDSAP384SHA384:
		sum := sha512.Sum384(message)
		ok = ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), sum[:], sig)
	case RSA4096PSS:
		sum := sha512.Sum512(message)
		opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		ok = rsa.VerifyPSS(pub.(*rsa.PublicKey), crypto.SHA512, sum[:], sig, opts) == nil
	case Ed25519:
		ok = ed25519.Verify(pub.(ed25519.PublicKey), message, sig)
	}
	if !ok {
		return fmt.Errorf("the %s signature does not verify", alg)
	}
	return nil
}
