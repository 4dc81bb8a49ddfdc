package vault

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// recordFormat names the seal record; a reader refuses any other.
const recordFormat = "sealift/vault-seal/v1"

// record is the seal record: the one thing a vault needs, besides a passphrase,
// to open. It is stored as JSON and holds nothing secret in the clear.
type record struct {
	Format string          `json:"format"`
	Vault  sealift.VaultID `json:"vault"`
	Wraps  []wrap          `json:"wraps"`
	KEK    string          `json:"kek"`  // id of the key-encryption key that seals from now on
	KEKs   []wrappedKEK    `json:"keks"` // that one; a re-wrap will keep the one before it beside it
	MAC    []byte          `json:"mac"`  // over all of the above, under the root key
}

// wrappedKEK is a key-encryption key under the root key.
type wrappedKEK struct {
	ID      string `json:"id"`
	Wrapped []byte `json:"wrapped"`
}

func (k wrappedKEK) associated(vault sealift.VaultID) []byte {
	return join("sealift/vault/kek/v1", []byte(vault), []byte(k.ID))
}

// newRecord makes a root key and a key-encryption key, wraps them, and returns
// the record and the keys in a page of their own. It is slow.
func newRecord(vault sealift.VaultID, s Secrets, params func() argon2Params) (*record, *keyring, error) {
	root, kek := random(keySize), random(keySize)
	defer clear(root)
	defer clear(kek)
	r := &record{Format: recordFormat, Vault: vault}
	k := wrappedKEK{ID: newID()}
	var err error
	if k.Wrapped, err = sealWith(root, kek, k.associated(vault)); err != nil {
		return nil, nil, err
	}
	r.KEK, r.KEKs = k.ID, []wrappedKEK{k}
	if err := r.wrap(root, s, params); err != nil {
		return nil, nil, err
	}
	ring, err := newKeyring(vault, root, k.ID, kek)
	return r, ring, err
}

// wrap seals the root key under each of the secrets that is there, in place of
// the wraps that were on the same path, and writes the MAC. It is slow.
func (r *record) wrap(root []byte, s Secrets, params func() argon2Params) (err error) {
	for _, on := range []struct {
		path   Path
		secret []byte
	}{{PathUnseal, s.Passphrase}, {PathRecovery, s.Recovery}} {
		if on.secret == nil {
			continue
		}
		w, err := newPassphraseWrap(r.Vault, on.path, root, on.secret, params())
		if err != nil {
			return err
		}
		// Not in place: whoever reads r has the old ones.
		kept := slices.DeleteFunc(slices.Clone(r.Wraps), func(old wrap) bool { return old.Path == on.path })
		r.Wraps = append(kept, w)
	}
	r.MAC, err = r.mac(root)
	return err
}

// has reports whether there is a wrap on a path.
func (r *record) has(p Path) bool {
	return slices.ContainsFunc(r.Wraps, func(w wrap) bool { return w.Path == p })
}

// parseRecord reads a stored record and refuses what no release wrote.
func parseRecord(data []byte) (*record, error) {
	r := new(record)
	if err := strictjson.Unmarshal(data, sealift.MaxSealRecord, r); err != nil {
		return nil, err
	}
	if r.Format != recordFormat {
		return nil, fmt.Errorf("format is %.40q, not %q", r.Format, recordFormat)
	}
	if _, err := sealift.ParseVaultID(string(r.Vault)); err != nil {
		return nil, err
	}
	if n := len(r.Wraps); n < 1 || n > sealift.MaxSealWraps {
		return nil, fmt.Errorf("%d wraps of the root key; 1 to %d are allowed", n, sealift.MaxSealWraps)
	}
	for _, w := range r.Wraps {
		if w.Sealer != sealerArgon2id {
			continue
		}
		if _, err := w.argon2(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *record) marshal() ([]byte, error) { return json.Marshal(r) }

// open tries a secret on each passphrase wrap and returns the keys, and which
// path it was of. It is slow. errPassphrase means that no wrap opened.
func (r *record) open(secret []byte) (*keyring, Path, error) {
	root, path, err := r.unwrap(secret)
	if err != nil {
		return nil, path, err
	}
	defer clear(root)
	ring, err := r.openWithRoot(root)
	return ring, path, err
}

// unwrap is open's slow part. The caller clears the root key, and checks the
// record as a whole by it.
func (r *record) unwrap(secret []byte) (root []byte, path Path, err error) {
	for _, w := range r.Wraps {
		// The key of the one path is never that of the other: which it is for, its
		// text says, and so each costs one Argon2id.
		if w.Sealer != sealerArgon2id || (w.Path == PathRecovery) != bytes.HasPrefix(secret, []byte(recoveryPrefix)) {
			continue
		}
		if root, err := w.open(r.Vault, secret); err == nil {
			return root, w.Path, nil
		}
	}
	return nil, "", errPassphrase
}

// errPassphrase cannot tell a wrong passphrase from a wrap that was changed.
var errPassphrase = errors.New("the passphrase opens none of the vault's wraps")

// openWithRoot checks the record as a whole, so that a wrap that was taken out
// or a key-encryption key that was exchanged is noticed, and opens the latter.
func (r *record) openWithRoot(root []byte) (*keyring, error) {
	mac, err := r.mac(root)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, r.MAC) {
		return nil, errors.New("the seal record was changed by something other than the vault")
	}
	for _, k := range r.KEKs {
		if k.ID != r.KEK {
			continue
		}
		kek, err := openWith(root, k.Wrapped, k.associated(r.Vault))
		if err != nil {
			return nil, fmt.Errorf("key-encryption key %s: %w", k.ID, err)
		}
		defer clear(kek)
		return newKeyring(r.Vault, root, k.ID, kek)
	}
	return nil, fmt.Errorf("no key-encryption key %q", r.KEK)
}

// mac is over every field, with the JSON of each list as one field: the lists
// hold nothing but strings, numbers and bytes, whose encoding is unique.
func (r *record) mac(root []byte) ([]byte, error) {
	wraps, err := json.Marshal(r.Wraps)
	if err != nil {
		return nil, err
	}
	keks, err := json.Marshal(r.KEKs)
	if err != nil {
		return nil, err
	}
	key, err := derive(root, "sealift/vault/seal-record-mac/v1", []byte(r.Vault))
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return authenticate(key, join(recordFormat, []byte(r.Vault), wraps, []byte(r.KEK), keks)), nil
}
