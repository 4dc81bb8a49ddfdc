package ceremony

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Review is what a proposal says and would change.
type Review struct {
	Digest  sealift.Digest // of the proposal: what is signed, and nothing else
	Root    *RootReview    // nil without a root.json
	Targets *tufrepo.TargetsInfo
	Changes []string // in plain words, a line each
}

// Lines say in plain words what is signed and what it changes.
func (r *Review) Lines() (lines []string) {
	if r.Root != nil {
		lines = append(lines, fmt.Sprintf("root.json version %d, good until %s", r.Root.Version, r.Root.Expires.Format(time.DateOnly)))
	}
	if r.Targets != nil {
		lines = append(lines, fmt.Sprintf("targets.json version %d, good until %s", r.Targets.Version, r.Targets.Expires.Format(time.DateOnly)))
	}
	for _, change := range r.Changes {
		lines = append(lines, "  "+change)
	}
	if len(r.Changes) == 0 {
		lines = append(lines, "  nothing else: it is only signed anew")
	}
	return append(lines, "digest sha256:"+r.Digest.String())
}

// RootReview is how the next root differs from the present one.
type RootReview struct {
	Version        int64
	Expires        time.Time
	Added, Removed []Signer       // of the root and targets roles
	Online         []OnlineChange // how the keys differ that the vault signs with
}

// OnlineChange is one public key of the vault that the new root lists and the
// one before does not, or the other way round.
type OnlineChange struct {
	Role   string         // "snapshot" or "timestamp"
	SHA256 sealift.Digest // of the SubjectPublicKeyInfo, DER
	Listed bool           // from now on; else no longer
}

// Review holds a proposal to this folder before somebody signs it: it is for this
// vault, follows the folder's root, has a root.json of the version after that one
// or a targets.json above the folder's version, and its trust.json follows the
// folder's. It returns what it would change against the folder's own.
func (f *Folder) Review(p *Proposal) (*Review, error) {
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	if p.Vault != f.Inventory.Vault || p.Root != sealift.DigestOf(root) {
		return nil, sealift.Errorf(sealift.KindConflict, proposalOp, "it is for vault %s under root %s, the folder is of %s under %s", p.Vault, p.Root, f.Inventory.Vault, sealift.DigestOf(root)).
			WithReason("root").WithHint("bring the keys folder of the last ceremony, or let it follow what was published since: sealift trust follow FILE --keys %s; or have the proposal made anew", f.Dir)
	}
	out := &Review{}
	if p.Next != nil {
		if err := f.reviewRoot(root, p, out); err != nil {
			return nil, doNotSign(err)
		}
	}
	if p.Targets != nil {
		if err := f.reviewTargets(p, out); err != nil {
			return nil, doNotSign(err)
		}
	}
	for _, line := range out.Changes {
		// A log key is read with line breaks in its base64, too.
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, doNotSign(fmt.Errorf("what it changes is no line of text: %.80q", line))
		}
	}
	out.Digest, err = p.Digest()
	return out, err
}

func doNotSign(err error) error {
	return sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err).WithReason("trust").WithHint("do not sign it; ask who proposed it")
}

func (f *Folder) reviewRoot(root []byte, p *Proposal, out *Review) error {
	if err := tufrepo.CheckSuccessor(root, p.Next); err != nil {
		return err
	}
	before, err := tufrepo.ReadRoot(root)
	if err != nil {
		return err
	}
	next, err := tufrepo.ReadRoot(p.Next)
	if err != nil {
		return err
	}
	out.Root = &RootReview{Version: next.Version, Expires: next.Expires}
	name := f.nameIn(p)
	for _, role := range []struct {
		name         Role
		before, next tufrepo.Role
	}{{RoleRoot, before.Root, next.Root}, {RoleTargets, before.Targets, next.Targets}} {
		added, removed, err := keyChanges(role.before.Keys, role.next.Keys)
		if err != nil {
			return err
		}
		if role.name == RoleTargets && p.Targets == nil && (len(added)+len(removed) > 0 || role.before.Threshold != role.next.Threshold) {
			return errors.New("its targets keys are others, and no targets.json that they signed comes with it")
		}
		for _, id := range added {
			s := Signer{Name: name(id), ID: id}
			out.Root.Added = append(out.Root.Added, s)
			out.Changes = append(out.Changes, fmt.Sprintf("%s key %s: may sign from now on", role.name, s))
		}
		for _, id := range removed {
			s := Signer{Name: name(id), ID: id}
			out.Root.Removed = append(out.Root.Removed, s)
			out.Changes = append(out.Changes, fmt.Sprintf("%s key %s: may not sign any more", role.name, s))
		}
		if role.before.Threshold != role.next.Threshold || len(role.before.Keys) != len(role.next.Keys) {
			out.Changes = append(out.Changes, fmt.Sprintf("%s: %d of %d keys must sign, instead of %d of %d", role.name, role.next.Threshold, len(role.next.Keys), role.before.Threshold, len(role.before.Keys)))
		}
	}
	return out.online(before, next)
}

// online says how the keys of the vault differ that two roots list. Their
// thresholds are 1: one vault signs.
func (r *Review) online(before, next tufrepo.Root) error {
	for _, role := range []struct {
		name         string
		before, next tufrepo.Role
	}{{"snapshot", before.Snapshot, next.Snapshot}, {"timestamp", before.Timestamp, next.Timestamp}} {
		if role.next.Threshold != 1 {
			return fmt.Errorf("it wants %d %s signatures, and the vault makes one", role.next.Threshold, role.name)
		}
		added, removed, err := keyChanges(role.before.Keys, role.next.Keys)
		if err != nil {
			return err
		}
		for _, part := range []struct {
			ids    []string
			listed bool
			says   string
		}{{added, true, "devices believe it from now on"}, {removed, false, "devices do not believe it any more"}} {
			for _, id := range part.ids {
				digest, err := sealift.ParseDigest(id)
				if err != nil {
					return err
				}
				r.Root.Online = append(r.Root.Online, OnlineChange{role.name, digest, part.listed})
				r.Changes = append(r.Changes, fmt.Sprintf("%s key sha256:%s: %s", role.name, id, part.says))
			}
		}
	}
	return nil
}

func (f *Folder) reviewTargets(p *Proposal, out *Review) error {
	present, own, err := f.Documents()
	if err != nil {
		return err
	}
	info, err := tufrepo.ReadTargets(p.Targets)
	if err != nil {
		return fmt.Errorf("targets.json: %w", err)
	}
	next, err := trust.ParseTrust(p.Trust)
	if err == nil {
		err = tufrepo.CheckListing(p.Targets, p.Trust)
	}
	if err == nil {
		err = next.Follows(present)
	}
	if err == nil && info.Version <= own.Version {
		err = errors.New("the version of its targets.json is not above the folder's")
	}
	if err != nil {
		return err
	}
	director, err := tufrepo.DirectorKeys(p.Targets)
	if err != nil {
		return fmt.Errorf("targets.json: %w", err)
	}
	lines, err := f.directorChanges(director)
	out.Targets = &info
	out.Changes = append(append(out.Changes, Differences(present, next)...), lines...)
	return err
}

// directorChanges says in plain words how the director's keys differ from those of
// the folder's targets.json.
func (f *Folder) directorChanges(next []crypto.PublicKey) (lines []string, err error) {
	targets, _, err := f.documents()
	if err != nil {
		return nil, err
	}
	before, err := tufrepo.DirectorKeys(targets)
	if err != nil {
		return nil, fmt.Errorf("targets.json: %w", err)
	}
	added, removed, err := keyChanges(before, next)
	for _, id := range added {
		lines = append(lines, "director sha256:"+id+": may direct devices")
	}
	for _, id := range removed {
		lines = append(lines, "director sha256:"+id+": may not direct devices any more")
	}
	return lines, err
}

// keyChanges are the trust.KeyIDs of the keys that one list has and the other has
// not.
func keyChanges(before, next []crypto.PublicKey) (added, removed []string, err error) {
	had, err := keyIDs(before)
	if err != nil {
		return nil, nil, err
	}
	has, err := keyIDs(next)
	if err != nil {
		return nil, nil, err
	}
	without := func(of, other []string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(id string) bool { return slices.Contains(other, id) })
	}
	return without(has, had), without(had, has), nil
}

func keyIDs(keys []crypto.PublicKey) (ids []string, err error) {
	for _, key := range keys {
		id, err := trust.KeyID(key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
