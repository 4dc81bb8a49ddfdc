package sqlite

import (
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store/sqlstore"
)

// dialect is what SQLite has of its own.
var dialect = sqlstore.Dialect{Refusal: refused, Prepare: true, Columns: `
	SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
	WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.rowid, c.cid`}

// refused is dialect.Refusal.
func refused(op string, err error) error {
	var refused *sqlite.Error
	if errors.As(err, &refused) {
		return refusal(op, refused.Code(), err)
	}
	return nil
}

// failure classes an error of SQLite, database/sql or the file system.
func failure(op string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return full(op, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return forbidden(op, err)
	}
	return dialect.Failure(op, err)
}

// refusal classes a result code of SQLite (sqlite.org/rescode.html), of which
// the low byte is the primary one.
func refusal(op string, code int, err error) error {
	switch {
	case isConflict(code):
		return sealift.Errorf(sealift.KindConflict, op, "it is there already: %w", err)
	case code == lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return sealift.Errorf(sealift.KindNotFound, op, "what it belongs to is not there: %w", err)
	case code == lib.SQLITE_IOERR_SHMSIZE:
		return full(op, err) // the one extension of a file that is not reported as FULL
	}
	internal := sealift.Errorf(sealift.KindInternal, op, "%w", err)
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return full(op, err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return internal.WithReason("busy").
			WithHint("another process has been writing to the store for %v; end it, and run one server on a data folder", sealift.StoreBusyTimeout)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return forbidden(op, err)
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return internal.WithReason("corrupt").
			WithHint("the file is damaged or is no store; restore it from a backup, together with what was beside it")
	}
	return internal
}

// isBusy reports whether err says that another connection is at work.
func isBusy(err error) bool {
	var refused *sqlite.Error
	return errors.As(err, &refused) && refused.Code()&0xff == lib.SQLITE_BUSY
}

func isConflict(code int) bool {
	return code == lib.SQLITE_CONSTRAINT_UNIQUE || code == lib.SQLITE_CONSTRAINT_PRIMARYKEY || code == lib.SQLITE_CONSTRAINT_ROWID
}

func full(op string, err error) error {
	return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithReason("disk_full").
		WithHint("make room on the disk that holds the data folder, or raise its quota, and try again")
}

func forbidden(op string, err error) error {
	return sealift.Errorf(sealift.KindInternal, op, "%w", err).
		WithHint("let the user that runs the server write to the data folder")
}
