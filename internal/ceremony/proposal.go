package ceremony

import (
	"crypto"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Proposal is the next targets.json with its trust.json, on its way from one
// person to the next until enough have signed. It holds no secret, and nobody
// need be trusted to carry it: each signer sees by their own folder what it
// changes.
type Proposal struct {
	Vault   sealift.VaultID `json:"vault"`
	Root    sealift.Digest  `json:"root"`    // of the root.json under which it is signed
	Targets []byte          `json:"targets"` // targets.json, with the signatures so far
	Trust   []byte          `json:"trust"`   // trust.json
}

const proposalOp = "reading the proposal"

// maxProposal bounds a proposal's file: targets.json and trust.json in base64.
const maxProposal = 2 * (sealift.MaxTargets + sealift.MaxTarget)

// Adopt lets the folder follow the targets.json and trust.json that the server
// publishes, as after a ceremony that was held with another copy of the folder.
// They must be signed by the quorum of the folder's own root and follow on from
// what the folder has: a server cannot bring it to go back. It reports whether
// they are new to the folder. A server that is behind it, as after a restore, is
// KindMetadata with ReasonBehind: the folder's own are what comes next follows.
func (f *Folder) Adopt(root, targets, trustJSON []byte) (bool, error) {
	const op = "reading what the server publishes"
	if err := f.sameRoot(root); err != nil {
		return false, err
	}
	if _, err := tufrepo.CheckTargets(root, targets, trustJSON); err != nil {
		return false, sealift.Errorf(sealift.KindMetadata, op, "targets.json: %w", err).WithReason("targets").
			WithHint("the quorum of this folder did not sign it: find out who changes the server's files")
	}
	own, ownTrust, err := f.documents()
	if err != nil {
		return false, err
	}
	if slices.Equal(own, targets) {
		return false, nil
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
	return true, f.save(map[string][]byte{targetsName: targets, trustName: trustJSON})
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

// sameRoot refuses a root that is not the folder's.
func (f *Folder) sameRoot(root []byte) error {
	have, err := f.Root()
	if err != nil {
		return err
	}
	if !slices.Equal(have, root) {
		return sealift.Errorf(sealift.KindConflict, "reading the keys folder", "%s is not the root that the server publishes", f.file(rootName)).
			WithReason("root").WithHint("bring the keys folder of the last ceremony; if a root rotation was interrupted, finish it: sealift root rotate")
	}
	return nil
}

// Propose makes the targets.json that follows the folder's, over next and with
// the director's keys of anchors, and signs it with every targets key that is
// here, until it has enough.
func (f *Folder) Propose(next trust.Trust, anchors Anchors, passphrases Passphrases, now time.Time) (*Proposal, error) {
	const op = "proposing the next trust.json"
	present, info, err := f.Documents()
	if err != nil {
		return nil, err
	}
	if err := next.Follows(present); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithReason("trust")
	}
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	p := &Proposal{Vault: f.Inventory.Vault, Root: sealift.DigestOf(root)}
	if p.Trust, err = next.Encode(); err != nil {
		return nil, err
	}
	if len(p.Trust) > sealift.MaxTarget {
		return nil, sealift.Errorf(sealift.KindExhausted, op, "trust.json has %d bytes, at most %d are allowed", len(p.Trust), sealift.MaxTarget).
			WithHint("raise a floor above revoked releases in place of naming each")
	}
	keys, err := f.present(RoleTargets, f.Inventory.Threshold, passphrases)
	if err != nil {
		return nil, err
	}
	p.Targets, err = tufrepo.SignTargets(tufrepo.Targets{
		Version: info.Version + 1, Expires: now.Add(sealift.TargetsLife), Trust: p.Trust,
		Director: tufrepo.Role{Keys: anchors.Director, Threshold: 1},
	}, keys)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return p, nil
}

// present opens the keys of role that are here, at most as many as wanted, and at
// least one.
func (f *Folder) present(role Role, most int, passphrases Passphrases) ([]crypto.Signer, error) {
	keys, absent, err := f.gather(role, most, passphrases)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, sealift.Errorf(sealift.KindNotFound, "opening the "+string(role)+" keys", "none is here with its passphrase: %w", absent).
			WithReason("quorum").WithHint("give the passphrase of a key that is in %s with --passphrase-file %s-1=FILE", f.Dir, role)
	}
	return keys, nil
}

// Review holds a proposal to this folder before somebody signs it: it is for this
// vault, under this root, above the folder's version, and its trust.json follows
// the folder's. It returns what it would change against the folder's own.
func (f *Folder) Review(p *Proposal) (changes []string, info tufrepo.TargetsInfo, err error) {
	root, err := f.Root()
	if err != nil {
		return nil, info, err
	}
	if p.Vault != f.Inventory.Vault || p.Root != sealift.DigestOf(root) {
		return nil, info, sealift.Errorf(sealift.KindConflict, proposalOp, "it is for vault %s under root %s, the folder is of %s under %s", p.Vault, p.Root, f.Inventory.Vault, sealift.DigestOf(root)).
			WithReason("root").WithHint("bring the keys folder of the last ceremony, or let the proposal be made anew")
	}
	present, own, err := f.Documents()
	if err != nil {
		return nil, info, err
	}
	if info, err = tufrepo.ReadTargets(p.Targets); err != nil {
		return nil, info, sealift.Errorf(sealift.KindInvalid, proposalOp, "targets.json: %w", err)
	}
	next, err := trust.ParseTrust(p.Trust)
	if err == nil {
		err = tufrepo.CheckListing(p.Targets, p.Trust)
	}
	if err == nil {
		err = next.Follows(present)
	}
	if err == nil && info.Version <= own.Version {
		err = errors.New("its version is not above the folder's")
	}
	if err != nil {
		return nil, info, sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err).WithReason("trust").
			WithHint("do not sign it; ask who proposed it")
	}
	changes = Differences(present, next)
	director, err := tufrepo.DirectorKeys(p.Targets)
	if err != nil {
		return nil, info, sealift.Errorf(sealift.KindInvalid, proposalOp, "targets.json: %w", err)
	}
	lines, err := f.DirectorChanges(Anchors{Director: director})
	return append(changes, lines...), info, err
}

// DirectorChanges says in plain words how the director's keys of anchors differ
// from those of the folder's targets.json.
func (f *Folder) DirectorChanges(anchors Anchors) (lines []string, err error) {
	targets, _, err := f.documents()
	if err != nil {
		return nil, err
	}
	keys, err := tufrepo.DirectorKeys(targets)
	ids := func(keys []crypto.PublicKey) (ids []string) {
		for _, key := range keys {
			id, wrong := trust.KeyID(key)
			ids, err = append(ids, id), errors.Join(err, wrong)
		}
		return ids
	}
	had, has := ids(keys), ids(anchors.Director)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, proposalOp, "targets.json: %w", err)
	}
	for _, id := range has {
		if !slices.Contains(had, id) {
			lines = append(lines, "director sha256:"+id+": may direct devices")
		}
	}
	for _, id := range had {
		if !slices.Contains(has, id) {
			lines = append(lines, "director sha256:"+id+": may not direct devices any more")
		}
	}
	return lines, nil
}

// Sign adds the signatures of the folder's targets keys that are here and did not
// sign yet, until there are enough. Review it first.
func (f *Folder) Sign(p *Proposal, passphrases Passphrases) error {
	state, err := f.Signatures(p)
	if err != nil {
		return err
	}
	if state.Missing() == 0 {
		return nil
	}
	open := Folder{Dir: f.Dir, Inventory: f.Inventory, Tokens: f.Tokens}
	open.Inventory.Keys = slices.DeleteFunc(slices.Clone(f.Inventory.Keys), func(k KeyEntry) bool {
		return k.Role == RoleTargets && signedBy(state, k.Public)
	})
	keys, err := open.present(RoleTargets, state.Missing(), passphrases)
	if err != nil {
		return err
	}
	p.Targets, err = tufrepo.AddSignatures(p.Targets, keys)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "signing the proposal", "%w", err)
	}
	return nil
}

func signedBy(state tufrepo.SignedTargets, spki []byte) bool {
	want := sealift.DigestOf(spki).String()
	for i, key := range state.Keys {
		if id, err := trust.KeyID(key); err == nil && id == want {
			return state.Signed[i]
		}
	}
	return false
}

// Signatures tells how many of a proposal's signatures are there.
func (f *Folder) Signatures(p *Proposal) (tufrepo.SignedTargets, error) {
	root, err := f.Root()
	if err != nil {
		return tufrepo.SignedTargets{}, err
	}
	state, err := tufrepo.Signatures(root, p.Targets)
	if err != nil {
		return state, sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err)
	}
	return state, nil
}

// Signers names the targets keys of the folder whose signatures a proposal has,
// and those whose it has not.
func (f *Folder) Signers(p *Proposal) (signed, open []string, err error) {
	state, err := f.Signatures(p)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range f.Inventory.live(RoleTargets) {
		if signedBy(state, k.Public) {
			signed = append(signed, k.Name)
		} else {
			open = append(open, k.Name)
		}
	}
	return signed, open, nil
}

// TargetsKeys names the keys whose passphrases Propose and Sign may ask for:
// those that are in no token.
func (f *Folder) TargetsKeys() (names []string) {
	for _, k := range f.Inventory.live(RoleTargets) {
		if k.Token == "" {
			names = append(names, k.Name)
		}
	}
	return names
}

// Write puts a proposal into a file for the next person, over one that is there.
func (p *Proposal) Write(path string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = writeFile(path, append(data, '\n'), true)
	}
	if err != nil {
		return inputError("writing the proposal", err)
	}
	return nil
}

// ReadProposal reads one. It is verified by Review, or by the server.
func ReadProposal(path string) (*Proposal, error) {
	data, err := readBounded(path, maxProposal)
	if err != nil {
		return nil, inputError(proposalOp, err)
	}
	var p Proposal
	if err := strictjson.Unmarshal(data, maxProposal, &p); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, proposalOp, "%s: %w", path, err).
			WithHint("name a file that sealift trust propose --out made")
	}
	return &p, nil
}
