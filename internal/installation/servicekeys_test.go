package installation_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/vault"
)

// TestServiceKeysSign: what each kind signs, its public key verifies, and the
// entry that the answer names is in the log.
func TestServiceKeysSign(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	message := []byte("what CI built")
	sum256, sum384, sum512 := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message)
	for _, c := range []struct {
		algorithm string
		ask       api.SigningRequest
		verify    func(pub crypto.PublicKey, sig []byte) bool
	}{
		{"ecdsa-p256", api.SigningRequest{Hash: "sha256", Digest: sum256[:]}, func(pub crypto.PublicKey, sig []byte) bool {
			return ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), sum256[:], sig)
		}},
		{"ecdsa-p384", api.SigningRequest{Hash: "sha384", Digest: sum384[:]}, func(pub crypto.PublicKey, sig []byte) bool {
			return ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), sum384[:], sig)
		}},
		{"ed25519", api.SigningRequest{Message: message}, func(pub crypto.PublicKey, sig []byte) bool {
			return ed25519.Verify(pub.(ed25519.PublicKey), message, sig)
		}},
		{"rsa-4096", api.SigningRequest{Hash: "sha512", Digest: sum512[:]}, func(pub crypto.PublicKey, sig []byte) bool {
			return rsa.VerifyPSS(pub.(*rsa.PublicKey), crypto.SHA512, sum512[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}},
	} {
		k, err := b.api.CreateKey(b.Context(), api.NewKey{ID: c.algorithm, Purpose: "artifact-signing", Algorithm: api.NewKeyAlgorithm(c.algorithm), App: string(app), Owner: "alice"})
		b.check(err)
		pub, err := x509.ParsePKIXPublicKey(k.Spki)
		b.check(err)
		s, err := b.api.SignWithKey(b.Context(), app, c.algorithm, c.ask)
		b.check(err)
		if !c.verify(pub, s.Signature) || s.Algorithm != c.algorithm || s.Version != 1 {
			t.Errorf("%s: %+v", c.algorithm, s)
		}
		list, err := b.api.Entries(b.Context(), api.ListEntriesParams{Key: c.algorithm, Action: "key.use", Limit: 10})
		b.check(err)
		if len(list.Entries) != 1 || list.Entries[0].Index != s.Entry {
			t.Errorf("%s: entry %d of %+v", c.algorithm, s.Entry, list.Entries)
		}
	}
	// Past its cryptoperiod it signs nothing, and is not rotated behind its owner's back.
	b.clock = b.clock.Add(366 * 24 * time.Hour)
	_, err := b.api.SignWithKey(b.Context(), app, "ecdsa-p256", api.SigningRequest{Hash: "sha256", Digest: sum256[:]})
	b.wantRefusal(err, sealift.KindDenied, vault.ReasonPeriod)
	b.wantStates("ecdsa-p256", "active")
}

// TestKeyStatesCellByCell: every change of state that a caller may ask for, from
// every state that a service's key may be in.
func TestKeyStatesCellByCell(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	ways := map[vault.State][]api.KeyChangeTo{
		vault.Active: nil, vault.Suspended: {"suspended"}, vault.Deactivated: {"deactivated"},
		vault.Compromised: {"compromised"}, vault.Destroyed: {"deactivated", "destroyed"},
	}
	change := func(id string, to api.KeyChangeTo) (api.Key, error) {
		return b.api.SetKeyState(b.Context(), api.KeyChange{ID: id, Version: 1, To: to, Reason: "a cell"})
	}
	for from, way := range ways {
		for to := range ways {
			id := fmt.Sprintf("%s-%s", from, to)
			_, err := b.api.CreateKey(b.Context(), api.NewKey{ID: id, Purpose: "artifact-signing", App: string(app), Owner: "alice"})
			b.check(err)
			for _, step := range way {
				_, err := change(id, step)
				b.check(err)
			}
			k, err := change(id, api.KeyChangeTo(to))
			switch {
			case from == to:
				b.wantRefusal(err, sealift.KindConflict, "")
			case vault.CanTransition(from, to):
				if err != nil || k.State != api.KeyState(to) {
					t.Errorf("%s to %s: %s, %v", from, to, k.State, err)
				}
			default:
				b.wantRefusal(err, sealift.KindDenied, vault.ReasonState)
			}
			if want := map[bool]vault.State{true: to, false: from}[vault.CanTransition(from, to)]; b.states(id) != string(want) {
				t.Errorf("%s to %s: it is %s", from, to, b.states(id))
			}
		}
	}
	// A standby is put to use by a rotation and in no other way.
	_, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: 2, To: "active", Reason: "x"})
	b.wantRefusal(err, sealift.KindDenied, vault.ReasonState)
	for _, to := range []api.KeyChangeTo{"suspended", "deactivated", "destroyed"} {
		_, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "timestamp", Version: 1, To: to, Reason: "x"})
		b.wantRefusal(err, sealift.KindDenied, vault.ReasonState)
	}
	_, err = b.api.SetKeyState(b.Context(), api.KeyChange{ID: "nothing", Version: 1, To: "suspended", Reason: "x"})
	b.wantRefusal(err, sealift.KindNotFound, vault.ReasonUnknownKey)
}

// TestServiceKeysBySQL: a key that SQL gives to another app, or makes
// exportable, does nothing any more.
func TestServiceKeysBySQL(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.api.CreateApp(b.Context(), api.NewApp{ID: "com.acme.other"})
	b.check(err)
	for column, value := range map[string]any{"app": "com.acme.other", "exportable": 1} {
		id := "key-" + column
		_, err := b.api.CreateKey(b.Context(), api.NewKey{ID: id, Purpose: "artifact-signing", Algorithm: "ed25519", App: string(app), Owner: "alice"})
		b.check(err)
		b.sql("UPDATE vault_keys SET "+column+" = ? WHERE id = ?", value, id)
		_, err = b.api.SignWithKey(b.Context(), "com.acme.other", id, api.SigningRequest{Message: []byte("m")})
		b.wantRefusal(err, sealift.KindDenied, vault.ReasonTampered)
		_, err = b.api.ExportKey(b.Context(), api.KeyExport{ID: id, Version: 1, Reason: "x"})
		b.wantRefusal(err, sealift.KindDenied, vault.ReasonTampered)
	}
}

// sql changes the database behind the vault's back.
func (b *bench) sql(statement string, args ...any) {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.dir, "data", "vault.db"))
	b.check(err)
	result, err := db.ExecContext(b.Context(), statement, args...)
	b.check(err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		b.Fatalf("%s changed %d rows, %v", statement, n, err)
	}
	b.check(db.Close())
}
