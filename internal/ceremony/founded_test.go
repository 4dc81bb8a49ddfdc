package ceremony_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

var foundedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// words is what the person of a key would say.
func words(name string, _ bool) ([]byte, error) { return []byte("the words of " + name), nil }

func anchors() (ceremony.Anchors, error) {
	w, err := sealifttest.New(foundedAt)
	if err != nil {
		return ceremony.Anchors{}, err
	}
	return ceremony.Anchors{
		Vault: w.Vault, Trust: w.Trust,
		Director: keys(w.Director), Snapshot: keys(w.Snapshot), Timestamp: keys(w.Timestamp),
	}, nil
}

func keys(key crypto.Signer) []crypto.PublicKey { return []crypto.PublicKey{key.Public()} }

// foundedAnchors are those of the two folders.
var foundedAnchors = sync.OnceValues(anchors)

func theAnchors(t *testing.T) ceremony.Anchors {
	t.Helper()
	a, err := foundedAnchors()
	check(t, err)
	return a
}

// founded are two folders for all tests, which copy them: scrypt is slow on
// purpose. "alone" has one key a role, "quorum" needs two of three.
var founded = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sealift-ceremony-")
	if err != nil {
		return "", err
	}
	a, err := foundedAnchors()
	if err != nil {
		return dir, err
	}
	for name, q := range map[string]ceremony.Quorum{"alone": {Keys: 1, Threshold: 1}, "quorum": {Keys: 3, Threshold: 2}} {
		if err := found(filepath.Join(dir, name), q, a); err != nil {
			return dir, err
		}
	}
	return dir, nil
})

// found makes a keys folder as ceremony.Found does, with key files that open
// quickly.
func found(dir string, q ceremony.Quorum, a ceremony.Anchors) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	inventory := ceremony.Inventory{Vault: a.Vault, Threshold: q.Threshold}
	roles, signers := map[ceremony.Role]tufrepo.Role{}, map[ceremony.Role][]crypto.Signer{}
	for _, role := range []ceremony.Role{ceremony.RoleRoot, ceremony.RoleTargets} {
		public := tufrepo.Role{Threshold: q.Threshold}
		for n := range q.Keys {
			key, name := sealifttest.NewKey(), fmt.Sprintf("%s-%d", role, n+1)
			spki, err := x509.MarshalPKIXPublicKey(key.Public())
			if err != nil {
				return err
			}
			sealed, err := quickSeal(key, name)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name+".key"), sealed, 0o600); err != nil {
				return err
			}
			inventory.Keys = append(inventory.Keys, ceremony.KeyEntry{Name: name, Role: role, Public: spki})
			public.Keys, signers[role] = append(public.Keys, key.Public()), append(signers[role], key)
		}
		roles[role] = public
	}
	root, err := tufrepo.SignRoot(tufrepo.Root{
		Version: 1, Expires: foundedAt.Add(sealift.RootLife), Root: roles[ceremony.RoleRoot], Targets: roles[ceremony.RoleTargets],
		Snapshot: tufrepo.Role{Keys: a.Snapshot, Threshold: 1}, Timestamp: tufrepo.Role{Keys: a.Timestamp, Threshold: 1},
	}, signers[ceremony.RoleRoot])
	if err != nil {
		return err
	}
	trustJSON, wrong := a.Trust.Encode()
	err = errors.Join(err, wrong)
	targets, wrong := tufrepo.SignTargets(tufrepo.Targets{
		Version: 1, Expires: foundedAt.Add(sealift.TargetsLife), Trust: trustJSON, Director: tufrepo.Role{Keys: a.Director, Threshold: 1},
	}, signers[ceremony.RoleTargets])
	err = errors.Join(err, wrong, os.WriteFile(filepath.Join(dir, "targets.json"), targets, 0o600), os.WriteFile(filepath.Join(dir, "trust.json"), trustJSON, 0o600))
	text, wrong := json.MarshalIndent(inventory, "", "  ")
	return errors.Join(err, wrong, os.WriteFile(filepath.Join(dir, "root.json"), root, 0o600), os.WriteFile(filepath.Join(dir, "inventory.json"), text, 0o600))
}

func quickSeal(key crypto.Signer, name string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	recipient, err := age.NewScryptRecipient("the words of " + name)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(10)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	err = errors.Join(pem.Encode(w, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), w.Close(), armored.Close())
	return out.Bytes(), err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := founded(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func open(t *testing.T, dir string) *ceremony.Folder {
	t.Helper()
	f, err := ceremony.OpenFolder(dir)
	check(t, err)
	return f
}

// copied returns a folder of its own for a test.
func copied(t *testing.T, name string) string {
	t.Helper()
	made, err := founded()
	check(t, err)
	dir := filepath.Join(t.TempDir(), "keys")
	check(t, os.CopyFS(dir, os.DirFS(filepath.Join(made, name))))
	return dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantRefusal(t *testing.T, what string, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("%s: got %v (%s/%s), want %s/%s", what, err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func root(t *testing.T, data []byte) *metadata.Metadata[metadata.RootType] {
	t.Helper()
	m, err := metadata.Root().FromBytes(data)
	check(t, err)
	return m
}

// rotation is a next root that enough have signed, which waits in its folder.
type rotation struct {
	*ceremony.Proposal
	Version         int64
	Replaced, Added []string
	Online          []ceremony.OnlineChange
	folder          *ceremony.Folder
}

// Commit is what follows when the server took it.
func (r *rotation) Commit() error {
	_, err := r.folder.Finish(r.Proposal)
	return err
}

// rotateRoot does all of a ceremony that is held in one place.
func rotateRoot(f *ceremony.Folder, a ceremony.Anchors, change ceremony.RootChange, p ceremony.Passphrases, now time.Time) (*rotation, error) {
	if err := f.Reach(change, p); err != nil {
		return nil, err
	}
	proposal, err := f.ProposeRoot(change, a, p, now)
	if err != nil {
		return nil, err
	}
	review, err := f.Review(proposal)
	if err != nil {
		return nil, err
	}
	if err := f.Sign(proposal, p); err != nil {
		return nil, err
	}
	r := &rotation{Proposal: proposal, Version: review.Root.Version, Online: review.Root.Online, folder: f}
	for _, key := range review.Root.Removed {
		r.Replaced = append(r.Replaced, key.Name)
	}
	for _, key := range review.Root.Added {
		r.Added = append(r.Added, key.Name)
	}
	return r, f.Wait(proposal)
}

// all replaces every root key.
func all(f *ceremony.Folder) ceremony.RootChange {
	return ceremony.RootChange{Replace: f.LiveKeys(ceremony.RoleRoot)}
}

// rotate signs the next root, in which the named keys are replaced, or all root
// keys.
func rotate(t *testing.T, f *ceremony.Folder, p ceremony.Passphrases, replace ...string) *rotation {
	t.Helper()
	change := ceremony.RootChange{Replace: replace}
	if len(replace) == 0 {
		change = all(f)
	}
	current := rootOf(t, f)
	r, err := rotateRoot(f, theAnchors(t), change, p, foundedAt)
	check(t, err)
	if _, err := tufrepo.CheckRoot(current, r.Next); err != nil {
		t.Errorf("the next root does not follow: %v", err)
	}
	return r
}

func live(f *ceremony.Folder) (names []string) {
	for _, key := range f.Inventory.Keys {
		if key.Role == ceremony.RoleRoot && !key.Retired && !key.Pending {
			names = append(names, key.Name)
		}
	}
	return names
}
