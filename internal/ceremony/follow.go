package ceremony

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Adopt lets the folder follow the root.json, targets.json and trust.json that the
// server publishes, as after a ceremony that was held with another copy of the
// folder. They must be signed by the quorum of the folder's own root, or of the one
// that follows it, and go on from what the folder has: a server cannot bring it to
// go back. Where the folder has the same documents with other signatures, as of a
// proposal that somebody signed once more after it was submitted, it takes the
// server's: what comes next is bound to their bytes. It reports whether they are
// new to the folder. A server that is behind it, as after a restore, is
// KindMetadata with ReasonBehind: the folder's own are what comes next follows.
func (f *Folder) Adopt(root, targets, trustJSON []byte) (bool, error) {
	return f.adopt(root, targets, trustJSON, nil)
}

func (f *Folder) adopt(root, targets, trustJSON []byte, names map[string]string) (bool, error) {
	const op = "reading what the server publishes"
	have, err := f.Root()
	if err != nil {
		return false, err
	}
	newRoot := !slices.Equal(have, root)
	if newRoot {
		if err := f.mayFollow(have, root); err != nil {
			return false, err
		}
	}
	if _, err := tufrepo.CheckTargets(root, targets, trustJSON); err != nil {
		return false, sealift.Errorf(sealift.KindMetadata, op, "targets.json: %w", err).WithReason("targets").
			WithHint("the quorum of this folder did not sign it: find out who changes the server's files")
	}
	newer, err := f.newer(targets, trustJSON)
	if err != nil {
		return false, err
	}
	if newRoot {
		return true, f.followRoot(root, targets, trustJSON, names)
	}
	if !newer {
		return false, nil
	}
	return true, f.save(map[string][]byte{targetsName: targets, trustName: trustJSON})
}

// mayFollow refuses a root that is neither the one after the folder's nor the same
// with other signatures.
func (f *Folder) mayFollow(have, root []byte) error {
	before := have
	if SameRoot(have, root) {
		before = nil // it was verified; that its quorum signed this one, too, is to be seen
	}
	if _, err := tufrepo.CheckRoot(before, root); err != nil {
		return sealift.Errorf(sealift.KindConflict, "reading the keys folder", "%s is not the root that the server publishes, which does not follow it: %w", f.file(rootName), err).
			WithReason("root").WithHint("bring the keys folder of the last ceremony; or let this one follow the proposals since, one after the other: sealift trust follow FILE --keys %s", f.Dir)
	}
	return nil
}

// SameRoot reports whether two root.json differ in their signatures at most.
func SameRoot(a, b []byte) bool { return sameBut(tufrepo.UnsignedRoot, a, b) }

// sameBut is SameRoot for any document.
func sameBut(unsigned func([]byte) ([]byte, error), a, b []byte) bool {
	bareA, err := unsigned(a)
	if err != nil {
		return false
	}
	bareB, err := unsigned(b)
	return err == nil && bytes.Equal(bareA, bareB)
}

// newer reports whether targets.json is another one than the folder's, and refuses
// one that does not go on from it.
func (f *Folder) newer(targets, trustJSON []byte) (bool, error) {
	const op = "reading what the server publishes"
	own, ownTrust, err := f.documents()
	if err != nil {
		return false, err
	}
	if slices.Equal(own, targets) || sameBut(tufrepo.UnsignedTargets, own, targets) {
		return !slices.Equal(own, targets), nil
	}
	before, err := tufrepo.ReadTargets(own)
	if err != nil {
		return false, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", f.file(targetsName), err)
	}
	after, err := tufrepo.ReadTargets(targets)
	if err != nil {
		return false, sealift.Errorf(sealift.KindMetadata, op, "%w", err)
	}
	next, err := trust.ParseTrust(trustJSON)
	if err != nil {
		return false, err
	}
	if after.Version <= before.Version {
		return false, sealift.Errorf(sealift.KindMetadata, op, "the server publishes targets.json version %d, the folder has version %d", after.Version, before.Version).
			WithReason(ReasonBehind).WithHint("if it was restored from a backup, sign anew above both: sealift trust propose --keys DIR --renew")
	}
	if err := next.Follows(ownTrust); err != nil {
		return false, sealift.Errorf(sealift.KindMetadata, op, "targets.json version %d does not follow the folder's version %d: %w", after.Version, before.Version, err).
			WithReason("targets").WithHint("somebody signed another one with another copy of the folder: compare them with sealift trust show")
	}
	return true, nil
}

// followRoot lets the folder follow a root that was verified: its inventory tells
// from then on which keys that one lists. Keys that it does not know get the names
// that names gives them, or else the next ones.
func (f *Folder) followRoot(root, targets, trustJSON []byte, names map[string]string) error {
	said, err := tufrepo.ReadRoot(root)
	if err != nil {
		return sealift.Errorf(sealift.KindMetadata, "reading root.json", "%w", err)
	}
	f.Inventory.Keys = slices.Clone(f.Inventory.Keys)
	f.Inventory.Threshold = said.Root.Threshold
	for role, keys := range map[Role]tufrepo.Role{RoleRoot: said.Root, RoleTargets: said.Targets} {
		lists := map[string]bool{}
		for _, pub := range keys.Keys {
			spki, err := x509.MarshalPKIXPublicKey(pub)
			if err != nil {
				return sealift.Errorf(sealift.KindMetadata, "reading root.json", "%w", err)
			}
			id := sealift.DigestOf(spki).String()
			lists[id] = true
			if !slices.ContainsFunc(f.Inventory.Keys, func(k KeyEntry) bool { return k.Role == role && k.ID() == id }) {
				f.Inventory.Keys = append(f.Inventory.Keys, KeyEntry{Name: f.nameFor(role, names[id]), Role: role, Public: spki})
			}
		}
		for i, key := range f.Inventory.Keys {
			if key.Role == role {
				listed := lists[key.ID()]
				f.Inventory.Keys[i].Retired = !listed && (key.Retired || !key.Pending)
				f.Inventory.Keys[i].Pending = !listed && key.Pending
			}
		}
	}
	if err := f.Inventory.check(); err != nil {
		return sealift.Errorf(sealift.KindMetadata, "reading root.json", "%w", err)
	}
	if err := f.save(map[string][]byte{rootName: root, targetsName: targets, trustName: trustJSON}); err != nil {
		return err
	}
	// What waited here is this root, or cannot follow it.
	if err := os.Remove(f.file(rotationName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fileError("writing the keys folder", err)
	}
	return nil
}

// nameFor is what the folder calls a key that others call so: the same, unless
// that is another one's name here.
func (f *Folder) nameFor(role Role, name string) string {
	taken := slices.ContainsFunc(f.Inventory.Keys, func(k KeyEntry) bool { return k.Name == name })
	if _, err := os.Lstat(f.path(name)); err == nil || taken || !mayBeName(name) || !strings.HasPrefix(name, string(role)+"-") {
		return f.nextName(role)
	}
	return name
}

// Finish lets the folder follow a proposal that enough people signed. It may have
// followed it already.
func (f *Folder) Finish(p *Proposal) (bool, error) {
	root, err := f.Root()
	if err != nil {
		return false, err
	}
	targets, _, err := f.documents()
	if err != nil {
		return false, err
	}
	trustJSON, err := readBounded(f.file(trustName), sealift.MaxTarget)
	if err != nil {
		return false, fileError("reading the keys folder", err)
	}
	if p.Next != nil && bytes.Equal(root, p.Next) || p.Next == nil && bytes.Equal(targets, p.Targets) {
		return false, nil
	}
	if p.Next == nil || !SameRoot(root, p.Next) { // else adopt sees who signed
		if err := f.checkComplete(p); err != nil {
			return false, err
		}
	}
	if p.Targets != nil {
		targets, trustJSON = p.Targets, p.Trust
	}
	return f.adopt(p.under(root), targets, trustJSON, p.Names)
}

// Wait keeps a proposal of the next root, which enough people signed, until the
// server has taken it: see Waiting.
func (f *Folder) Wait(p *Proposal) error {
	if err := f.checkComplete(p); err != nil {
		return err
	}
	data, err := json.Marshal(p)
	if err == nil {
		err = writeFile(f.file(rotationName), data, true)
	}
	if err != nil {
		return fileError("writing the keys folder", err)
	}
	return nil
}

// Waiting returns the proposal of an interrupted rotation; nil if there is none.
// Where its root is what the server publishes, Finish it. Where it may follow
// that, it may be on its way to the server still: send it once more before another
// one is signed.
func (f *Folder) Waiting() (*Proposal, error) {
	const op = "resuming a rotation"
	path := f.file(rotationName)
	data, err := readBounded(path, maxProposal)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(op, err)
	}
	p, err := parseProposal(data)
	if err == nil && p.Next == nil {
		err = errors.New("it has no root.json")
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", path, err).WithHint("remove it, if the server never published its root")
	}
	return p, nil
}

// ReasonBehind is the reason of an error about a server that publishes less than
// the folder has.
const ReasonBehind = "behind"

// Documents returns the folder's trust.json and the version and expiry of its
// targets.json.
func (f *Folder) Documents() (*trust.Trust, tufrepo.TargetsInfo, error) {
	targets, t, err := f.documents()
	if err != nil {
		return nil, tufrepo.TargetsInfo{}, err
	}
	info, err := tufrepo.ReadTargets(targets)
	if err != nil {
		return nil, info, sealift.Errorf(sealift.KindInvalid, "reading the keys folder", "%s: %w", f.file(targetsName), err)
	}
	return t, info, nil
}

// documents reads the folder's own targets.json and trust.json, and holds them to
// its root.
func (f *Folder) documents() (targets []byte, t *trust.Trust, err error) {
	const op = "reading the keys folder"
	root, err := f.Root()
	if err != nil {
		return nil, nil, err
	}
	if targets, err = readBounded(f.file(targetsName), sealift.MaxTargets); err != nil {
		return nil, nil, fileError(op, err)
	}
	trustJSON, err := readBounded(f.file(trustName), sealift.MaxTarget)
	if err != nil {
		return nil, nil, fileError(op, err)
	}
	if _, err := tufrepo.CheckTargets(root, targets, trustJSON); err != nil {
		return nil, nil, sealift.Errorf(sealift.KindIntegrity, op, "%s: %w", f.file(targetsName), err).
			WithHint("bring the keys folder of the last ceremony, or a copy of it")
	}
	t, err = trust.ParseTrust(trustJSON)
	return targets, t, err
}

func (f *Folder) file(name string) string { return filepath.Join(f.Dir, name) }
