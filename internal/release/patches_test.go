package release_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// page is a bundle that is long enough for a patch to be shorter.
func page(version string) fstest.MapFS {
	var text strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		text.WriteByte(byte('a' + r.IntN(26)))
	}
	return fstest.MapFS{"index.html": {Data: []byte("<h1>" + version + "</h1>" + text.String())}}
}

// reservePage reserves a version whose bundle is page(version), and uploads that.
func (b *bench) reservePage(version sealift.Version) *work {
	b.Helper()
	w := b.reserve(version)
	b.refill(w, page(string(version)))
	return w
}

func (b *bench) publishPage(version sealift.Version) service.Release {
	b.Helper()
	w := b.reservePage(version)
	b.sign(w)
	r, err := b.submit(w)
	b.check(err)
	return r
}

func (b *bench) source(files fstest.MapFS) (*bundle.Source, bundle.Identity) {
	b.Helper()
	s, err := bundle.OpenSource(files)
	b.check(err)
	id, err := s.Digest(b.Context(), nil)
	b.check(err)
	return s, id
}

// patch makes, and does not upload, the patch from one page to another.
func (b *bench) patch(from, to fstest.MapFS, key bundle.ContentKey) []byte {
	b.Helper()
	older, olderID := b.source(from)
	newer, newerID := b.source(to)
	var dst bytes.Buffer
	_, err := bundle.SealPatch(b.Context(), &dst, bundle.Base{Identity: olderID, Archiver: older}, newer, newerID, b.app, key, nil)
	b.check(err)
	return dst.Bytes()
}

// unread stands for a patch that nobody opens: making one takes half a second with
// the race detector.
var unread = []byte("a patch")

// name has the release of w name a blob as its patch from base, uploaded or not.
func (b *bench) name(w *work, from fstest.MapFS, sealed []byte, upload bool) {
	b.Helper()
	_, id := b.source(from)
	base := id.Digest
	digest := sealift.DigestOf(sealed)
	w.release.Blobs = append(w.release.Blobs, trust.Blob{Kind: trust.BlobPatch, Base: &base, Digest: digest, Length: int64(len(sealed))})
	if upload {
		b.check(b.UploadBlob(b.Context(), alice, b.app, digest, int64(len(sealed)), bytes.NewReader(sealed)))
	}
}

// honest names the patch from page 1.0.0.
func (b *bench) honest(w *work) {
	b.Helper()
	b.name(w, page("1.0.0"), b.patch(page("1.0.0"), page("1.1.0"), w.key), true)
}

func TestPatchIsCertified(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.publishPage("1.0.0")
	w := b.reservePage("1.1.0")
	b.honest(w)
	b.sign(w)
	got, err := b.submit(w)
	b.check(err)
	blob := w.release.Blobs[1]
	want := []service.Patch{{Base: first.Archive.Digest, Blob: service.Content{Digest: blob.Digest, Length: blob.Length}}}
	if !slices.Equal(got.Patches, want) || len(first.Patches) != 0 {
		t.Errorf("patches %v, before %v; want %v", got.Patches, first.Patches, want)
	}
	if blob.Length*4 > got.Blob.Length {
		t.Errorf("%d bytes of patch for %d: there is nothing to it", blob.Length, got.Blob.Length)
	}
	// The base is opened by its own content key, which is in the log twice: when it was
	// published, and now.
	subject, uses := "sha256:"+first.Archive.Digest.String(), 0
	for _, e := range b.entries() {
		if e.Action == "key.use" && e.Subject == subject && e.Details["app"] == string(b.app) {
			uses++
		}
	}
	if uses != 2 {
		t.Errorf("%d entries about the key that opens the base", uses)
	}
}

// countingTree is a published tree that notes how many of some blobs are open at once.
type countingTree struct {
	blob.Store
	mu         sync.Mutex
	keys       []string
	open, most int
}

func (w *countingTree) Open(ctx context.Context, key string) (blob.File, error) {
	file, err := w.Store.Open(ctx, key)
	if err != nil || !slices.Contains(w.keys, key) {
		return file, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	w.most = max(w.most, w.open)
	return countedFile{file, w}, nil
}

type countedFile struct {
	blob.File
	of *countingTree
}

func (f countedFile) Close() error {
	time.Sleep(20 * time.Millisecond) // for another to come in
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	f.of.open--
	return f.File.Close()
}

// Patches are opened one at a time, whoever submits them: memory is bounded. The
// next waits, for as long as its caller does.
func TestPatchesAreOpenedOneByOne(t *testing.T) {
	t.Parallel()
	tree, now := &countingTree{}, func() time.Time { return foundedAt }
	first := newBench(t)
	tree.Store = first.published
	s := release.New(release.Config{Store: first.store, Vault: first.vault, Published: tree, Approvals: approval.New(first.store, first.vault, nil, now), Now: now})
	all := []*bench{first, newBench(t), newBench(t)}
	var works []*work
	for _, b := range all {
		b.Service = s
		b.publishPage("1.0.0")
		w := b.reservePage("1.1.0")
		b.honest(w)
		b.sign(w)
		tree.keys = append(tree.keys, "blobs/"+w.release.Blobs[1].Digest.String())
		works = append(works, w)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	release := s.HoldPatching()
	if _, err := s.Submit(ctx, alice, first.app, works[0].draft.ID, works[0].what); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside another patch: %v", err)
	}
	release()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, b := range all {
		wg.Go(func() { _, errs[i] = b.submit(works[i]) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil || tree.most != 1 {
		t.Errorf("%d patches open at once; %v", tree.most, err)
	}
}

// A patch that is not what it should be is refused as a device would refuse it, or
// sooner, and nothing of it is certified.
func TestPatchRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		bend   func(b *bench, w *work)
		kind   sealift.Kind
		reason string
	}{
		{"a byte of it bent", func(b *bench, w *work) {
			sealed := b.patch(page("1.0.0"), page("1.1.0"), w.key)
			sealed[len(sealed)/2] ^= 1
			b.name(w, page("1.0.0"), sealed, true)
		}, sealift.KindIntegrity, "patch"},
		{"cut short", func(b *bench, w *work) {
			sealed := b.patch(page("1.0.0"), page("1.1.0"), w.key)
			b.name(w, page("1.0.0"), sealed[:len(sealed)-1], true)
		}, sealift.KindIntegrity, "patch"},
		{"no patch", func(b *bench, w *work) { b.name(w, page("1.0.0"), unread, true) }, sealift.KindIntegrity, "patch"},
		{"of another archive", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), b.patch(page("1.0.0"), page("1.1.1"), w.key), true)
		}, sealift.KindIntegrity, "patch"},
		{"from another archive", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), b.patch(page("0.9.9"), page("1.1.0"), w.key), true)
		}, sealift.KindIntegrity, "patch"},
		{"under another key", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), b.patch(page("1.0.0"), page("1.1.0"), bundle.NewContentKey()), true)
		}, sealift.KindIntegrity, "patch"},
		{"the full blob in its place", func(b *bench, w *work) { b.name(w, page("1.0.0"), w.sealed, true) }, sealift.KindInvalid, "patches"},
		{"from what was never released", func(b *bench, w *work) { b.name(w, page("0.9.9"), unread, true) }, sealift.KindNotFound, "base"},
		{"from a release of another app", func(b *bench, w *work) {
			own := b.app
			b.app = b.makeApp(service.AppWeb)
			b.publishElsewhere("0.9.9")
			b.app = own
			b.name(w, page("0.9.9"), unread, true)
		}, sealift.KindNotFound, "base"},
		{"to itself", func(b *bench, w *work) { b.name(w, page("1.1.0"), unread, true) }, sealift.KindInvalid, "patches"},
		{"twice from one archive", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), unread, true)
			b.name(w, page("1.0.0"), unread, true)
		}, sealift.KindInvalid, "patches"},
		{"more than the app has", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), unread, true)
			none := 0
			_, err := b.ChangeApp(b.Context(), alice, b.app, service.AppChange{Patches: &none})
			b.check(err)
		}, sealift.KindInvalid, "patches"},
		{"of an archive that is too long", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), unread, true)
			limit := w.id.Length - 1
			_, err := b.ChangeApp(b.Context(), alice, b.app, service.AppChange{PatchLimit: &limit})
			b.check(err)
		}, sealift.KindInvalid, "patches"},
		{"not uploaded", func(b *bench, w *work) { b.name(w, page("1.0.0"), unread, false) }, sealift.KindNotFound, "blob"},
		{"of another length", func(b *bench, w *work) {
			b.name(w, page("1.0.0"), unread, true)
			w.release.Blobs[1].Length--
		}, sealift.KindIntegrity, "blob-length"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.publishPage("1.0.0")
			w := b.reservePage("1.1.0")
			test.bend(b, w)
			b.sign(w)
			_, err := b.submit(w)
			wantRefusal(t, test.name, err, test.kind, test.reason)
			if sealift.HintOf(err) == "" && test.reason != "blob-length" {
				t.Errorf("no hint: %v", err)
			}
			if all := b.releases(); len(all) != 1 {
				t.Errorf("released %v", all)
			}
		})
	}
}

// publishElsewhere publishes a page in an app that the bench has just turned to.
func (b *bench) publishElsewhere(version sealift.Version) {
	b.Helper()
	own := b.epoch
	b.epoch = b.epochOf(b.app)
	b.publishPage(version)
	b.epoch = own
}

// bases returns the versions that are to be patched from.
func (b *bench) bases(wanted ...sealift.Digest) string {
	b.Helper()
	bases, err := b.PatchBases(b.Context(), b.app, "production", "web", wanted)
	b.check(err)
	var text []string
	for _, base := range bases {
		text = append(text, fmt.Sprintf("%s:%d", base.Version, base.Devices))
	}
	return strings.Join(text, " ")
}

// run has devices report that they run a release.
func (b *bench) run(id string, devices int, version sealift.Version, counter sealift.Counter) {
	b.Helper()
	_, err := vault.Do(b.Context(), b.vault, func(tx *vault.Tx) (none struct{}, err error) {
		for i := range devices {
			d := store.Device{App: b.app, ID: sealift.DeviceID(fmt.Sprintf("%s%d", id, i)), Platform: "web", State: store.DeviceActive, Enrolled: b.clock}
			if d.MAC, err = tx.Authenticate(d); err != nil {
				return none, err
			}
			if err := tx.PutDevice(b.Context(), d); err != nil {
				return none, err
			}
			err = tx.PutDeviceReport(b.Context(), store.DeviceReport{App: d.App, Device: d.ID, Seen: b.clock, Reported: b.clock, Channel: "production", Version: version, Counter: counter})
			if err != nil {
				return none, err
			}
		}
		return none, nil
	})
	b.check(err)
}

func TestPatchBases(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := func(what, bases string, wanted ...sealift.Digest) {
		t.Helper()
		if got := b.bases(wanted...); got != bases {
			t.Errorf("%s: %q, want %q", what, got, bases)
		}
	}
	want("nothing published", "")
	var all []service.Release
	for i := range 6 {
		all = append(all, b.publishPage(sealift.Version(fmt.Sprintf("1.%d.0", i))))
	}
	want("nobody reported", "1.5.0:0 1.4.0:0 1.3.0:0")
	b.run("a", 2, "1.1.0", 2)
	b.run("b", 1, "1.0.0", 1)
	want("devices of old", "1.5.0:0 1.1.0:2 1.0.0:1")
	b.run("c", 1, "1.3.0", 4)
	want("the commonest, and the newest of these", "1.5.0:0 1.1.0:2 1.3.0:1")
	b.run("d", 3, "1.5.0", 6)
	want("the newest runs", "1.5.0:3 1.1.0:2 1.3.0:1")
	want("what the publisher has", "1.2.0:0 1.0.0:1 1.5.0:3", all[2].Archive.Digest, sealift.Digest{9}, all[0].Archive.Digest, all[2].Archive.Digest)

	set := func(patches int, limit int64) {
		t.Helper()
		_, err := b.ChangeApp(t.Context(), alice, b.app, service.AppChange{Patches: &patches, PatchLimit: &limit})
		b.check(err)
	}
	set(5, sealift.DefaultPatchLimit)
	want("five", "1.5.0:3 1.1.0:2 1.3.0:1 1.0.0:1 1.4.0:0")
	set(sealift.MaxPatches, sealift.DefaultPatchLimit)
	want("all", "1.5.0:3 1.1.0:2 1.3.0:1 1.0.0:1 1.4.0:0 1.2.0:0")
	set(5, all[0].Archive.Length-1)
	want("all are too long", "", all[2].Archive.Digest)
	set(0, sealift.DefaultPatchLimit)
	want("none are wanted", "", all[2].Archive.Digest)

	set(3, sealift.DefaultPatchLimit)
	b.clock = b.clock.Add(sealift.FleetSilence + time.Hour)
	want("all devices are silent", "1.5.0:0 1.4.0:0 1.3.0:0")
	_, err := b.PatchBases(t.Context(), b.app, "beta", "web", nil)
	wantRefusal(t, "no such channel", err, sealift.KindNotFound, "channel")
	_, err = b.PatchBases(t.Context(), "com.acme.none", "production", "web", nil)
	wantRefusal(t, "no such app", err, sealift.KindNotFound, "app")
	if bases, err := b.PatchBases(t.Context(), b.app, "production", "ios", nil); err != nil || len(bases) != 0 {
		t.Errorf("another platform: %v, %v", bases, err)
	}
}

// What the vault cannot open it does not certify, and does not ask for.
func TestPatchFromWhatOpensNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.publishPage("1.0.0")
	if got := b.bases(first.Archive.Digest); got != "1.0.0:0" {
		t.Fatalf("%q", got)
	}
	key := vault.Ref{ID: "epoch:" + string(b.app) + "/production", Version: 1}
	turn := func(fn func(context.Context, *vault.Tx) error) {
		t.Helper()
		_, err := vault.Do(t.Context(), b.vault, func(tx *vault.Tx) (none struct{}, err error) { return none, fn(t.Context(), tx) })
		b.check(err)
	}
	turn(func(ctx context.Context, tx *vault.Tx) error {
		_, err := b.TurnEpochs(ctx, tx, release.System("test"), b.app, "test")
		return err
	})
	b.epoch = b.epochOf(b.app)
	if got := b.bases(); got != "1.0.0:0" {
		t.Errorf("after the epoch has turned: %q", got)
	}
	turn(func(ctx context.Context, tx *vault.Tx) error {
		_, err := b.vault.Transition(ctx, tx, key, vault.Deactivated, vault.Destroyed, release.System("test"), "test", b.clock)
		return err
	})
	if got := b.bases(first.Archive.Digest); got != "" {
		t.Errorf("after its key is gone: %q", got)
	}
	w := b.reservePage("1.1.0")
	b.name(w, page("1.0.0"), unread, true)
	w.release.Epoch = trust.EpochRef{Number: 2, PublicKey: b.epoch.Digest()}
	var err error
	w.release.ContentKey.Sealed, err = bundle.SealContentKey(b.epoch, w.key, bundle.ContentKeyInfo{App: b.app, Channel: "production", Epoch: 2, Archive: w.id.Digest})
	b.check(err)
	b.sign(w)
	_, err = b.submit(w)
	wantRefusal(t, "a patch from what opens no more", err, sealift.KindNotFound, "base")
}
