package ceremony_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

// round is a ceremony of several people, each with a copy of the folder.
func round(t *testing.T) (ann, ben, cid *ceremony.Folder) {
	return open(t, copied(t, "quorum")), open(t, copied(t, "quorum")), open(t, copied(t, "quorum"))
}

// newKey makes a key as ceremony.NewKey does, in a file that opens quickly.
func newKey(t *testing.T, f *ceremony.Folder, role ceremony.Role) (ceremony.KeyEntry, crypto.PublicKey) {
	t.Helper()
	key, name := sealifttest.NewKey(), f.NextKey(role)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	check(t, err)
	sealed, err := quickSeal(key, name)
	check(t, err)
	write(t, filepath.Join(f.Dir, name+".key"), string(sealed))
	entry := ceremony.KeyEntry{Name: name, Role: role, Public: spki, Pending: true}
	f.Inventory.Keys = append(f.Inventory.Keys, entry)
	text, err := json.Marshal(f.Inventory)
	check(t, err)
	write(t, filepath.Join(f.Dir, "inventory.json"), string(text))
	return entry, key.Public()
}

// missing are how many signatures each quorum lacks.
func missing(t *testing.T, f *ceremony.Folder, p *ceremony.Proposal) (counts []int) {
	t.Helper()
	needs, err := f.Needs(p)
	check(t, err)
	for _, need := range needs {
		counts = append(counts, need.Missing())
	}
	return counts
}

// handed is what somebody reads whom a proposal was handed to.
func handed(t *testing.T, p *ceremony.Proposal) *ceremony.Proposal {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proposal.json")
	check(t, p.Write(file))
	out, err := ceremony.ReadProposal(file)
	check(t, err)
	return out
}

// TestRootGoesRound: root-2 and targets-2 leave, Cid comes in with keys of his
// own, and each signs in their own place, in any order, what the others see.
func TestRootGoesRound(t *testing.T) {
	t.Parallel()
	ann, ben, cid := round(t)
	rootKey, rootPub := newKey(t, cid, ceremony.RoleRoot)
	_, targetsPub := newKey(t, cid, ceremony.RoleTargets)
	if names := live(open(t, cid.Dir)); rootKey.Name != "root-4" || !slices.Equal(names, []string{"root-1", "root-2", "root-3"}) {
		t.Errorf("made %s, in use %q", rootKey.Name, names)
	}
	before := rootOf(t, ann)
	p, err := ann.ProposeRoot(ceremony.RootChange{
		Drop: []string{"root-2", "targets-2"}, Add: map[ceremony.Role][]crypto.PublicKey{ceremony.RoleRoot: {rootPub}, ceremony.RoleTargets: {targetsPub}},
	}, theAnchors(t), words, foundedAt)
	check(t, err)
	if got := missing(t, ann, p); !slices.Equal(got, []int{2, 2, 2}) {
		t.Errorf("unsigned, %v are missing", got)
	}
	review, err := ann.Review(p)
	check(t, err)
	check(t, ann.Sign(p, only("root-1", "targets-1")))
	if got := missing(t, ann, p); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("after one, %v are missing", got)
	}
	wantRefusal(t, "the same person again", ann.Sign(p, only("root-1", "targets-1")), sealift.KindNotFound, "quorum")
	_, err = ann.Finish(p)
	wantRefusal(t, "following what too few signed", err, sealift.KindNotFound, "quorum")
	wantRefusal(t, "sending what too few signed", ann.Wait(p), sealift.KindNotFound, "quorum")

	// Cid is of the next quorum, and not of the present one.
	p = handed(t, p)
	his, err := cid.Review(p)
	check(t, err)
	if his.Digest != review.Digest || his.Root.Version != 2 || his.Targets.Version != 2 {
		t.Errorf("%+v, and she saw %+v", his, review)
	}
	said := strings.Join(his.Lines(), "\n")
	for _, want := range []string{
		"root.json version 2, good until 2027-", "root key root-4 sha256:" + rootKey.ID() + ": may sign from now on", "root key root-2 sha256:", "targets key targets-4 sha256:", "targets key targets-2 sha256:", "digest sha256:" + review.Digest.String(),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	check(t, cid.Sign(p, only("root-4", "targets-4")))
	if got := missing(t, cid, p); !slices.Equal(got, []int{1, 0, 0}) {
		t.Errorf("after the new one, %v are missing", got)
	}
	needs, err := cid.Needs(p)
	check(t, err)
	if err := ceremony.CheckComplete(needs); err == nil || !strings.Contains(err.Error(), "root.json wants 1 more of the present root keys: root-2 sha256:") || strings.Contains(err.Error(), "root-1") {
		t.Errorf("who is missing: %v", err)
	}
	// Who leaves may sign it, too.
	p = handed(t, p)
	check(t, ben.Sign(p, only("root-2")))
	if got := missing(t, ben, p); !slices.Equal(got, []int{0, 0, 0}) {
		t.Errorf("at the end, %v are missing", got)
	}
	if digest, err := p.Digest(); err != nil || digest != review.Digest {
		t.Errorf("signatures changed the digest: %s, %v", digest, err)
	}
	version, err := tufrepo.CheckRoot(before, p.Next)
	check(t, err)
	if _, err := tufrepo.CheckTargets(p.Next, p.Targets, p.Trust); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}

	// All follow, by the file or by the server, and call the keys the same.
	for _, f := range []*ceremony.Folder{ann, cid} {
		for _, want := range []bool{true, false} {
			if followed, err := f.Finish(p); err != nil || followed != want {
				t.Errorf("followed %t, %v", followed, err)
			}
		}
	}
	if adopted, err := ben.Adopt(p.Next, p.Targets, p.Trust); err != nil || !adopted {
		t.Errorf("adopted %t, %v", adopted, err)
	}
	for _, f := range []*ceremony.Folder{ann, ben, cid} {
		f = open(t, f.Dir)
		if got := live(f); !slices.Equal(got, []string{"root-1", "root-3", "root-4"}) || !slices.Equal(f.LiveKeys(ceremony.RoleTargets), []string{"targets-1", "targets-3", "targets-4"}) {
			t.Errorf("%s: %q", f.Dir, got)
		}
		if _, _, err := f.Documents(); err != nil {
			t.Error(err)
		}
	}
	r, err := rotateRoot(open(t, cid.Dir), theAnchors(t), ceremony.RootChange{}, only("root-4", "root-1"), foundedAt)
	check(t, err)
	check(t, r.Commit())
}

// TestSignedOnceMore: who comes in signs what was submitted already, and people follow
// that file. Their folders have then another root.json than the server, over the
// same, and get the server's from it or from the file that was submitted.
func TestSignedOnceMore(t *testing.T) {
	t.Parallel()
	ann, ben, cid := round(t)
	_, rootPub := newKey(t, cid, ceremony.RoleRoot)
	_, targetsPub := newKey(t, cid, ceremony.RoleTargets)
	p, err := ann.ProposeRoot(ceremony.RootChange{Add: map[ceremony.Role][]crypto.PublicKey{ceremony.RoleRoot: {rootPub}, ceremony.RoleTargets: {targetsPub}}}, theAnchors(t), words, foundedAt)
	check(t, err)
	check(t, ann.Sign(p, only("root-1", "targets-1")))
	early := handed(t, p)
	check(t, ben.Sign(p, only("root-2", "targets-2")))
	submitted := handed(t, p)
	check(t, cid.Sign(p, only("root-4", "targets-4")))
	if slices.Equal(p.Next, submitted.Next) || slices.Equal(p.Targets, submitted.Targets) {
		t.Fatal("one more did not sign")
	}
	for _, f := range []*ceremony.Folder{ann, ben} {
		if followed, err := f.Finish(p); err != nil || !followed {
			t.Errorf("followed %t, %v", followed, err)
		}
	}
	_, err = ann.Adopt(early.Next, p.Targets, p.Trust)
	wantRefusal(t, "the same with too few signatures", err, sealift.KindConflict, "root")
	_, err = ben.Finish(early)
	wantRefusal(t, "the file of before", err, sealift.KindConflict, "root")
	if adopted, err := ann.Adopt(submitted.Next, submitted.Targets, submitted.Trust); err != nil || !adopted {
		t.Errorf("adopted %t, %v", adopted, err)
	}
	if followed, err := ben.Finish(submitted); err != nil || !followed {
		t.Errorf("followed %t, %v", followed, err)
	}
	for _, f := range []*ceremony.Folder{ann, ben} {
		f = open(t, f.Dir)
		if !slices.Equal(rootOf(t, f), submitted.Next) || len(live(f)) != 4 {
			t.Errorf("%s has not what was submitted", f.Dir)
		}
		if adopted, err := f.Adopt(submitted.Next, submitted.Targets, submitted.Trust); err != nil || adopted {
			t.Errorf("adopted %t, %v", adopted, err)
		}
	}
}

// TestThresholdChanges: fewer or more must sign, of both roles, under a
// targets.json that as many signed.
func TestThresholdChanges(t *testing.T) {
	t.Parallel()
	f := open(t, copied(t, "quorum"))
	for _, threshold := range []int{3, 1} {
		r, err := rotateRoot(f, theAnchors(t), ceremony.RootChange{Threshold: threshold}, words, foundedAt)
		check(t, err)
		if said, err := tufrepo.ReadRoot(r.Next); err != nil || said.Root.Threshold != threshold || said.Targets.Threshold != threshold {
			t.Errorf("%+v, %v", said, err)
		}
		check(t, r.Commit())
		f = open(t, f.Dir)
		if f.Inventory.Threshold != threshold {
			t.Errorf("threshold %d, want %d", f.Inventory.Threshold, threshold)
		}
	}
	for name, change := range map[string]ceremony.RootChange{
		"more than there are":  {Threshold: 4},
		"fewer than none":      {Threshold: -1},
		"nobody left":          {Drop: []string{"root-1", "root-2", "root-3"}},
		"no targets key left":  {Drop: []string{"targets-1", "targets-2", "targets-3"}},
		"too many":             {Add: map[ceremony.Role][]crypto.PublicKey{ceremony.RoleRoot: many(18)}},
		"more than a drop has": {Drop: []string{"root-1"}, Threshold: 3},
	} {
		_, err := rotateRoot(f, theAnchors(t), change, words, foundedAt)
		wantRefusal(t, name, err, sealift.KindInvalid, "")
	}
	first, _ := newKey(t, f, ceremony.RoleRoot)
	_, err := rotateRoot(f, theAnchors(t), ceremony.RootChange{Replace: []string{first.Name}}, words, foundedAt)
	wantRefusal(t, "replacing one that nothing lists", err, sealift.KindNotFound, "")
	present, err := tufrepo.RoleKeys(rootOf(t, f), "root")
	check(t, err)
	_, err = rotateRoot(f, theAnchors(t), ceremony.RootChange{Add: map[ceremony.Role][]crypto.PublicKey{ceremony.RoleRoot: present[:1]}}, words, foundedAt)
	wantRefusal(t, "adding one that is in use", err, sealift.KindConflict, "key")
}

func many(n int) (keys []crypto.PublicKey) {
	for range n {
		keys = append(keys, sealifttest.NewKey().Public())
	}
	return keys
}

// TestReviewRootRefuses: what somebody bent on the way is not signed.
func TestReviewRootRefuses(t *testing.T) {
	t.Parallel()
	ann, ben, _ := round(t)
	p, err := ann.ProposeRoot(ceremony.RootChange{Drop: []string{"targets-3"}}, theAnchors(t), words, foundedAt)
	check(t, err)
	review, err := ben.Review(p)
	check(t, err)
	root, err := tufrepo.ReadRoot(p.Next)
	check(t, err)
	draft := func(change func(*tufrepo.Root)) func(*ceremony.Proposal) {
		return func(p *ceremony.Proposal) {
			bent := root
			change(&bent)
			p.Next, err = tufrepo.DraftRoot(bent)
			check(t, err)
		}
	}
	bentRole := func(role string, threshold int) func(*ceremony.Proposal) {
		return func(p *ceremony.Proposal) { p.Next = withThreshold(t, p.Next, role, threshold) }
	}
	for name, c := range map[string]struct {
		bend func(*ceremony.Proposal)
		kind sealift.Kind
	}{
		"another vault's":           {func(p *ceremony.Proposal) { p.Vault = "ffffffffffffffffffffffffffffffff" }, sealift.KindConflict},
		"another root's":            {func(p *ceremony.Proposal) { p.Root[0]++ }, sealift.KindConflict},
		"a garbled root":            {func(p *ceremony.Proposal) { p.Next = []byte("{") }, sealift.KindInvalid},
		"without the targets.json":  {func(p *ceremony.Proposal) { p.Targets, p.Trust = nil, nil }, sealift.KindInvalid},
		"a version that is skipped": {draft(func(r *tufrepo.Root) { r.Version++ }), sealift.KindInvalid},
		"the version of now":        {draft(func(r *tufrepo.Root) { r.Version-- }), sealift.KindInvalid},
		"two timestamps of the vault": {draft(func(r *tufrepo.Root) {
			r.Timestamp = tufrepo.Role{Keys: many(2), Threshold: 2}
		}), sealift.KindInvalid},
		"root keys of whom none signs":             {bentRole("root", 0), sealift.KindInvalid},
		"targets keys of whom none signs":          {bentRole("targets", 0), sealift.KindInvalid},
		"more targets keys to sign than there are": {bentRole("targets", 9), sealift.KindInvalid},
	} {
		bent := *p
		c.bend(&bent)
		if _, err := ben.Review(&bent); sealift.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A key that was slipped in is shown, and the digest is another one.
	bent := *p
	draft(func(r *tufrepo.Root) { r.Root.Keys = append(slices.Clone(r.Root.Keys), many(1)...) })(&bent)
	other, err := ben.Review(&bent)
	check(t, err)
	if other.Digest == review.Digest || len(other.Root.Added) != 1 || len(other.Changes) != len(review.Changes)+2 {
		t.Errorf("%+v, honest %+v", other, review)
	}
	for name, file := range map[string]string{
		"nothing in it":       `{"vault":"` + string(p.Vault) + `","root":"` + p.Root.String() + `"}`,
		"a trust.json alone":  `{"vault":"` + string(p.Vault) + `","root":"` + p.Root.String() + `","next":"e30=","trust":"e30="}`,
		"a name with escapes": `{"vault":"` + string(p.Vault) + `","root":"` + p.Root.String() + `","next":"e30=","names":{"a":"\u001b[2J"}}`,
	} {
		path := filepath.Join(t.TempDir(), "bent.json")
		write(t, path, file)
		_, err := ceremony.ReadProposal(path)
		wantRefusal(t, name, err, sealift.KindInvalid, "")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o600))
}
