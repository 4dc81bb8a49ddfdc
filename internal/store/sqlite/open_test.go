package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/store/storetest"
)

func setDocument(t *testing.T, db *sqlite.DB, content string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx store.Tx) error { return tx.SetDocument(t.Context(), "p", []byte(content)) })
	if err != nil {
		t.Fatal(err)
	}
}

func document(t *testing.T, db *sqlite.DB) (content string) {
	t.Helper()
	err := db.View(t.Context(), func(tx store.Tx) error {
		c, err := tx.Document(t.Context(), "p")
		content = string(c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
	} else if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "vault.db")
	db := open(t, path)
	setDocument(t, db, "x")
	wantMode(t, filepath.Dir(dir), 0o700)
	wantMode(t, dir, 0o700)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		wantMode(t, path+suffix, 0o600)
		if err := os.Chmod(path+suffix, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody loosened them while the server was running, or killed.
	_ = open(t, path)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		wantMode(t, path+suffix, 0o600)
	}
}

// TestPaths opens paths that mean something in a URI.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "a?mode=memory", "a#b", "a%20b", "ä&_pragma=x", "file:c.db", ":memory:"} {
		path := filepath.Join(dir, name)
		setDocument(t, open(t, path), name)
		if got := document(t, open(t, path)); got != name {
			t.Errorf("%q holds %q", path, got)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	t.Chdir(dir)
	setDocument(t, open(t, "relative.db"), "x")
	if _, err := os.Stat(filepath.Join(dir, "relative.db")); err != nil {
		t.Error(err)
	}
}

// TestOpenTogether has a new store opened by several at once, as by a server and
// by a command beside it.
func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				if _, err := storetest.AppendCounted(db); err != nil {
					t.Error(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := storetest.CheckWritten(t, open(t, path), 20); got != 20 {
		t.Errorf("%d entries, want 20", got)
	}
}

func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func wantRefused(t *testing.T, path string, kind sealift.Kind, reason, hint string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path)
	if err == nil {
		t.Fatalf("%s was opened: %v", path, db.Close())
	}
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || !strings.Contains(sealift.HintOf(err), hint) {
		t.Errorf("error %q: kind %q, reason %q, hint %q", err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err))
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a refused file was changed (%v)", err)
	}
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	wantRefused(t, path, sealift.KindConflict, "newer-schema", "later")
	raw(t, path, "DELETE FROM goose_db_version WHERE version_id = 999")
	setDocument(t, open(t, path), "x")
}

func TestNoStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, sealift.KindInternal, "corrupt", "backup")
	if _, err := sqlite.Open(t.Context(), dir); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(path, "below")); err == nil {
		t.Error("a file below a file was opened")
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "vault.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Open: %v", err)
	}
}

// TestDeletedIsGone looks for a deleted secret in the bytes of the file.
func TestDeletedIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	secret := bytes.Repeat([]byte("a wrapped secret "), 1000)
	db := open(t, path)
	change := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	change(func(tx store.Tx) error { return tx.InsertSecret(t.Context(), "s", secret) })
	change(func(tx store.Tx) error { return tx.SetVaultSeal(t.Context(), secret[:300]) })
	reopen := func() []byte {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		db = open(t, path)
		return content
	}
	if !bytes.Contains(reopen(), secret[:100]) {
		t.Fatal("a secret that is there cannot be found")
	}
	change(func(tx store.Tx) error { return tx.DeleteSecret(t.Context(), "s") })
	change(func(tx store.Tx) error { return tx.SetVaultSeal(t.Context(), []byte("other")) })
	if bytes.Contains(reopen(), secret[:20]) {
		t.Error("a deleted secret is still in the file")
	}
}
