package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sealift/sealift"
)

//go:embed migrations/*.sql
var migrations embed.FS

// edgeGrants lets edges read what is published, wherever they may not yet: the
// role may have been made after the tables. A table that is not named there is
// none of theirs.
//
//go:embed edge.sql
var edgeGrants string

// migrate brings the schema up to a version, on connections of its own: a
// migration may take longer than a statement. Where several processes do so at
// once, one does, and the others wait.
func migrate(ctx context.Context, config *pgx.ConnConfig, schema int64) (err error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	var key int64
	if err := db.QueryRowContext(ctx, "SELECT "+migrateKey).Scan(&key); err != nil {
		return err
	}
	once, err := lock.NewPostgresSessionLocker(lock.WithLockID(key))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, sub,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithSessionLocker(once))
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case current > target:
		return newerSchema(current, target)
	case schema != newest && schema > target:
		return newerSchema(schema, target)
	case current < min(schema, target):
		if _, err := provider.UpTo(ctx, schema); err != nil {
			return err
		}
	}
	if schema != newest {
		return nil // what is published may be in tables that are not there yet
	}
	_, err = db.ExecContext(ctx, edgeGrants)
	return err
}

func newerSchema(current, known int64) error {
	return sealift.Errorf(sealift.KindConflict, "", "the database has schema %d, and this Sealift knows up to %d", current, known).
		WithReason("newer-schema").
		WithHint("run the Sealift that last opened it, or a later one; or restore the backup made before the upgrade")
}

// wantEmpty refuses a schema in which there is a table.
func wantEmpty(ctx context.Context, db *sql.DB) error {
	var schema, role string
	var tables int
	err := db.QueryRowContext(ctx, `SELECT current_schema(), current_user, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`).Scan(&schema, &role, &tables)
	if err != nil || tables == 0 {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, "", "the schema %q has %d tables already", schema, tables).WithReason("exists").
		WithHint("name a database and schema of their own: see \"sealift help postgres\". An installation is never overwritten; what an interrupted sealift init or backup restore left there, an administrator of the database removes with: DROP SCHEMA %[1]s CASCADE; CREATE SCHEMA %[1]s AUTHORIZATION %[2]s",
			pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize())
}

// drop takes away the tables of a store that CreateAt has just made.
func drop(ctx context.Context, dsn string) (err error) {
	config, err := parse(dsn)
	if err != nil {
		return err
	}
	own := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, own.Close()) }()
	_, err = own.ExecContext(ctx, `DO $$ DECLARE t record; BEGIN
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
			EXECUTE format('DROP TABLE %I CASCADE', t.tablename);
		END LOOP; END $$`)
	if err != nil {
		return dialect.Failure("taking back the store", err)
	}
	return nil
}

const migrateKey = `(24227::bigint << 32) | (SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema())`
