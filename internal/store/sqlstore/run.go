package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// pool is connections of one sort.
type pool struct {
	db       *sql.DB
	prepared prepared
	options  *sql.TxOptions
	lock     string // Dialect.Lock, or nothing
}

func (p pool) close() error { return errors.Join(p.prepared.close(), p.db.Close()) }

// exec runs a statement without a result, which the end of ctx does not break
// off.
func (p pool) exec(ctx context.Context, inner *sql.Tx, text string, args ...any) error {
	s := session{inner: inner, prepared: p.prepared}
	_, err := s.ExecContext(context.WithoutCancel(ctx), text, args...)
	return err
}

// run runs fn in a transaction of its own, which writes nothing.
func (d *DB) run(ctx context.Context, p pool, op string, fn func(store.Tx) error) error {
	inside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	goOn := context.AfterFunc(ctx, cancel)
	defer goOn()
	inner, _, err := d.begin(inside, p)
	if err != nil {
		return d.dialect.Failure(op, because(ctx, err))
	}
	defer func() { _ = inner.Rollback() }() // does nothing after Commit
	s := &session{inner: inner, prepared: p.prepared}
	defer s.end()
	t := &tx{q: sqlcgen.New(s), session: s, dialect: d.dialect}
	if err := fn(t); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			return d.dialect.Failure(op, ctx.Err()) // which ended the transaction
		}
		return err
	}
	if t.broken != nil {
		return t.broken
	}
	if !goOn() {
		return d.dialect.Failure(op, ctx.Err())
	}
	if err := inner.Commit(); err != nil {
		return d.dialect.Failure(op, err)
	}
	return nil
}

// begin begins a transaction and returns its name, if it has one. Where the
// connection turns out to be lost, as all are after the database was started
// anew, it goes on to the next, and at last to a new one; but not where that took
// up the time that a statement has.
func (d *DB) begin(ctx context.Context, p pool) (inner *sql.Tx, name string, err error) {
	for range p.db.Stats().MaxOpenConnections + 1 {
		inner, err = p.db.BeginTx(ctx, p.options)
		if err == nil && p.lock != "" {
			if err = inner.QueryRowContext(ctx, p.lock).Scan(&name); err != nil {
				_ = inner.Rollback() // what is wrong is known already
			}
		}
		if err == nil || d.dialect.Lost == nil || !d.dialect.Lost(err) || errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, "", err
	}
	return inner, name, nil
}

const (
	// commitTimeout bounds a commit: the disk is to be written, and a standby
	// may be waited for.
	commitTimeout = sealift.DatabaseTimeout
	// settleTimeout bounds the asking for the outcome of a commit, and
	// settlePause is the time between two questions.
	settleTimeout = 5 * time.Second
	settlePause   = 100 * time.Millisecond
)

// settle finds out what became of a commit that returned err. Only where the
// connection was lost is that in doubt; then the database is asked, and nil
// returned if it knows the transaction for committed. Where it cannot be asked,
// the error has the reason "commit-unknown".
func (d *DB) settle(ctx context.Context, p pool, op, name string, err error) error {
	if name == "" || d.dialect.Lost == nil || !d.dialect.Lost(err) {
		return d.dialect.Failure(op, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	for {
		var outcome string
		if p.db.QueryRowContext(ctx, d.dialect.Outcome, name).Scan(&outcome) == nil {
			switch outcome {
			case "committed":
				return nil
			case "aborted":
				return d.dialect.Failure(op, err)
			}
		}
		select {
		case <-ctx.Done():
			return sealift.Errorf(sealift.KindNetwork, op, "the database went away while it was committing, and whether it did is not known: %w", err).
				WithReason("commit-unknown").WithHint("look whether it was done before you do it again")
		case <-time.After(settlePause):
		}
	}
}
