package tufrepo

import (
	"crypto"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// TargetsInfo is what one targets.json says of itself. It is not verified.
type TargetsInfo struct {
	Version int64
	Expires time.Time
}

// ReadTargets returns what targets.json says of itself.
func ReadTargets(targets []byte) (TargetsInfo, error) {
	m, err := parse(metadata.Targets(), targets)
	if err != nil {
		return TargetsInfo{}, err
	}
	return TargetsInfo{m.Signed.Version, m.Signed.Expires}, nil
}

// Quorum is how far the signatures of a document have come towards those that a
// role of a root demands.
type Quorum struct {
	Threshold int
	Keys      []crypto.PublicKey // of the role, in the root's order
	Signed    []bool             // of Keys: whether its good signature is there
}

// Missing is how many signatures are needed yet.
func (q Quorum) Missing() int {
	n := q.Threshold
	for _, signed := range q.Signed {
		if signed {
			n--
		}
	}
	return max(0, n)
}

// TargetsSignatures tells which keys of root's targets role signed targets.json.
func TargetsSignatures(root, targets []byte) (Quorum, error) {
	t, err := parse(metadata.Targets(), targets)
	if err != nil {
		return Quorum{}, err
	}
	return signatures(root, metadata.TARGETS, t)
}

// RootSignatures tells which keys of the root role of by signed root.json. by is
// the root that it follows, or itself: it needs both quorums.
func RootSignatures(by, root []byte) (Quorum, error) {
	r, err := parse(metadata.Root(), root)
	if err != nil {
		return Quorum{}, err
	}
	return signatures(by, metadata.ROOT, r)
}

func signatures[T metadata.Roles](root []byte, name string, m *metadata.Metadata[T]) (Quorum, error) {
	r, err := parse(metadata.Root(), root)
	if err != nil {
		return Quorum{}, err
	}
	role := r.Signed.Roles[name]
	if role == nil {
		return Quorum{}, fmt.Errorf("root.json has no role %s", name)
	}
	keys, err := keysOf(role.KeyIDs, r.Signed.Keys)
	if err != nil {
		return Quorum{}, err
	}
	out := Quorum{Threshold: role.Threshold, Keys: keys}
	for _, id := range role.KeyIDs {
		alone := *r // the same root, in which this key is enough and nobody else's counts
		alone.Signed.Roles = map[string]*metadata.Role{name: {KeyIDs: []string{id}, Threshold: 1}}
		out.Signed = append(out.Signed, verify(&alone, name, m) == nil)
	}
	return out, nil
}

// AddTargetsSignatures returns targets.json with a signature by each key beside
// those that it has. One that a key made before is replaced.
func AddTargetsSignatures(targets []byte, keys []crypto.Signer) ([]byte, error) {
	return addSignatures(metadata.Targets(), targets, keys)
}

// AddRootSignatures is AddTargetsSignatures for root.json.
func AddRootSignatures(root []byte, keys []crypto.Signer) ([]byte, error) {
	return addSignatures(metadata.Root(), root, keys)
}

func addSignatures[T metadata.Roles](m *metadata.Metadata[T], data []byte, keys []crypto.Signer) ([]byte, error) {
	if err := unmarshal(data, m); err != nil {
		return nil, err
	}
	for _, key := range keys {
		tufKey, err := keyOf(key.Public())
		if err != nil {
			return nil, err
		}
		id, err := tufKey.ID()
		if err != nil {
			return nil, err
		}
		var others []metadata.Signature
		for _, s := range m.Signatures {
			if s.KeyID != id {
				others = append(others, s)
			}
		}
		m.Signatures = others
		if _, err := m.Sign(signer{key}); err != nil {
			return nil, err
		}
	}
	return m.ToBytes(false)
}

// UnsignedTargets returns targets.json without its signatures: what each of them
// is over, in one form of bytes, whoever signed already.
func UnsignedTargets(targets []byte) ([]byte, error) { return unsigned(metadata.Targets(), targets) }

// UnsignedRoot is UnsignedTargets for root.json.
func UnsignedRoot(root []byte) ([]byte, error) { return unsigned(metadata.Root(), root) }

func unsigned[T metadata.Roles](m *metadata.Metadata[T], data []byte) ([]byte, error) {
	if err := unmarshal(data, m); err != nil {
		return nil, err
	}
	m.ClearSignatures()
	return m.ToBytes(false)
}
