package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgrestest"
)

// pools are the connections of a store as open makes them.
func pools(t *testing.T, dsn string, o Options) (writer, reader *sql.DB) {
	t.Helper()
	config, err := parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	writer, reader = o.writer(config), pool(config, readers, nil)
	t.Cleanup(func() {
		if err := errors.Join(writer.Close(), reader.Close()); err != nil {
			t.Error(err)
		}
	})
	return writer, reader
}

func setting(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRow("SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestSettings holds the connections to what the package comment promises, also
// where an administrator had other ideas.
func TestSettings(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	cluster.Exec(t, dsn, "CREATE ROLE careless SUPERUSER LOGIN; ALTER ROLE careless SET synchronous_commit = off")
	writer, reader := pools(t, postgrestest.As(dsn, "careless"), Options{})
	want := map[string]string{
		"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "2min", "application_name": "sealift",
	}
	for _, db := range []*sql.DB{writer, reader} {
		for name, want := range want {
			if got := setting(t, db, name); got != want {
				t.Errorf("%s = %s, want %s", name, got, want)
			}
		}
	}
	if got := setting(t, writer, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit = %s", got)
	}
	if got := writer.Stats().MaxOpenConnections; got != 1 {
		t.Errorf("%d connections write", got)
	}
	own, _ := pools(t, dsn+" statement_timeout=1000 application_name=shop synchronous_commit=remote_apply", Options{})
	patient, _ := pools(t, dsn, Options{Patient: true})
	if got := setting(t, patient, "idle_in_transaction_session_timeout"); got != "0" {
		t.Errorf("a patient one rests for %s", got)
	}
	for name, want := range map[string]string{"statement_timeout": "1s", "application_name": "shop", "synchronous_commit": "remote_apply"} {
		if got := setting(t, own, name); got != want {
			t.Errorf("the connection string's %s = %s, want %s", name, got, want)
		}
	}
}

// TestDeadline has a server that does not answer.
func TestDeadline(t *testing.T) {
	config, err := parse(postgrestest.Start(t).Schema(t) + " statement_timeout=100")
	if err != nil {
		t.Fatal(err)
	}
	const sleep = "SELECT pg_sleep(20)"
	began := time.Now()
	patient := pool(config, 1, nil)
	defer patient.Close()
	if got := deadlineOf(config); got != deadline(1100*time.Millisecond) {
		t.Errorf("the deadline is %v", time.Duration(got))
	}
	_, err = patient.Exec(sleep) // the server's own deadline
	wantClass(t, dialect.Failure("testing", err), sealift.KindInternal, "timeout")
	config.RuntimeParams["statement_timeout"] = "0"
	config.Tracer = deadline(100 * time.Millisecond)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sleep)
	wantClass(t, dialect.Failure("testing", err), sealift.KindNetwork, store.ReasonAway)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func wantClass(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("error %v has kind %q and reason %q, want %q and %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
	if reason != "" && reason != "tx-ended" && sealift.HintOf(err) == "" {
		t.Errorf("error %v has no hint", err)
	}
}

func TestFailure(t *testing.T) {
	answer := func(code string) error { return fmt.Errorf("x: %w", &pgconn.PgError{Code: code, Message: "m"}) }
	for _, c := range []struct {
		err    error
		kind   sealift.Kind
		reason string
		lost   bool
	}{
		{answer("23505"), sealift.KindConflict, "", false},
		{answer("23503"), sealift.KindNotFound, "", false},
		{answer("23514"), sealift.KindInternal, "", false},
		{answer("53100"), sealift.KindExhausted, "disk_full", false},
		{answer("53300"), sealift.KindInternal, "busy", false},
		{answer("55P03"), sealift.KindInternal, "busy", false},
		{answer("57014"), sealift.KindInternal, "timeout", false},
		{answer("57P01"), sealift.KindNetwork, store.ReasonAway, true},
		{answer("57P03"), sealift.KindNetwork, store.ReasonAway, true},
		{answer("08006"), sealift.KindNetwork, store.ReasonAway, true},
		{answer("28P01"), sealift.KindInternal, "sign-in", false},
		{answer("XX001"), sealift.KindInternal, "corrupt", false},
		{sql.ErrNoRows, sealift.KindNotFound, "", false},
		{sql.ErrTxDone, sealift.KindInternal, "tx-ended", false},
		{fmt.Errorf("deep: %w", sealift.Errorf(sealift.KindDenied, "x", "y").WithReason("z").WithHint("h")), sealift.KindDenied, "z", false},
		{errors.New("other"), sealift.KindInternal, "", false},
		{fmt.Errorf("statement: %w", context.DeadlineExceeded), sealift.KindNetwork, store.ReasonAway, true},
	} {
		wantClass(t, dialect.Failure("testing", c.err), c.kind, c.reason)
		if got := lost(c.err); got != c.lost {
			t.Errorf("%v says that the connection is lost: %t", c.err, got)
		}
	}
	wantClass(t, dialect.Failure("testing", context.Canceled), sealift.KindInternal, "") // the caller's own
}

// TestParse reads connection strings, whose passwords are in no error.
func TestParse(t *testing.T) {
	for _, good := range []string{
		"host=/run/postgresql user=u dbname=d", "postgres://u:secret@127.0.0.1/d", "postgres://u@localhost:5433/d?sslmode=disable",
		"postgres://u:secret@[::1]/d", "postgres://u:secret@db.example.com/d?sslmode=verify-full", "host=db.example.com sslmode=verify-ca sslrootcert=system",
	} {
		if _, err := parse(good); err != nil && !strings.Contains(good, "system") {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, reason := range map[string]string{
		"":                                     "dsn",
		"postgres://u:secret@db:port/d":        "dsn",
		"postgres://u:sec%ret@localhost/d":     "dsn",
		"host=localhost password='secret":      "dsn",
		"host=x sslmode=secret":                "dsn",
		strings.Repeat("secret", 1000):         "dsn",
		"postgres://u:secret@db.example.com/d": "plaintext",
		"postgres://u:secret@db.example.com/d?sslmode=require":     "plaintext",
		"postgres://u:secret@db.example.com/d?sslmode=prefer":      "plaintext",
		"postgres://u:secret@localhost,10.0.0.1/d?sslmode=disable": "plaintext",
	} {
		_, err := parse(bad)
		if wantClass(t, err, sealift.KindInvalid, reason); err == nil {
			t.Errorf("%q was taken", bad)
		}
		if text := fmt.Sprint(err, sealift.HintOf(err)); strings.Contains(text, "secret") || strings.Contains(text, "sec%") {
			t.Errorf("%q is in the error: %s", bad, text)
		}
	}
}
