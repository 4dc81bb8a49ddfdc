package publisher_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	v := newVault()
	p, epoch := newPublisher(t, v)
	stages := map[string]int64{}
	p.Progress = func(stage string, total int64) (bundle.Progress, func()) {
		return func(done, _ int64) { stages[stage] = total - done }, func() { stages[stage+" ended"]++ }
	}
	_, err := p.Publish(t.Context(), request())
	check(t, err)
	wantAsked(t, v, "app", "reserve", "upload", "submit d1")
	wantNoFiles(t, p)
	if diff := cmp.Diff(map[string]int64{"reading": 0, "reading ended": 1, "sealing": 0, "sealing ended": 1, "uploading": 0, "uploading ended": 1}, stages); diff != "" {
		t.Error(diff)
	}

	// What was submitted is signed by the key of the request, and opens.
	csr, err := x509.ParseCertificateRequest(v.what.CSR)
	check(t, err)
	check(t, csr.CheckSignature())
	if len(csr.Subject.Names) != 0 || len(csr.Extensions) != 0 {
		t.Errorf("the request asks for %v %v", csr.Subject, csr.Extensions)
	}
	signed, err := trust.ParseReleaseEnvelope(v.what.Envelope)
	check(t, err)
	check(t, signed.VerifiedBy(csr.PublicKey))
	r, err := trust.ParseRelease(signed.Payload)
	check(t, err)
	if r.Counter != 7 || r.Vault != sealift.VaultID(v.draft.Vault) || r.Epoch.Number != 3 || r.Epoch.PublicKey != epoch.Public().Digest() || r.Act != sealift.ActRelease {
		t.Errorf("%+v", r)
	}
	check(t, trust.CheckBlob(r.Full(), sealift.DigestOf(v.blob), int64(len(v.blob))))
	key, err := bundle.OpenContentKey(epoch, r.ContentKey.Sealed, bundle.ContentKeyInfo{App: app, Channel: "production", Epoch: 3, Archive: r.Archive.Digest})
	check(t, err)
	got := files{}
	check(t, bundle.Open(t.Context(), bytes.NewReader(v.blob), bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}, app, key, got, nil))
	if len(got) != 1 || got["index.html"].String() != "<h1>1.0.0</h1>" {
		t.Errorf("opened %v", got)
	}

	// Each release has a leaf key and a content key of its own.
	before := v.what
	_, err = p.Publish(t.Context(), request())
	check(t, err)
	if bytes.Equal(before.CSR, v.what.CSR) || bytes.Equal(before.Envelope, v.what.Envelope) {
		t.Error("a key was used twice")
	}
}

func TestRefusedEarly(t *testing.T) {
	t.Parallel()
	native := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00>\x00")
	for name, bundle := range map[string]fs.FS{
		"native code": fstest.MapFS{"index.html": {}, "a.js": {Data: native}},
		"no page":     fstest.MapFS{"main.js": {}},
		"a link":      fstest.MapFS{"index.html": {}, "l": {Mode: fs.ModeSymlink}},
		"nothing":     fstest.MapFS{},
	} {
		v := newVault()
		p, _ := newPublisher(t, v)
		req := request()
		req.Bundle = bundle
		if _, err := p.Publish(t.Context(), req); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, sealift.HintOf(err))
		}
		for _, asked := range v.asked {
			if asked != "app" {
				t.Errorf("%s: the vault was asked to %s", name, asked)
			}
		}
	}
	v := newVault()
	v.kind = "device"
	p, _ := newPublisher(t, v)
	req := request()
	req.Bundle = fstest.MapFS{"firmware": {Data: native}}
	_, err := p.Publish(t.Context(), req)
	check(t, err)
}

// TestChangedWhilePublishing: a build that still writes between the two passes
// ends the publish, and nothing of it is uploaded.
func TestChangedWhilePublishing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{"other bytes": "<h1>1.0.1</h1>", "longer": "<h1>1.0.0</h1>\n", "shorter": "<h1>1</h1>"} {
		v := newVault()
		p, _ := newPublisher(t, v)
		req := request()
		page := req.Bundle.(fstest.MapFS)["index.html"]
		p.Progress = func(stage string, _ int64) (bundle.Progress, func()) {
			return nil, func() {
				if stage == "reading" {
					page.Data = []byte(change)
				}
			}
		}
		_, err := p.Publish(t.Context(), req)
		wantRefusal(t, err, sealift.KindConflict, "changed")
		if sealift.HintOf(err) == "" {
			t.Errorf("%s: no hint", name)
		}
		wantAsked(t, v, "app", "reserve", "abandon d1")
		wantNoFiles(t, p)
	}
}

func TestWhenTheVaultFails(t *testing.T) {
	t.Parallel()
	lost := sealift.Errorf(sealift.KindNetwork, "submitting", "connection lost")
	no := sealift.Errorf(sealift.KindVersion, "submitting", "not newer").WithReason("not-newer")

	v := newVault() // the answer got lost once: asked again, the same is submitted
	p, _ := newPublisher(t, v)
	var first api.Submission
	v.submit = func(call int) error {
		if call == 1 {
			first = v.what
			return lost
		}
		return nil
	}
	_, err := p.Publish(t.Context(), request())
	check(t, err)
	if !bytes.Equal(first.Envelope, v.what.Envelope) || !bytes.Equal(first.CSR, v.what.CSR) {
		t.Error("another release was submitted the second time")
	}
	wantAsked(t, v, "app", "reserve", "upload", "submit d1", "submit d1")

	v = newVault()
	p, _ = newPublisher(t, v)
	v.submit = func(int) error { return lost }
	_, err = p.Publish(t.Context(), request())
	wantRefusal(t, err, sealift.KindNetwork, "")

	v = newVault()
	p, _ = newPublisher(t, v)
	v.submit = func(int) error { return no }
	_, err = p.Publish(t.Context(), request())
	wantRefusal(t, err, sealift.KindVersion, "not-newer")
	wantAsked(t, v, "app", "reserve", "upload", "submit d1", "abandon d1")

	v = newVault() // it is signed, and will be visible by itself
	p, _ = newPublisher(t, v)
	v.submit = func(int) error {
		return sealift.Errorf(sealift.KindExhausted, "writing", "disk full").WithReason("unwritten")
	}
	_, err = p.Publish(t.Context(), request())
	wantRefusal(t, err, sealift.KindExhausted, "unwritten")
	wantAsked(t, v, "app", "reserve", "upload", "submit d1")

	v = newVault()
	p, _ = newPublisher(t, v)
	v.upload = func() error { return errors.New("away") }
	if _, err := p.Publish(t.Context(), request()); err == nil {
		t.Error("published without its blob")
	}
	wantAsked(t, v, "app", "reserve", "upload", "abandon d1")
	wantNoFiles(t, p)

	// Interrupted: the draft is given up all the same.
	v = newVault()
	p, _ = newPublisher(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	v.upload = func() error { cancel(); return ctx.Err() }
	if _, err := p.Publish(ctx, request()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantAsked(t, v, "app", "reserve", "upload", "abandon d1")
	if v.canceled {
		t.Error("what tidies up was canceled, too")
	}

	v = newVault()
	p, _ = newPublisher(t, v)
	p.TempDir = filepath.Join(p.TempDir, "absent")
	_, err = p.Publish(t.Context(), request())
	wantRefusal(t, err, sealift.KindInvalid, "")
	wantAsked(t, v, "app", "reserve", "abandon d1")

	v = newVault()
	v.draft.Vault = "nonsense"
	p, _ = newPublisher(t, v)
	if _, err := p.Publish(t.Context(), request()); err == nil {
		t.Error("published for a vault without a name")
	}
}

// repository is a server that publishes one channel's epoch.
type repository struct {
	*sealifttest.World
	server *httptest.Server
	mu     sync.Mutex
	swap   func(path string, content []byte) []byte // what an attacker answers
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	w, err := sealifttest.New(time.Now())
	check(t, err)
	_, err = w.Publish(sealifttest.Spec{Version: "1.0.0"})
	check(t, err)
	r := &repository{World: w}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *repository) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	path := strings.TrimPrefix(in.URL.Path, "/v1/")
	content := r.File(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.swap != nil {
		content = r.swap(path, content)
	}
	if content == nil {
		http.NotFound(out, in)
		return
	}
	_, _ = out.Write(content)
}

func (r *repository) attack(swap func(path string, content []byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.swap = swap
}

func (r *repository) epochs(dir string) *publisher.Metadata {
	return &publisher.Metadata{Base: r.server.URL + "/", Root: sealift.DigestOf(r.FirstRoot()), CacheDir: dir, Host: client.NewSystem()}
}

func TestEpochIsVerified(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	dir := t.TempDir()
	epoch, err := r.epochs(dir).Epoch(t.Context(), app, "production")
	check(t, err)
	if epoch.Number != 1 || len(epoch.PublicKey) == 0 {
		t.Errorf("%+v", epoch)
	}
	_, err = r.epochs(dir).Epoch(t.Context(), app, "beta")
	wantRefusal(t, err, sealift.KindNotFound, "channel")
	if sealift.HintOf(err) == "" {
		t.Error("no hint")
	}

	// The server swaps the epoch for one whose key it holds.
	made, err := bundle.GenerateKey(bundle.DefaultSuite)
	check(t, err)
	pub := made.Public()
	own, err := (&trust.Epoch{App: app, Channel: "production", Number: 1, KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes}).Encode()
	check(t, err)
	r.attack(func(path string, content []byte) []byte {
		if strings.HasSuffix(path, ".epoch.json") {
			return own
		}
		return content
	})
	for name, cache := range map[string]string{"new": t.TempDir(), "that was here before": dir} {
		epoch, err := r.epochs(cache).Epoch(t.Context(), app, "production")
		switch {
		case err == nil && bytes.Equal(epoch.PublicKey, pub.Bytes):
			t.Errorf("a publisher %s takes the server's own key", name)
		case err != nil && sealift.KindOf(err) != sealift.KindMetadata:
			t.Errorf("a publisher %s: %v", name, err)
		case err == nil && cache != dir:
			t.Errorf("a publisher %s got %+v from nowhere", name, epoch)
		}
	}
	// Old metadata in place of the new is refused, too.
	before := r.Files()
	r.attack(nil)
	check(t, r.Renew())
	_, err = r.epochs(dir).Epoch(t.Context(), app, "production")
	check(t, err)
	r.attack(func(path string, content []byte) []byte { return before[path] })
	if _, err = r.epochs(dir).Epoch(t.Context(), app, "production"); sealift.KindOf(err) != sealift.KindMetadata {
		t.Errorf("replayed metadata: %v", err)
	}
}

func TestRootIsPinned(t *testing.T) {
	t.Parallel()
	r, other := newRepository(t), newRepository(t)
	dir := t.TempDir()
	mine := r.epochs(dir)
	mine.Root = sealift.DigestOf(other.FirstRoot())
	_, err := mine.Epoch(t.Context(), app, "production")
	wantRefusal(t, err, sealift.KindMetadata, "root")
	if err == nil || !strings.Contains(err.Error(), mine.Root.String()) || sealift.HintOf(err) == "" {
		t.Errorf("it does not name the pin: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a refused root was kept: %v, %v", left, err)
	}

	// What somebody puts into the cache is held to the pin, too.
	mine = r.epochs(dir)
	kept := filepath.Join(dir, mine.Root.String()+".root.json")
	check(t, os.WriteFile(kept, other.FirstRoot(), 0o600))
	_, err = mine.Epoch(t.Context(), app, "production")
	check(t, err)
	if data, err := os.ReadFile(kept); err != nil || !bytes.Equal(data, r.FirstRoot()) {
		t.Errorf("the cache holds something else still (%v)", err)
	}
	// From there on the server need not have the first root any more.
	r.attack(func(path string, content []byte) []byte {
		if path == "metadata/1.root.json" {
			return nil
		}
		return content
	})
	_, err = mine.Epoch(t.Context(), app, "production")
	check(t, err)
	fresh := r.epochs(t.TempDir())
	_, err = fresh.Epoch(t.Context(), app, "production")
	wantRefusal(t, err, sealift.KindNetwork, "")
	r.attack(func(_ string, content []byte) []byte { return bytes.Repeat([]byte("x"), sealift.MaxRoot+1) })
	_, err = fresh.Epoch(t.Context(), app, "production")
	wantRefusal(t, err, sealift.KindMetadata, "root")
	r.server.Close()
	_, err = fresh.Epoch(t.Context(), app, "production")
	wantRefusal(t, err, sealift.KindNetwork, "")
}

// TestWaits: what the vault took and does not publish yet is neither published
// nor given up.
func TestWaits(t *testing.T) {
	v := newVault()
	v.waits = true
	p, _ := newPublisher(t, v)
	d, err := p.Submit(t.Context(), request())
	if err != nil || d.Release != nil || d.State != api.DraftStateSubmitted {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := p.Publish(t.Context(), request()); sealift.ReasonOf(err) != publisher.ReasonWaiting || sealift.HintOf(err) == "" {
		t.Errorf("published what waits: %v", err)
	}
	if slices.ContainsFunc(v.asked, func(call string) bool { return strings.HasPrefix(call, "abandon") }) {
		t.Errorf("it was given up: %q", v.asked)
	}
}
