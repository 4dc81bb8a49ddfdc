package tufrepo

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// RoleKeys returns the keys that root gives to a top-level role, in the order
// in which it names them.
func RoleKeys(root []byte, role string) ([]crypto.PublicKey, error) {
	m, err := parse(metadata.Root(), root)
	if err != nil {
		return nil, err
	}
	r := m.Signed.Roles[role]
	if r == nil {
		return nil, fmt.Errorf("root.json has no role %s", role)
	}
	return keysOf(r.KeyIDs, m.Signed.Keys)
}

// ReadRoot returns what one root.json says. It is not verified.
func ReadRoot(root []byte) (Root, error) {
	m, err := parse(metadata.Root(), root)
	if err != nil {
		return Root{}, err
	}
	out := Root{Version: m.Signed.Version, Expires: m.Signed.Expires}
	for name, into := range map[string]*Role{
		metadata.ROOT: &out.Root, metadata.TARGETS: &out.Targets, metadata.SNAPSHOT: &out.Snapshot, metadata.TIMESTAMP: &out.Timestamp,
	} {
		role := m.Signed.Roles[name]
		if role == nil {
			return Root{}, fmt.Errorf("root.json has no role %s", name)
		}
		into.Threshold = role.Threshold
		if into.Keys, err = keysOf(role.KeyIDs, m.Signed.Keys); err != nil {
			return Root{}, err
		}
	}
	return out, nil
}

// DirectorKeys returns the keys to which targets.json delegates the bins.
func DirectorKeys(targets []byte) ([]crypto.PublicKey, error) {
	m, err := parse(metadata.Targets(), targets)
	if err != nil {
		return nil, err
	}
	d := m.Signed.Delegations
	if d == nil || d.SuccinctRoles == nil {
		return nil, fmt.Errorf("targets.json delegates to nobody")
	}
	return keysOf(d.SuccinctRoles.KeyIDs, d.Keys)
}

func keysOf(ids []string, all map[string]*metadata.Key) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for _, id := range ids {
		key := all[id]
		if key == nil {
			return nil, fmt.Errorf("key %.80q is named and not there", id)
		}
		pub, err := key.ToPublicKey()
		if err != nil {
			return nil, fmt.Errorf("key %.80q: %w", id, err)
		}
		if short, ok := pub.(ed25519.PublicKey); ok && len(short) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("key %.80q: an Ed25519 key of %d bytes", id, len(short))
		}
		keys = append(keys, pub)
	}
	return keys, nil
}

// TargetPaths returns the paths of the targets that a bin lists, sorted.
func TargetPaths(bin []byte) ([]string, error) {
	m := metadata.Targets()
	if err := unmarshal(bin, m); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(m.Signed.Targets)), nil
}
