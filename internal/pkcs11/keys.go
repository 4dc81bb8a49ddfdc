package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/sealift/sealift"
)

// Keys lists the private and secret keys that a URI matches.
func (t *Tokens) Keys(ctx context.Context, uri string) ([]Key, error) {
	reply, err := t.ask(ctx, "listing the keys of a token", uri, Request{Op: OpKeys})
	return reply.Keys, err
}

// Find returns the one key of a URI: KindNotFound where there is none,
// KindConflict where it may be several.
func (t *Tokens) Find(ctx context.Context, uri string) (Key, error) {
	const op = "finding a key in a token"
	reply, err := t.ask(ctx, op, uri, Request{Op: OpKeys})
	switch {
	case err != nil:
		return Key{}, err
	case len(reply.Keys) == 0:
		return Key{}, errorOf(op, Reply{Code: CodeNoKey})
	case len(reply.Keys) > 1:
		return Key{}, errorOf(op, Reply{Code: CodeAmbiguous, Detail: fmt.Sprintf("%d keys", len(reply.Keys))})
	}
	return reply.Keys[0], nil
}

// Generate makes a key in the token: not extractable, with the label that the
// URI's object is, and its id or else a random one of 16 bytes. The URI of the
// result names exactly this key and is to be kept. KindConflict where the URI
// names a key that is there already.
func (t *Tokens) Generate(ctx context.Context, uri, algorithm string) (Key, error) {
	const op = "generating a key in a token"
	reply, err := t.ask(ctx, op, uri, Request{Op: OpGenerate, Algorithm: Algorithm(algorithm)})
	if err == nil && len(reply.Keys) != 1 {
		err = sealift.Errorf(sealift.KindInternal, op, "the helper answered with %d keys", len(reply.Keys))
	}
	if err != nil {
		return Key{}, err
	}
	return reply.Keys[0], nil
}

// Destroy destroys the key of a URI in its token. There is no way back.
func (t *Tokens) Destroy(ctx context.Context, uri string) error {
	_, err := t.ask(ctx, "destroying a key in a token", uri, Request{Op: OpDestroy})
	return err
}

// Random returns bytes of the generator of the token that a URI names, 1 to 1024.
func (t *Tokens) Random(ctx context.Context, uri string, length int) ([]byte, error) {
	reply, err := t.ask(ctx, "asking a token for random bytes", uri, Request{Op: OpRandom, Length: length})
	return reply.Data, err
}

// Seal seals a small plaintext with an AES-256 key in a token.
func (t *Tokens) Seal(ctx context.Context, uri string, plaintext, associated []byte) ([]byte, error) {
	reply, err := t.ask(ctx, "sealing with a key in a token", uri, Request{Op: OpSeal, Data: plaintext, Associated: associated})
	return reply.Data, err
}

// Open is the inverse of Seal. It is ErrOpen, which is no *sealift.Error, where
// sealed was changed, is of another key, or has other associated data.
func (t *Tokens) Open(ctx context.Context, uri string, sealed, associated []byte) ([]byte, error) {
	reply, err := t.ask(ctx, "opening with a key in a token", uri, Request{Op: OpOpen, Data: sealed, Associated: associated})
	if reply.Code == CodeOpen {
		return nil, ErrOpen
	}
	return reply.Data, err
}

// ErrOpen cannot tell a wrong key from a ciphertext that was changed.
var ErrOpen = errors.New("it was not sealed by this key, or was changed")

// Sign signs as the crypto.Signer of public would: a message with crypto.Hash(0)
// for Ed25519, else a digest with its hash, SHA-256, SHA-384 or SHA-512. With
// *rsa.PSSOptions RSA keys sign by PSS, with a salt as long as the hash where
// none is named. The signature is checked before it is returned: one that public
// does not verify is KindInternal, and leaves nobody.
func (t *Tokens) Sign(ctx context.Context, uri string, public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	const op = "signing with a key in a token"
	request, err := signRequest(public, digest, opts)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	reply, err := t.ask(ctx, op, uri, request)
	if err != nil {
		return nil, err
	}
	signature := reply.Data
	if request.Mechanism == MechanismECDSA {
		signature, err = encodeECDSA(signature)
	}
	if err == nil {
		err = verify(public, digest, signature, opts, request.Salt)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "what came back: %w", err).WithReason(ReasonDevice).
			WithHint("the key of this name in the token is another one than it was, or the token is faulty: sealift pkcs11 keys")
	}
	return signature, nil
}

// hashNames are the hashes that are signed here.
var hashNames = map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}

// digestInfo is what stands before a digest in PKCS #1 v1.5 (RFC 8017, section
// 9.2, note 1).
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

func signRequest(public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) (Request, error) {
	r := Request{Op: OpSign, Data: digest}
	if opts == nil {
		return r, errors.New("no hash is named")
	}
	h := opts.HashFunc()
	if _, ok := public.(ed25519.PublicKey); ok {
		if o, ok := opts.(*ed25519.Options); ok && o.Context != "" || h != 0 {
			return r, errors.New("Ed25519 here signs messages, without pre-hash or context")
		}
		r.Mechanism = MechanismEdDSA
		return r, nil
	}
	name, ok := hashNames[h]
	if !ok || len(digest) != h.Size() {
		return r, fmt.Errorf("a digest of %d bytes of hash %d; SHA-256, SHA-384 and SHA-512 are signed", len(digest), uint(h))
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		r.Mechanism = MechanismECDSA
		// Tokens take no digest longer than the curve's order (FIPS 186-5, section 6.4.1).
		r.Data = digest[:min(len(digest), (k.Params().N.BitLen()+7)/8)]
	case *rsa.PublicKey:
		r.Mechanism = MechanismPKCS1
		if o, ok := opts.(*rsa.PSSOptions); ok {
			r.Mechanism, r.Hash, r.Salt = MechanismPSS, name, o.SaltLength
			if o.SaltLength <= 0 { // the two names that crypto/rsa has for lengths
				r.Salt = h.Size()
			}
			return r, nil
		}
		r.Data = append(bytes.Clone(digestInfo[h]), digest...)
	default:
		return r, fmt.Errorf("a %T does not sign here", public)
	}
	return r, nil
}

// encodeECDSA turns r ‖ s, as tokens have it, into ASN.1 (RFC 3279, section 2.2.3).
func encodeECDSA(signature []byte) ([]byte, error) {
	n := len(signature) / 2
	if n == 0 || len(signature)%2 != 0 {
		return nil, fmt.Errorf("a signature of %d bytes", len(signature))
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])})
}

func verify(public crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts, salt int) error {
	ok := false
	switch k := public.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, digest, signature)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest, signature)
	case *rsa.PublicKey:
		if _, pss := opts.(*rsa.PSSOptions); pss {
			ok = rsa.VerifyPSS(k, opts.HashFunc(), digest, signature, &rsa.PSSOptions{SaltLength: salt}) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(k, opts.HashFunc(), digest, signature) == nil
		}
	}
	if !ok {
		return errors.New("the signature is not one of the key that was meant")
	}
	return nil
}

// Signer returns the key of a URI as a crypto.Signer, whose signatures are made
// under ctx.
func (t *Tokens) Signer(ctx context.Context, uri string) (crypto.Signer, error) {
	key, err := t.Find(ctx, uri)
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading the public key of "+key.URI, "it does not sign: %w", err).WithReason(ReasonUnsupported)
	}
	return &signer{t, ctx, key.URI, public}, nil
}

// signer holds a context, as it must: crypto.Signer has no room for one.
type signer struct {
	tokens *Tokens
	ctx    context.Context
	uri    string
	public crypto.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.tokens.Sign(s.ctx, s.uri, s.public, digest, opts)
}
