package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// inside is a store and the connections below it.
type inside struct {
	*DB
	writer, reader *sql.DB
}

func openHere(t *testing.T) inside {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	writer, reader, err := connect(t.Context(), path, newest)
	if err != nil {
		t.Fatal(err)
	}
	db, err := over(t.Context(), writer, reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return inside{db, writer, reader}
}

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("error %v has kind %q and reason %q, want %q and %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
	if reason != "" && sealift.HintOf(err) == "" {
		t.Errorf("error %v has no hint", err)
	}
}

// TestSettings holds the connections to what the package comment promises.
func TestSettings(t *testing.T) {
	db := openHere(t)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1", "busy_timeout": "10000", "trusted_schema": "0"} {
		if got := pragma(t, db.writer, name); got != want {
			t.Errorf("writer: %s = %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"journal_mode": "wal", "query_only": "1", "busy_timeout": "10000"} {
		if got := pragma(t, db.reader, name); got != want {
			t.Errorf("reader: %s = %s, want %s", name, got, want)
		}
	}
	if got := db.writer.Stats().MaxOpenConnections; got != 1 {
		t.Errorf("%d connections write", got)
	}
}

// TestFullDisk bounds the file in place of the disk.
func TestFullDisk(t *testing.T) {
	db := openHere(t)
	ctx := t.Context()
	set := func(path string, size int) error {
		return db.Update(ctx, func(tx store.Tx) error {
			if err := tx.SetDocument(ctx, path+" before", []byte("x")); err != nil {
				return err
			}
			err := tx.SetDocument(ctx, path, make([]byte, size))
			if err != nil { // fn goes on all the same
				if tx.SetDocument(ctx, path+" after", []byte("x")) == nil {
					t.Error("a write after the disk was full succeeded")
				}
			}
			return nil
		})
	}
	exec(t, db.writer, "PRAGMA max_page_count = "+pragma(t, db.writer, "page_count"))
	wantKind(t, set("p", 1<<20), sealift.KindExhausted, "disk_full")
	exec(t, db.writer, "PRAGMA max_page_count = 100000")
	err := db.View(ctx, func(tx store.Tx) error {
		for _, path := range []string{"p before", "p", "p after"} {
			if _, err := tx.Document(ctx, path); sealift.KindOf(err) != sealift.KindNotFound {
				t.Errorf("%q is there: %v", path, err)
			}
		}
		return nil
	})
	if err := errors.Join(err, set("p", 1<<20)); err != nil {
		t.Error(err)
	}
}

// TestBusy has another process hold the file.
func TestBusy(t *testing.T) {
	db := openHere(t)
	exec(t, db.writer, "PRAGMA busy_timeout = 10")
	var path string
	if err := db.reader.QueryRow("SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	other, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	err = other.Update(t.Context(), func(store.Tx) error {
		wantKind(t, db.Update(t.Context(), func(store.Tx) error { return nil }), sealift.KindInternal, "busy")
		return db.View(t.Context(), func(store.Tx) error { return nil })
	})
	if err := errors.Join(err, other.Close()); err != nil {
		t.Error(err)
	}
	if err := db.Update(t.Context(), func(store.Tx) error { return nil }); err != nil {
		t.Errorf("after the other has ended: %v", err)
	}
}

// What the migration gives an app of before is what a new one has, or its MAC would
// not be that of its row.
func TestAppOfBefore(t *testing.T) {
	db := openHere(t)
	exec(t, db.writer, "INSERT INTO apps (id, device, open_enrolment, created, last_counter, mac) VALUES ('a', 0, 0, 0, 0, x'')")
	err := db.View(t.Context(), func(tx store.Tx) error {
		a, err := tx.App(t.Context(), "a")
		if a.Patches != sealift.DefaultPatches || a.PatchLimit != sealift.DefaultPatchLimit || a.BlastRadius != 0 {
			t.Errorf("%+v", a)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A file of the first schema, with a row of what was there then, becomes one of today.
func TestFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	writer, reader, err := connect(t.Context(), path, 1)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, writer, "INSERT INTO apps (id, device, open_enrolment, created, last_counter) VALUES ('a', 0, 0, 0, 3)")
	exec(t, writer, "INSERT INTO channels VALUES ('a', 'production', 7)")
	exec(t, writer, "INSERT INTO metadata VALUES ('root', 1, 0, x'02')")
	if err := errors.Join(writer.Close(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(tx store.Tx) error {
		a, errApp := tx.App(t.Context(), "a")
		c, errChannel := tx.Channel(t.Context(), "a", "production")
		rows, errRows := tx.OfferedRollbacks(t.Context())
		if len(a.MAC) != 0 || a.Patches != sealift.DefaultPatches || c.Created.UnixMicro() != 7 || len(rows) != 0 {
			t.Errorf("%+v, %+v, %v", a, c, rows)
		}
		return errors.Join(errApp, errChannel, errRows)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailure(t *testing.T) {
	db := openHere(t)
	const apps = "INSERT INTO apps (id, device, open_enrolment, created, last_counter, mac) VALUES "
	exec(t, db.writer, apps+"('a', 0, 0, 0, 0, x'')")
	for statement, want := range map[string]sealift.Kind{
		apps + "('a', 0, 0, 0, 0, x'')":                                       sealift.KindConflict,
		"INSERT INTO audit_entries VALUES (1, x'00'), (1, x'00')":             sealift.KindConflict,
		"INSERT INTO nonces VALUES ('d', 'n', 1), ('d', 'n', 1)":              sealift.KindConflict,
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1)": sealift.KindConflict,
		"INSERT INTO channels VALUES ('b', 'c', 0)":                           sealift.KindNotFound,
		apps + "('c', 0, 0, 0, 9223372036854775807, x'')":                     sealift.KindInternal,
		apps + "('d', 0, 0, 0, NULL, x'')":                                    sealift.KindInternal,
		"INSERT INTO audit_hashes VALUES (0, x'00')":                          sealift.KindInternal,
		"INSERT INTO audit_entries VALUES (1, 'text')":                        sealift.KindInternal,
		`SELECT "text"`: sealift.KindInternal,
	} {
		_, err := db.writer.Exec(statement)
		if err == nil {
			t.Errorf("%s succeeded", statement)
			continue
		}
		wantKind(t, failure("testing", err), want, "")
	}
	_, err := db.reader.Exec("DELETE FROM apps")
	wantKind(t, failure("testing", err), sealift.KindInternal, "")
	for _, c := range []struct {
		err    error
		kind   sealift.Kind
		reason string
	}{
		{sql.ErrNoRows, sealift.KindNotFound, ""},
		{&os.PathError{Op: "mkdir", Path: "/x", Err: syscall.ENOSPC}, sealift.KindExhausted, "disk_full"},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, sealift.KindInternal, ""},
		{context.Canceled, sealift.KindInternal, ""},
		{fmt.Errorf("deep: %w", sealift.Errorf(sealift.KindDenied, "x", "y").WithReason("z").WithHint("h")), sealift.KindDenied, "z"},
	} {
		err := failure("testing", c.err)
		wantKind(t, err, c.kind, c.reason)
		if !errors.Is(err, c.err) && c.err != sql.ErrNoRows {
			t.Errorf("%v does not wrap %v", err, c.err)
		}
	}
}
