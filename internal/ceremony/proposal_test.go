package ceremony_test

import (
	"bytes"
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// anchorsOf is what the vault of a folder asks people to vouch for.
func anchorsOf(t *testing.T, f *ceremony.Folder) ceremony.Anchors {
	t.Helper()
	present, _, err := f.Documents()
	check(t, err)
	targets, err := os.ReadFile(filepath.Join(f.Dir, "targets.json"))
	check(t, err)
	director, err := tufrepo.DirectorKeys(targets)
	check(t, err)
	return ceremony.Anchors{Vault: present.Vault, Director: director, Trust: *present}
}

// raised proposes a floor.
func raised(t *testing.T, f *ceremony.Folder, counter sealift.Counter, passphrases ceremony.Passphrases) *ceremony.Proposal {
	t.Helper()
	a := anchorsOf(t, f)
	next, err := ceremony.Change{Floors: map[sealift.AppID]trust.Floor{shop: {Counter: counter}}}.Apply(a.Trust, a)
	check(t, err)
	p, err := f.Propose(next, a, foundedAt.Add(time.Hour))
	check(t, err)
	check(t, f.Sign(p, passphrases))
	return p
}

// only says the words of some keys: of the others nobody is here.
func only(names ...string) ceremony.Passphrases {
	return func(name string, isNew bool) ([]byte, error) {
		if !slices.Contains(names, name) {
			return nil, sealift.Errorf(sealift.KindInvalid, "asking", "nobody is here for %s", name).WithReason(ceremony.ReasonNoPassphrase)
		}
		return words(name, isNew)
	}
}

func rootOf(t *testing.T, f *ceremony.Folder) []byte {
	t.Helper()
	data, err := f.Root()
	check(t, err)
	return data
}

// TestProposalGoesRound: each signs in their own place, what they see is against
// their own folder, and nobody counts twice.
func TestProposalGoesRound(t *testing.T) {
	ann, ben := open(t, copied(t, "quorum")), open(t, copied(t, "quorum"))
	p := raised(t, ann, 7, only("targets-1"))
	needs, err := ann.Needs(p)
	check(t, err)
	if err := ceremony.CheckComplete(needs); len(needs) != 1 || needs[0].Missing() != 1 || err == nil || strings.Contains(err.Error(), "targets-1") || !strings.Contains(err.Error(), "targets-2 sha256:"+needs[0].Signers[1].ID) {
		t.Errorf("%+v, %v", needs, err)
	}
	if _, err := tufrepo.CheckTargets(rootOf(t, ann), p.Targets, p.Trust); err == nil {
		t.Error("one signature is enough")
	}
	wantRefusal(t, "the same person again", ann.Sign(p, only("targets-1")), sealift.KindNotFound, "quorum")

	file := filepath.Join(t.TempDir(), "proposal.json")
	check(t, p.Write(file))
	brought, err := ceremony.ReadProposal(file)
	check(t, err)
	review, err := ben.Review(brought)
	check(t, err)
	if changes := review.Changes; review.Targets.Version != 2 || review.Root != nil || len(changes) != 1 || changes[0] != "com.acme.shop: the floor rises from nothing to counter 7; devices run nothing under it" {
		t.Errorf("%+v", review)
	}
	check(t, ben.Sign(brought, only("targets-3")))
	if version, err := tufrepo.CheckTargets(rootOf(t, ben), brought.Targets, brought.Trust); err != nil || version != 2 {
		t.Errorf("%d, %v", version, err)
	}
	check(t, ben.Sign(brought, only())) // nobody is needed any more

	root := rootOf(t, ben)
	for range 2 {
		_, err := ben.Adopt(root, brought.Targets, brought.Trust)
		check(t, err)
	}
	if t2, info, err := ben.Documents(); err != nil || info.Version != 2 || t2.Apps[shop].Floor.Counter != 7 {
		t.Errorf("%+v, %v", t2, err)
	}
	_, err = ben.Review(brought)
	wantRefusal(t, "what the folder has already", err, sealift.KindInvalid, "trust")
	hers, err := ann.Review(brought) // her folder is behind: she sees all of it
	if err != nil || len(hers.Changes) != 1 || hers.Digest != review.Digest {
		t.Errorf("%+v, %v", hers, err)
	}
}

// TestReviewRefuses: what somebody bent on the way is not signed.
func TestReviewRefuses(t *testing.T) {
	f := open(t, copied(t, "alone"))
	good := raised(t, f, 7, words)
	_, err := f.Adopt(rootOf(t, f), good.Targets, good.Trust)
	check(t, err)
	good = raised(t, f, 9, words)
	other := open(t, copied(t, "quorum"))
	present, _, err := f.Documents()
	check(t, err)
	sign := func(version int64, t2 trust.Trust) func(*ceremony.Proposal) {
		return func(p *ceremony.Proposal) {
			p.Trust, err = t2.Encode()
			check(t, err)
			p.Targets, err = tufrepo.SignTargets(tufrepo.Targets{
				Version: version, Expires: foundedAt.Add(sealift.TargetsLife), Trust: p.Trust, Director: tufrepo.Role{Keys: anchorsOf(t, f).Director, Threshold: 1},
			}, []crypto.Signer{sealifttest.NewKey()})
			check(t, err)
		}
	}
	lower := *present
	lower.Apps = map[sealift.AppID]trust.AppTrust{shop: {Floor: trust.Floor{Counter: 6}}}
	foreign := *present
	foreign.Vault = "ffffffffffffffffffffffffffffffff"
	// An app of no name would be shown in the place of the defaults.
	masked := *present
	masked.Apps = map[sealift.AppID]trust.AppTrust{shop: present.Of(shop), "": present.Defaults}
	masked.Defaults = trust.AppTrust{Floor: trust.Floor{Counter: 99}}
	// What is shown is lines of text.
	spoken := *present
	spoken.Apps = map[sealift.AppID]trust.AppTrust{shop: present.Of(shop), "x\n  nothing else: it is only signed anew\ndigest sha256:00\x1b[8m": {}}
	split := *present
	split.Log.Keys = append(slices.Clone(present.Log.Keys), strings.Replace(present.Log.Keys[0], "+A", "+A\r", 1))
	bins := func(threshold int) func(*ceremony.Proposal) {
		return func(p *ceremony.Proposal) { p.Targets = withThreshold(t, p.Targets, "succinct_roles", threshold) }
	}
	for name, c := range map[string]struct {
		bend func(*ceremony.Proposal)
		kind sealift.Kind
	}{
		"another vault's":             {func(p *ceremony.Proposal) { p.Vault = "ffffffffffffffffffffffffffffffff" }, sealift.KindConflict},
		"another root's":              {func(p *ceremony.Proposal) { p.Root = sealift.DigestOf(append(rootOf(t, other), ' ')) }, sealift.KindConflict},
		"another trust.json":          {func(p *ceremony.Proposal) { p.Trust = append(bytes.Clone(p.Trust), ' ') }, sealift.KindInvalid},
		"a garbled targets.json":      {func(p *ceremony.Proposal) { p.Targets = []byte("{") }, sealift.KindInvalid},
		"a garbled trust.json":        {func(p *ceremony.Proposal) { p.Trust = []byte("{") }, sealift.KindInvalid},
		"a floor that falls":          {sign(3, lower), sealift.KindInvalid},
		"a trust.json of another one": {sign(3, foreign), sealift.KindInvalid},
		"the version of now":          {sign(2, *present), sealift.KindInvalid},
		"an app of no name":           {sign(3, masked), sealift.KindInvalid},
		"an app of many lines":        {sign(3, spoken), sealift.KindInvalid},
		"a log key of two lines":      {sign(3, split), sealift.KindInvalid},
		"bins that nobody signs":      {bins(0), sealift.KindInvalid},
		"bins that two sign":          {bins(2), sealift.KindInvalid},
	} {
		p := *good
		c.bend(&p)
		if _, err := f.Review(&p); sealift.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Review(good); err != nil {
		t.Error(err)
	}
	// Who directs devices is among what is shown.
	p := *good
	a := anchorsOf(t, f)
	p.Targets, err = tufrepo.SignTargets(tufrepo.Targets{
		Version: 3, Expires: foundedAt.Add(sealift.TargetsLife), Trust: p.Trust, Director: tufrepo.Role{Keys: append(keys(sealifttest.NewKey()), a.Director[1:]...), Threshold: 1},
	}, []crypto.Signer{sealifttest.NewKey()})
	check(t, err)
	review, err := f.Review(&p)
	check(t, err)
	if len(review.Changes) != 3 {
		t.Errorf("changes %q", review.Changes)
	}
}

// withThreshold bends how many signatures metadata wants of a role.
func withThreshold(t *testing.T, data []byte, role string, threshold int) []byte {
	t.Helper()
	of := regexp.MustCompile(`("` + role + `":\{[^{}]*"threshold":)[0-9]+`)
	if !of.Match(data) {
		t.Fatalf("no threshold of %s in %s", role, data)
	}
	return of.ReplaceAll(data, fmt.Appendf(nil, "${1}%d", threshold))
}

// TestAdoptRefuses: a server cannot bring a folder to go back, nor to follow what
// its quorum did not sign.
func TestAdoptRefuses(t *testing.T) {
	f := open(t, copied(t, "alone"))
	first, err := os.ReadFile(filepath.Join(f.Dir, "targets.json"))
	check(t, err)
	firstTrust, err := os.ReadFile(filepath.Join(f.Dir, "trust.json"))
	check(t, err)
	check(t, os.CopyFS(filepath.Join(filepath.Dir(f.Dir), "copy"), os.DirFS(f.Dir)))
	p := raised(t, f, 7, words)
	_, err = f.Adopt(rootOf(t, f), p.Targets, p.Trust)
	check(t, err)
	stranger := open(t, copied(t, "quorum"))
	refused := func(what string, root, targets, trustJSON []byte, kind sealift.Kind, reason string) {
		t.Helper()
		_, err := f.Adopt(root, targets, trustJSON)
		wantRefusal(t, what, err, kind, reason)
	}
	refused("an older one", rootOf(t, f), first, firstTrust, sealift.KindMetadata, ceremony.ReasonBehind)
	refused("another root", rootOf(t, stranger), p.Targets, p.Trust, sealift.KindConflict, "root")
	q := raised(t, stranger, 9, words)
	refused("of another quorum", rootOf(t, f), q.Targets, q.Trust, sealift.KindMetadata, "targets")
	refused("another trust.json", rootOf(t, f), p.Targets, firstTrust, sealift.KindMetadata, "targets")

	// The same quorum, with another copy of the folder, signed a lower floor.
	g := open(t, filepath.Join(filepath.Dir(f.Dir), "copy"))
	for counter := sealift.Counter(5); counter < 7; counter++ {
		lower := raised(t, g, counter, words)
		_, err := g.Adopt(rootOf(t, g), lower.Targets, lower.Trust)
		check(t, err)
		if counter == 6 {
			refused("a floor that falls", rootOf(t, f), lower.Targets, lower.Trust, sealift.KindMetadata, "targets")
		}
	}

	// A folder whose own files were bent says so.
	check(t, os.WriteFile(filepath.Join(f.Dir, "trust.json"), firstTrust, 0o600))
	_, _, err = f.Documents()
	wantRefusal(t, "a bent folder", err, sealift.KindIntegrity, "")
	check(t, os.WriteFile(filepath.Join(f.Dir, "proposal.json"), []byte("{"), 0o600))
	_, err = ceremony.ReadProposal(filepath.Join(f.Dir, "proposal.json"))
	wantRefusal(t, "a garbled proposal", err, sealift.KindInvalid, "")
	_, err = ceremony.ReadProposal(filepath.Join(f.Dir, "absent.json"))
	wantRefusal(t, "no proposal", err, sealift.KindNotFound, "")
}
