package installation_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// inDatabase is a store in a schema of the test's cluster.
func inDatabase(dsn string) config.Store {
	return config.Store{Kind: config.StorePostgres, DSN: config.DSN(dsn)}
}

// back restores a backup to a store, beside what was published, and starts the
// server on it.
func (d *drill) back(name, published string, where config.Store) installation.Restored {
	d.Helper()
	tree, err := blob.ReadFolder(published)
	d.check(err)
	defer tree.Close()
	r := d.restoring(name)
	r.Store, r.Published = where, backup.FolderTree{Store: tree}
	got, err := installation.Restore(d.Context(), r)
	d.check(err)
	if !got.Restore.Known || len(got.Losses) > 0 {
		d.Errorf("%+v", got.Resumed)
	}
	d.start()
	d.check(d.i.Fresh(d.Context()))
	return got
}

// TestDrillAcrossStores loses a file, has it come back in a database, loses that,
// and has it come back in a file. Devices never notice.
func TestDrillAcrossStores(t *testing.T) {
	cluster := postgrestest.Start(t)
	t.Cleanup(func() { cluster.Run(t) })
	d := newDrill(t)
	d.mustPublish("1.0.0")
	onOne := d.device()
	d.takes(onOne, "1.0.0")
	d.mustBackUp("lite.backup")
	v2 := d.mustPublish("2.0.0")
	onTwo := d.device() // whom the backup does not know
	d.takes(onTwo, "2.0.0")
	published := d.lose()

	first := cluster.Schema(t)
	d.losesTheDatabase("lite.backup", published, cluster)
	d.comesToNothing("lite.backup", first)
	got := d.back("lite.backup", published, inDatabase(first))
	if len(got.Releases) != 1 || !strings.HasSuffix(got.Releases[0], "2.0.0") {
		t.Errorf("back are %q", got.Releases)
	}
	if names, err := filepath.Glob(filepath.Join(d.data(), "vault.db*")); err != nil || len(names) > 0 {
		t.Errorf("%q, %v", names, err)
	}
	if where, err := config.StoreOf(d.data()); err != nil || where != inDatabase(first) {
		t.Errorf("%v, %v", where.Kind, err)
	}
	v3 := d.mustPublish("3.0.0")
	if v3.Counter <= v2.Counter+1000 {
		t.Errorf("counter %d after %d", v3.Counter, v2.Counter)
	}
	for _, device := range []*client.Device{onOne, onTwo, d.device()} {
		d.takes(device, "3.0.0")
	}
	refused := d.elsewhere("lite.backup")
	refused.Store = inDatabase(first)
	_, err := installation.Restore(d.Context(), refused)
	d.wantRefusal(err, sealift.KindConflict, "locked")

	var made installation.BackedUp
	d.publishMeanwhile("3", func() {
		d.mustBackUp("same.backup") // at the same moment, as where the clock was put back
		made = d.mustBackUp("pg.backup")
	})
	if s, err := d.i.BackupStatus(d.Context()); err != nil || len(s.Backups) != 2 || s.Backups[0].Digest != made.Digest {
		t.Errorf("%+v, %v", s.Backups, err)
	}
	if got, err := d.verify("pg.backup"); err != nil || got.Digest != made.Digest || got.Length != made.Length || got.Manifest.Blobs != got.Manifest.Rows["blobs"] {
		t.Errorf("%s of %d bytes, made was %s of %d: %v", got.Digest, got.Length, made.Digest, made.Length, err)
	}
	published = d.lose()
	_, err = installation.Restore(d.Context(), refused)
	d.wantRefusal(err, sealift.KindConflict, "exists")
	d.back("pg.backup", published, config.Store{})
	v4 := d.mustPublish("4.0.0")
	if v4.Counter <= v3.Counter+1000 {
		t.Errorf("counter %d after %d", v4.Counter, v3.Counter)
	}
	d.takes(onOne, "4.0.0")
	d.takes(onTwo, "4.0.0")
	d.staysUp(onOne, onTwo)
	if verified, err := d.i.CheckLog(d.Context()); err != nil || len(verified.Lost) != 2 {
		t.Errorf("%+v, %v", verified.Lost, err)
	}
}

// publishMeanwhile does something while the server publishes as fast as it can.
func (d *drill) publishMeanwhile(major string, do func()) {
	d.Helper()
	begun, stop := make(chan struct{}), make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := 1; ; n++ {
			if _, err := d.publish(sealift.Version(fmt.Sprintf("%s.0.%d", major, n))); err != nil {
				d.Error(err)
			}
			if n == 1 {
				close(begun)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	<-begun
	defer publishing.Wait()
	defer close(stop)
	do()
}

// comesToNothing tries to restore in vain, in as many ways as there are: neither
// the folder nor a table is there afterwards.
func (d *drill) comesToNothing(name, dsn string) {
	d.Helper()
	good, err := os.ReadFile(filepath.Join(d.dir, name))
	d.check(err)
	bent := func(content []byte) func(*installation.Restoring) {
		path := filepath.Join(d.T.TempDir(), "bent.backup")
		d.check(os.WriteFile(path, content, 0o600))
		return func(r *installation.Restoring) { r.File = path }
	}
	for _, c := range []struct {
		bend   func(*installation.Restoring)
		reason string
	}{
		{bent(good[:len(good)-1]), "damaged"}, // when all rows are there
		{bent(d.rewritten(good, "backup.json", `"schema": `, `"schema": 9`)), "newer-schema"},
		{func(r *installation.Restoring) { r.Store.DSN = "host=/nowhere user=u dbname=d password=secret" }, store.ReasonAway},
	} {
		r := d.restoring(name)
		r.Store = inDatabase(dsn)
		c.bend(&r)
		_, err := installation.Restore(d.Context(), r)
		if sealift.ReasonOf(err) != c.reason || sealift.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
			d.Errorf("%v (%s), want %s", err, sealift.ReasonOf(err), c.reason)
		}
		if _, err := os.Stat(d.data()); err == nil {
			d.Fatalf("%s: there is a data folder", c.reason)
		}
	}
	db, undo, err := postgres.Create(d.Context(), dsn) // which wants no table
	d.check(err)
	d.check(errors.Join(db.Close(), undo(d.Context())))
}

// losesTheDatabase restores into a database that goes away when all rows are in
// it: what nobody could take back, the next restore tells of.
func (d *drill) losesTheDatabase(name, published string, cluster *postgrestest.Cluster) {
	d.Helper()
	r := d.restoring(name)
	r.Store = inDatabase(cluster.Schema(d))
	r.Published = stopping{backup.FolderTree{Store: d.folder(published)}, sync.OnceFunc(func() { cluster.Stop(d) })}
	_, err := installation.Restore(d.Context(), r)
	d.wantRefusal(err, sealift.KindNetwork, store.ReasonAway)
	if _, err := os.Stat(d.data()); err == nil {
		d.Fatal("there is a data folder")
	}
	cluster.Run(d)
	_, err = installation.Restore(d.Context(), r)
	d.wantRefusal(err, sealift.KindConflict, "exists")
	if hint := sealift.HintOf(err); !strings.Contains(hint, "backup restore left there") || !strings.Contains(hint, "DROP SCHEMA") {
		d.Errorf("hint %q", hint)
	}
}

// stopping is a published tree that stops something when it is first asked.
type stopping struct {
	backup.Tree
	stop func()
}

func (s stopping) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	s.stop()
	return s.Tree.Open(ctx, path)
}

// rewritten is a backup in a member of which a text, which must be there, is
// another.
func (d *drill) rewritten(content []byte, member, old, text string) []byte {
	d.Helper()
	opened, err := age.Decrypt(bytes.NewReader(content), d.identity)
	d.check(err)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	found := false
	for r := tar.NewReader(opened); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		d.check(err)
		content, err := io.ReadAll(r)
		d.check(err)
		if h.Name == member {
			found = bytes.Contains(content, []byte(old))
			content = bytes.Replace(content, []byte(old), []byte(text), 1)
			h.Size = int64(len(content))
		}
		d.check(w.WriteHeader(h))
		_, err = w.Write(content)
		d.check(err)
	}
	d.check(w.Close())
	if !found {
		d.Fatalf("%s says no %s", member, old)
	}
	return d.sealed(out.Bytes())
}

// TestNewerBackups: what a later Sealift wrote is told from what is damaged.
func TestNewerBackups(t *testing.T) {
	d := newDrill(t)
	d.mustBackUp("a.backup")
	good, err := os.ReadFile(filepath.Join(d.dir, "a.backup"))
	d.check(err)
	for _, c := range []struct {
		member, old, text string
		kind              sealift.Kind
		reason, hint      string
	}{
		{"backup.json", backup.Format, "sealift/backup/v2", sealift.KindConflict, "newer-format", "use the Sealift that wrote it"},
		{"backup.json", `"schema": `, `"schema": 9`, sealift.KindConflict, "newer-schema", "use the Sealift that made it"},
		{"backup.json", `"schema": `, `"scheme": `, sealift.KindIntegrity, "damaged", "take another copy"},
		{"backup.json", `"vault_seal"`, `"vault_seat"`, sealift.KindIntegrity, "damaged", "take another copy"},
		{"manifest.json", `"apps": 1`, `"apps": 2`, sealift.KindIntegrity, "damaged", "take another copy"},
	} {
		d.check(os.WriteFile(filepath.Join(d.dir, "bent.backup"), d.rewritten(good, c.member, c.old, c.text), 0o600))
		_, verified := d.verify("bent.backup")
		_, restored := installation.Restore(d.Context(), d.elsewhere("bent.backup"))
		for _, err := range []error{verified, restored} {
			if sealift.KindOf(err) != c.kind || sealift.ReasonOf(err) != c.reason || !strings.HasPrefix(sealift.HintOf(err), c.hint) {
				t.Errorf("%s: %v (%s/%s), hint %q", c.text, err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err))
			}
		}
	}
}

// earlier is the schema of a day before channels had rules and plans, and the oldest
// whose apps this program reads, as a backup of it does. Of a day before the log said
// which rows there are, the log is another as well: internal/vault has
// TestRowsOfBefore.
const earlier = 41

// TestEarlierBackup: rows of an earlier schema come back in either store, and are
// brought up to date. Nothing is published before: the log would speak of a
// roll-out, which that schema has no table for.
func TestEarlierBackup(t *testing.T) {
	d := newDrill(t)
	device := d.device()
	d.backUpAt(earlier, "old.backup")
	if got, err := d.verify("old.backup"); err != nil || got.Header.Schema != earlier {
		t.Fatalf("%+v, %v", got.Header, err)
	}
	published := d.lose()
	for n, where := range []config.Store{inDatabase(postgrestest.Start(t).Schema(t)), {}} {
		if n > 0 {
			published = d.lose()
		}
		d.back("old.backup", published, where)
		version := sealift.Version(fmt.Sprintf("2.0.%d", n))
		d.mustPublish(version)
		d.takes(device, version)
		if _, err := d.api.Devices(d.Context(), app, api.ListDevicesParams{}); err != nil {
			t.Errorf("what the earlier schema had no table for: %v", err)
		}
	}
}

// backUpAt writes the backup that a Sealift of an earlier schema would have: what
// its tables have columns for.
func (d *drill) backUpAt(schema int64, name string) {
	d.Helper()
	ctx := d.Context()
	from, err := sqlite.Open(ctx, filepath.Join(d.data(), "vault.db"))
	d.check(err)
	defer from.Close()
	old, err := sqlite.OpenAt(ctx, filepath.Join(d.T.TempDir(), "old.db"), schema)
	d.check(err)
	defer old.Close()
	d.check(old.Update(ctx, func(to store.Tx) error {
		tables, err := to.Tables(ctx)
		if err != nil {
			return err
		}
		return from.View(ctx, func(tx store.Tx) error { return copyKnown(ctx, tx, to, tables) })
	}))
	var content bytes.Buffer
	w, err := backup.NewWriter(&content, []age.Recipient{d.identity.Recipient()}, d.now())
	d.check(err)
	d.check(old.View(ctx, func(tx store.Tx) error { _, err := w.Rows(ctx, tx, "earlier"); return err }))
	d.check(w.Blobs(ctx, d.folder(filepath.Join(d.data(), "public"))))
	_, err = w.Close()
	d.check(err)
	d.check(os.WriteFile(filepath.Join(d.dir, name), content.Bytes(), 0o600))
}

// copyKnown copies the columns that the tables of to have.
func copyKnown(ctx context.Context, from, to store.Tx, tables []store.Table) error {
	all, err := from.Tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		whole := all[slices.IndexFunc(all, func(t store.Table) bool { return t.Name == table.Name })]
		err := from.Rows(ctx, whole, func(values []any) error {
			known := make([]any, len(table.Columns))
			for i, column := range table.Columns {
				known[i] = values[slices.Index(whole.Columns, column)]
			}
			return to.FillRow(ctx, table, known)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
