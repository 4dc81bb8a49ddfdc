package ceremony

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Need is one quorum that a proposal needs, and how far it has come.
type Need struct {
	Document  string // "root.json" or "targets.json"
	By        string // whose quorum it is, in words
	Threshold int
	Signers   []Signer
}

// Signer is a key that may sign, and whether it did.
type Signer struct {
	Name   string // what people call it; "" where nobody here knows
	ID     string // trust.KeyID
	Signed bool
}

// String names it for people.
func (s Signer) String() string { return strings.TrimSpace(s.Name + " sha256:" + s.ID) }

// Missing is how many signatures are needed yet.
func (n Need) Missing() int {
	missing := n.Threshold
	for _, s := range n.Signers {
		if s.Signed {
			missing--
		}
	}
	return max(0, missing)
}

// quorums are those that the two documents of a proposal need; nil for a document
// that it does not have.
type quorums struct {
	present, next, targets *tufrepo.Quorum
}

// quorums tells how far the signatures have come; root is what the proposal
// follows.
func (p *Proposal) quorums(root []byte) (q quorums, err error) {
	if sealift.DigestOf(root) != p.Root {
		return q, sealift.Errorf(sealift.KindConflict, proposalOp, "it follows the root %s, and the root here is %s", p.Root, sealift.DigestOf(root)).
			WithReason("root").WithHint("let the folder follow what was published since: sealift trust follow FILE --keys DIR; or have the proposal made anew")
	}
	var errs [3]error
	if p.Next != nil {
		q.present, q.next = new(tufrepo.Quorum), new(tufrepo.Quorum)
		*q.present, errs[0] = tufrepo.RootSignatures(root, p.Next)
		*q.next, errs[1] = tufrepo.RootSignatures(p.Next, p.Next)
	}
	if p.Targets != nil {
		q.targets = new(tufrepo.Quorum)
		*q.targets, errs[2] = tufrepo.TargetsSignatures(p.under(root), p.Targets)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return q, sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err).WithReason("trust")
	}
	return q, nil
}

// Needs says which quorums the proposal needs; root is what it follows. The names
// are those that its author gave.
func (p *Proposal) Needs(root []byte) ([]Need, error) {
	return p.needs(root, func(id string) string { return p.Names[id] })
}

func (p *Proposal) needs(root []byte, name func(id string) string) (needs []Need, err error) {
	q, err := p.quorums(root)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		document, by string
		quorum       *tufrepo.Quorum
	}{
		{"root.json", "the present root keys", q.present},
		{"root.json", "the root keys that it lists", q.next},
		{"targets.json", "the targets keys", q.targets},
	} {
		if part.quorum == nil {
			continue
		}
		need := Need{Document: part.document, By: part.by, Threshold: part.quorum.Threshold}
		for i, key := range part.quorum.Keys {
			id, err := trust.KeyID(key)
			if err != nil {
				return nil, sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err)
			}
			need.Signers = append(need.Signers, Signer{name(id), id, part.quorum.Signed[i]})
		}
		needs = append(needs, need)
	}
	return needs, nil
}

// Needs is Proposal.Needs under the folder's root, by the folder's names.
func (f *Folder) Needs(p *Proposal) ([]Need, error) {
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	return p.needs(root, f.nameIn(p))
}

// nameIn returns what to call the keys of a proposal: as the folder does, or else
// as its author did.
func (f *Folder) nameIn(p *Proposal) func(id string) string {
	own := map[string]string{}
	for _, key := range f.Inventory.Keys {
		own[key.ID()] = key.Name
	}
	return func(id string) string {
		if name := own[id]; name != "" {
			return name
		}
		return p.Names[id]
	}
}

// CheckComplete refuses a proposal that too few have signed, and says whose
// signatures are missing.
func CheckComplete(needs []Need) error {
	var lines []string
	for _, need := range needs {
		if n := need.Missing(); n > 0 {
			lines = append(lines, fmt.Sprintf("%s wants %d more of %s: %s", need.Document, n, need.By, listed(need.Signers, false)))
		}
	}
	if lines == nil {
		return nil
	}
	return sealift.Errorf(sealift.KindNotFound, "counting the signatures", "%s", strings.Join(lines, "; ")).
		WithReason("quorum").WithHint("have it signed by them, each on their own machine: sealift trust sign FILE --keys DIR")
}

// checkComplete is CheckComplete under the folder's root.
func (f *Folder) checkComplete(p *Proposal) error {
	needs, err := f.Needs(p)
	if err != nil {
		return err
	}
	return CheckComplete(needs)
}

// listed names the signers that did or did not sign.
func listed(signers []Signer, signed bool) string {
	var names []string
	for _, s := range signers {
		if s.Signed == signed {
			names = append(names, s.String())
		}
	}
	return strings.Join(names, ", ")
}

// Sign adds the signatures of the folder's keys that are here and did not sign
// yet, until there are enough, and in any case those of new keys: that shows that
// somebody holds them. Review it first.
func (f *Folder) Sign(p *Proposal, passphrases Passphrases) error {
	root, err := f.Root()
	if err != nil {
		return err
	}
	q, err := p.quorums(root)
	if err != nil {
		return err
	}
	byRoot, err := f.useful(RoleRoot, passphrases, q.present, q.next)
	if err != nil {
		return err
	}
	byTargets, err := f.useful(RoleTargets, passphrases, q.targets)
	if err != nil {
		return err
	}
	if wanted := byRoot.wanted + byTargets.wanted; wanted > 0 && len(byRoot.keys)+len(byTargets.keys) == 0 {
		return f.noneHere(byRoot, byTargets)
	}
	var failed error
	if len(byRoot.keys) > 0 {
		p.Next, err = tufrepo.AddRootSignatures(p.Next, byRoot.keys)
	}
	if len(byTargets.keys) > 0 {
		p.Targets, failed = tufrepo.AddTargetsSignatures(p.Targets, byTargets.keys)
	}
	if err := errors.Join(err, failed); err != nil {
		return sealift.Errorf(sealift.KindInternal, "signing the proposal", "%w", err)
	}
	return nil
}

// opened are the keys of a role that are here and that a quorum lacks.
type opened struct {
	keys   []crypto.Signer
	wanted int   // how many signatures were missing
	absent error // why others are not here
}

func (f *Folder) useful(role Role, passphrases Passphrases, of ...*tufrepo.Quorum) (out opened, err error) {
	of = slices.DeleteFunc(of, func(q *tufrepo.Quorum) bool { return q == nil })
	missing := make([]int, len(of))
	for i, q := range of {
		missing[i] = q.Missing()
		out.wanted += missing[i]
	}
	for _, entry := range f.Inventory.Keys {
		var lacks []int // the quorums that it is of and did not sign for
		wanted := false
		for i, q := range of {
			if at := indexOf(q.Keys, entry.ID()); at >= 0 && !q.Signed[at] && entry.Role == role {
				lacks, wanted = append(lacks, i), wanted || missing[i] > 0 || entry.Pending
			}
		}
		if !wanted {
			continue
		}
		key, err := f.open(entry, passphrases)
		switch {
		case err == nil:
			out.keys = append(out.keys, key)
			for _, i := range lacks {
				missing[i]--
			}
		case isAbsent(err):
			out.absent = errors.Join(out.absent, err)
		default:
			return out, err
		}
	}
	return out, nil
}

func (f *Folder) noneHere(of ...opened) error {
	const op = "opening the keys that are to sign"
	var absent error
	for _, o := range of {
		absent = errors.Join(absent, o.absent)
	}
	if absent == nil {
		absent = errors.New("the folder knows none that did not")
	}
	return sealift.Errorf(sealift.KindNotFound, op, "none that has not signed is here with its passphrase: %w", absent).
		WithReason("quorum").WithHint("give the passphrase of a key that is in %s with --passphrase-file KEY=FILE, such as root-1=FILE or targets-1=FILE; to make one that is to come in: sealift root keygen", f.Dir)
}

func indexOf(keys []crypto.PublicKey, id string) int {
	return slices.IndexFunc(keys, func(key crypto.PublicKey) bool {
		is, err := trust.KeyID(key)
		return err == nil && is == id
	})
}

// gather opens at most so many of the keys, the first ones first, and says of
// those that are not here why: their people are elsewhere, which is what a quorum
// is for.
func (f *Folder) gather(entries []KeyEntry, most int, passphrases Passphrases) (n int, absent, err error) {
	for _, entry := range entries {
		if n == most {
			break
		}
		switch _, err := f.open(entry, passphrases); {
		case err == nil:
			n++
		case isAbsent(err):
			absent = errors.Join(absent, err)
		default:
			return n, nil, err
		}
	}
	return n, absent, nil
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
