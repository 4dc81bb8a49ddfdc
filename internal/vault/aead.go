package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// keySize is the size in bytes of the root key, of key-encryption keys, of data
// keys and of the MAC keys.
const keySize = 32

// errOpen is all that is said when a ciphertext does not open: which of key,
// ciphertext and associated data is wrong cannot be known.
var errOpen = errors.New("does not open: it was changed, moved, or sealed under another key")

// newAEAD returns AES-256-GCM (SP 800-38D) with a random 96-bit nonce in front
// of each ciphertext. Data keys seal one message each; a key-encryption key
// wraps far fewer than the 2^32 that random nonces allow.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealWith(key, plaintext, associated []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plaintext, associated), nil
}

func openWith(key, ciphertext, associated []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, ciphertext, associated)
	if err != nil {
		return nil, errOpen
	}
	return plaintext, nil
}

// derive is HKDF-SHA256 (RFC 5869) without a salt: the root key is uniform.
func derive(root []byte, format string, fields ...[]byte) ([]byte, error) {
	return hkdf.Key(sha256.New, root, nil, string(join(format, fields...)), keySize)
}

// random returns n bytes of the system's generator; crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
