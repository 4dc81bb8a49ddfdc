package ceremony

import (
	"crypto"
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// RootChange is what people want to be different in the next root.json. The zero
// one renews it. Its snapshot and timestamp keys are those of the vault's anchors
// in any case.
type RootChange struct {
	Replace   []string                    // root and targets keys in whose place a new one is made here
	Drop      []string                    // root and targets keys that are to be trusted no more
	Add       map[Role][]crypto.PublicKey // keys that somebody else made, and holds
	Threshold int                         // how many keys of each role must sign; 0: as many as now
}

const rootOp = "proposing the next root"

// LiveKeys names the keys of a role that are in use.
func (f *Folder) LiveKeys(role Role) (names []string) {
	for _, key := range f.Inventory.live(role) {
		names = append(names, key.Name)
	}
	return names
}

// RootKeys names the keys whose passphrases ProposeRoot, or Sign of what it
// proposed, may ask for: those there are and those that it would make, unless they
// are in tokens.
func (f *Folder) RootKeys(change RootChange) ([]string, error) {
	plan, err := f.plan(change)
	if err != nil {
		return nil, err
	}
	names := f.keyFiles(RoleRoot)
	if plan.targets {
		names = append(names, f.keyFiles(RoleTargets)...)
	}
	next := &Folder{Dir: f.Dir, Inventory: Inventory{Keys: slices.Clone(f.Inventory.Keys)}}
	for _, role := range []Role{RoleRoot, RoleTargets} {
		for i := range plan.make[role] {
			name := next.nextName(role)
			next.Inventory.Keys = append(next.Inventory.Keys, KeyEntry{Name: name, Role: role})
			if !f.Places.inToken(role, i) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// rootPlan is a RootChange that can be.
type rootPlan struct {
	keep      map[Role][]KeyEntry
	make      map[Role]int
	threshold int
	targets   bool // the targets role changes, so that a new targets.json must come with it
}

// plan refuses what no folder could propose.
func (f *Folder) plan(change RootChange) (rootPlan, error) {
	p := rootPlan{keep: map[Role][]KeyEntry{}, make: map[Role]int{}, threshold: f.Inventory.Threshold}
	if change.Threshold != 0 {
		p.threshold = change.Threshold
	}
	gone := map[string]bool{}
	for _, name := range change.Drop {
		gone[name] = true
	}
	for _, name := range change.Replace {
		if i := slices.IndexFunc(f.Inventory.Keys, func(k KeyEntry) bool { return k.Name == name && !gone[name] }); i >= 0 {
			p.make[f.Inventory.Keys[i].Role]++
		}
		gone[name] = true
	}
	for _, role := range []Role{RoleRoot, RoleTargets} {
		for _, key := range f.Inventory.live(role) {
			if !gone[key.Name] {
				p.keep[role] = append(p.keep[role], key)
			} else if role == RoleTargets {
				p.targets = true
			}
			delete(gone, key.Name)
		}
		if n := len(f.Places[role]); n > p.make[role] {
			return p, sealift.Errorf(sealift.KindInvalid, rootOp, "%d places for %d new %s keys", n, p.make[role], role).
				WithHint("name the keys to replace, or none for all root keys")
		}
	}
	for name := range gone {
		return p, sealift.Errorf(sealift.KindNotFound, rootOp, "%q is no root or targets key in use", name).
			WithHint("the keys in use stand in %s", f.file(inventoryName))
	}
	p.targets = p.targets || len(change.Add[RoleTargets]) > 0 || p.threshold != f.Inventory.Threshold
	return p, f.mayBe(p, change)
}

func (f *Folder) mayBe(p rootPlan, change RootChange) error {
	for _, role := range []Role{RoleRoot, RoleTargets} {
		q := Quorum{len(p.keep[role]) + p.make[role] + len(change.Add[role]), p.threshold}
		if !q.possible() {
			return sealift.Errorf(sealift.KindInvalid, rootOp, "%d of %d %s keys cannot sign", q.Threshold, q.Keys, role).
				WithHint("have as many keys of each role as must sign, at most %d: add some with --add-%s FILE, or lower --threshold", maxKeys, role)
		}
		for _, pub := range change.Add[role] {
			id, err := trust.KeyID(pub)
			if err != nil {
				return sealift.Errorf(sealift.KindInvalid, rootOp, "%w", err)
			}
			for _, key := range f.Inventory.Keys {
				if key.ID() == id && !key.Pending {
					return sealift.Errorf(sealift.KindConflict, rootOp, "sha256:%s is %s, which is or was in use", id, key.Name).WithReason("key").
						WithHint("make a new one: sealift root keygen --keys DIR --out FILE.pub")
				}
			}
		}
	}
	return nil
}

// Reach opens the quorum of present keys that what change asks for needs, and
// refuses where it is not here: so nothing is made that could not be published.
func (f *Folder) Reach(change RootChange, passphrases Passphrases) error {
	plan, err := f.plan(change)
	if err != nil {
		return err
	}
	if err := f.quorum(RoleRoot, f.Inventory.Threshold, f.Inventory.live(RoleRoot), passphrases); err != nil {
		return err
	}
	if n := plan.threshold - plan.make[RoleRoot]; n > 0 {
		if err := f.quorum(RoleRoot, n, plan.keep[RoleRoot], passphrases); err != nil {
			return err
		}
	}
	if n := plan.threshold - plan.make[RoleTargets]; plan.targets && n > 0 {
		return f.quorum(RoleTargets, n, plan.keep[RoleTargets], passphrases)
	}
	return nil
}

// quorum opens so many of the keys, the first ones first.
func (f *Folder) quorum(role Role, most int, entries []KeyEntry, passphrases Passphrases) error {
	n, absent, err := f.gather(entries, most, passphrases)
	if err != nil {
		return err
	}
	if n < most {
		return sealift.Errorf(sealift.KindNotFound, "opening the "+string(role)+" keys", "%d of the %d that must sign are here: %w", n, most, absent).
			WithReason("quorum").WithHint("bring %d more keys, files with their passphrases or tokens; or write it to a file for the others to sign: add --out proposal.json", most-n)
	}
	return nil
}

// ProposeRoot makes the root.json that follows the folder's, and a targets.json
// under it where its targets role is another one. Nobody has signed it. The keys
// that it makes are in the folder, pending, before it returns. The folder must
// have followed what is published: see Adopt.
func (f *Folder) ProposeRoot(change RootChange, anchors Anchors, passphrases Passphrases, now time.Time) (*Proposal, error) {
	if anchors.Vault != f.Inventory.Vault {
		return nil, sealift.Errorf(sealift.KindConflict, rootOp, "the keys to vouch for are of vault %s, the folder is of %s", anchors.Vault, f.Inventory.Vault).
			WithHint("name the server of this folder's vault")
	}
	plan, err := f.plan(change)
	if err != nil {
		return nil, err
	}
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	present, err := tufrepo.ReadRoot(root)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, rootOp, "%w", err)
	}
	roles, err := f.nextRoles(plan, change, passphrases)
	if err != nil {
		return nil, err
	}
	p := &Proposal{Vault: f.Inventory.Vault, Root: sealift.DigestOf(root), Names: f.names()}
	p.Next, err = tufrepo.DraftRoot(tufrepo.Root{
		Version: present.Version + 1, Expires: now.Add(sealift.RootLife),
		Root: roles[RoleRoot], Targets: roles[RoleTargets],
		Snapshot:  tufrepo.Role{Keys: anchors.Snapshot, Threshold: 1},
		Timestamp: tufrepo.Role{Keys: anchors.Timestamp, Threshold: 1},
	})
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, rootOp, "%w", err)
	}
	if !plan.targets {
		return p, nil
	}
	before, _, err := f.Documents()
	if err != nil {
		return nil, err
	}
	next, err := Change{}.Apply(*before, anchors)
	if err != nil {
		return nil, err
	}
	return p, f.addTargets(p, next, anchors, now)
}

// nextRoles makes the new keys, enters them and those that others made into the
// inventory, and returns the two roles of people.
func (f *Folder) nextRoles(plan rootPlan, change RootChange, passphrases Passphrases) (map[Role]tufrepo.Role, error) {
	roles := map[Role]tufrepo.Role{}
	for _, name := range []Role{RoleRoot, RoleTargets} {
		role := tufrepo.Role{Threshold: plan.threshold}
		for _, entry := range plan.keep[name] {
			pub, err := x509.ParsePKIXPublicKey(entry.Public)
			if err != nil {
				return nil, sealift.Errorf(sealift.KindInvalid, rootOp, "key %s: %w", entry.Name, err)
			}
			role.Keys = append(role.Keys, pub)
		}
		for range plan.make[name] {
			key, err := f.create(name, passphrases)
			if err == nil {
				err = f.save(nil)
			}
			if err != nil {
				return nil, err
			}
			role.Keys = append(role.Keys, key.Public())
		}
		for _, pub := range change.Add[name] {
			if err := f.meet(name, pub); err != nil {
				return nil, err
			}
			role.Keys = append(role.Keys, pub)
		}
		roles[name] = role
	}
	return roles, f.save(nil)
}

// meet enters a key that somebody else made, unless the folder knows it.
func (f *Folder) meet(role Role, pub crypto.PublicKey) error {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, rootOp, "%w", err)
	}
	for _, key := range f.Inventory.Keys {
		if slices.Equal(key.Public, spki) && key.Role == role {
			return nil
		}
		if slices.Equal(key.Public, spki) {
			return sealift.Errorf(sealift.KindConflict, rootOp, "%s was made to be a %s key", key.Name, key.Role).WithReason("key").
				WithHint("add it with --add-%s", key.Role)
		}
	}
	f.Inventory.Keys = append(f.Inventory.Keys, KeyEntry{Name: f.nextName(role), Role: role, Public: spki, Pending: true})
	return nil
}

// NewKey makes a key of a role that no root lists yet, under a name that was never
// used, for a proposal to add it.
func (f *Folder) NewKey(role Role, passphrases Passphrases) (KeyEntry, crypto.PublicKey, error) {
	key, err := f.create(role, passphrases)
	if err != nil {
		return KeyEntry{}, nil, err
	}
	return f.Inventory.Keys[len(f.Inventory.Keys)-1], key.Public(), f.save(nil)
}

// NextKey names the key that NewKey would make.
func (f *Folder) NextKey(role Role) string { return f.nextName(role) }
