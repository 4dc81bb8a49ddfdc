package ceremony

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
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

// check refuses quorums that anybody or nobody could fill.
func (q Quorum) check() error {
	const most = 20 // people in a room; and root.json stays small
	if q.Keys < 1 || q.Keys > most || q.Threshold < 1 || q.Threshold > q.Keys {
		return sealift.Errorf(sealift.KindInvalid, "founding", "a quorum of %d of %d keys cannot be", q.Threshold, q.Keys).
			WithHint("use 1 to %d keys (--root-keys) and a threshold of 1 to that number (--threshold)", most)
	}
	return nil
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

// Rotation is a signed next root that waits to be published. It and its new
// keys are on disk already, beside what they will replace.
type Rotation struct {
	Outcome  Outcome
	Version  int64
	Replaced []string // names of the keys that the new root no longer trusts
	Added    []string
	Online   []OnlineChange // how the keys differ that the vault signs with
	folder   *Folder
}

// OnlineChange is one public key of the vault that the new root lists and the
// one before does not, or the other way round.
type OnlineChange struct {
	Role   string         // "snapshot" or "timestamp"
	SHA256 sealift.Digest // of the SubjectPublicKeyInfo, DER
	Listed bool           // from now on; else no longer
}

// RotateRoot signs the next root.json: the named root keys are replaced by new
// ones (all of them if none is named; none if renew is set, which sets a new
// expiry). In any case it lists the snapshot and timestamp keys of anchors, which
// are those that the vault signs with now and their standbys. current is the root
// that the server publishes now: a folder that is behind it refuses.
func (f *Folder) RotateRoot(current []byte, anchors Anchors, replace []string, renew bool, passphrases Passphrases, now time.Time) (*Rotation, error) {
	const op = "rotating the root"
	have, err := f.Root()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(have, current) {
		return nil, sealift.Errorf(sealift.KindConflict, op, "%s is not the root that the server publishes", filepath.Join(f.Dir, rootName)).
			WithHint("bring the keys folder of the last ceremony")
	}
	root, err := metadata.Root().FromBytes(have)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	if anchors.Vault != f.Inventory.Vault {
		return nil, sealift.Errorf(sealift.KindConflict, op, "the keys to vouch for are of vault %s, the folder is of %s", anchors.Vault, f.Inventory.Vault).
			WithHint("name the server of this folder's vault")
	}
	retire, err := f.toReplace(replace, renew)
	if err != nil {
		return nil, err
	}
	if n := len(f.Places[RoleRoot]); n > len(retire) {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%d places for %d new root keys", n, len(retire)).
			WithHint("name the keys to replace, or none for all of them")
	}
	old, err := f.openQuorum(RoleRoot, passphrases)
	if err != nil {
		return nil, err
	}
	next := &Folder{Dir: f.Dir, Inventory: f.Inventory, Tokens: f.Tokens, Places: f.Places}
	next.Inventory.Keys = slices.Clone(f.Inventory.Keys)
	r := &Rotation{Version: root.Signed.Version + 1, folder: next}
	signers := slices.Clone(old)
	for _, name := range retire {
		next.retire(name)
		r.Replaced = append(r.Replaced, name)
		key, err := next.create(RoleRoot, passphrases)
		if err != nil {
			return nil, err
		}
		signers = append(signers, key)
		r.Added = append(r.Added, next.Inventory.Keys[len(next.Inventory.Keys)-1].Name)
	}
	if r.Online, err = onlineChanges(have, anchors); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	if r.Outcome.Root, err = next.signNext(root, anchors, signers, r.Version, now); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if _, err := tufrepo.CheckRoot(have, r.Outcome.Root); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "the new root does not follow: %w", err)
	}
	if err := next.wait(r.Outcome.Root); err != nil {
		return nil, fileError(op, err)
	}
	return r, nil
}

// Commit makes the folder follow, after the server took the new root. If it is
// never called, Resume does it.
func (r *Rotation) Commit() error { return r.folder.commit(r.Outcome.Root) }

// Resume finishes a rotation that was interrupted after the server took its
// root: current, what the server publishes now, is the root that waits here.
// It reports whether there was one to finish.
func (f *Folder) Resume(current []byte) (bool, error) {
	waiting, err := f.waiting()
	if err != nil || waiting == nil || !bytes.Equal(waiting.Root, current) {
		return false, err
	}
	f.Inventory = waiting.Inventory
	return true, f.commit(current)
}

// Waiting returns the root of an interrupted rotation that may follow current,
// which the server publishes now; nil if there is none. It may be on its way to
// the server still: send it once more before another one is signed.
func (f *Folder) Waiting(current []byte) ([]byte, error) {
	waiting, err := f.waiting()
	if err != nil || waiting == nil {
		return nil, err
	}
	if _, err := tufrepo.CheckRoot(current, waiting.Root); err != nil {
		return nil, nil // the server went another way: the next rotation replaces it
	}
	return waiting.Root, nil
}

func (f *Folder) waiting() (*waitingRotation, error) {
	const op = "resuming a rotation"
	path := filepath.Join(f.Dir, rotationName)
	data, err := readBounded(path, 2*sealift.MaxTarget)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(op, err)
	}
	var waiting waitingRotation
	if err := strictjson.Unmarshal(data, 2*sealift.MaxTarget, &waiting); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", path, err).WithHint("remove it, if the server never published its root")
	}
	return &waiting, waiting.Inventory.check()
}

// waitingRotation is what rotation.json holds: a signed root that the server
// may or may not have taken.
type waitingRotation struct {
	Root      []byte    `json:"root"`
	Inventory Inventory `json:"inventory"`
}

func (f *Folder) wait(root []byte) error {
	data, err := json.Marshal(waitingRotation{root, f.Inventory})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(f.Dir, rotationName), data, true)
}

func (f *Folder) commit(root []byte) error {
	if err := f.save(map[string][]byte{rootName: root}); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(f.Dir, rotationName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fileError("writing the keys folder", err)
	}
	return nil
}

// RotationKeys names the keys whose passphrases RotateRoot may ask for: those in
// use, and those that it would make, unless they are in tokens.
func (f *Folder) RotationKeys(replace []string, renew bool) ([]string, error) {
	retire, err := f.toReplace(replace, renew)
	if err != nil {
		return nil, err
	}
	next := &Folder{Dir: f.Dir, Inventory: Inventory{Keys: slices.Clone(f.Inventory.Keys)}}
	var names []string
	for _, key := range next.Inventory.live(RoleRoot) {
		if key.Token == "" {
			names = append(names, key.Name)
		}
	}
	for i := range retire {
		name := next.nextName(RoleRoot)
		next.Inventory.Keys = append(next.Inventory.Keys, KeyEntry{Name: name, Role: RoleRoot})
		if !f.Places.inToken(RoleRoot, i) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (f *Folder) toReplace(names []string, renew bool) ([]string, error) {
	live := f.Inventory.live(RoleRoot)
	if renew {
		return nil, nil
	}
	if len(names) == 0 {
		for _, key := range live {
			names = append(names, key.Name)
		}
		return names, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(live, func(key KeyEntry) bool { return key.Name == name }) {
			return nil, sealift.Errorf(sealift.KindNotFound, "rotating the root", "%q is no root key in use", name).
				WithHint("the root keys in use stand in %s", filepath.Join(f.Dir, inventoryName))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

// openQuorum opens as many keys of role as must sign, the first ones first.
func (f *Folder) openQuorum(role Role, passphrases Passphrases) ([]crypto.Signer, error) {
	keys, absent, err := f.gather(role, f.Inventory.Threshold, passphrases)
	if err != nil {
		return nil, err
	}
	if len(keys) < f.Inventory.Threshold {
		return nil, sealift.Errorf(sealift.KindNotFound, "opening the "+string(role)+" keys", "%d of the %d that must sign are here: %w", len(keys), f.Inventory.Threshold, absent).
			WithReason("quorum").WithHint("bring %d more keys: files with their passphrases, or tokens", f.Inventory.Threshold-len(keys))
	}
	return keys, nil
}

// gather opens at most so many keys of role, the first ones first, and says of
// those that are not here why: their people are elsewhere, which is what a quorum
// is for.
func (f *Folder) gather(role Role, most int, passphrases Passphrases) (keys []crypto.Signer, absent, err error) {
	for _, entry := range f.Inventory.live(role) {
		if len(keys) == most {
			break
		}
		key, err := f.open(entry, passphrases)
		switch {
		case err == nil:
			keys = append(keys, key)
		case isAbsent(err):
			absent = errors.Join(absent, err)
		default:
			return nil, nil, err
		}
	}
	return keys, absent, nil
}

// ReasonNoPassphrase is the reason of an error by which Passphrases says that
// nobody gave one for a key, as opposed to a wrong one.
const ReasonNoPassphrase = "no-passphrase"

// isAbsent reports whether a key's file or token is not there or nobody gave its
// passphrase.
func isAbsent(err error) bool {
	kind := sealift.KindOf(err)
	return kind == sealift.KindNotFound || kind == sealift.KindNetwork || sealift.ReasonOf(err) == ReasonNoPassphrase
}

func (f *Folder) retire(name string) {
	for i := range f.Inventory.Keys {
		if f.Inventory.Keys[i].Name == name {
			f.Inventory.Keys[i].Retired = true
		}
	}
}

// onlineChanges compares the online keys that a root lists with anchors.
func onlineChanges(root []byte, anchors Anchors) (changes []OnlineChange, err error) {
	for _, role := range []struct {
		name string
		next []crypto.PublicKey
	}{{metadata.SNAPSHOT, anchors.Snapshot}, {metadata.TIMESTAMP, anchors.Timestamp}} {
		present, err := tufrepo.RoleKeys(root, role.name)
		if err != nil {
			return nil, err
		}
		before, err := fingerprints(present)
		if err != nil {
			return nil, err
		}
		after, err := fingerprints(role.next)
		if err != nil {
			return nil, err
		}
		for _, digest := range after {
			if !slices.Contains(before, digest) {
				changes = append(changes, OnlineChange{role.name, digest, true})
			}
		}
		for _, digest := range before {
			if !slices.Contains(after, digest) {
				changes = append(changes, OnlineChange{role.name, digest, false})
			}
		}
	}
	return changes, nil
}

func fingerprints(keys []crypto.PublicKey) (digests []sealift.Digest, err error) {
	for _, key := range keys {
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		digests = append(digests, sealift.DigestOf(spki))
	}
	return digests, nil
}

// signNext signs the root after root with the live keys of the folder and the
// online keys of anchors; the targets role stays as it is.
func (f *Folder) signNext(root *metadata.Metadata[metadata.RootType], anchors Anchors, signers []crypto.Signer, version int64, now time.Time) ([]byte, error) {
	next := tufrepo.Root{
		Version: version, Expires: now.Add(sealift.RootLife), Root: tufrepo.Role{Threshold: f.Inventory.Threshold},
		Snapshot:  tufrepo.Role{Keys: anchors.Snapshot, Threshold: 1},
		Timestamp: tufrepo.Role{Keys: anchors.Timestamp, Threshold: 1},
		Targets:   tufrepo.Role{Threshold: root.Signed.Roles[metadata.TARGETS].Threshold},
	}
	for _, entry := range f.Inventory.live(RoleRoot) {
		pub, err := x509.ParsePKIXPublicKey(entry.Public)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", entry.Name, err)
		}
		next.Root.Keys = append(next.Root.Keys, pub)
	}
	for _, id := range root.Signed.Roles[metadata.TARGETS].KeyIDs {
		pub, err := root.Signed.Keys[id].ToPublicKey()
		if err != nil {
			return nil, fmt.Errorf("role %s: %w", metadata.TARGETS, err)
		}
		next.Targets.Keys = append(next.Targets.Keys, pub)
	}
	return tufrepo.SignRoot(next, signers)
}
