package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// tx is one transaction. Its methods are in a file for each concern.
type tx struct {
	q       *sqlcgen.Queries
	session *session
	dialect Dialect
	broken  error // what ended it before its time
	inserts map[string]filling
}

// filling is how FillRow fills one table.
type filling struct {
	columns   []string
	statement *sql.Stmt
}

var _ store.Tx = (*tx)(nil)

// fail classes an error of a query; nil stays nil. A database rolls some
// transactions back by itself, as SQLite does for a full disk or an interrupted
// write, and would commit what follows statement by statement. So whatever is
// not about rows ends the transaction here: nothing reaches the connection any
// more.
func (t *tx) fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if t.session.over.Load() {
		err = sql.ErrTxDone
	}
	failed := t.dialect.Failure(op, err)
	switch sealift.KindOf(failed) {
	case sealift.KindNotFound, sealift.KindConflict:
		return failed
	}
	failed = t.dialect.Failure(op, because(ctx, err))
	if t.broken == nil {
		t.broken = failed
	}
	t.session.end()
	return failed
}

// refusable runs a statement that a foreign key or a unique index may refuse,
// so that the transaction is as before if that happens.
func (t *tx) refusable(ctx context.Context, do func() (rows int64, err error)) (rows int64, err error) {
	if !t.dialect.Savepoints {
		return do()
	}
	if _, err := t.session.ExecContext(ctx, "SAVEPOINT refusable"); err != nil {
		return 0, err
	}
	rows, err = do()
	if err != nil {
		// Where this fails as well, so does whatever follows, and the commit.
		_, undo := t.session.ExecContext(ctx, "ROLLBACK TO SAVEPOINT refusable")
		_, release := t.session.ExecContext(ctx, "RELEASE SAVEPOINT refusable")
		if undo != nil || release != nil {
			return 0, fmt.Errorf("%w (after %v)", errors.Join(undo, release), err)
		}
		return 0, err
	}
	_, err = t.session.ExecContext(ctx, "RELEASE SAVEPOINT refusable")
	return rows, err
}

// none gives a statement that counts no rows the form that refusable takes.
func none(err error) (int64, error) { return 0, err }

// added turns the outcome of an insert that does nothing for a row that is
// there into a conflict.
func (t *tx) added(ctx context.Context, op string, rows int64, err error) error {
	if err == nil && rows == 0 {
		return sealift.Errorf(sealift.KindConflict, op, "it is there already")
	}
	return t.fail(ctx, op, err)
}

// changed turns the outcome of an update that changed no row into not found.
func (t *tx) changed(ctx context.Context, op string, rows int64, err error) error {
	if err == nil && rows == 0 {
		err = sql.ErrNoRows
	}
	return t.fail(ctx, op, err)
}

// swapped turns the outcome of an update that wants the row as it was, and that
// changed none, into a conflict, or into not found where read says so.
func (t *tx) swapped(ctx context.Context, op string, rows int64, err error, read func() error) error {
	if err != nil || rows > 0 {
		return t.fail(ctx, op, err)
	}
	if err := read(); err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it has changed meanwhile")
}

// collect converts rows; an error goes past.
func collect[R, S any](rows []R, err error, convert func(R) S) ([]S, error) {
	if err != nil {
		return nil, err
	}
	out := make([]S, len(rows))
	for i, row := range rows {
		out[i] = convert(row)
	}
	return out, nil
}

// beyond is above every number in a row, where the schema refuses it: what is
// asked for with it is not there.
const beyond = math.MaxInt64

func number[N ~uint64](n N) int64 { return int64(min(n, beyond)) }

// most is a LIMIT: SQLite takes a negative one for none at all, and PostgreSQL
// refuses it.
func most(limit int) int64 { return int64(max(limit, 0)) }

func micros(t time.Time) int64 { return t.UnixMicro() }

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// some returns b, or what is not NULL for nil.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// bare returns b, or nil if it is empty.
func bare(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// digest reads a column whose length the schema checks.
func digest(column []byte) (d sealift.Digest) {
	copy(d[:], column)
	return d
}
