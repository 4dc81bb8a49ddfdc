package tufrepo_test

import (
	"crypto"
	"slices"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

func TestReadKeys(t *testing.T) {
	r := newRepository(t)
	same := func(got []crypto.PublicKey, want ...crypto.PublicKey) bool {
		return slices.EqualFunc(got, want, func(a, b crypto.PublicKey) bool {
			return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
		})
	}
	root := r.rootOf(1)
	got, err := tufrepo.RoleKeys(root, metadata.TIMESTAMP)
	if err != nil || !same(got, r.keys.Timestamp.Public()) {
		t.Errorf("timestamp: %v, %v", got, err)
	}
	_, err = tufrepo.RoleKeys(root, "nobody")
	wantError(t, "a role that is not", err, "no role nobody")
	_, err = tufrepo.RoleKeys([]byte("{}"), metadata.TIMESTAMP)
	wantError(t, "no root", err, "")

	key := sealifttest.NewKey()
	two, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: 1, Expires: r.now, Trust: []byte("{}"), Director: roleOf(r.keys.Director, key),
	}, []crypto.Signer{key})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tufrepo.DirectorKeys(two); err != nil || !same(got, r.keys.Director.Public(), key.Public()) {
		t.Errorf("director: %v, %v", got, err)
	}
	_, err = tufrepo.DirectorKeys(resigned(t, metadata.Targets(), key))
	wantError(t, "no delegation", err, "delegates to nobody")
}
