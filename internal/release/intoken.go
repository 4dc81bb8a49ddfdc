package release

import (
	"context"
	"errors"

	"github.com/sealift/sealift/internal/vault"
)

// InToken says that a key is to be made in a PKCS#11 token.
type InToken struct {
	URI       string          // of the token, and with object the key's label (RFC 7512)
	Algorithm vault.Algorithm // "" for that of its purpose
}

// inTokens are keys that were made in tokens: for each purpose the one to be in
// use, and its standby where it has one.
type inTokens struct {
	all  []*vault.Material
	next map[vault.Purpose][]*vault.Material // those that no row holds yet
}

// makeInTokens makes keys in tokens. It is slow, and so before any transaction.
// What it made is returned with an error too.
func (s *Service) makeInTokens(ctx context.Context, wanted map[vault.Purpose]InToken) (*inTokens, error) {
	made := &inTokens{next: map[vault.Purpose][]*vault.Material{}}
	for purpose, at := range wanted {
		first, err := s.vault.GenerateInToken(ctx, at.URI, purpose, at.Algorithm)
		if err != nil {
			return made, err
		}
		made.add(purpose, first)
		if !purpose.HasStandby() {
			continue
		}
		standby, err := s.vault.GenerateNext(ctx, vault.KeyInfo{Purpose: purpose, Algorithm: first.Algorithm(), Provider: vault.ProviderPKCS11, Token: first.Token()})
		if err != nil {
			return made, err
		}
		made.add(purpose, standby)
	}
	return made, nil
}

func (t *inTokens) add(p vault.Purpose, m *vault.Material) {
	t.all, t.next[p] = append(t.all, m), append(t.next[p], m)
}

// take returns the next material of a purpose; nil where there is none.
func (t *inTokens) take(p vault.Purpose) *vault.Material {
	if len(t.next[p]) == 0 {
		return nil
	}
	m := t.next[p][0]
	t.next[p] = t.next[p][1:]
	return m
}

// discard destroys the keys in their tokens, since no row came to hold them.
func (t *inTokens) discard(ctx context.Context, v *vault.Vault) error {
	var all []error
	for _, m := range t.all {
		all = append(all, v.Discard(ctx, m))
	}
	return errors.Join(all...)
}
