package ceremony_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

func TestFound(t *testing.T) {
	t.Parallel()
	a, err := anchors()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "keys")
	_, _, err = ceremony.Found(dir, ceremony.Quorum{Keys: 1, Threshold: 1}, nil, nil, a, words, foundedAt)
	check(t, err)
	f := open(t, dir)
	var names []string
	check(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
		return err
	}))
	want := []string{"inventory.json", "root-1.key", "root.json", "targets-1.key", "targets.json", "trust.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	first, err := f.Root()
	check(t, err)
	if _, err := tufrepo.CheckRoot(nil, first); err != nil {
		t.Error(err)
	}
	targets, err := os.ReadFile(filepath.Join(dir, "targets.json"))
	check(t, err)
	trustJSON, err := os.ReadFile(filepath.Join(dir, "trust.json"))
	check(t, err)
	if _, err := tufrepo.CheckTargets(first, targets, trustJSON); err != nil {
		t.Error(err)
	}
	signed := root(t, first).Signed
	for _, role := range []string{"root", "targets"} {
		if r := signed.Roles[role]; r.Threshold != 1 || len(r.KeyIDs) != 1 {
			t.Errorf("%s: %d of %d", role, r.Threshold, len(r.KeyIDs))
		}
	}
	if !signed.Expires.Equal(foundedAt.Add(sealift.RootLife)) || !f.Inventory.Alone() {
		t.Errorf("expires %s, alone %t", signed.Expires, f.Inventory.Alone())
	}
	for _, name := range []string{"root-1.key", "targets-1.key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		if !bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) || bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("%s is no age file:\n%s", name, data)
		}
	}
	inventory, err := os.ReadFile(filepath.Join(dir, "inventory.json"))
	check(t, err)
	for _, key := range f.Inventory.Keys {
		if _, err := x509.ParsePKIXPublicKey(key.Public); err != nil {
			t.Errorf("%s: %v", key.Name, err)
		}
	}
	if bytes.Contains(inventory, []byte("words")) {
		t.Error("a passphrase is in the inventory")
	}
}

func TestFoundRefuses(t *testing.T) {
	t.Parallel()
	a, err := anchors()
	check(t, err)
	for _, q := range []ceremony.Quorum{{}, {Keys: 1}, {Keys: 1, Threshold: 2}, {Keys: 21, Threshold: 1}, {Keys: -1, Threshold: -1}, {Keys: 3, Threshold: -1}} {
		dir := filepath.Join(t.TempDir(), "keys")
		_, _, err := ceremony.Found(dir, q, nil, nil, a, words, foundedAt)
		wantRefusal(t, fmt.Sprint(q), err, sealift.KindInvalid, "")
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || sealift.HintOf(err) != "" {
			t.Errorf("%v left %s", q, dir)
		}
	}
	_, _, err = ceremony.Found(t.TempDir(), ceremony.Quorum{Keys: 1, Threshold: 1}, nil, nil, a, words, foundedAt)
	wantRefusal(t, "a folder that is there", err, sealift.KindConflict, "")
	_, _, err = ceremony.Found(filepath.Join(t.TempDir(), "no", "keys"), ceremony.Quorum{Keys: 1, Threshold: 1}, nil, nil, a, words, foundedAt)
	wantRefusal(t, "a folder in none", err, sealift.KindNotFound, "")
	lost := errors.New("lost for words")
	_, _, err = ceremony.Found(filepath.Join(t.TempDir(), "keys"), ceremony.Quorum{Keys: 1, Threshold: 1}, nil, nil, a,
		func(string, bool) ([]byte, error) { return nil, lost }, foundedAt)
	if !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func TestOpenFolderRefuses(t *testing.T) {
	t.Parallel()
	_, err := ceremony.OpenFolder(t.TempDir())
	wantRefusal(t, "a folder without an inventory", err, sealift.KindNotFound, "")
	for what, bend := range map[string]func(string) string{
		"garbled":                  func(s string) string { return s[:len(s)/2] },
		"empty":                    func(string) string { return "" },
		"null":                     func(string) string { return "null" },
		"a key twice":              func(s string) string { return strings.Replace(s, `"root-2"`, `"root-1"`, 1) },
		"a path for a name":        func(s string) string { return strings.Replace(s, `"root-2"`, `"../root-2"`, 1) },
		"no name":                  func(s string) string { return strings.Replace(s, `"root-2"`, `""`, 1) },
		"another role":             func(s string) string { return strings.Replace(s, `"role": "root"`, `"role": "snapshot"`, 1) },
		"a threshold of none":      func(s string) string { return strings.Replace(s, `"threshold": 2`, `"threshold": 0`, 1) },
		"a threshold nobody fills": func(s string) string { return strings.Replace(s, `"threshold": 2`, `"threshold": 4`, 1) },
		"too long":                 func(s string) string { return s + strings.Repeat(" ", sealift.MaxTarget) },
	} {
		dir := copied(t, "quorum")
		path := filepath.Join(dir, "inventory.json")
		data, err := os.ReadFile(path)
		check(t, err)
		bent := bend(string(data))
		if bent == string(data) {
			t.Fatalf("%s: nothing was bent in %s", what, data)
		}
		check(t, os.WriteFile(path, []byte(bent), 0o600))
		if _, err := ceremony.OpenFolder(dir); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v (%s)", what, err, sealift.KindOf(err))
		}
	}
}

// TestQuorum replaces one key of three: two of the old sign, whoever they are.
func TestQuorum(t *testing.T) {
	t.Parallel()
	f := open(t, copied(t, "quorum"))
	before, err := f.Root()
	check(t, err)
	var asked []string
	r := rotate(t, f, func(name string, fresh bool) ([]byte, error) {
		asked = append(asked, fmt.Sprint(name, " ", fresh))
		return words(name, fresh)
	}, "root-3", "root-3")
	if diff := cmp.Diff([]string{"root-1 false", "root-2 false", "root-4 true"}, asked); diff != "" {
		t.Error(diff)
	}
	if r.Version != 2 || !slices.Equal(r.Replaced, []string{"root-3"}) || !slices.Equal(r.Added, []string{"root-4"}) {
		t.Errorf("%+v", r)
	}
	old, next := root(t, before).Signed, root(t, r.Next).Signed
	if next.Roles["root"].Threshold != 2 || len(next.Roles["root"].KeyIDs) != 3 || len(next.Keys) != len(old.Keys) {
		t.Errorf("%+v", next.Roles["root"])
	}
	for _, role := range []string{"targets", "snapshot", "timestamp"} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(old.Roles[role].KeyIDs)), slices.Sorted(slices.Values(next.Roles[role].KeyIDs))); diff != "" {
			t.Errorf("%s changed: %s", role, diff)
		}
	}
	if now, err := f.Root(); err != nil || !bytes.Equal(now, before) {
		t.Errorf("the folder went on before the server did (%v)", err)
	}
	check(t, r.Commit())
	f = open(t, f.Dir)
	if got := live(f); !slices.Equal(got, []string{"root-1", "root-2", "root-4"}) {
		t.Errorf("live keys %q", got)
	}
	if now, err := f.Root(); err != nil || !bytes.Equal(now, r.Next) {
		t.Errorf("the folder did not follow (%v)", err)
	}

	// root-1's person is away, with the file: the other two are the quorum.
	check(t, os.Rename(filepath.Join(f.Dir, "root-1.key"), filepath.Join(t.TempDir(), "away")))
	r = rotate(t, f, words, "root-2")
	check(t, r.Commit())
	f = open(t, f.Dir)
	if got := live(f); !slices.Equal(got, []string{"root-1", "root-4", "root-5"}) {
		t.Errorf("live keys %q", got)
	}
	// And with another one they are too few.
	check(t, os.Remove(filepath.Join(f.Dir, "root-4.key")))
	_, err = rotateRoot(f, theAnchors(t), ceremony.RootChange{Replace: []string{"root-5"}}, words, foundedAt)
	wantRefusal(t, "one of two", err, sealift.KindNotFound, "quorum")
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	dir := copied(t, "alone")
	f := open(t, dir)
	current, err := f.Root()
	check(t, err)
	if !f.Inventory.Alone() {
		t.Error("one key a role is not alone")
	}
	_, err = f.Adopt([]byte("{}"), nil, nil)
	wantRefusal(t, "a folder that is behind", err, sealift.KindConflict, "root")
	for _, name := range []string{"root-2", "targets-2", "", "../root-1"} {
		_, err = rotateRoot(f, theAnchors(t), ceremony.RootChange{Replace: []string{name}}, words, foundedAt)
		wantRefusal(t, "replacing "+name, err, sealift.KindNotFound, "")
	}
	_, err = rotateRoot(f, theAnchors(t), all(f), func(string, bool) ([]byte, error) { return []byte("others"), nil }, foundedAt)
	wantRefusal(t, "wrong passphrase", err, sealift.KindSealed, "passphrase")
	if err != nil && (!strings.Contains(err.Error(), "root-1") || strings.Contains(err.Error(), "others") || sealift.HintOf(err) == "") {
		t.Errorf("says %v, hint %q", err, sealift.HintOf(err))
	}

	// The targets key in the root key's place: its passphrase opens it, and it is
	// another key than the inventory says.
	key := filepath.Join(dir, "root-1.key")
	honest, err := os.ReadFile(key)
	check(t, err)
	swapped, err := os.ReadFile(filepath.Join(dir, "targets-1.key"))
	check(t, err)
	check(t, os.WriteFile(key, swapped, 0o600))
	_, err = rotateRoot(f, theAnchors(t), all(f), func(string, bool) ([]byte, error) { return words("targets-1", false) }, foundedAt)
	wantRefusal(t, "swapped files", err, sealift.KindIntegrity, "")
	for what, data := range map[string][]byte{
		"cut": honest[:len(honest)/2], "empty": nil, "too long": append(slices.Clone(honest), bytes.Repeat([]byte("\n"), 64<<10)...),
	} {
		check(t, os.WriteFile(key, data, 0o600))
		if _, err = rotateRoot(f, theAnchors(t), all(f), words, foundedAt); err == nil {
			t.Errorf("a key file that is %s opens", what)
		}
	}
	if got, err := f.Root(); err != nil || !bytes.Equal(got, current) {
		t.Errorf("a refusal changed root.json (%v)", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "rotation.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refusal left a rotation: %v", err)
	}
}

// TestInterrupted ends a rotation between any two of its steps: what the
// server took is never without its keys, and the next run finds the way on.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := copied(t, "alone")
	first, err := open(t, dir).Root()
	check(t, err)

	// Before the server took it: nothing to resume, and the next one is signed
	// by a key of another name, since that root may yet be on its way.
	lost := rotate(t, open(t, dir), words)
	f := open(t, dir)
	if !bytes.Equal(rootOf(t, f), first) {
		t.Error("the folder went on before the server did")
	}
	if got := live(f); !slices.Equal(got, []string{"root-1"}) {
		t.Errorf("live keys %q", got)
	}
	if waiting, err := f.Waiting(); err != nil || !bytes.Equal(waiting.Next, lost.Next) {
		t.Errorf("the root that is on its way does not wait (%v)", err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, lost.Added[0]+".key"))
	check(t, err)
	taken := rotate(t, f, words)
	if slices.Equal(taken.Added, lost.Added) {
		t.Errorf("%q was made twice", taken.Added)
	}
	if now, err := os.ReadFile(filepath.Join(dir, lost.Added[0]+".key")); err != nil || !bytes.Equal(now, kept) {
		t.Errorf("the key of the root that is on its way was overwritten (%v)", err)
	}

	// After the server took it, before the folder followed.
	f = open(t, dir)
	waiting, err := f.Waiting()
	check(t, err)
	if resumed, err := f.Finish(waiting); err != nil || !resumed {
		t.Errorf("resumed %t, %v", resumed, err)
	}
	if waiting, err := f.Waiting(); err != nil || waiting != nil {
		t.Errorf("what the server has waits still (%v)", err)
	}
	f = open(t, dir)
	if got := live(f); !slices.Equal(got, taken.Added) {
		t.Errorf("live keys %q, want %q", got, taken.Added)
	}
	if now, err := f.Root(); err != nil || !bytes.Equal(now, taken.Next) {
		t.Errorf("the folder did not follow (%v)", err)
	}
	if resumed, err := f.Finish(waiting); err != nil || resumed {
		t.Errorf("resumed again: %t, %v", resumed, err)
	}
	// The key that took over signs.
	check(t, rotate(t, f, words).Commit())

	// A rotation that was damaged is no rotation.
	check(t, os.WriteFile(filepath.Join(dir, "rotation.json"), []byte("{"), 0o600))
	_, err = open(t, dir).Waiting()
	wantRefusal(t, "damaged", err, sealift.KindInvalid, "")
}

func TestRenew(t *testing.T) {
	t.Parallel()
	f := open(t, copied(t, "alone"))
	current, err := f.Root()
	check(t, err)
	later := foundedAt.AddDate(0, 6, 0)
	r, err := rotateRoot(f, theAnchors(t), ceremony.RootChange{}, words, later)
	check(t, err)
	if len(r.Added)+len(r.Replaced) > 0 {
		t.Errorf("added %q, replaced %q", r.Added, r.Replaced)
	}
	before, after := root(t, current).Signed, root(t, r.Next).Signed
	if after.Version != 2 || !after.Expires.Equal(later.Add(sealift.RootLife)) || !slices.Equal(before.Roles["root"].KeyIDs, after.Roles["root"].KeyIDs) {
		t.Errorf("%+v", after)
	}
	check(t, r.Commit())
}

// TestRootListsTheVaultsKeys: the next root lists what the vault signs with now,
// and says how that differs from before.
func TestRootListsTheVaultsKeys(t *testing.T) {
	t.Parallel()
	f := open(t, copied(t, "alone"))
	a := theAnchors(t)
	timestamp, standby := a.Timestamp[0], sealifttest.NewKey().Public()
	a.Timestamp = []crypto.PublicKey{standby}
	a.Snapshot = append(slices.Clone(a.Snapshot), sealifttest.NewKey().Public())
	r, err := rotateRoot(f, a, ceremony.RootChange{}, words, foundedAt)
	check(t, err)
	digest := func(pub crypto.PublicKey) sealift.Digest {
		spki, err := x509.MarshalPKIXPublicKey(pub)
		check(t, err)
		return sealift.DigestOf(spki)
	}
	want := []ceremony.OnlineChange{{"snapshot", digest(a.Snapshot[1]), true}, {"timestamp", digest(standby), true}, {"timestamp", digest(timestamp), false}}
	if diff := cmp.Diff(want, r.Online); diff != "" {
		t.Error(diff)
	}
	for role, want := range map[string][]crypto.PublicKey{metadata.SNAPSHOT: a.Snapshot, metadata.TIMESTAMP: a.Timestamp} {
		got, err := tufrepo.RoleKeys(r.Next, role)
		check(t, err)
		if len(got) != len(want) || digest(got[0]) != digest(want[0]) || root(t, r.Next).Signed.Roles[role].Threshold != 1 {
			t.Errorf("%s: %v", role, got)
		}
	}
	a.Vault = "00000000000000000000000000000000"
	_, err = rotateRoot(f, a, ceremony.RootChange{}, words, foundedAt)
	wantRefusal(t, "of another vault", err, sealift.KindConflict, "")
	a.Vault, a.Snapshot = theAnchors(t).Vault, nil
	if _, err = rotateRoot(f, a, ceremony.RootChange{}, words, foundedAt); err == nil {
		t.Error("a root without a snapshot key")
	}
}

func TestRootKeys(t *testing.T) {
	t.Parallel()
	f := open(t, copied(t, "quorum"))
	for _, c := range []struct {
		change ceremony.RootChange
		want   []string
	}{
		{all(f), []string{"root-1", "root-2", "root-3", "root-4", "root-5", "root-6"}},
		{ceremony.RootChange{Replace: []string{"root-2"}}, []string{"root-1", "root-2", "root-3", "root-4"}},
		{ceremony.RootChange{}, []string{"root-1", "root-2", "root-3"}},
		{ceremony.RootChange{Replace: []string{"targets-2"}}, []string{"root-1", "root-2", "root-3", "targets-1", "targets-2", "targets-3", "targets-4"}},
		{ceremony.RootChange{Drop: []string{"root-2"}, Threshold: 1}, []string{"root-1", "root-2", "root-3", "targets-1", "targets-2", "targets-3"}},
	} {
		got, err := f.RootKeys(c.change)
		check(t, err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
	_, err := f.RootKeys(ceremony.RootChange{Replace: []string{"root-9"}})
	wantRefusal(t, "a key that is not there", err, sealift.KindNotFound, "")
}
