// Package postgres keeps a store in a PostgreSQL database: version 13 or later,
// UTF-8, reached directly or through a pooler that keeps sessions.
//
// The tables are in the first schema of the search path. Updates run one after
// the other, and those of a process that wait share one transaction. It begins by
// taking a transaction-level advisory lock that bears the schema's number, so that
// those of other processes wait as well. A View is
// one state of the database (REPEATABLE READ, READ ONLY). What an Update has
// acknowledged has been flushed to the write-ahead log: Open refuses a server
// with fsync off, and puts on a synchronous_commit that is off. What is deleted
// or overwritten stays in the database's files until vacuum and its log have
// passed over it; rows that matter are sealed.
//
// # A database that goes away
//
// Every statement has a deadline (sealift.DatabaseTimeout), and the server ends a
// transaction whose process has gone or hangs. An Update whose connection breaks
// before its commit is an error, and nothing of it remains. One whose connection
// breaks during its commit is looked up by its transaction id: it is an error, or
// acknowledged, as it turned out; only where the database stays away is the error
// "commit-unknown". All others are KindNetwork with reason "database-away". The
// next transaction connects anew.
//
// # Who may connect
//
// The connection string (DSN) is libpq's: a URL or key=value pairs. What it does
// not say comes from the environment variables and the password file of libpq. To
// another machine the connection must be TLS and verify whom it meets
// (sslmode=verify-full or verify-ca), or it is refused. A password is in no error.
//
// The role that connects owns the schema. Roles has the SQL that makes it, and a
// role for edges, which can read what is published, and nothing of the vault.
package postgres

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore"
)

// DB is a store in a PostgreSQL database. It is safe for concurrent use.
type DB struct {
	*sqlstore.DB
}

var _ store.Store = (*DB)(nil)

// Options say how a database is opened.
type Options struct {
	// Alone keeps every other process out that opens the database Alone, as a
	// server does, for as long as the connection that writes is there.
	Alone bool
	// Patient lets an Update rest for longer than sealift.MaxIdleTransaction, as
	// one does that waits for files from elsewhere: where nobody waits for it.
	Patient bool
}

// Open opens the store that Create or an earlier Open has made, and brings its
// schema up to date. KindConflict with reason "locked" where another process has
// it Alone, and with reason "newer-schema" where a newer Sealift has migrated it.
func Open(ctx context.Context, dsn string, o Options) (*DB, error) {
	return open(ctx, dsn, o, newest, nil)
}

// Create is Open of a schema without tables; KindConflict with reason "exists"
// if it has some. undo takes all tables away again, and closes the store: until
// something was done that must be kept.
func Create(ctx context.Context, dsn string) (db *DB, undo func(context.Context) error, err error) {
	return CreateAt(ctx, dsn, newest)
}

// CreateAt is Create with the tables that there were after the migration of that
// number: what it can do is Tables and FillRow, by which a backup of that schema
// comes back, as slowly as it is read. Open then brings it up to date. A number above those that this
// Sealift knows is refused with reason "newer-schema".
func CreateAt(ctx context.Context, dsn string, schema int64) (db *DB, undo func(context.Context) error, err error) {
	empty := false
	db, err = open(ctx, dsn, Options{Alone: true, Patient: true}, schema, func(ctx context.Context, writer *sql.DB) error {
		err := wantEmpty(ctx, writer)
		empty = err == nil
		return err
	})
	if err != nil && empty { // some of the tables may be there
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealift.DatabaseTimeout)
		defer cancel()
		err = errors.Join(err, drop(ctx, dsn))
	}
	if err != nil {
		return nil, nil, err
	}
	return db, func(ctx context.Context) error { return errors.Join(db.Close(), drop(ctx, dsn)) }, nil
}

// Roles is the SQL with which an administrator makes the roles and the schema.
//
//go:embed roles.sql
var Roles string

// dialect is what PostgreSQL has of its own.
var dialect = sqlstore.Dialect{
	Refusal:    refusal,
	Savepoints: true,
	Cursors:    true,
	Columns: `SELECT c.relname::text, a.attname::text
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE n.nspname = current_schema() AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum`,
	Update: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	View:   &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	// With the lock the transaction gets its id, by which it is found again.
	Lock: `WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(` + updateKey + `))
		SELECT pg_current_xact_id()::text FROM locked`,
	Lost:    lost,
	Outcome: `SELECT COALESCE(pg_xact_status($1::xid8), 'unknown')`,
}

// updateKey and aloneKey are the numbers of the advisory locks: ours above, the
// schema's below.
const (
	updateKey = `(24225::bigint << 32) | (SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema())`
	aloneKey  = `(24226::bigint << 32) | (SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema())`
)
