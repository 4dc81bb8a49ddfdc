package tufrepo_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// repository is what a vault keeps: the newest metadata by role.
type repository struct {
	*testing.T
	roles map[string][]byte
	keys  tufrepo.Online
	root  crypto.Signer
	now   time.Time
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{T: t, roles: map[string][]byte{}, root: sealifttest.NewKey(), now: start, keys: tufrepo.Online{
		Director: sealifttest.NewKey(), Snapshot: sealifttest.NewKey(), Timestamp: sealifttest.NewKey(), TimestampLife: sealift.TimestampLife,
	}}
	r.roles["targets"] = r.targets(1)
	return r
}

func roleOf(keys ...crypto.Signer) tufrepo.Role {
	role := tufrepo.Role{Threshold: len(keys)}
	for _, key := range keys {
		role.Keys = append(role.Keys, key.Public())
	}
	return role
}

func (r *repository) targets(version int64) []byte {
	r.Helper()
	signed, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: version, Expires: r.now.Add(sealift.TargetsLife), Trust: []byte("trust"), Director: roleOf(r.keys.Director),
	}, []crypto.Signer{r.root})
	if err != nil {
		r.Fatal(err)
	}
	return signed
}

func (r *repository) rootOf(version int64) []byte {
	r.Helper()
	signed, err := tufrepo.SignRoot(tufrepo.Root{
		Version: version, Expires: r.now.Add(sealift.RootLife), Root: roleOf(r.root), Targets: roleOf(r.root),
		Snapshot: roleOf(r.keys.Snapshot), Timestamp: roleOf(r.keys.Timestamp),
	}, []crypto.Signer{r.root})
	if err != nil {
		r.Fatal(err)
	}
	return signed
}

func (r *repository) current(role string) ([]byte, error) { return r.roles[role], nil }

// direct applies changes, keeps the roles and returns what was signed.
func (r *repository) direct(renewBefore time.Time, changes ...tufrepo.Target) *tufrepo.Update {
	r.Helper()
	update, err := tufrepo.Direct(r.current, changes, r.keys, r.now, renewBefore)
	if err != nil {
		r.Fatal(err)
	}
	for _, role := range update.Roles {
		r.roles[role.Role] = role.Content
	}
	if err := tufrepo.CheckOnline(r.rootOf(1), r.roles["targets"], r.current); err != nil {
		r.Error(err)
	}
	return update
}

func names(u *tufrepo.Update) (all []string) {
	for _, role := range u.Roles {
		all = append(all, role.Role)
	}
	return all
}

func paths(u *tufrepo.Update) (all []string) {
	for _, file := range u.Files {
		all = append(all, file.Path)
	}
	return all
}

func (r *repository) want(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("got %q, want %q", got, want)
	}
}

const offer = "com.acme.shop/production/web/offer.json"

// TestDirectFirst: all bins, then the snapshot, then the timestamp.
func TestDirectFirst(t *testing.T) {
	r := newRepository(t)
	u := r.direct(r.now)
	r.want(names(u), append(tufrepo.Bins(), "snapshot", "timestamp")...)
	if last := u.Files[len(u.Files)-1]; last.Path != "metadata/timestamp.json" || len(u.Files) != 258 {
		t.Errorf("%d files, the last %s", len(u.Files), last.Path)
	}
	for _, role := range u.Roles {
		life := map[string]time.Duration{"snapshot": sealift.SnapshotLife, "timestamp": sealift.TimestampLife}[role.Role]
		if life == 0 {
			life = sealift.BinsLife
		}
		if !role.Expires.Equal(r.now.Add(life)) {
			t.Errorf("%s expires at %s", role.Role, role.Expires)
		}
	}
}

// TestDirectOrder: a target before the bin that lists it, the snapshot after
// the bins, the timestamp last; and no other bin is touched.
func TestDirectOrder(t *testing.T) {
	r := newRepository(t)
	r.direct(r.now)
	u := r.direct(r.now, tufrepo.Target{Path: offer, Content: []byte("one")})
	bin := tufrepo.BinOf(offer)
	r.want(names(u), bin, "snapshot", "timestamp")
	r.want(paths(u), tufrepo.TargetPath(offer, []byte("one")), tufrepo.MetadataPath(bin, u.Roles[0].Version), "metadata/2.snapshot.json", "metadata/timestamp.json")
	if got, ok, err := tufrepo.Lookup(r.roles[bin], offer); got != sealift.DigestOf([]byte("one")) || !ok || err != nil {
		t.Errorf("%s, %v, %v", got, ok, err)
	}
	for _, f := range u.Files {
		if strings.HasPrefix(f.Path, "metadata/") && string(f.Content) != string(r.roles[roleIn(f.Path)]) {
			t.Errorf("%s is not what is kept", f.Path)
		}
	}

	u = r.direct(r.now) // nothing new: the timestamp alone
	r.want(names(u), "timestamp")
	r.want(paths(u), "metadata/timestamp.json")

	u = r.direct(r.now, tufrepo.Target{Path: offer}) // removed
	r.want(names(u), bin, "snapshot", "timestamp")
	if _, ok, err := tufrepo.Lookup(r.roles[bin], offer); ok || err != nil {
		t.Errorf("still there: %v", err)
	}

	r.roles["targets"] = r.targets(2)
	r.want(names(r.direct(r.now)), "snapshot", "timestamp")
}

func roleIn(path string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(path, "metadata/"), ".json")
	if _, role, ok := strings.Cut(name, "."); ok {
		return role
	}
	return name
}

// TestDirectRenews what ends before the given time, and only that.
func TestDirectRenews(t *testing.T) {
	r := newRepository(t)
	r.direct(r.now)
	r.now = start.Add(24 * time.Hour)
	r.direct(r.now, tufrepo.Target{Path: offer, Content: []byte("one")})
	end := start.Add(sealift.BinsLife)

	r.want(names(r.direct(end)), "timestamp") // ends at that very time: not before
	u := r.direct(end.Add(time.Second))
	own := tufrepo.BinOf(offer)
	others := slices.DeleteFunc(tufrepo.Bins(), func(bin string) bool { return bin == own })
	r.want(names(u), append(others, "snapshot", "timestamp")...)

	// The snapshot alone, when no bin changed with it.
	r = newRepository(t)
	r.direct(r.now)
	snapshot := r.roles["snapshot"]
	r.now = start.Add(24 * time.Hour)
	r.direct(start.AddDate(1, 0, 0))
	old := metadata.Snapshot()
	if _, err := old.FromBytes(snapshot); err != nil {
		t.Fatal(err)
	}
	renewed := metadata.Snapshot()
	if _, err := renewed.FromBytes(r.roles["snapshot"]); err != nil {
		t.Fatal(err)
	}
	r.now = renewed.Signed.Expires.Add(-time.Hour)
	if names := names(r.direct(renewed.Signed.Expires.Add(time.Second))); !slices.Contains(names, "snapshot") {
		t.Errorf("the snapshot was not renewed: %q", names)
	}
}

// TestDirectVersions: every version goes up, and the timestamp names the
// snapshot of now and says when it was issued.
func TestDirectVersions(t *testing.T) {
	r := newRepository(t)
	last := map[string]int64{}
	for n := range 4 {
		r.now = r.now.Add(1500 * time.Millisecond)
		u := r.direct(r.now, tufrepo.Target{Path: offer, Content: fmt.Appendf(nil, "%d", n)})
		for _, role := range u.Roles {
			if role.Version <= last[role.Role] {
				t.Errorf("%s went from %d to %d", role.Role, last[role.Role], role.Version)
			}
			last[role.Role] = role.Version
		}
		var ts metadata.Metadata[metadata.TimestampType]
		if _, err := ts.FromBytes(r.roles["timestamp"]); err != nil {
			t.Fatal(err)
		}
		names := ts.Signed.Meta["snapshot.json"]
		if names.Version != last["snapshot"] || names.VerifyLengthHashes(r.roles["snapshot"]) != nil || len(names.Hashes["sha256"]) == 0 {
			t.Errorf("the timestamp names %+v", names)
		}
		issued, _ := ts.Signed.UnrecognizedFields[tufrepo.Issued].(string)
		if at, err := trust.ParseIssued(issued); err != nil || !at.Equal(r.now.Truncate(time.Second)) {
			t.Errorf("issued %q at %s: %v", issued, r.now, err)
		}
	}
}

func TestDirectRefusals(t *testing.T) {
	broken := errors.New("broken")
	for name, bend := range map[string]func(*repository) ([]tufrepo.Target, tufrepo.Current){
		"trust.json": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			return []tufrepo.Target{{Path: trust.TrustPath, Content: []byte("{}")}}, r.current
		},
		"trust.json removed": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			return []tufrepo.Target{{Path: trust.TrustPath}}, r.current
		},
		"oversize": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			return []tufrepo.Target{{Path: offer, Content: make([]byte, sealift.MaxTarget+1)}}, r.current
		},
		"short timestamp": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.keys.TimestampLife = sealift.MinTimestampLife - 1
			return nil, r.current
		},
		"long timestamp": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.keys.TimestampLife = sealift.MaxTimestampLife + 1
			return nil, r.current
		},
		"no targets.json": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			delete(r.roles, "targets")
			return nil, r.current
		},
		"a bin lost": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			delete(r.roles, "bins-a4")
			return nil, r.current
		},
		"the snapshot lost": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			delete(r.roles, "snapshot")
			return nil, r.current
		},
		"a bin garbled": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles["bins-a4"] = []byte("{")
			return nil, r.current
		},
		"the bin of a change garbled": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles[tufrepo.BinOf(offer)] = []byte(" ")
			return []tufrepo.Target{{Path: offer, Content: []byte("x")}}, r.current
		},
		"the bin of a change changed": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.direct(r.now, tufrepo.Target{Path: offer, Content: []byte("x")})
			r.roles[tufrepo.BinOf(offer)] = bytes.Replace(r.roles[tufrepo.BinOf(offer)], []byte(`"length":1`), []byte(`"length":2`), 1)
			return []tufrepo.Target{{Path: offer, Content: []byte("y")}}, r.current
		},
		"the bin of a change signed by another director": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.keys.Director = sealifttest.NewKey()
			return []tufrepo.Target{{Path: offer, Content: []byte("x")}}, r.current
		},
		"the bin of a change put back": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			before := r.roles[tufrepo.BinOf(offer)]
			r.direct(r.now, tufrepo.Target{Path: offer, Content: []byte("x")})
			r.roles[tufrepo.BinOf(offer)] = before
			return []tufrepo.Target{{Path: offer, Content: []byte("y")}}, r.current
		},
		"the snapshot garbled": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles["snapshot"] = []byte("null-ish")
			return nil, r.current
		},
		"the timestamp garbled": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles["timestamp"] = []byte("[]")
			return nil, r.current
		},
		"another role's timestamp": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles["timestamp"] = r.roles["snapshot"]
			return nil, r.current
		},
		"null for a timestamp": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			r.roles["timestamp"] = []byte("null")
			return nil, r.current
		},
		"a director's key on P-384": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			r.keys.Director = key
			return []tufrepo.Target{{Path: offer, Content: []byte("x")}}, r.current
		},
		"what cannot be read": func(r *repository) ([]tufrepo.Target, tufrepo.Current) {
			return nil, func(string) ([]byte, error) { return nil, broken }
		},
	} {
		r := newRepository(t)
		r.direct(r.now)
		changes, current := bend(r)
		if u, err := tufrepo.Direct(current, changes, r.keys, r.now, r.now); err == nil || u != nil {
			t.Errorf("%s: signed", name)
		}
	}
	r := newRepository(t)
	r.direct(r.now)
	r.keys.Earlier, r.keys.Director = []crypto.PublicKey{r.keys.Director.Public()}, sealifttest.NewKey()
	if _, err := tufrepo.Direct(r.current, []tufrepo.Target{{Path: offer, Content: []byte("x")}}, r.keys, r.now, r.now); err != nil {
		t.Errorf("a director of before: %v", err)
	}
	r = newRepository(t)
	if _, err := tufrepo.Direct(r.current, []tufrepo.Target{{Path: offer, Content: make([]byte, sealift.MaxTarget)}}, r.keys, r.now, r.now); err != nil {
		t.Errorf("as large as allowed: %v", err)
	}
	for _, life := range []time.Duration{sealift.MinTimestampLife, sealift.MaxTimestampLife} {
		r.keys.TimestampLife = life
		if _, err := tufrepo.Direct(r.current, nil, r.keys, r.now, r.now); err != nil {
			t.Errorf("a timestamp's life of %s: %v", life, err)
		}
	}
}

// TestCheckOnline: what was not signed by those who must is found, role by role.
func TestCheckOnline(t *testing.T) {
	r := newRepository(t)
	r.direct(r.now)
	root, targets := r.rootOf(1), r.roles["targets"]
	other := newRepository(t)
	other.direct(other.now)
	for _, role := range []string{"timestamp", "snapshot", "bins-00", "bins-ff"} {
		for name, content := range map[string][]byte{"another's": other.roles[role], "garbled": []byte("{"), "lost": nil} {
			own := r.roles[role]
			r.roles[role] = content
			if err := tufrepo.CheckOnline(root, targets, r.current); err == nil || !strings.Contains(err.Error(), role) {
				t.Errorf("%s %s: %v", role, name, err)
			}
			r.roles[role] = own
		}
	}
	if tufrepo.CheckOnline([]byte("{"), targets, r.current) == nil || tufrepo.CheckOnline(root, []byte("{"), r.current) == nil ||
		tufrepo.CheckOnline(other.rootOf(1), targets, r.current) == nil || tufrepo.CheckOnline(root, other.roles["targets"], r.current) == nil {
		t.Error("checked by another root or targets")
	}
}

// TestKeys: Ed25519, P-256 and RSA sign; other curves are refused, since go-tuf
// would call them P-256.
func TestKeys(t *testing.T) {
	curve := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048) // size is for the ceremony to say
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, c := range map[string]struct {
		key crypto.Signer
		ok  bool
	}{
		"Ed25519": {ed, true}, "P-256": {curve(elliptic.P256()), true}, "RSA": {rsaKey, true},
		"P-384": {curve(elliptic.P384()), false}, "P-521": {curve(elliptic.P521()), false}, "P-224": {curve(elliptic.P224()), false},
	} {
		r := newRepository(t)
		if c.ok {
			r.root, r.keys.Director, r.keys.Snapshot, r.keys.Timestamp = c.key, c.key, c.key, c.key
			r.roles["targets"] = r.targets(1)
			r.direct(r.now) // checks what it signed
			if _, err := tufrepo.CheckRoot(nil, r.rootOf(1)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		good := roleOf(ed)
		for _, bad := range []tufrepo.Root{
			{Version: 1, Root: roleOf(c.key), Targets: good, Snapshot: good, Timestamp: good},
			{Version: 1, Root: good, Targets: good, Snapshot: good, Timestamp: roleOf(c.key)},
		} {
			if _, err := tufrepo.SignRoot(bad, []crypto.Signer{ed}); err == nil {
				t.Errorf("%s in a root was signed for", name)
			}
		}
		if _, err := tufrepo.SignRoot(tufrepo.Root{Version: 1, Root: good, Targets: good, Snapshot: good, Timestamp: good}, []crypto.Signer{c.key}); err == nil {
			t.Errorf("%s signed a root", name)
		}
		if _, err := tufrepo.SignTargets(tufrepo.Targets{Version: 1, Director: roleOf(c.key)}, []crypto.Signer{ed}); err == nil {
			t.Errorf("%s as the director's was signed for", name)
		}
	}
}
