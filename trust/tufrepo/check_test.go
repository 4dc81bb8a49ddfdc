package tufrepo_test

import (
	"crypto"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

// people are root keys with a quorum.
type people struct {
	*testing.T
	keys   []crypto.Signer
	quorum int
}

func newPeople(t *testing.T, quorum, of int) people {
	p := people{T: t, quorum: quorum}
	for range of {
		p.keys = append(p.keys, sealifttest.NewKey())
	}
	return p
}

func (p people) role() tufrepo.Role {
	role := roleOf(p.keys...)
	role.Threshold = p.quorum
	return role
}

// root signs a root of these people.
func (p people) root(version int64, signers ...crypto.Signer) []byte {
	p.Helper()
	online := roleOf(sealifttest.NewKey())
	signed, err := tufrepo.SignRoot(tufrepo.Root{
		Version: version, Expires: start.Add(sealift.RootLife), Root: p.role(), Targets: p.role(), Snapshot: online, Timestamp: online,
	}, signers)
	if err != nil {
		p.Fatal(err)
	}
	return signed
}

func wantError(t *testing.T, name string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %q", name, err, text)
	}
}

func TestCheckRoot(t *testing.T) {
	old, next := newPeople(t, 2, 3), newPeople(t, 2, 3)
	first := old.root(1, old.keys[:2]...)
	if version, err := tufrepo.CheckRoot(nil, first); version != 1 || err != nil {
		t.Errorf("first root: %d, %v", version, err)
	}
	both := append(append([]crypto.Signer{}, old.keys[1:]...), next.keys[:2]...)
	if version, err := tufrepo.CheckRoot(first, next.root(2, both...)); version != 2 || err != nil {
		t.Errorf("next root: %d, %v", version, err)
	}
	if version, err := tufrepo.CheckRoot(first, old.root(2, old.keys...)); version != 2 || err != nil {
		t.Errorf("the same people: %d, %v", version, err)
	}

	check := func(name string, current, candidate []byte, text string) {
		t.Helper()
		version, err := tufrepo.CheckRoot(current, candidate)
		wantError(t, name, err, text)
		if version != 0 {
			t.Errorf("%s: version %d", name, version)
		}
	}
	check("first root of one signature", nil, old.root(1, old.keys[0]), "its own quorum")
	check("first root, one signature twice", nil, old.root(1, old.keys[0], old.keys[0]), "its own quorum")
	check("skipped", first, next.root(3, both...), "cannot follow")
	check("the same version", first, next.root(1, both...), "cannot follow")
	check("signed by one of the old", first, next.root(2, append(next.keys[:2:2], old.keys[0])...), "current quorum")
	check("signed by none of the old", first, next.root(2, next.keys...), "current quorum")
	check("signed by one of the new", first, next.root(2, append(old.keys[:2:2], next.keys[0])...), "its own quorum")
	check("signed by none of the new", first, next.root(2, old.keys...), "its own quorum")
	check("garbled", first, []byte("{"), "")
	check("after a garbled one", []byte("{"), next.root(2, both...), "")
	check("targets for a root", first, newRepository(t).targets(2), "")

	m, err := metadata.Root().FromBytes(first)
	if err != nil {
		t.Fatal(err)
	}
	m.Signed.ConsistentSnapshot = false
	check("without consistent snapshots", nil, resigned(t, m, old.keys...), "consistent snapshots")
	m.Signed.ConsistentSnapshot = true
	m.Signed.Expires = m.Signed.Expires.AddDate(1, 0, 0)
	bent, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	check("bent after it was signed", nil, bent, "its own quorum")
}

func TestThresholds(t *testing.T) {
	good := newPeople(t, 1, 1)
	for _, c := range []struct{ quorum, of int }{{0, 1}, {-1, 1}, {2, 1}, {1, 0}} {
		bad := newPeople(t, c.quorum, c.of).role()
		for name, root := range map[string]tufrepo.Root{
			"root":      {Version: 1, Root: bad, Targets: good.role(), Snapshot: good.role(), Timestamp: good.role()},
			"targets":   {Version: 1, Root: good.role(), Targets: bad, Snapshot: good.role(), Timestamp: good.role()},
			"snapshot":  {Version: 1, Root: good.role(), Targets: good.role(), Snapshot: bad, Timestamp: good.role()},
			"timestamp": {Version: 1, Root: good.role(), Targets: good.role(), Snapshot: good.role(), Timestamp: bad},
		} {
			_, err := tufrepo.SignRoot(root, good.keys)
			wantError(t, name, err, "cannot be")
		}
		_, err := tufrepo.SignTargets(tufrepo.Targets{Version: 1, Director: bad}, good.keys)
		wantError(t, "director", err, "cannot be")
	}
	_, err := tufrepo.SignRoot(tufrepo.Root{Version: 1, Root: good.role(), Targets: good.role(), Snapshot: good.role(), Timestamp: good.role()}, nil)
	wantError(t, "signed by nobody", err, "no key")
}

// resigned signs metadata that was bent.
func resigned[T metadata.Roles](t *testing.T, m *metadata.Metadata[T], keys ...crypto.Signer) []byte {
	t.Helper()
	m.ClearSignatures()
	for _, key := range keys {
		if _, err := m.Sign(tufSigner{key}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCheckTargets(t *testing.T) {
	p := newPeople(t, 2, 3)
	root := p.root(1, p.keys...)
	content := []byte(`{"vault":"…"}`)
	director := sealifttest.NewKey()
	sign := func(signers ...crypto.Signer) []byte {
		signed, err := tufrepo.SignTargets(tufrepo.Targets{Version: 7, Expires: start.Add(sealift.TargetsLife), Trust: content, Director: roleOf(director)}, signers)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	good := sign(p.keys[:2]...)
	if version, err := tufrepo.CheckTargets(root, good, content); version != 7 || err != nil {
		t.Errorf("%d, %v", version, err)
	}
	bend := func(change func(*metadata.TargetsType)) []byte {
		m, err := metadata.Targets().FromBytes(good)
		if err != nil {
			t.Fatal(err)
		}
		change(&m.Signed)
		return resigned(t, m, p.keys...)
	}
	other := &metadata.TargetFiles{Length: 1, Hashes: metadata.Hashes{"sha256": make([]byte, 32)}}
	stranger := newPeople(t, 1, 1)
	sum := sha512.Sum512(content)
	for name, c := range map[string]struct {
		root, targets, trust []byte
		text                 string
	}{
		"too few signatures":       {root, sign(p.keys[0]), content, "signatures"},
		"signed by strangers":      {root, sign(stranger.keys...), content, "signatures"},
		"another root":             {stranger.root(1, stranger.keys...), good, content, "signatures"},
		"another trust.json":       {root, good, []byte(`{"vault":"-…"}`), ""},
		"of the same length":       {root, good, []byte(`{"vault":"._"}`), ""},
		"garbled root":             {[]byte("{"), good, content, ""},
		"garbled":                  {root, []byte("{"), content, ""},
		"no trust.json":            {root, bend(func(s *metadata.TargetsType) { delete(s.Targets, "trust.json") }), content, "list trust.json"},
		"more than trust.json":     {root, bend(func(s *metadata.TargetsType) { s.Targets["deny.json"] = other }), content, "nothing else"},
		"with SHA-512":             {root, bend(func(s *metadata.TargetsType) { s.Targets["trust.json"].Hashes = metadata.Hashes{"sha512": sum[:]} }), content, "SHA-256"},
		"with another hash":        {root, bend(func(s *metadata.TargetsType) { s.Targets["trust.json"].Hashes = other.Hashes }), content, ""},
		"no delegation":            {root, bend(func(s *metadata.TargetsType) { s.Delegations = nil }), content, "succinct bins"},
		"other bins":               {root, bend(func(s *metadata.TargetsType) { s.Delegations.SuccinctRoles.NamePrefix = "bin" }), content, "succinct bins"},
		"more bins":                {root, bend(func(s *metadata.TargetsType) { s.Delegations.SuccinctRoles.BitLength = 9 }), content, "succinct bins"},
		"as many bins as there be": {root, bend(func(s *metadata.TargetsType) { s.Delegations.SuccinctRoles.BitLength = 32 }), content, "succinct bins"},
		"roles in place of bins": {root, bend(func(s *metadata.TargetsType) {
			s.Delegations.Roles, s.Delegations.SuccinctRoles = []metadata.DelegatedRole{{Name: "x", Threshold: 1, KeyIDs: []string{}, Paths: []string{"*"}}}, nil
		}), content, "succinct bins"},
	} {
		version, err := tufrepo.CheckTargets(c.root, c.targets, c.trust)
		wantError(t, name, err, c.text)
		if version != 0 {
			t.Errorf("%s: version %d", name, version)
		}
	}
}

func TestPaths(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for got, want := range map[string]string{
		tufrepo.MetadataPath("root", 1):                         "metadata/1.root.json",
		tufrepo.MetadataPath("timestamp", 7):                    "metadata/timestamp.json",
		tufrepo.MetadataPath("bins-a4", 676):                    "metadata/676.bins-a4.json",
		tufrepo.TargetPath("trust.json", []byte("abc")):         "targets/" + abc + ".trust.json",
		tufrepo.TargetPath("a.b/c/d/offer.json", []byte("abc")): "targets/a.b/c/d/" + abc + ".offer.json",
		tufrepo.BinOf("trust.json"):                             "bins-" + binOf(t, "trust.json"),
		tufrepo.BinOf("deny.json"):                              "bins-" + binOf(t, "deny.json"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if all := tufrepo.Bins(); len(all) != 256 || all[0] != "bins-00" || all[255] != "bins-ff" {
		t.Errorf("%d bins from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

// binOf is TAP 15: the leftmost bits of the path's SHA-256.
func binOf(t *testing.T, path string) string {
	t.Helper()
	return sealift.DigestOf([]byte(path)).String()[:2]
}

func TestLookup(t *testing.T) {
	r := newRepository(t)
	r.direct(r.now, tufrepo.Target{Path: offer, Content: []byte("one")})
	bin := r.roles[tufrepo.BinOf(offer)]
	if _, ok, err := tufrepo.Lookup(bin, "another/path/web/offer.json"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, _, err := tufrepo.Lookup([]byte("{"), offer); err == nil {
		t.Error("looked up in garbage")
	}
}

// TestKeyTwice: a key under two ids would count twice, so nobody signs a root that
// lists one so; and nobody signs what does not follow.
func TestKeyTwice(t *testing.T) {
	old := newPeople(t, 2, 2)
	first, next := old.root(1, old.keys...), old.root(2, old.keys...)
	if err := tufrepo.CheckSuccessor(first, next); err != nil {
		t.Error(err)
	}
	wantError(t, "the same version", tufrepo.CheckSuccessor(first, first), "cannot follow")
	bend := func(change func(*metadata.RootType)) []byte {
		m, err := metadata.Root().FromBytes(next)
		if err != nil {
			t.Fatal(err)
		}
		change(&m.Signed)
		return resigned(t, m, old.keys...)
	}
	wantError(t, "without consistent snapshots", tufrepo.CheckSuccessor(first, bend(func(s *metadata.RootType) { s.ConsistentSnapshot = false })), "consistent snapshots")
	for _, role := range []string{metadata.ROOT, metadata.TARGETS} {
		twice := bend(func(s *metadata.RootType) {
			other := strings.Repeat("0", 64)
			s.Keys[other] = s.Keys[s.Roles[role].KeyIDs[0]]
			s.Roles[role].KeyIDs = append(s.Roles[role].KeyIDs, other)
		})
		wantError(t, role+" key twice", tufrepo.CheckSuccessor(first, twice), "twice")
		_, err := tufrepo.CheckRoot(first, twice)
		wantError(t, role+" key twice, signed", err, "twice")
	}
	unsigned, err := tufrepo.UnsignedRoot(next)
	if err != nil || !strings.HasPrefix(string(unsigned), `{"signatures":[],"signed":{`) {
		t.Errorf("%s, %v", unsigned, err)
	}
}
