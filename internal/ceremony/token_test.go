package ceremony_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
	"github.com/sealift/sealift/trust/tufrepo"
)

// inToken is ceremony.Tokens over a real token.
type inToken struct {
	ctx context.Context
	*pkcs11.Tokens
}

func (t inToken) Signer(uri string) (crypto.Signer, error) { return t.Tokens.Signer(t.ctx, uri) }

func (t inToken) Generate(uri, algorithm string) (string, error) {
	key, err := t.Tokens.Generate(t.ctx, uri, algorithm)
	if err == nil && !key.Kept() {
		err = errors.New("the token does not keep the key to itself")
	}
	return key.URI, err
}

// TestRootKeyInToken founds with a root key in a token and its targets key in a
// file, rotates the former within the token, and replaces it by a file.
func TestRootKeyInToken(t *testing.T) {
	t.Parallel()
	token := pkcs11test.NewToken(t, "people")
	tokens := inToken{t.Context(), token.Open(t)}
	dir := filepath.Join(t.TempDir(), "keys")
	asked := []string{}
	ask := func(name string, fresh bool) ([]byte, error) {
		asked = append(asked, name)
		return words(name, fresh)
	}
	a, err := anchors()
	check(t, err)
	places := ceremony.Places{ceremony.RoleRoot: {token.Key("root")}}
	_, _, err = ceremony.Found(filepath.Join(t.TempDir(), "too-many"), ceremony.Quorum{Keys: 1, Threshold: 1}, tokens, ceremony.Places{ceremony.RoleRoot: {"a", "b"}}, a, ask, foundedAt)
	wantRefusal(t, "two places for one key", err, sealift.KindInvalid, "")
	_, first, err := ceremony.Found(dir, ceremony.Quorum{Keys: 1, Threshold: 1}, tokens, places, a, ask, foundedAt)
	check(t, err)
	if !slices.Equal(asked, []string{"targets-1"}) {
		t.Errorf("asked for %q", asked)
	}
	if _, err := os.Stat(filepath.Join(dir, "root-1.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the key in the token: %v", err)
	}
	// The token has the key that the root trusts, and no other.
	f := open(t, dir)
	entry := f.Inventory.Keys[0]
	public, err := x509.ParsePKIXPublicKey(entry.Public)
	check(t, err)
	if trusted, err := tufrepo.RoleKeys(first.Root, "root"); err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(trusted[0]) {
		t.Errorf("%s, %v", entry.Token, err)
	}

	// Without the token its person is absent.
	_, err = rotateRoot(f, a, all(f), ask, foundedAt)
	wantRefusal(t, "no token", err, sealift.KindNotFound, "quorum")

	f.Tokens, f.Places = tokens, ceremony.Places{ceremony.RoleRoot: {token.Key("root-2")}}
	if names, err := f.RootKeys(all(f)); err != nil || len(names) != 0 {
		t.Errorf("passphrases of %q, %v", names, err)
	}
	second, err := rotateRoot(f, a, all(f), ask, foundedAt)
	check(t, err)
	check(t, second.Commit())
	if !slices.Equal(second.Added, []string{"root-2"}) || len(asked) != 1 {
		t.Errorf("%+v, asked for %q", second, asked)
	}

	f = open(t, dir)
	f.Tokens = tokens
	if names, err := f.RootKeys(all(f)); err != nil || !slices.Equal(names, []string{"root-3"}) {
		t.Errorf("passphrases of %q, %v", names, err)
	}
	third, err := rotateRoot(f, a, all(f), ask, foundedAt)
	check(t, err)
	check(t, third.Commit())
	check(t, errors.Join(err))
	if _, err := os.Stat(filepath.Join(dir, "root-3.key")); err != nil {
		t.Error(err)
	}

	// Another key under the entry's name is noticed.
	f = open(t, dir)
	f.Tokens = tokens
	swapped, err := tokens.Generate(token.Key("other"), "ecdsa-p256")
	check(t, err)
	for i := range f.Inventory.Keys {
		f.Inventory.Keys[i].Token = swapped
	}
	_, err = rotateRoot(f, a, all(f), ask, foundedAt)
	wantRefusal(t, "another key in the token", err, sealift.KindIntegrity, "")
}
