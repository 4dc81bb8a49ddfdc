package vault

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// Key is the handle that Use gives to its function. What it can do follows
// from the purpose: a SigningKey for OpSign, a HolderKey for OpExport, a MACKey
// for OpMAC, a WrappingKey for OpWrap, an EncodingKey for OpEncode; an assertion to that interface does not
// fail. A handle is dead once the function has returned, and prints as its
// reference only.
type Key interface {
	Ref() Ref
	Purpose() Purpose
	Algorithm() Algorithm
}

// SigningKey signs. Each signature has an audit entry of its own that names the
// digest; the entry is appended first.
//
// Sign takes a message with crypto.Hash(0) for Ed25519, and a digest with its
// hash, SHA-256, SHA-384 or SHA-512, for ECDSA (ASN.1 form) and RSA (PKCS #1
// v1.5, or PSS with *rsa.PSSOptions). The reader is ignored: randomness comes
// from the system.
type SigningKey interface {
	Key
	crypto.Signer
}

// HolderKey hands out a private key that somebody else is to hold as well: an
// epoch key, to open content keys with or to seal to a device.
type HolderKey interface {
	Key
	PrivateKey() (*bundle.PrivateKey, error)
}

// MACKey authenticates.
type MACKey interface {
	Key
	// MAC returns the HMAC-SHA256 of message, 32 bytes.
	MAC(message []byte) ([]byte, error)
	// Verify reports in constant time whether mac is that of message.
	Verify(message, mac []byte) (bool, error)
}

// WrappingKey seals small plaintexts of at most sealift.MaxSecret bytes with
// AES-256-GCM under a random nonce.
type WrappingKey interface {
	Key
	// Wrap fails once the key is deactivated or its cryptoperiod has ended.
	Wrap(plaintext, associated []byte) ([]byte, error)
	Unwrap(ciphertext, associated []byte) ([]byte, error)
}

// Ref names one version of a key.
type Ref struct {
	ID      string
	Version uint64
}

// String returns "id version n".
func (r Ref) String() string { return fmt.Sprintf("%s version %d", r.ID, r.Version) }

// handle is what all of them have in common: the private material while it is
// open. The material is behind a function, since fmt calls no Format method of
// an unexported field and follows pointers where the verb is wrong.
type handle struct {
	info    KeyInfo
	mu      sync.Mutex
	private func() []byte        // nil once closed
	signer  func() crypto.Signer // a key that was parsed before; nil for none
}

func newHandle(info KeyInfo, private []byte) *handle {
	return &handle{info: info, private: func() []byte { return private }}
}

func (h *handle) Ref() Ref             { return h.info.Ref }
func (h *handle) Purpose() Purpose     { return h.info.Purpose }
func (h *handle) Algorithm() Algorithm { return h.info.Algorithm }

func (h *handle) String() string { return "[key " + h.info.Ref.String() + "]" }

// Format hides the key from every verb.
func (h *handle) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// MarshalJSON hides the key.
func (h *handle) MarshalJSON() ([]byte, error) { return []byte(`"[key]"`), nil }

// key returns the interface that goes with the key's purpose; inToken is nil for
// a key in software. For a signing key, record appends the entry of a signature
// before it is made. A row whose
// private material is not of its algorithm, or not that of its public key, is
// refused as tampered with.
func (h *handle) key(now time.Time, inToken *tokenKey, record func(subject string) error) (Key, error) {
	switch h.info.Purpose.Operation() {
	case OpSign:
		if inToken != nil {
			return &signingKey{h, func() crypto.Signer { return inToken }, record}, nil
		}
		if h.signer != nil {
			return &signingKey{h, h.signer, record}, nil
		}
		signer, err := parseSigner(h.info.Algorithm, h.private(), h.info.Public)
		if err != nil {
			return nil, errTampered(h.info.Ref, "%w", err)
		}
		return &signingKey{h, func() crypto.Signer { return signer }, record}, nil
	case OpEncode:
		signer, err := parseSigner(h.info.Algorithm, h.private(), h.info.Public)
		if err != nil {
			return nil, errTampered(h.info.Ref, "%w", err)
		}
		return &encodingKey{h, func() crypto.Signer { return signer }, record}, nil
	case OpExport:
		if _, err := parseHPKE(h.info.Algorithm, h.private(), h.info.Public); err != nil {
			return nil, errTampered(h.info.Ref, "%w", err)
		}
		return holderKey{h}, nil
	case OpMAC:
		return macKey{h}, nil
	case OpWrap:
		return wrappingKey{h, inToken, h.info.State == Active && h.info.within(now)}, nil
	}
	return nil, errTampered(h.info.Ref, "its purpose %.40q is unknown", h.info.Purpose)
}

// close wipes the material. What crypto packages copied out of it is left to
// the garbage collector.
func (h *handle) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.private != nil {
		clear(h.private())
		h.private = nil
	}
}

// with calls fn with the material, unless the handle is closed.
func (h *handle) with(fn func(private []byte) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.private == nil {
		return sealift.Errorf(sealift.KindInternal, "using key "+h.info.Ref.String(), "its Use has ended").WithReason("handle-closed")
	}
	return fn(h.private())
}

// signingKey is a handle whose signatures are recorded one by one.
type signingKey struct {
	*handle
	signer func() crypto.Signer
	record func(subject string) error // appends the entry of one signature
}

// inToken reports whether the key is in a token, and not in this process.
func (k *signingKey) inToken() bool { _, ok := k.signer().(*tokenKey); return ok }

func (k *signingKey) Public() crypto.PublicKey { return k.signer().Public() }

// Sign records the signature, then makes it: no entry, no signature.
func (k *signingKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	subject, err := subjectOf(k.Public(), digest, opts)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "signing with key "+k.Ref().String(), "%w", err)
	}
	err = k.with(func([]byte) error {
		if err := k.record(subject); err != nil {
			return err
		}
		signature, err = k.signer().Sign(rand.Reader, digest, opts)
		return err
	})
	return signature, err
}

// subjectOf checks what is about to be signed and names it for the log:
// "sha256:…" of the message for Ed25519, else the digest under its hash's name.
func subjectOf(public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) (string, error) {
	if opts == nil {
		return "", errors.New("no hash is named")
	}
	if _, ok := public.(ed25519.PublicKey); ok {
		if o, ok := opts.(*ed25519.Options); ok && o.Context != "" || opts.HashFunc() != 0 {
			return "", errors.New("Ed25519 here signs messages, without pre-hash or context")
		}
		return "sha256:" + sealift.DigestOf(digest).String(), nil
	}
	name, ok := map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}[opts.HashFunc()]
	if !ok {
		return "", fmt.Errorf("hash %d is not allowed; SHA-256, SHA-384 and SHA-512 are", uint(opts.HashFunc()))
	}
	if len(digest) != opts.HashFunc().Size() {
		return "", fmt.Errorf("a digest of %d bytes is none of %s", len(digest), name)
	}
	if o, ok := opts.(*rsa.PSSOptions); ok && o.SaltLength > 0 && o.SaltLength < opts.HashFunc().Size() {
		return "", fmt.Errorf("a PSS salt of %d bytes is shorter than the hash (FIPS 186-5 section 5.4)", o.SaltLength)
	}
	return fmt.Sprintf("%s:%x", name, digest), nil
}

type holderKey struct{ *handle }

func (k holderKey) PrivateKey() (key *bundle.PrivateKey, err error) {
	err = k.with(func(private []byte) error {
		key, err = parseHPKE(k.info.Algorithm, private, k.info.Public)
		return err
	})
	return key, err
}

type macKey struct{ *handle }

func (k macKey) MAC(message []byte) (mac []byte, err error) {
	err = k.with(func(private []byte) error {
		mac = authenticate(private, message)
		return nil
	})
	return mac, err
}

func (k macKey) Verify(message, mac []byte) (bool, error) {
	want, err := k.MAC(message)
	return err == nil && hmac.Equal(want, mac), err
}

type wrappingKey struct {
	*handle
	inToken *tokenKey // nil for a key in software
	mayWrap bool      // active and within its cryptoperiod
}

func (k wrappingKey) Wrap(plaintext, associated []byte) (ciphertext []byte, err error) {
	if !k.mayWrap {
		return nil, sealift.Errorf(sealift.KindDenied, "wrapping with key "+k.Ref().String(), "it only opens what it sealed before").WithReason("key-state")
	}
	if len(plaintext) > sealift.MaxSecret {
		return nil, sealift.Errorf(sealift.KindInvalid, "wrapping with key "+k.Ref().String(), "%d bytes; at most %d are allowed", len(plaintext), sealift.MaxSecret)
	}
	err = k.with(func(private []byte) error {
		if k.inToken != nil {
			ciphertext, err = k.inToken.seal(plaintext, associated)
		} else {
			ciphertext, err = sealWith(private, plaintext, associated)
		}
		return err
	})
	return ciphertext, err
}

func (k wrappingKey) Unwrap(ciphertext, associated []byte) (plaintext []byte, err error) {
	err = k.with(func(private []byte) error {
		if k.inToken != nil {
			plaintext, err = k.inToken.open(ciphertext, associated)
		} else {
			plaintext, err = openWith(private, ciphertext, associated)
		}
		return err
	})
	return plaintext, err
}
