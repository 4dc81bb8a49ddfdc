package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/storetest"
)

// ask returns the one text that a query gives.
func ask(t *testing.T, dsn, query string, args ...any) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// TestOpenTogether has a new store opened by several at once, as by a server and
// by a command beside it.
func TestOpenTogether(t *testing.T) {
	dsn := postgrestest.Start(t).Schema(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				if _, err := storetest.AppendCounted(db); err != nil {
					t.Error(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := storetest.CheckWritten(t, open(t, dsn), 20); got != 20 {
		t.Errorf("%d entries, want 20", got)
	}
}

func TestNewerSchema(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	if err := open(t, dsn).Close(); err != nil {
		t.Fatal(err)
	}
	cluster.Exec(t, dsn, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	wantKind(t, err, sealift.KindConflict, "newer-schema")
	cluster.Exec(t, dsn, "DELETE FROM goose_db_version WHERE version_id = 99999")
	open(t, dsn)
}

func TestCreate(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	db, undo, err := postgres.Create(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.AppendCounted(db); err != nil {
		t.Error(err)
	}
	if err := undo(t.Context()); err != nil {
		t.Error(err)
	}
	db, _, err = postgres.Create(t.Context(), dsn)
	if err != nil {
		t.Fatalf("after the first was taken back: %v", err)
	}
	if got, err := storetest.AppendCounted(db); got != 1 || err != nil {
		t.Errorf("it begins with counter %d, %v", got, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	_, _, err = postgres.Create(t.Context(), dsn)
	wantKind(t, err, sealift.KindConflict, "exists")
	if got, err := storetest.AppendCounted(open(t, dsn)); got != 2 || err != nil {
		t.Errorf("after the refusal: counter %d, %v", got, err)
	}
}

// TestCreateAt: a store of an earlier day is brought up to date by Open, and one
// that this Sealift does not know leaves nothing.
func TestCreateAt(t *testing.T) {
	dsn := postgrestest.Start(t).Schema(t)
	_, _, err := postgres.CreateAt(t.Context(), dsn, 99999)
	wantKind(t, err, sealift.KindConflict, "newer-schema")
	db, _, err := postgres.CreateAt(t.Context(), dsn, 13)
	if err != nil {
		t.Fatalf("after the refusal: %v", err)
	}
	schema := func(s store.Store) (version int64, tables int) {
		err := s.View(t.Context(), func(tx store.Tx) error {
			found, err := tx.Tables(t.Context())
			if err != nil {
				return err
			}
			tables = len(found)
			version, err = tx.Schema(t.Context())
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return version, tables
	}
	old, few := schema(db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if now, more := schema(open(t, dsn)); old != 13 || now <= 13 || more <= few {
		t.Errorf("schema %d with %d tables, then %d with %d", old, few, now, more)
	}
}

// TestUnfit opens servers on which an acknowledged Update could be lost, and
// what is no place for a store.
func TestUnfit(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	refused := func(dsn string, kind sealift.Kind, reason string) {
		t.Helper()
		_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		wantKind(t, err, kind, reason)
	}
	set := func(fsync string) {
		cluster.Exec(t, dsn, "ALTER SYSTEM SET fsync = "+fsync)
		cluster.Exec(t, dsn, "SELECT pg_reload_conf()")
		for ask(t, dsn, "SELECT current_setting('fsync')") != fsync {
		}
	}
	set("off")
	refused(dsn, sealift.KindInvalid, "fsync")
	set("on")
	refused(dsn+"x", sealift.KindInvalid, "schema")
	refused(strings.Replace(dsn, "dbname=postgres", "dbname=none", 1), sealift.KindInternal, "")
	refused(postgrestest.As(dsn, "nobody"), sealift.KindInternal, "sign-in")
	cluster.Exec(t, dsn, "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc")
	refused(cluster.DSN("latin"), sealift.KindInvalid, "encoding")
	refused(cluster.DSN("postgres")+" default_transaction_read_only=on search_path="+schemaOf(dsn), sealift.KindInternal, "")
}

func schemaOf(dsn string) string {
	_, schema, _ := strings.Cut(dsn, "search_path=")
	return schema
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Open(ctx, postgrestest.Start(t).Schema(t), postgres.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Open: %v", err)
	}
}

// TestTextIsBytes wants every text column to sort byte by byte.
func TestTextIsBytes(t *testing.T) {
	dsn := postgrestest.Start(t).Schema(t)
	open(t, dsn)
	wrong := ask(t, dsn, `SELECT COALESCE(string_agg(table_name || '.' || column_name, ', '), '') FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying') AND collation_name IS DISTINCT FROM 'C'`)
	if wrong != "" {
		t.Errorf(`not TEXT COLLATE "C": %s`, wrong)
	}
}

// edgeReads says of every table whether an edge may read it. Who adds a table
// decides: what is not published, or tells who may do what, is not for edges.
var edgeReads = map[string]bool{
	"apps": true, "channels": true, "releases": true, "blobs": true, "metadata": true, "documents": true, "checkpoints": true, "audit_hashes": true, "capgo_bundles": true,

	"capgo_drafts": false, "capgo_devices": false, "capgo_outcomes": false, "capgo_events": false, "channel_plans": false, "rollouts": false, "channel_rules": false, "device_labels": false, "channel_labels": false, "device_assignments": false, "approval_requests": false, "approvals": false, "audit_entries": false, "backups": false, "credentials": false,
	"denials": false, "device_outcomes": false, "release_hours": false, "device_reports": false, "device_steps": false, "devices": false, "drafts": false, "enrolment_tokens": false, "epochs": false, "goose_db_version": false,
	"nonces": false, "outbox": false, "persons": false, "policies": false, "restores": false, "rows_statement": false, "secrets": false, "sessions": false,
	"tokens": false, "vault_keys": false, "vault_seal": false, "version_floors": false,
}

// TestRoles makes a database as Roles says, and looks what each role may do.
func TestRoles(t *testing.T) {
	cluster := postgrestest.Start(t)
	cluster.Exec(t, cluster.DSN("postgres"), "CREATE DATABASE roles TEMPLATE template0 ENCODING 'UTF8'")
	admin := cluster.DSN("roles")
	cluster.Exec(t, admin, postgres.Roles)
	vault, edge := postgrestest.As(admin, "sealift_vault"), postgrestest.As(admin, "sealift_edge")
	db := open(t, vault)
	if _, err := storetest.AppendCounted(db); err != nil {
		t.Error(err)
	}
	conn, err := pgx.Connect(t.Context(), edge)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	may := func(statement string) bool {
		t.Helper()
		_, err := conn.Exec(t.Context(), statement)
		var answer *pgconn.PgError
		if err != nil && (!errors.As(err, &answer) || answer.Code != "42501") {
			t.Fatalf("%s: %v", statement, err)
		}
		return err == nil
	}
	wantGrants := func() {
		t.Helper()
		for table := range edgeReads {
			if may("SELECT * FROM "+table) != edgeReads[table] {
				t.Errorf("an edge reads %s: %t", table, !edgeReads[table])
			}
			if may("DELETE FROM "+table) || may("TRUNCATE "+table) || may("INSERT INTO "+table+" DEFAULT VALUES") {
				t.Errorf("an edge changes %s", table)
			}
		}
	}
	wantGrants()
	const relations = `SELECT string_agg(relname, ' ' ORDER BY relname COLLATE "C") FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'sealift' AND c.relkind IN `
	for _, table := range strings.Fields(ask(t, admin, relations+"('r', 'p', 'v', 'm', 'f')")) {
		if _, decided := edgeReads[table]; !decided {
			t.Errorf("nobody has decided whether an edge reads %s", table)
		}
	}
	for _, sequence := range strings.Fields(ask(t, admin, relations+"('S')")) {
		if ask(t, edge, "SELECT has_sequence_privilege('sealift.'||$1, 'USAGE, SELECT, UPDATE')::text", sequence) != "false" {
			t.Errorf("an edge uses %s", sequence)
		}
	}
	// Where the role was made after the tables, the next that opens them grants.
	cluster.Exec(t, admin, "REVOKE SELECT ON sealift.releases, sealift.blobs FROM sealift_edge; REVOKE USAGE ON SCHEMA sealift FROM sealift_edge")
	if may("SELECT * FROM sealift.releases") {
		t.Fatal("what was revoked is granted")
	}
	if err := open(t, vault).Close(); err != nil {
		t.Error(err)
	}
	wantGrants()
	for _, statement := range []string{
		"CREATE TABLE mine (x int)", "CREATE TABLE public.mine (x int)", "SELECT pg_read_file('/etc/passwd')",
		"GRANT SELECT ON tokens TO sealift_edge", "SET ROLE sealift_vault", "COPY tokens TO PROGRAM 'true'",
	} {
		if may(statement) {
			t.Errorf("an edge runs %q", statement)
		}
	}
	// What the hint of a schema that is not empty says, makes it so.
	_, _, err = postgres.Create(t.Context(), vault)
	wantKind(t, err, sealift.KindConflict, "exists")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	_, remedy, _ := strings.Cut(sealift.HintOf(err), "removes with: ")
	cluster.Exec(t, admin, remedy)
	db, _, err = postgres.Create(t.Context(), vault)
	if err != nil {
		t.Fatalf("after %s: %v", remedy, err)
	}
	defer db.Close()
	wantGrants()
	// An edge's connection string given to a server by mistake.
	_, err = postgres.Open(t.Context(), edge, postgres.Options{})
	wantKind(t, err, sealift.KindInternal, "")
	if err := db.View(t.Context(), func(store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}
