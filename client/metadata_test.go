package client_test

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// machine is a real one with a clock that a test sets.
type machine struct {
	*client.System
	clock func() time.Time
}

func (m *machine) Now() time.Time { return m.clock() }

// repository is a World with a view of its metadata.
type repository struct {
	*testing.T
	world   *sealifttest.World
	url     string
	dir     string
	machine *machine
	seen    *client.Metadata

	mu    sync.Mutex
	asked []string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{T: t, world: w, dir: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, strings.TrimPrefix(in.URL.Path, "/v1/"))
		r.mu.Unlock()
		w.ServeHTTP(out, in)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/v1/"
	r.machine = &machine{client.NewSystem(), w.Now}
	r.open()
	return r
}

// open begins anew, as after a restart.
func (r *repository) open() {
	r.Helper()
	m, err := client.OpenMetadata(client.MetadataConfig{
		URL: r.url + "metadata", TargetsURL: r.url + "targets", Dir: r.dir, Root: r.world.FirstRoot(), Host: r.machine,
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = m.Close() })
	r.seen = m
}

func (r *repository) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *repository) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

func (r *repository) refresh() error { return r.seen.Refresh(r.Context()) }

func (r *repository) refused(err error, kind sealift.Kind, reason string) {
	r.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		r.Errorf("got %q/%q (%v), want %q/%q", sealift.KindOf(err), sealift.ReasonOf(err), err, kind, reason)
	}
}

// all reads what a check reads.
func (r *repository) all() error {
	if err := r.refresh(); err != nil {
		return err
	}
	data, err := r.seen.TopLevel(r.Context(), trust.TrustPath)
	if err != nil {
		return err
	}
	if _, err := trust.ParseTrust(data); err != nil {
		return err
	}
	d := sealifttest.Default
	for _, path := range []string{trust.DenyPath, trust.OfferPath(d.App, d.Channel, d.Platform)} {
		data, err := r.seen.Delegated(r.Context(), path)
		if err != nil {
			return err
		}
		if r.world.File(tufrepo.TargetPath(path, data)) == nil {
			return fmt.Errorf("%s is not what was published: %.50q", path, data)
		}
	}
	return nil
}

// resign changes the published timestamp and signs it by key.
func (r *repository) resign(key crypto.Signer, change func(*metadata.TimestampType)) {
	r.Helper()
	const path = "metadata/timestamp.json"
	m, err := metadata.Timestamp().FromBytes(r.world.File(path))
	r.must(err)
	change(&m.Signed)
	payload, err := cjson.EncodeCanonical(m.Signed)
	r.must(err)
	sig, err := key.Sign(nil, payload, crypto.Hash(0))
	r.must(err)
	public, err := metadata.KeyFromPublicKey(key.Public().(ed25519.PublicKey))
	r.must(err)
	id, err := public.ID()
	r.must(err)
	m.Signatures = []metadata.Signature{{KeyID: id, Signature: sig}}
	data, err := m.ToBytes(false)
	r.must(err)
	r.world.SetFile(path, data)
}

func TestWarmCheck(t *testing.T) {
	r := newRepository(t)
	_, err := r.world.Baseline()
	r.must(err)
	r.must(r.all())
	r.requests()
	for name, before := range map[string]func(){
		"nothing new":              func() {},
		"timestamp signed anew":    func() { r.resign(r.world.Timestamp, func(s *metadata.TimestampType) { s.Version++ }) },
		"in another process":       r.open,
		"other releases are there": func() { _, err := r.world.Prepare(sealifttest.Spec{Version: "9.0.0"}); r.must(err) },
	} {
		before()
		r.must(r.all())
		if asked := r.requests(); len(asked) > 2 {
			t.Errorf("%s: %d requests, want 2 at most: %q", name, len(asked), asked)
		}
	}
}

func TestNothingBeforeRefresh(t *testing.T) {
	r := newRepository(t)
	_, err := r.seen.TopLevel(t.Context(), trust.TrustPath)
	r.refused(err, sealift.KindMetadata, "stale")
	_, err = r.seen.Delegated(t.Context(), trust.DenyPath)
	r.refused(err, sealift.KindMetadata, "stale")
	r.must(r.refresh())
	r.world.SetFile("metadata/timestamp.json", []byte("null"))
	r.refused(r.refresh(), sealift.KindMetadata, "malformed")
	_, err = r.seen.TopLevel(t.Context(), trust.TrustPath)
	r.refused(err, sealift.KindMetadata, "stale")
}

// A clock that falls behind thaws nothing that was seen to be over.
func TestClockBehind(t *testing.T) {
	r := newRepository(t)
	old := r.world.File("metadata/timestamp.json")
	r.world.Advance(10 * 24 * time.Hour)
	r.must(r.world.Direct())
	r.must(r.refresh())
	newest := r.seen.TrustedTime()
	if want := start.Add(10 * 24 * time.Hour); !newest.Equal(want) {
		t.Fatalf("trusted time %s, want %s", newest, want)
	}
	for _, clock := range []time.Time{start, time.Unix(0, 0)} {
		r.machine.clock = func() time.Time { return clock }
		r.must(r.refresh())
		if now := r.seen.Now(); !now.Equal(newest) {
			t.Errorf("by a clock at %s it is %s, want %s", clock, now, newest)
		}
	}
	// Without the cache, the timestamp from back then is expired by now, and
	// older than the newest seen.
	r.must(os.RemoveAll(filepath.Join(r.dir, "timestamp.json")))
	r.world.SetFile("metadata/timestamp.json", old)
	r.refused(r.refresh(), sealift.KindMetadata, "expired")
	// Metadata that stays as it is expires although the clock stands still.
	r.world.Advance(20 * 24 * time.Hour)
	r.must(r.world.Direct())
	r.must(r.refresh())
}

// A clock that was ahead once leaves no trace.
func TestClockAhead(t *testing.T) {
	r := newRepository(t)
	r.must(r.refresh())
	right := r.machine.clock
	r.machine.clock = func() time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }
	r.refused(r.refresh(), sealift.KindMetadata, "expired")
	r.machine.clock = right
	r.must(r.refresh())
	r.open()
	r.must(r.refresh())
}

// A thief of the timestamp's key dates it to 2099. New keys in a new root are
// the way back.
func TestIssuedInTheFuture(t *testing.T) {
	r := newRepository(t)
	r.must(r.refresh())
	far := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	r.resign(r.world.Timestamp, func(s *metadata.TimestampType) {
		s.Version = 1 << 40
		s.Expires = far.AddDate(1, 0, 0)
		s.UnrecognizedFields[tufrepo.Issued] = "2099-01-01T00:00:00Z"
	})
	r.refused(r.refresh(), sealift.KindMetadata, "expired") // all else is over by then
	r.open()
	r.must(r.world.Direct())
	r.refused(r.refresh(), sealift.KindMetadata, "expired")
	r.must(r.world.ReplaceOnlineKeys())
	r.must(r.refresh())
	if now := r.seen.Now(); !now.Equal(start) {
		t.Errorf("it is %s, want %s", now, start)
	}
}

// Not every document with an issued field moves trusted time.
func TestIssuedRefused(t *testing.T) {
	for name, issued := range map[string]any{
		"missing": nil, "no text": 12, "after its own expiry": "2027-01-01T00:00:00Z", "another form": "2026-03-01T13:00:00+01:00", "fraction": "2026-03-01T12:00:00.5Z",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t)
			r.must(r.refresh())
			good := r.world.File("metadata/timestamp.json")
			before := r.stored()
			r.resign(r.world.Timestamp, func(s *metadata.TimestampType) {
				s.Version++
				s.UnrecognizedFields[tufrepo.Issued] = issued
				if issued == nil {
					delete(s.UnrecognizedFields, tufrepo.Issued)
				}
			})
			r.refused(r.refresh(), sealift.KindMetadata, "malformed")
			if diff := cmp.Diff(before, r.stored()); diff != "" {
				t.Errorf("something was stored:\n%s", diff)
			}
			r.world.SetFile("metadata/timestamp.json", good)
			r.must(r.refresh())
		})
	}
	t.Run("unsigned", func(t *testing.T) {
		r := newRepository(t)
		r.must(r.refresh())
		before := r.stored()
		r.resign(sealifttest.NewKey(), func(s *metadata.TimestampType) {
			s.Version++
			s.UnrecognizedFields[tufrepo.Issued] = "2026-03-02T00:00:00Z"
		})
		r.refused(r.refresh(), sealift.KindMetadata, "unsigned")
		if diff := cmp.Diff(before, r.stored()); diff != "" {
			t.Errorf("something was stored:\n%s", diff)
		}
	})
}

// stored returns what is on the disk, but for the targets.
func (r *repository) stored() map[string]string {
	r.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(r.dir)
	r.must(err)
	for _, e := range entries {
		if !e.IsDir() {
			data, err := os.ReadFile(filepath.Join(r.dir, e.Name()))
			r.must(err)
			files[e.Name()] = string(data)
		}
	}
	return files
}

func TestFastForward(t *testing.T) {
	r := newRepository(t)
	_, err := r.world.Baseline()
	r.must(err)
	r.must(r.all())
	r.must(r.world.FastForward())
	r.must(r.all())
	if !strings.Contains(r.stored()["memory"], "bins-") {
		t.Fatal("no bin is remembered")
	}
	// The keys stay, the versions fall, and the cache is gone.
	for name := range r.stored() {
		if name != "memory" {
			r.must(os.RemoveAll(filepath.Join(r.dir, name)))
		}
	}
	r.resign(r.world.Timestamp, func(s *metadata.TimestampType) { s.Version = 5 })
	r.refused(r.refresh(), sealift.KindMetadata, "rollback")
	r.must(r.world.ReplaceOnlineKeys())
	r.must(r.all())
	_, err = r.world.Publish(sealifttest.Spec{Version: "1.1.0"})
	r.must(err)
	r.must(r.all())
}

// The memory holds a bin that was seen to its version even if the cache is
// lost and the snapshot's own version goes on.
func TestBinRollback(t *testing.T) {
	r := newRepository(t)
	_, err := r.world.Baseline()
	r.must(err)
	r.must(r.all())
	d := sealifttest.Default
	bin := tufrepo.BinOf(trust.OfferPath(d.App, d.Channel, d.Platform))
	var memory client.Memory
	path := filepath.Join(r.dir, "memory")
	data, err := os.ReadFile(path)
	r.must(err)
	r.must(json.Unmarshal(data, &memory))
	if memory.Snapshot.Versions[bin] == 0 {
		t.Fatalf("%s is not remembered: %s", bin, data)
	}
	memory.Snapshot.Versions[bin]++
	data, err = json.Marshal(memory)
	r.must(err)
	r.must(os.WriteFile(path, data, 0o600))
	r.refused(r.refresh(), sealift.KindMetadata, "rollback")
	_, err = r.world.Publish(sealifttest.Spec{Version: "1.1.0"})
	r.must(err)
	r.must(r.all())
}

func TestMemoryDamaged(t *testing.T) {
	for _, content := range []string{"", "null", "{", `{"root":1,"root":2}`} {
		r := newRepository(t)
		r.must(r.refresh())
		r.must(os.WriteFile(filepath.Join(r.dir, "memory"), []byte(content), 0o600))
		r.refused(r.refresh(), sealift.KindInternal, "damaged")
	}
}

// Cached metadata and targets that are damaged come back from the network.
func TestCacheDamaged(t *testing.T) {
	for what, content := range map[string]string{"empty": "", "garbage": "\xff\x00", "null": "null"} {
		t.Run(what, func(t *testing.T) {
			r := newRepository(t)
			_, err := r.world.Baseline()
			r.must(err)
			r.must(r.all())
			var damaged int
			r.must(filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() || d.Name() == "memory" {
					return err
				}
				damaged++
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					return err
				}
				r.open()
				return r.all()
			}))
			if damaged < 9 {
				t.Errorf("only %d files were damaged", damaged)
			}
		})
	}
}

// The root that an app brings counts on its first run, and later only if it is
// newer than the newest one found since.
func TestEmbeddedRoot(t *testing.T) {
	r := newRepository(t)
	r.must(r.refresh())
	r.must(r.world.RotateRoot(func() {}))
	r.must(r.refresh())
	r.requests()
	r.must(r.refresh())
	if asked := r.requests(); asked[0] != "metadata/3.root.json" {
		t.Errorf("asked for %s first", asked[0])
	}
	for _, bad := range []string{"", "null", "{}"} {
		_, err := client.OpenMetadata(client.MetadataConfig{URL: r.url, Dir: t.TempDir(), Root: []byte(bad), Host: r.machine})
		r.must(err)
	}
	m, err := client.OpenMetadata(client.MetadataConfig{URL: r.url, Dir: t.TempDir(), Root: []byte("{}"), Host: r.machine})
	r.must(err)
	r.refused(m.Refresh(t.Context()), sealift.KindMetadata, "root")
	m, err = client.OpenMetadata(client.MetadataConfig{URL: r.url, Dir: t.TempDir(), Host: r.machine})
	r.must(err)
	r.refused(m.Refresh(t.Context()), sealift.KindMetadata, "root")
	// An app brings root 2 over a cache that has root 1.
	other := newRepository(t)
	other.must(other.refresh())
	other.must(other.world.RotateRoot(func() {}))
	m, err = client.OpenMetadata(client.MetadataConfig{
		URL: other.url + "metadata", Dir: other.dir, Root: other.world.File("metadata/2.root.json"), Host: other.machine,
	})
	other.must(err)
	other.requests()
	other.must(m.Refresh(t.Context()))
	if asked := other.requests(); asked[0] != "metadata/3.root.json" {
		t.Errorf("asked for %s first", asked[0])
	}
}
