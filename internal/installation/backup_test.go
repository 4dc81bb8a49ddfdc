package installation_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/sealifttest"
)

// TestBackupWhilePublishing: whatever the moment, every release in a backup has
// its blob, and the backup can be restored.
func TestBackupWhilePublishing(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := d.publish(sealift.Version(fmt.Sprintf("1.0.%d", n))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	newest := sealift.Counter(0)
	for n := range 4 {
		name := fmt.Sprintf("%d.backup", n)
		made, err := d.backUp(name)
		if err != nil {
			t.Error(err)
			break
		}
		got, err := d.verify(name)
		if err != nil || got.Header.State.Releases[app] < newest || got.Manifest.Blobs != got.Manifest.Rows["blobs"] || len(got.Manifest.Missing) > 0 {
			t.Errorf("%d: %+v, %v", n, got, err)
		}
		newest = made.Header.State.Releases[app]
	}
	close(stop)
	publishing.Wait()
	d.lose()
	got, err := installation.Restore(d.Context(), d.restoring("3.backup"))
	d.check(err)
	d.start()
	d.check(d.i.Fresh(d.Context()))
	releases, err := d.api.Releases(d.Context(), app, api.ListReleasesParams{})
	d.check(err)
	if n := len(releases.Releases); n == 0 || sealift.Counter(releases.Releases[0].Counter) != got.Header.State.Releases[app] {
		t.Errorf("%d releases", n)
	}
	for _, r := range releases.Releases {
		if _, err := os.Stat(filepath.Join(d.data(), "public", "blobs", r.Blob.SHA256)); err != nil {
			t.Errorf("counter %d: %v", r.Counter, err)
		}
	}
}

// TestBackupRefusals: what is wrong with a backup or its use is said, and leaves
// nothing behind.
func TestBackupRefusals(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	d.mustBackUp("a.backup")
	good, err := os.ReadFile(filepath.Join(d.dir, "a.backup"))
	d.check(err)
	before := d.names()

	_, err = d.backUp("a.backup")
	d.wantRefusal(err, sealift.KindConflict, "exists")
	_, err = d.backUp("absent/a.backup")
	if sealift.KindOf(err) == "" {
		t.Error("written into a folder that is not there")
	}
	_, err = installation.BackUp(d.Context(), d.T.TempDir(), installation.Backing{})
	if sealift.KindOf(err) != sealift.KindNotFound {
		t.Errorf("of no installation: %v", err)
	}
	cancelled, cancel := context.WithCancel(d.Context())
	cancel()
	_, err = installation.BackUp(cancelled, d.data(), installation.Backing{File: filepath.Join(d.dir, "b.backup"), Recipients: []age.Recipient{d.identity.Recipient()}, By: local, Now: d.now})
	if err == nil {
		t.Error("made a backup after its context ended")
	}

	stranger, err := age.GenerateX25519Identity()
	d.check(err)
	write := func(content []byte) string {
		d.check(os.WriteFile(filepath.Join(d.dir, "bent.backup"), content, 0o600))
		return "bent.backup"
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	other, err := sealifttest.New(d.clock)
	d.check(err)
	for name, c := range map[string]struct {
		content []byte // in place of the good one
		bend    func(*installation.Restoring)
		kind    sealift.Kind
		reason  string
	}{
		"another identity":  {nil, func(r *installation.Restoring) { r.Identities = []age.Identity{stranger} }, sealift.KindSealed, "identity"},
		"another root":      {nil, func(r *installation.Restoring) { r.Root = other.FirstRoot() }, sealift.KindIntegrity, "foreign-root"},
		"a folder in use":   {nil, func(r *installation.Restoring) { r.Data = d.data() }, sealift.KindConflict, "exists"},
		"an absent file":    {nil, func(r *installation.Restoring) { r.File += "x" }, sealift.KindNotFound, ""},
		"another vault's":   {nil, func(r *installation.Restoring) { r.Published = worldTree{other} }, sealift.KindConflict, "foreign-tree"},
		"no published tree": {nil, func(r *installation.Restoring) { r.Published = backup.FolderTree{Store: d.folder(t.TempDir())} }, sealift.KindConflict, "foreign-tree"},
		"no age file":       {[]byte("hello"), nil, sealift.KindInvalid, "format"},
		"an unrelated age":  {d.sealed([]byte("hello")), nil, sealift.KindInvalid, "format"},
		"an empty age":      {d.sealed(nil), nil, sealift.KindInvalid, "format"},
	} {
		r := d.elsewhere("a.backup")
		if c.content != nil {
			r = d.elsewhere(write(c.content))
		}
		if c.bend != nil {
			c.bend(&r)
		}
		_, err := installation.Restore(d.Context(), r)
		if sealift.KindOf(err) != c.kind || sealift.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v (%s/%s), want %s/%s", name, err, sealift.KindOf(err), sealift.ReasonOf(err), c.kind, c.reason)
		}
	}
	for name, content := range map[string][]byte{"a flipped byte": flipped, "cut in the middle": good[:len(good)/2], "cut by a byte": good[:len(good)-1], "something behind": append(bytes.Clone(good), 'x')} {
		_, err := installation.Restore(d.Context(), d.elsewhere(write(content)))
		if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "damaged" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.verify("bent.backup"); sealift.ReasonOf(err) != "damaged" {
			t.Errorf("verify, %s: %v", name, err)
		}
	}
	d.check(os.Remove(filepath.Join(d.dir, "bent.backup")))
	if after := d.names(); after != before {
		t.Errorf("left behind: %s, before %s", after, before)
	}
}

// names lists the folder of the test.
func (d *drill) names() string {
	names, err := fs.Glob(os.DirFS(d.dir), "*")
	d.check(err)
	return strings.Join(names, " ")
}

func (d *drill) folder(dir string) blob.Store {
	folder, err := blob.ReadFolder(dir)
	d.check(err)
	d.Cleanup(func() { folder.Close() })
	return folder
}

// sealed is an age file that the drill's identity opens.
func (d *drill) sealed(content []byte) []byte {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, d.identity.Recipient())
	d.check(err)
	_, err = w.Write(content)
	d.check(err)
	d.check(w.Close())
	return out.Bytes()
}

// TestBackupOfBentRows: what somebody changed in the database is found before it
// is restored.
func TestBackupOfBentRows(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	for name, c := range map[string]struct{ bend, reason string }{
		"entry":     {"UPDATE audit_entries SET leaf = x'00' WHERE position = 5", "log"},
		"timestamp": {"UPDATE metadata SET content = (SELECT content FROM metadata WHERE role = 'snapshot') WHERE role = 'timestamp'", "unsound"},
		"root":      {"UPDATE metadata SET content = CAST(replace(content, 'e', 'f') AS BLOB) WHERE role = 'root'", "unsound"},
		"record":    {"UPDATE vault_seal SET record = x'7b7d'", "seal-record"},
	} {
		from, err := os.ReadFile(filepath.Join(d.data(), "vault.db"))
		d.check(err)
		bent := &drill{bench: &bench{T: t, dir: t.TempDir(), clock: d.clock}, identity: d.identity}
		d.check(os.MkdirAll(filepath.Join(bent.dir, "data", "public"), 0o700))
		d.check(os.CopyFS(filepath.Join(bent.dir, "keys"), os.DirFS(filepath.Join(d.dir, "keys"))))
		d.check(os.WriteFile(filepath.Join(bent.dir, "data", "vault.db"), from, 0o600))
		db, err := sql.Open("sqlite", filepath.Join(bent.dir, "data", "vault.db"))
		d.check(err)
		_, err = db.ExecContext(d.Context(), c.bend)
		d.check(errors.Join(err, db.Close()))
		bent.mustBackUp("a.backup")
		if _, err := bent.verify("a.backup"); sealift.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v (%s)", name, err, sealift.ReasonOf(err))
		}
		if _, err := installation.Restore(d.Context(), bent.elsewhere("a.backup")); sealift.ReasonOf(err) != c.reason {
			t.Errorf("%s, restored: %v", name, err)
		}
	}
}

// elsewhere is a restore to a folder beside the data.
func (d *drill) elsewhere(name string) installation.Restoring {
	r := d.restoring(name)
	r.Data = filepath.Join(d.dir, "restored")
	return r
}

// worldTree is what a world published.
type worldTree struct{ w *sealifttest.World }

func (t worldTree) Open(_ context.Context, path string) (io.ReadCloser, error) {
	content := t.w.File(path)
	if content == nil {
		return nil, sealift.Errorf(sealift.KindNotFound, "reading "+path, "it is not there")
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}
