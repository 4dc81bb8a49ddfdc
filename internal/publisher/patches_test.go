package publisher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/trust"
)

// page is a bundle that is long enough for a patch to be worth it.
func page(version string) fstest.MapFS {
	var text strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		text.WriteByte(byte('a' + r.IntN(26)))
	}
	return fstest.MapFS{"index.html": {Data: []byte("<h1>" + version + "</h1>" + text.String())}}
}

// workshop is a publisher that keeps archives, before a vault that names as bases
// what it is told to.
type workshop struct {
	*testing.T
	*publisher.Publisher
	vault *vault
	epoch *bundle.PrivateKey
	dir   string
	said  strings.Builder
	clock time.Time
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{T: t, vault: newVault(), dir: filepath.Join(t.TempDir(), "archives"), clock: time.Now()}
	w.vault.patches = 2
	w.Publisher, w.epoch = newPublisher(t, w.vault)
	archives, err := publisher.OpenArchives(w.dir)
	check(t, err)
	t.Cleanup(func() { check(t, archives.Close()) })
	w.Archives = archives
	w.Now = func() time.Time { return w.clock }
	w.Note = func(format string, args ...any) { fmt.Fprintf(&w.said, "note: "+format+"\n", args...) }
	w.Warn = func(format string, args ...any) { fmt.Fprintf(&w.said, "warning: "+format+"\n", args...) }
	return w
}

func (w *workshop) identity(files fstest.MapFS) bundle.Identity {
	w.Helper()
	source, err := bundle.OpenSource(files)
	check(w.T, err)
	id, err := source.Digest(w.Context(), nil)
	check(w.T, err)
	return id
}

// names has the vault name the page of a version as a base.
func (w *workshop) names(version string) {
	w.Helper()
	id := w.identity(page(version))
	w.vault.bases = append(w.vault.bases, api.PatchBase{Archive: api.Content{SHA256: id.Digest.String(), Length: id.Length}, Version: version})
}

// publish publishes the page of a version and returns what was signed.
func (w *workshop) publish(version string, bases ...publisher.Former) *trust.Release {
	w.Helper()
	w.vault.asked = nil
	w.said.Reset()
	req := request()
	req.Bundle, req.Bases = page(version), bases
	_, err := w.Publish(w.Context(), req)
	check(w.T, err)
	wantNoFiles(w.T, w.Publisher)
	signed, err := trust.ParseReleaseEnvelope(w.vault.what.Envelope)
	check(w.T, err)
	r, err := trust.ParseRelease(signed.Payload)
	check(w.T, err)
	return r
}

func (w *workshop) wantSaid(want string) {
	w.Helper()
	if got := w.said.String(); want == "" && got != "" || !strings.Contains(got, want) {
		w.Errorf("said %q, want %q", got, want)
	}
}

// wantPatch wants the release to have one patch, which leads from one page to
// another under the release's own content key.
func (w *workshop) wantPatch(r *trust.Release, from, to string) {
	w.Helper()
	patches := r.Patches()
	if len(patches) != 1 {
		w.Fatalf("%d patches; %s", len(patches), w.said.String())
	}
	key, err := bundle.OpenContentKey(w.epoch, r.ContentKey.Sealed, bundle.ContentKeyInfo{App: app, Channel: "production", Epoch: 3, Archive: r.Archive.Digest})
	check(w.T, err)
	older, err := bundle.OpenSource(page(from))
	check(w.T, err)
	base, sealed, got := bundle.Base{Identity: w.identity(page(from)), Archiver: older}, w.vault.blobs[patches[0].Digest], files{}
	if *patches[0].Base != base.Digest {
		w.Errorf("from %s, want %s", patches[0].Base, base.Digest)
	}
	check(w.T, trust.CheckBlob(patches[0], sealift.DigestOf(sealed), int64(len(sealed))))
	check(w.T, bundle.OpenPatch(w.Context(), bytes.NewReader(sealed), base, bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}, app, key, got, nil))
	if want := page(to)["index.html"].Data; got["index.html"].String() != string(want) {
		w.Error("another page came out")
	}
}

// kept returns the archives there are, as the versions of pages.
func (w *workshop) kept(versions ...string) (found []string) {
	w.Helper()
	for _, v := range versions {
		name := filepath.Join(w.dir, string(app), "web", w.identity(page(v)).Digest.String()+".tar")
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if info.Mode() != 0o600 {
			w.Errorf("an archive of mode %v", info.Mode())
		}
		found = append(found, v)
	}
	return found
}

func TestPatchFromArchives(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if r := w.publish("1.0.0"); len(r.Patches()) != 0 {
		t.Errorf("a patch from nothing: %+v", r.Patches())
	}
	wantAsked(t, w.vault, "app", "bases", "reserve", "upload", "submit d1")
	w.wantSaid("")
	w.names("1.0.0")
	r := w.publish("1.1.0")
	wantAsked(t, w.vault, "app", "bases", "reserve", "upload", "upload", "submit d1")
	w.wantPatch(r, "1.0.0", "1.1.0")
	w.wantSaid("")

	// What it has no archive of, it says.
	w.names("0.9.0")
	w.wantPatch(w.publish("1.2.0"), "1.0.0", "1.2.0")
	w.wantSaid("note: no patch from 0.9.0: its archive is not at hand")

	// The same files again have no patch from themselves.
	w.vault.bases = nil
	w.names("1.2.0")
	if r := w.publish("1.2.0"); len(r.Patches()) != 0 {
		t.Errorf("a patch from itself: %+v", r.Patches())
	}
	info, err := os.Stat(w.dir)
	check(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("a folder of mode %v", info.Mode())
	}
}

// Neither kept archives nor older builds: the vault is not asked what to patch from.
func TestNoPatchesUnasked(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.Archives = nil
	w.names("1.0.0")
	w.publish("1.1.0")
	wantAsked(t, w.vault, "app", "reserve", "upload", "submit d1")
	w.wantSaid("")
	if kept, err := os.ReadDir(w.dir); err != nil || len(kept) != 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

func TestPatchFromOlderBuild(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.Archives = nil
	dir := filepath.Join(t.TempDir(), "old")
	check(t, os.CopyFS(dir, page("1.0.0")))
	f, closing, err := publisher.OpenFormer(t.Context(), dir)
	check(t, err)
	defer closing()
	w.names("1.0.0")
	w.wantPatch(w.publish("1.1.0", f, f), "1.0.0", "1.1.0")
	w.wantSaid("")
	if len(w.vault.have) != 1 || w.vault.have[0] != f.Digest {
		t.Errorf("the vault was told of %v", w.vault.have)
	}

	// Its archive does as well.
	source, err := bundle.OpenSource(page("1.0.0"))
	check(t, err)
	var archive bytes.Buffer
	check(t, source.WriteArchive(t.Context(), &archive))
	name := filepath.Join(t.TempDir(), "old.tar")
	check(t, os.WriteFile(name, archive.Bytes(), 0o600))
	again, closed, err := publisher.OpenFormer(t.Context(), name)
	check(t, err)
	defer closed()
	w.wantPatch(w.publish("1.1.0", again), "1.0.0", "1.1.0")

	// One that was changed since, or is gone, costs the patch and not the release.
	for what, spoil := range map[string]func() error{
		"changed": func() error { return os.WriteFile(filepath.Join(dir, "index.html"), []byte("another"), 0o600) },
		"gone":    func() error { return os.RemoveAll(dir) },
	} {
		check(t, spoil())
		if r := w.publish("1.2.0", f); len(r.Patches()) != 0 {
			t.Errorf("%s: %+v", what, r.Patches())
		}
		w.wantSaid("warning: no patch from 1.0.0: ")
	}
	// One that the vault does not name is not tried.
	w.vault.bases = nil
	w.publish("1.2.0", again)
	w.wantSaid("warning: no patch from " + name)
}

func TestOlderBuildRefused(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for name, kind := range map[string]sealift.Kind{
		filepath.Join(empty, "none"): sealift.KindNotFound, empty: sealift.KindInvalid, os.DevNull: sealift.KindInvalid,
	} {
		if _, _, err := publisher.OpenFormer(t.Context(), name); sealift.KindOf(err) != kind || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedArchive(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.publish("1.0.0")
	w.names("1.0.0")
	name := filepath.Join(w.dir, string(app), "web", w.identity(page("1.0.0")).Digest.String()+".tar")
	content, err := os.ReadFile(name)
	check(t, err)
	content[700] ^= 1
	check(t, os.WriteFile(name, content, 0o600))
	if r := w.publish("1.1.0"); len(r.Patches()) != 0 {
		t.Errorf("%+v", r.Patches())
	}
	w.wantSaid("warning: no patch from 1.0.0: ")
	check(t, os.WriteFile(name, content[:700], 0o600)) // as if it were not there
	w.publish("1.1.0")
	w.wantSaid("note: no patch from 1.0.0")
	check(t, os.Remove(name))
	check(t, os.Symlink("/etc/passwd", name))
	w.publish("1.1.0")
	w.wantSaid("note: no patch from 1.0.0")
}

// A patch that is more than half of the whole is not worth what it takes to apply.
func TestWorthlessPatch(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	req := request() // a page of one line
	_, err := w.Publish(t.Context(), req)
	check(t, err)
	id := w.identity(req.Bundle.(fstest.MapFS))
	w.vault.bases = []api.PatchBase{{Archive: api.Content{SHA256: id.Digest.String(), Length: id.Length}, Version: "1.0.0"}}
	if r := w.publish("1.1.0"); len(r.Patches()) != 0 {
		t.Errorf("%+v", r.Patches())
	}
	w.wantSaid("note: no patch from 1.0.0: it would have ")
}

func TestPatchesOfTheApp(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.vault.patches = 0
	w.publish("1.0.0")
	w.wantSaid("note: no patches: com.acme.shop has none")
	wantAsked(t, w.vault, "app", "reserve", "upload", "submit d1")
	if got := w.kept("1.0.0"); got != nil {
		t.Errorf("kept %v for nothing", got)
	}
	w.vault.patches, w.vault.limit = 3, 1<<10
	w.publish("1.0.0")
	w.wantSaid("note: no patches: the archive has ")
	wantAsked(t, w.vault, "app", "reserve", "upload", "submit d1")
}

// What is kept is bounded, and what is in use stays.
func TestArchivesArePruned(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.names("1.0.0")
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("1.%d.0", i))
		w.clock = w.clock.Add(time.Minute)
		if i == 9 {
			w.vault.bases = nil // and so 1.0.0 is not touched any more
		}
		w.publish(all[i])
	}
	other := filepath.Join(w.dir, string(app), "web", "notes.txt")
	check(t, os.WriteFile(other, nil, 0o600))
	if got, want := fmt.Sprint(w.kept(all...)), "[1.0.0 1.4.0 1.5.0 1.6.0 1.7.0 1.8.0 1.9.0]"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	w.clock = w.clock.Add(time.Minute)
	w.publish("1.9.0")
	w.publish("1.10.0")
	if got, want := fmt.Sprint(w.kept(append(all, "1.10.0")...)), "[1.0.0 1.5.0 1.6.0 1.7.0 1.8.0 1.9.0 1.10.0]"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is none of ours: %v", err)
	}
}

// What cannot be kept is said before a version is reserved.
func TestArchivesRefused(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	check(t, os.WriteFile(filepath.Join(w.dir, string(app)), nil, 0o600)) // where a folder should be
	_, err := w.Publish(t.Context(), request())
	wantRefusal(t, err, sealift.KindInvalid, "")
	if sealift.HintOf(err) == "" {
		t.Error("no hint")
	}
	wantAsked(t, w.vault, "app", "bases")
	if _, err := publisher.OpenArchives(filepath.Join(w.dir, string(app), "x")); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
		t.Errorf("a folder in a file: %v", err)
	}
}

// Whatever fails with a patch under way leaves no file behind, and gives the draft up.
func TestPatchLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	for _, older := range []string{"1.0.0", "1.0.1"} {
		w.publish(older)
		w.names(older)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := request()
	req.Bundle = page("1.1.0")
	uploads := 0
	w.vault.upload = func() error {
		if uploads++; uploads > 1 {
			return sealift.Errorf(sealift.KindNetwork, "uploading", "away")
		}
		return nil
	}
	w.vault.asked = nil
	_, err := w.Publish(ctx, req)
	wantRefusal(t, err, sealift.KindNetwork, "")
	wantAsked(t, w.vault, "app", "bases", "reserve", "upload", "upload", "abandon d1")
	wantNoFiles(t, w.Publisher)

	w.Progress = func(stage string, _ int64) (bundle.Progress, func()) {
		if stage == "patching from 1.0.1" { // the first is sealed by then
			cancel()
		}
		return nil, func() {}
	}
	w.vault.asked = nil
	_, err = w.Publish(ctx, req)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after somebody stopped it: %v", err)
	}
	wantAsked(t, w.vault, "app", "bases", "reserve", "abandon d1")
	wantNoFiles(t, w.Publisher)
}
