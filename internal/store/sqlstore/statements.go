package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// prepared are statements by their text, each prepared on every connection that
// it has run on.
type prepared map[string]*sql.Stmt

// prepareAll prepares the queries, and the others given.
func prepareAll(ctx context.Context, db *sql.DB, others ...string) (prepared, error) {
	p := prepared{}
	_, err := sqlcgen.Prepare(ctx, preparer{db, p})
	for i := 0; i < len(others) && err == nil; i++ {
		_, err = preparer{db, p}.PrepareContext(ctx, others[i])
	}
	return p, err
}

// own are the statements that sqlc does not know.
func own() []string {
	all := []string{savepoint, undoSavepoint, releaseSavepoint, auditHashes, hashesFrom, logEnd, capgoDevicesOf, putCapgoOne, putCapgoMany}
	return append(append(all, insertEntries[:]...), insertHashes[:]...)
}

func (p prepared) close() error {
	var errs []error
	for _, statement := range p {
		errs = append(errs, statement.Close())
	}
	return errors.Join(errs...)
}

// preparer keeps what it prepares by its text.
type preparer struct {
	*sql.DB
	into prepared
}

// PrepareContext implements sqlcgen.DBTX.
func (p preparer) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	statement, err := p.DB.PrepareContext(ctx, text)
	if err == nil {
		p.into[text] = statement
	}
	return statement, err
}

// session is what runs the statements of one tx on its connection, and nothing
// any more once it is over.
//
// A transaction that others share outlives the context of each: a statement that
// was broken off would take the others' work with it (SQLite rolls the whole
// transaction back, pgx closes the connection). There a context that has ended is
// noticed before a statement, and never within one. Statements of an Update are
// short, and on PostgreSQL have a deadline.
type session struct {
	inner    *sql.Tx // nil where each statement is by itself
	each     *sql.DB // then
	prepared prepared
	caller   context.Context // that of a shared transaction's caller; nil if it is not shared
	part     *part           // of a shared transaction; nil if it is not shared
	over     atomic.Bool
}

var _ sqlcgen.DBTX = (*session)(nil)

// end lets no more statements through.
func (s *session) end() { s.over.Store(true) }

// under returns the context that a statement is to run under.
func (s *session) under(ctx context.Context) context.Context {
	switch {
	case s.over.Load():
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return ended
	case s.caller == nil, ctx.Err() != nil:
		return ctx
	case s.caller.Err() != nil:
		return s.caller
	}
	return context.WithoutCancel(ctx)
}

// errReads is about a statement that writes, or has to be prepared, outside of a
// transaction.
var errReads = errors.New("it is only for reading")

// statement returns what is prepared for a text, on the session's connection.
func (s *session) statement(ctx context.Context, text string) (*sql.Stmt, bool) {
	statement, ok := s.prepared[text]
	if ok && s.inner != nil {
		statement = s.inner.StmtContext(ctx, statement)
	}
	return statement, ok
}

// on returns what runs what is not prepared.
func (s *session) on() sqlcgen.DBTX {
	if s.inner == nil {
		return s.each
	}
	return s.inner
}

// write is called before a statement that writes, and makes the part's savepoint.
func (s *session) write(ctx context.Context) error {
	if s.inner == nil {
		return errReads
	}
	if s.part == nil || ctx.Err() != nil { // where the statement does not run either
		return nil
	}
	return s.part.save(ctx)
}

// ExecContext implements sqlcgen.DBTX.
func (s *session) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx = s.under(ctx)
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	if statement, ok := s.statement(ctx, text); ok {
		return statement.ExecContext(ctx, args...)
	}
	return s.on().ExecContext(ctx, text, args...)
}

// PrepareContext implements sqlcgen.DBTX. What it returns is to be run by execute.
func (s *session) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	if s.inner == nil {
		return nil, errReads
	}
	return s.inner.PrepareContext(s.under(ctx), text)
}

// execute runs what PrepareContext returned.
func (s *session) execute(ctx context.Context, statement *sql.Stmt, args ...any) error {
	ctx = s.under(ctx)
	if err := s.write(ctx); err != nil {
		return err
	}
	_, err := statement.ExecContext(ctx, args...)
	return err
}

// QueryContext implements sqlcgen.DBTX.
func (s *session) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx = s.under(ctx)
	if statement, ok := s.statement(ctx, text); ok {
		return statement.QueryContext(ctx, args...)
	}
	return s.on().QueryContext(ctx, text, args...)
}

// QueryRowContext implements sqlcgen.DBTX.
func (s *session) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	ctx = s.under(ctx)
	if statement, ok := s.statement(ctx, text); ok {
		return statement.QueryRowContext(ctx, args...)
	}
	return s.on().QueryRowContext(ctx, text, args...)
}
