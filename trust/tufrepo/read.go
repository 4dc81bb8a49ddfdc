package tufrepo

import (
	"crypto"
	"fmt"
	"maps"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// RoleKeys returns the keys that root gives to a top-level role, in the order
// in which it names them.
func RoleKeys(root []byte, role string) ([]crypto.PublicKey, error) {
	m, err := metadata.Root().FromBytes(root)
	if err != nil {
		return nil, err
	}
	r := m.Signed.Roles[role]
	if r == nil {
		return nil, fmt.Errorf("root.json has no role %s", role)
	}
	return keysOf(r.KeyIDs, m.Signed.Keys)
}

// DirectorKeys returns the keys to which targets.json delegates the bins.
func DirectorKeys(targets []byte) ([]crypto.PublicKey, error) {
	m, err := metadata.Targets().FromBytes(targets)
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
