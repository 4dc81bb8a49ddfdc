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
	m, err := metadata.Targets().FromBytes(targets)
	if err != nil {
		return TargetsInfo{}, err
	}
	return TargetsInfo{m.Signed.Version, m.Signed.Expires}, nil
}

// SignedTargets is how far the signatures of a targets.json have come.
type SignedTargets struct {
	Threshold int
	Keys      []crypto.PublicKey // of the targets role, in root's order
	Signed    []bool             // of Keys: whether its good signature is there
}

// Missing is how many signatures are needed yet.
func (s SignedTargets) Missing() int {
	n := s.Threshold
	for _, signed := range s.Signed {
		if signed {
			n--
		}
	}
	return max(0, n)
}

// Signatures tells which keys of root's targets role signed targets.json.
func Signatures(root, targets []byte) (SignedTargets, error) {
	r, err := metadata.Root().FromBytes(root)
	if err != nil {
		return SignedTargets{}, err
	}
	t, err := metadata.Targets().FromBytes(targets)
	if err != nil {
		return SignedTargets{}, err
	}
	role := r.Signed.Roles[metadata.TARGETS]
	if role == nil {
		return SignedTargets{}, fmt.Errorf("root.json has no role %s", metadata.TARGETS)
	}
	keys, err := keysOf(role.KeyIDs, r.Signed.Keys)
	if err != nil {
		return SignedTargets{}, err
	}
	out := SignedTargets{Threshold: role.Threshold, Keys: keys}
	for _, id := range role.KeyIDs {
		alone := *r // the same root, in which this key is enough and nobody else's counts
		alone.Signed.Roles = map[string]*metadata.Role{metadata.TARGETS: {KeyIDs: []string{id}, Threshold: 1}}
		out.Signed = append(out.Signed, alone.VerifyDelegate(metadata.TARGETS, t) == nil)
	}
	return out, nil
}

// AddSignatures returns targets.json with a signature by each key beside those
// that it has. One that a key made before is replaced.
func AddSignatures(targets []byte, keys []crypto.Signer) ([]byte, error) {
	m, err := metadata.Targets().FromBytes(targets)
	if err != nil {
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
