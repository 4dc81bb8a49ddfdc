package vault

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/store"
)

// The providers: where the private half of a key is.
const (
	ProviderSoftware = "software" // in its row, sealed
	ProviderPKCS11   = "pkcs11"   // in a token; its row holds, sealed, the URI that names it
)

// Tokens is what the vault asks of PKCS#11 tokens. Keys are named by URIs (RFC
// 7512) that do not say how a token is reached. Every call ends within a deadline
// of its own, since it may be made in a transaction. *pkcs11.Tokens is one.
type Tokens interface {
	TokenSealer
	// Generate makes a key that never leaves the token. The URI in the result
	// names exactly this key.
	Generate(ctx context.Context, uri, algorithm string) (pkcs11.Key, error)
	// Sign is as crypto.Signer's of public; a signature that public does not
	// verify is not returned.
	Sign(ctx context.Context, uri string, public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) ([]byte, error)
	// Destroy destroys a key; KindNotFound if there is none.
	Destroy(ctx context.Context, uri string) error
}

// Option is what New may be told beside the store.
type Option func(*Vault)

// WithTokens lets a vault keep keys in tokens.
func WithTokens(t Tokens) Option { return func(v *Vault) { v.tokens = t } }

// inTokens is what tokens may hold: keys that sign, and keys that wrap. All
// others hand something out that a token never does, or by a mechanism that
// tokens do not have. RSA-2048 is for one purpose, and for software.
func inTokens(p Purpose) bool {
	return p != PurposeCapgoApp && (p.Operation() == OpSign || p.Operation() == OpWrap)
}

// GenerateInToken makes a key in the token that uri names, with the label that
// its object is: the material of a key for p, as Generate's is of one in
// software. Call it outside of a transaction: a smart card may look for primes
// for a minute. KindInvalid with ReasonToken for a purpose whose keys no token
// holds; other errors are the token's.
//
// If no row comes to hold the key it stays in the token, where nobody needs it:
// see Discard.
func (v *Vault) GenerateInToken(ctx context.Context, uri string, p Purpose, a Algorithm) (*Material, error) {
	const doing = "making a key in a token"
	switch {
	case !inTokens(p):
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "tokens hold keys that sign or wrap; a %s key has to %s", p, p.Operation()).WithReason(ReasonToken).
			WithHint("keep it in software")
	case a == "":
		a = policies[p].algorithms[0]
	case !slices.Contains(policies[p].algorithms, a):
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "a key for %s is not %s", p, a).WithHint("use one of %v", policies[p].algorithms)
	}
	if v.tokens == nil {
		return nil, errNoTokens(doing)
	}
	key, err := v.tokens.Generate(ctx, uri, string(a))
	if err != nil {
		return nil, err
	}
	name := []byte(key.URI)
	return &Material{provider: ProviderPKCS11, token: key.URI, algorithm: a, public: key.Public, private: func() []byte { return name }}, nil
}

func errNoTokens(doing string) *sealift.Error {
	return sealift.Errorf(sealift.KindNotFound, doing, "this vault was told of no token").WithReason(ReasonToken).
		WithHint("say how to reach it: --pkcs11 'pkcs11:token=NAME?module-path=/usr/lib/…&pin-source=file:FILE'")
}

// GenerateNext makes the next version of a key where the newest one is, in
// software or in its token. Outside of a transaction it may be slow.
func (v *Vault) GenerateNext(ctx context.Context, newest KeyInfo) (*Material, error) {
	if newest.Provider != ProviderPKCS11 {
		return Generate(ctx, newest.Algorithm)
	}
	uri, err := pkcs11.ParseURI(newest.Token)
	if err != nil {
		return nil, errTampered(newest.Ref, "the name of its key in a token: %w", err)
	}
	// The same label and another id: whoever looks into the token sees versions.
	uri.ID, uri.Type = random(16), ""
	return v.GenerateInToken(ctx, uri.String(), newest.Purpose, newest.Algorithm)
}

// Discard destroys a key that was generated in a token as a version of the key id,
// unless a row holds it. It is for a transaction that came to nothing, or did not
// need the key.
func (v *Vault) Discard(ctx context.Context, id string, m *Material) error {
	if m == nil || m.token == "" {
		return nil
	}
	held := false
	err := v.store.View(ctx, func(tx store.Tx) error {
		versions, err := v.List(ctx, tx, Filter{ID: id})
		for _, k := range versions {
			held = held || k.Token == m.token
		}
		return err
	})
	if err != nil || held {
		return err
	}
	return v.destroyInToken(ctx, KeyInfo{Ref: Ref{ID: id}, Provider: ProviderPKCS11, Token: m.token})
}

// generateNow is GenerateNext inside a transaction, which must not wait for a
// token that hangs.
func (v *Vault) generateNow(ctx context.Context, newest KeyInfo) (*Material, error) {
	if newest.Provider != ProviderPKCS11 {
		return v.GenerateNext(ctx, newest)
	}
	short, cancel := context.WithTimeout(ctx, sealift.TokenTimeout)
	defer cancel()
	m, err := v.GenerateNext(short, newest)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = sealift.Errorf(sealift.KindNetwork, "making the next version of key "+newest.Ref.String(), "its token takes longer than %v", sealift.TokenTimeout).WithReason(pkcs11.ReasonTimeout)
	}
	return m, err
}

// destroyInToken destroys the key of a row that is about to be erased. A token
// that has no such key any more is as good.
func (v *Vault) destroyInToken(ctx context.Context, k KeyInfo) error {
	if k.Provider != ProviderPKCS11 || k.Token == "" {
		return nil
	}
	if v.tokens == nil {
		return errNoTokens("destroying key " + k.Ref.String())
	}
	err := v.tokens.Destroy(ctx, k.Token)
	if sealift.ReasonOf(err) == pkcs11.ReasonNoKey {
		return nil
	}
	return err
}

// tokenKey is a key in a token for the time of a Use. It holds a context, as it
// must: crypto.Signer has no room for one.
type tokenKey struct {
	ctx    context.Context
	tokens Tokens
	uri    string
	public crypto.PublicKey // of a key that signs
}

// tokenKey returns the key of a row in a token; nil for one in software.
func (v *Vault) tokenKey(ctx context.Context, k KeyInfo) (key *tokenKey, err error) {
	if k.Provider != ProviderPKCS11 {
		return nil, nil
	}
	if v.tokens == nil {
		return nil, errNoTokens("using key " + k.Ref.String())
	}
	key = &tokenKey{ctx: ctx, tokens: v.tokens, uri: k.Token}
	if k.Purpose.Operation() == OpSign {
		key.public, err = x509.ParsePKIXPublicKey(k.Public)
	}
	if err != nil || !inTokens(k.Purpose) {
		return nil, errTampered(k.Ref, "it is no key that a token holds")
	}
	return key, nil
}

// Public implements crypto.Signer.
func (k *tokenKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer.
func (k *tokenKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.tokens.Sign(k.ctx, k.uri, k.public, digest, opts)
}

func (k *tokenKey) seal(plaintext, associated []byte) ([]byte, error) {
	return k.tokens.Seal(k.ctx, k.uri, plaintext, associated)
}

func (k *tokenKey) open(ciphertext, associated []byte) ([]byte, error) {
	return k.tokens.Open(k.ctx, k.uri, ciphertext, associated)
}
