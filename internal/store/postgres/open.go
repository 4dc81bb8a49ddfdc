package postgres

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store/sqlstore"
)

const (
	op = "opening the store"

	// readers is how many Views run at a time.
	readers = 4
	// oldest is the first version that gives a transaction's outcome by its id
	// (pg_xact_status of an xid8).
	oldest = 130000
)

// newest stands for the schema after all migrations.
const newest = math.MaxInt64

// open connects, brings the schema up to a version after prepare has seen it, and
// returns the store.
func open(ctx context.Context, dsn string, o Options, schema int64, prepare func(context.Context, *sql.DB) error) (*DB, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	writer := o.writer(config)
	if err := prepareSchema(ctx, config, writer, schema, prepare); err != nil {
		return nil, errors.Join(opening(ctx, err), writer.Close())
	}
	db, err := sqlstore.New(ctx, writer, pool(config, readers, nil), dialect)
	if err != nil {
		return nil, opening(ctx, err)
	}
	return &DB{db}, nil
}

// prepareSchema checks the server, takes the lock of whom it is opened for, and
// migrates.
func prepareSchema(ctx context.Context, config *pgx.ConnConfig, writer *sql.DB, schema int64, prepare func(context.Context, *sql.DB) error) error {
	if err := writer.PingContext(ctx); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(ctx, writer); err != nil {
			return err
		}
	}
	return migrate(ctx, config, schema)
}

// opening classes an error of Open.
func opening(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return dialect.Failure(op, err)
}

// writer returns the connection that writes.
func (o Options) writer(config *pgx.ConnConfig) *sql.DB {
	if o.Patient {
		config = config.Copy()
		setDefaults(config, map[string]string{"idle_in_transaction_session_timeout": "0"}) // never
	}
	return pool(config, 1, o.begin)
}

// pool returns connections that are made when they are needed. What the
// connection string sets itself is left as it is.
func pool(config *pgx.ConnConfig, size int, begin func(context.Context, *pgx.Conn) error) *sql.DB {
	config = config.Copy()
	setDefaults(config, map[string]string{
		"statement_timeout":                   milliseconds(sealift.DatabaseTimeout),
		"lock_timeout":                        milliseconds(sealift.StoreBusyTimeout),
		"idle_in_transaction_session_timeout": milliseconds(sealift.MaxIdleTransaction),
	})
	config.Tracer = deadlineOf(config)
	// A ping would have no deadline. That a connection is dead shows when a
	// transaction begins on it, which then goes on to the next.
	options := []stdlib.OptionOpenDB{stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })}
	if begin != nil {
		options = append(options, stdlib.OptionAfterConnect(begin))
	}
	db := stdlib.OpenDB(*config, options...)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// dialer notices within half a minute that a machine is gone which took its
// leave from nobody.
var dialer = &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}

// begin checks a new connection that is to write, and takes the lock of a server.
// It closes one that it refuses.
func (o Options) begin(ctx context.Context, conn *pgx.Conn) error {
	err := check(ctx, conn)
	if err == nil && o.Alone {
		err = takeAlone(ctx, conn)
	}
	if err != nil {
		return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// check refuses a server on which an Update that was acknowledged could be lost,
// or which is none.
func check(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var fsync, flush, encoding string
	var standby bool
	var schema *string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('server_encoding'), pg_is_in_recovery(), current_schema()`).
		Scan(&version, &fsync, &flush, &encoding, &standby, &schema)
	switch {
	case err != nil:
		return err
	case version < oldest:
		return unfit("server", "it is PostgreSQL %d, and 13 is the first that will do", version/10000).WithHint("upgrade the database")
	case fsync != "on":
		return unfit("fsync", "the database runs with fsync off: a power cut would take back what was acknowledged").
			WithHint("as its administrator: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();")
	case encoding != "UTF8":
		return unfit("encoding", "the database's encoding is %s", encoding).WithHint("make one with: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'")
	case standby:
		return unfit("standby", "it is a standby, which takes no writes").WithHint("add target_session_attrs=read-write to the connection string")
	case schema == nil:
		return unfit("schema", "no schema of the search path is there").WithHint("make the role and its schema as \"sealift help postgres\" says")
	}
	if flush == "off" {
		_, err = conn.Exec(ctx, "SET synchronous_commit = on")
	}
	return err
}

func unfit(reason, format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindInvalid, "", format, args...).WithReason(reason)
}

const (
	// aloneWait is how long a connection waits for the lock of a server: one that
	// follows another of the same process may be made before the database has
	// done with that. It asks every alonePause.
	aloneWait  = 2 * time.Second
	alonePause = 50 * time.Millisecond
)

// takeAlone takes the lock that lasts as long as the connection.
func takeAlone(ctx context.Context, conn *pgx.Conn) error {
	for began := time.Now(); ; {
		var taken bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock("+aloneKey+")").Scan(&taken); err != nil || taken {
			return err
		}
		if time.Since(began) > aloneWait {
			return sealift.Errorf(sealift.KindConflict, "", "another server has this database open").WithReason("locked").
				WithHint("stop the server that runs on it; one that was cut off from the database is forgotten after half a minute")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(alonePause):
		}
	}
}

// deadline bounds every statement, beginning and committing included.
type deadline time.Duration

// deadlineOf is a little after the server's own, whose error says more.
func deadlineOf(config *pgx.ConnConfig) deadline {
	limit := sealift.DatabaseTimeout
	if own, err := strconv.ParseUint(config.RuntimeParams["statement_timeout"], 10, 31); err == nil && own > 0 {
		limit = time.Duration(own) * time.Millisecond
	}
	return deadline(limit + time.Second)
}

type deadlineKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (d deadline) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d))
	return context.WithValue(ctx, deadlineKey{}, cancel)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (d deadline) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	ctx.Value(deadlineKey{}).(context.CancelFunc)()
}
