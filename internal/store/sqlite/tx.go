package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite/sqlcgen"
)

// tx is one transaction. Its methods are in a file for each concern.
type tx struct {
	q      *sqlcgen.Queries
	inner  *sql.Tx
	broken error // what ended it before its time
}

var _ store.Tx = (*tx)(nil)

// fail classes an error of a query; nil stays nil. SQLite rolls some
// transactions back by itself, as for a full disk or an interrupted write, and
// would commit what follows statement by statement. So whatever is not about
// rows ends the transaction here: nothing reaches the connection any more.
func (t *tx) fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if isAboutRows(err) {
		return failure(op, err)
	}
	err = failure(op, because(ctx, err))
	if t.broken == nil {
		t.broken = err
	}
	_ = t.inner.Rollback() // there may be nothing left to roll back
	return err
}

func isAboutRows(err error) bool {
	var refused *sqlite.Error
	if errors.As(err, &refused) {
		return isConflict(refused.Code()) || refused.Code() == lib.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return errors.Is(err, sql.ErrNoRows)
}

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

// most is a LIMIT: SQLite takes a negative one for none at all.
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
