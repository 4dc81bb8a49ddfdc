package ceremony

import (
	"crypto"
	"crypto/x509"

	"github.com/sealift/sealift"
)

// Tokens reaches keys in PKCS#11 tokens. Keys are named by URIs (RFC 7512).
type Tokens interface {
	// Signer returns a key: KindNotFound where there is none, KindNetwork where
	// its token is not there.
	Signer(uri string) (crypto.Signer, error)
	// Generate makes a key that never leaves the token, and returns the URI that
	// names it and no other.
	Generate(uri, algorithm string) (string, error)
}

// Places says where the next new keys of a role are made, in order: a URI for a
// key in a token, "" for a file. Those beyond the list are files.
type Places map[Role][]string

// take returns the next place and the places after it.
func (p Places) take(role Role) (uri string, rest Places) {
	if len(p[role]) == 0 {
		return "", p
	}
	rest = Places{}
	for r, uris := range p {
		rest[r] = uris
	}
	rest[role] = p[role][1:]
	return p[role][0], rest
}

// inToken reports whether the new key of a role with an index is in a token.
func (p Places) inToken(role Role, index int) bool {
	return index < len(p[role]) && p[role][index] != ""
}

// tokenAlgorithm is what keys in tokens are: every token has ECDSA on P-256,
// where many lack Ed25519.
const tokenAlgorithm = "ecdsa-p256"

func (f *Folder) tokens(name string) (Tokens, error) {
	if f.Tokens == nil {
		return nil, sealift.Errorf(sealift.KindNotFound, "reaching key "+name, "it is in a PKCS#11 token, and nothing says how to reach it").
			WithHint("say it with: --pkcs11 'pkcs11:token=NAME?module-path=/usr/lib/…'")
	}
	return f.Tokens, nil
}

// createInToken makes a key in a token and enters it into the inventory in
// memory.
func (f *Folder) createInToken(role Role, name, uri string) (crypto.Signer, error) {
	tokens, err := f.tokens(name)
	if err != nil {
		return nil, err
	}
	made, err := tokens.Generate(uri, tokenAlgorithm)
	if err != nil {
		return nil, err
	}
	key, err := tokens.Signer(made)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "making key "+name, "%w", err)
	}
	f.enter(KeyEntry{Name: name, Role: role, Public: spki, Token: made, Pending: true}, key)
	return key, nil
}
