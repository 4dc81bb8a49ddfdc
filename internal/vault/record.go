package vault

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	KEKs   []wrappedKEK    `json:"keks"` // that one, and those that something is under still
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
func newRecord(ctx context.Context, vault sealift.VaultID, s Secrets, params func() argon2Params) (*record, *keyring, error) {
	root, kek := random(keySize), random(keySize)
	defer clear(root)
	defer clear(kek)
	r := &record{Format: recordFormat, Vault: vault}
	if err := r.addKEK(root, kek); err != nil {
		return nil, nil, err
	}
	if err := r.wrap(ctx, root, s, params); err != nil {
		return nil, nil, err
	}
	ring, err := newKeyring(vault, root)
	if err == nil {
		err = ring.addKEK(r.KEK, kek, true)
	}
	return r, ring, err
}

// addKEK wraps a key-encryption key, which seals from now on. The MAC is the
// caller's to write.
func (r *record) addKEK(root, kek []byte) (err error) {
	k := wrappedKEK{ID: newID()}
	if k.Wrapped, err = sealWith(root, kek, k.associated(r.Vault)); err != nil {
		return err
	}
	r.KEK, r.KEKs = k.ID, append(slices.Clone(r.KEKs), k)
	return nil
}

// oldKEKs returns the ids of the key-encryption keys that seal no more.
func (r *record) oldKEKs() (ids []string) {
	for _, k := range r.KEKs {
		if k.ID != r.KEK {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// wrap seals the root key under each of the secrets that is there, in place of
// the wraps that were on the same path, and writes the MAC. It is slow.
func (r *record) wrap(ctx context.Context, root []byte, s Secrets, params func() argon2Params) (err error) {
	err = s.each(func(p Path, by Sealer) error {
		w, err := by.seal(ctx, root, sealing{r.Vault, p, params})
		if err != nil {
			return err
		}
		// Not in place: whoever reads r has the old ones.
		kept := slices.DeleteFunc(slices.Clone(r.Wraps), func(old wrap) bool { return old.Path == p })
		r.Wraps = append(kept, w)
		return nil
	})
	if err != nil {
		return err
	}
	r.MAC, err = r.mac(root)
	return err
}

// has reports whether there is a wrap on a path.
func (r *record) has(p Path) bool {
	return slices.ContainsFunc(r.Wraps, func(w wrap) bool { return w.Path == p })
}

// way says what a wrap is under.
func (r *record) way(p Path) (way Way) {
	i := slices.IndexFunc(r.Wraps, func(w wrap) bool { return w.Path == p })
	if i < 0 {
		return Way{}
	}
	w := r.Wraps[i]
	way.Sealer = w.Sealer
	if params, err := w.shamir(); w.Sealer == sealerShamir && err == nil {
		way.Threshold, way.Shares, way.Set = params.Threshold, len(params.Checks), w.ID[:shareIDDigits]
	}
	if params, err := w.pkcs11(); w.Sealer == sealerPKCS11 && err == nil {
		way.Token = params.URI
	}
	return way
}

// ways says what opens the vault, for people.
func (r *record) ways() string {
	var ways []string
	for _, p := range []Path{PathUnseal, PathRecovery} {
		if r.has(p) {
			ways = append(ways, r.way(p).Describe(p))
		}
	}
	return strings.Join(ways, " or ")
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
	if n := len(r.KEKs); n > sealift.MaxKEKs {
		return nil, fmt.Errorf("%d key-encryption keys; at most %d are allowed", n, sealift.MaxKEKs)
	}
	for _, w := range r.Wraps {
		if err := w.check(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *record) marshal() ([]byte, error) { return json.Marshal(r) }

// open tries each wrap that with is meant for and returns the keys, and which
// path it was of. It may be slow. The errors are those of unwrap, and of
// openWithRoot.
func (r *record) open(ctx context.Context, with Opener) (*keyring, Path, error) {
	root, path, err := r.unwrap(ctx, with)
	if err != nil {
		return nil, path, err
	}
	defer clear(root)
	ring, err := r.openWithRoot(root)
	return ring, path, err
}

// unwrap is open's slow part. The caller clears the root key, and checks the
// record as a whole by it. errPassphrase means that no wrap opened, and a
// *sealift.Error why.
func (r *record) unwrap(ctx context.Context, with Opener) (root []byte, path Path, err error) {
	var told *sealift.Error
	for _, w := range r.Wraps {
		if !with.fits(w) {
			continue
		}
		root, err := with.open(ctx, r.Vault, w)
		if err == nil {
			return root, w.Path, nil
		}
		if told == nil {
			errors.As(err, &told)
		}
	}
	switch {
	case told != nil:
		return nil, "", told
	case !slices.ContainsFunc(r.Wraps, with.fits):
		return nil, "", r.unfit(with)
	}
	return nil, "", errPassphrase
}

// unfit says why with is meant for no wrap.
func (r *record) unfit(with Opener) error {
	if shares, ok := with.(Shares); ok && len(shares) > 0 {
		if _, _, err := r.setOf(shares[0]); err != nil {
			return err
		}
	}
	return errNotThat(r.ways())
}

// setOf returns the wrap that a share is for.
func (r *record) setOf(s Share) (wrap, shamirParams, error) {
	var sets []string
	for _, w := range r.Wraps {
		if w.Sealer != sealerShamir {
			continue
		}
		if params, err := w.shamir(); err == nil && s.of(r.Vault, w.ID) == nil {
			return w, params, nil
		}
		sets = append(sets, w.ID)
	}
	if len(sets) == 0 && s.vault == string(r.Vault)[:shareIDDigits] {
		return wrap{}, shamirParams{}, errNotThat(r.ways())
	}
	return wrap{}, shamirParams{}, s.of(r.Vault, sets...)
}

// errPassphrase cannot tell a wrong passphrase from a wrap that was changed.
var errPassphrase = errors.New("the passphrase opens none of the vault's wraps")

// whole checks the record as a whole, so that a wrap that was taken out or a
// key-encryption key that was exchanged is noticed.
func (r *record) whole(root []byte) error {
	mac, err := r.mac(root)
	if err == nil && !hmac.Equal(mac, r.MAC) {
		err = errors.New("the seal record was changed by something other than the vault")
	}
	return err
}

// openWithRoot checks the record as a whole and opens its key-encryption keys.
func (r *record) openWithRoot(root []byte) (*keyring, error) {
	if err := r.whole(root); err != nil {
		return nil, err
	}
	ring, err := newKeyring(r.Vault, root)
	if err != nil {
		return nil, err
	}
	for _, k := range r.KEKs {
		if err := r.openKEK(ring, root, k); err != nil {
			ring.wipe()
			return nil, fmt.Errorf("key-encryption key %s: %w", k.ID, err)
		}
	}
	if id, err := ring.sealing(); err != nil || id == "" {
		ring.wipe()
		return nil, errors.Join(err, fmt.Errorf("no key-encryption key %q", r.KEK))
	}
	return ring, nil
}

func (r *record) openKEK(ring *keyring, root []byte, k wrappedKEK) error {
	kek, err := openWith(root, k.Wrapped, k.associated(r.Vault))
	if err != nil {
		return err
	}
	defer clear(kek)
	return ring.addKEK(k.ID, kek, k.ID == r.KEK)
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
