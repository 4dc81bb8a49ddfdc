package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store/sqlstore"
)

const (
	op = "opening the store"

	// readers is how many Views run at a time; each has its own page cache.
	readers = 4
	// walLimit is the size in bytes to which the write-ahead log is cut once it
	// has been written back; a long View lets it grow.
	walLimit = 64 << 20
)

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens the store in the file at path and brings its schema up to date. It
// makes the file (mode 0600) and its folder (0700) if they are not there, and
// takes the group's and others' permissions off a file that has some. A file
// that a newer Sealift has migrated is refused with reason "newer-schema".
func Open(ctx context.Context, path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(op, err)
	}
	if err := createFile(path); err != nil {
		return nil, failure(op, err)
	}
	writer, reader, err := connect(ctx, path, newest)
	if err != nil {
		return nil, opening(ctx, err)
	}
	return over(ctx, writer, reader)
}

// OpenAt opens an empty store, as Open does, with the schema that was the newest
// after the migration of that number: what it can do is Tables and FillRow, by
// which a backup of that schema comes back. Open then brings it up to date. A
// number above those that this Sealift knows is refused with reason
// "newer-schema".
func OpenAt(ctx context.Context, path string, schema int64) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(op, err)
	}
	if err := createFile(path); err != nil {
		return nil, failure(op, err)
	}
	writer, reader, err := connect(ctx, path, schema)
	if err != nil {
		return nil, opening(ctx, err)
	}
	bare := dialect
	bare.Prepare = false // queries are those of the newest schema
	db, err := sqlstore.New(ctx, writer, reader, bare)
	if err != nil {
		return nil, opening(ctx, err)
	}
	return &DB{db}, nil
}

// over returns the store over connections.
func over(ctx context.Context, writer, reader *sql.DB) (*DB, error) {
	db, err := sqlstore.New(ctx, writer, reader, dialect)
	if err != nil {
		return nil, opening(ctx, err)
	}
	return &DB{db}, nil
}

// opening classes an error of Open.
func opening(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return failure(op, err)
}

// newest stands for the schema after all migrations.
const newest = math.MaxInt64

// connect opens the connection that writes, brings the schema up to a version,
// and opens those that read.
func connect(ctx context.Context, path string, schema int64) (writer, reader *sql.DB, err error) {
	if writer, err = pool(writerDSN(path), 1); err != nil {
		return nil, nil, err
	}
	if err := migrate(ctx, writer, schema); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	if reader, err = pool(readerDSN(path), readers); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	return writer, reader, nil
}

func pool(dsn string, size int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// createFile makes an empty file, and its folder, and has their names on disk:
// SQLite itself would make it readable for others. What it puts beside the file
// gets the file's mode.
func createFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return tighten(path)
	}
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func tighten(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			if err := os.Chmod(name, mode&0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writerDSN(path string) string {
	return dsn(path, url.Values{
		"_txlock":       {"immediate"}, // or an upgrade from reading could fail halfway
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_pragma": {
			"secure_delete(1)",
			"journal_size_limit(" + strconv.Itoa(walLimit) + ")",
		},
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{"mode": {"ro"}, "_query_only": {"1"}})
}

func dsn(path string, values url.Values) string {
	values.Set("_busy_timeout", strconv.FormatInt(sealift.StoreBusyTimeout.Milliseconds(), 10))
	values.Set("_foreign_keys", "1")
	values.Set("_defensive", "1") // SQL cannot damage the file,
	values.Set("_dqs", "0")       // a misspelt "column" is an error,
	values.Add("_pragma", "trusted_schema(0)")
	values.Set("_error_rc", "1") // and an error's text is of that error
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: values.Encode()}
	return name.String()
}

// migrate brings the schema up to a version. Where another process does so at
// the same time, one of the two fails, and looks again.
func migrate(ctx context.Context, db *sql.DB, schema int64) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, sub,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	// Some of what goose does when the file is new is not in a transaction that
	// waits for its turn.
	patience, cancel := context.WithTimeout(ctx, sealift.StoreBusyTimeout)
	defer cancel()
	for before := int64(-1); ; {
		current, target, err := provider.GetVersions(ctx)
		switch {
		case isBusy(err) && pause(patience):
			continue
		case err != nil:
			return err
		case current > target:
			return newerSchema(current, target)
		case schema != newest && schema > target:
			return newerSchema(schema, target)
		}
		_, err = provider.UpTo(ctx, schema)
		if err == nil || current == before && !(isBusy(err) && pause(patience)) {
			return err
		}
		before = current
	}
}

// pause waits a moment, and reports whether there is patience left.
func pause(patience context.Context) bool {
	select {
	case <-time.After(10 * time.Millisecond):
		return true
	case <-patience.Done():
		return false
	}
}

func newerSchema(current, known int64) error {
	return sealift.Errorf(sealift.KindConflict, "", "the file has schema %d, and this Sealift knows up to %d", current, known).
		WithReason("newer-schema").
		WithHint("run the Sealift that last opened it, or a later one; or restore the backup made before the upgrade")
}
