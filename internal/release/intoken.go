package release

import (
	"context"

	"github.com/sealift/sealift/internal/vault"
)

// InToken says that a key is to be made in a PKCS#11 token.
type InToken struct {
	URI       string          // of the token, and with object the key's label (RFC 7512)
	Algorithm vault.Algorithm // "" for that of its purpose
}

// inTokens are keys that were made in tokens and that no row holds yet: for each
// purpose the one to be in use, and its standby where it has one.
type inTokens map[vault.Purpose][]*vault.Material

// makeInTokens makes keys in tokens. It is slow, and so before any transaction.
func (s *Service) makeInTokens(ctx context.Context, wanted map[vault.Purpose]InToken) (inTokens, error) {
	made := inTokens{}
	for purpose, at := range wanted {
		first, err := s.vault.GenerateInToken(ctx, at.URI, purpose, at.Algorithm)
		if err != nil {
			return nil, err
		}
		made[purpose] = append(made[purpose], first)
		if !purpose.HasStandby() {
			continue
		}
		standby, err := s.vault.GenerateNext(ctx, vault.KeyInfo{Purpose: purpose, Algorithm: first.Algorithm(), Provider: vault.ProviderPKCS11, Token: first.Token()})
		if err != nil {
			return nil, err
		}
		made[purpose] = append(made[purpose], standby)
	}
	return made, nil
}

// take returns the next material of a purpose; nil where there is none.
func (t inTokens) take(p vault.Purpose) *vault.Material {
	if len(t[p]) == 0 {
		return nil
	}
	m := t[p][0]
	t[p] = t[p][1:]
	return m
}
