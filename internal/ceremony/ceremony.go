package ceremony

import (
	"crypto"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Anchors are the public halves of a vault's keys, for people to vouch for.
type Anchors struct {
	Vault                         sealift.VaultID
	Director, Snapshot, Timestamp []crypto.PublicKey
	Trust                         trust.Trust
}

// Outcome is what a ceremony signed, for the server to publish. Targets and
// Trust are nil if it did not touch them.
type Outcome struct {
	Root, Targets, Trust []byte
}

// Quorum is how many keys a role has and how many of them must sign.
type Quorum struct {
	Keys, Threshold int
}

// maxKeys bounds the keys of a role: people in a room; and root.json stays small.
const maxKeys = 20

// check refuses quorums that anybody or nobody could fill.
func (q Quorum) check() error {
	if !q.possible() {
		return sealift.Errorf(sealift.KindInvalid, "founding", "a quorum of %d of %d keys cannot be", q.Threshold, q.Keys).
			WithHint("use 1 to %d keys (--root-keys) and a threshold of 1 to that number (--threshold)", maxKeys)
	}
	return nil
}

func (q Quorum) possible() bool {
	return q.Keys >= 1 && q.Keys <= maxKeys && q.Threshold >= 1 && q.Threshold <= q.Keys
}

// Found makes the keys folder dir, which must not exist: the root and targets
// keys, each under its own passphrase or in a token, and the first root.json,
// targets.json and trust.json over anchors. tokens may be nil where no place is
// in one.
func Found(dir string, q Quorum, tokens Tokens, places Places, anchors Anchors, passphrases Passphrases, now time.Time) (*Folder, Outcome, error) {
	if err := q.check(); err != nil {
		return nil, Outcome{}, err
	}
	for role, uris := range places {
		if len(uris) > q.Keys {
			return nil, Outcome{}, sealift.Errorf(sealift.KindInvalid, "founding", "%d places for %d %s keys", len(uris), q.Keys, role).
				WithHint("make more keys with --root-keys")
		}
	}
	if err := makeDir(dir); err != nil {
		return nil, Outcome{}, err
	}
	f := &Folder{Dir: dir, Inventory: Inventory{Vault: anchors.Vault, Threshold: q.Threshold}, Tokens: tokens, Places: places}
	keys := map[Role][]crypto.Signer{}
	for _, role := range []Role{RoleRoot, RoleTargets} {
		for range q.Keys {
			key, err := f.create(role, passphrases)
			if err != nil {
				return nil, Outcome{}, err
			}
			keys[role] = append(keys[role], key)
		}
	}
	for i := range f.Inventory.Keys {
		f.Inventory.Keys[i].Pending = false // the first root lists them all
	}
	out, err := signFirst(q, keys, anchors, now)
	if err != nil {
		return nil, Outcome{}, sealift.Errorf(sealift.KindInternal, "signing the first root", "%w", err)
	}
	return f, out, f.save(map[string][]byte{rootName: out.Root, targetsName: out.Targets, trustName: out.Trust})
}

func signFirst(q Quorum, keys map[Role][]crypto.Signer, anchors Anchors, now time.Time) (out Outcome, err error) {
	if out.Trust, err = anchors.Trust.Encode(); err != nil {
		return out, err
	}
	out.Root, err = tufrepo.SignRoot(tufrepo.Root{
		Version: 1, Expires: now.Add(sealift.RootLife),
		Root:      roleOf(keys[RoleRoot], q.Threshold),
		Targets:   roleOf(keys[RoleTargets], q.Threshold),
		Snapshot:  tufrepo.Role{Keys: anchors.Snapshot, Threshold: 1},
		Timestamp: tufrepo.Role{Keys: anchors.Timestamp, Threshold: 1},
	}, keys[RoleRoot])
	if err != nil {
		return out, err
	}
	out.Targets, err = tufrepo.SignTargets(tufrepo.Targets{
		Version: 1, Expires: now.Add(sealift.TargetsLife), Trust: out.Trust,
		Director: tufrepo.Role{Keys: anchors.Director, Threshold: 1},
	}, keys[RoleTargets])
	return out, err
}

func roleOf(keys []crypto.Signer, threshold int) tufrepo.Role {
	role := tufrepo.Role{Threshold: threshold}
	for _, key := range keys {
		role.Keys = append(role.Keys, key.Public())
	}
	return role
}
