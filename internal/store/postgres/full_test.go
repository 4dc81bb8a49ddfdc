package postgres_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/storetest"
	"github.com/sealift/sealift/internal/vault/vaulttest"
)

// fullDisk answers as a server does whose disk is full, where a table is to grow
// beyond some rows.
const fullDisk = `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF (SELECT count(*) FROM audit_entries) >= 20 THEN
		RAISE EXCEPTION 'could not extend file "base/16384/16397": No space left on device' USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON `

// TestNoRoomForTheLog is of the log; TestFullDisk of all else in its transaction.
func TestNoRoomForTheLog(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	vaulttest.TestNoRoomForTheLog(t, open(t, dsn),
		func() { cluster.Exec(t, dsn, fullDisk+"audit_entries FOR EACH ROW EXECUTE FUNCTION full_disk()") },
		func() { cluster.Exec(t, dsn, "DROP TRIGGER full_disk ON audit_entries") })
}

func TestFullDisk(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	db, ctx := open(t, dsn), t.Context()
	if _, err := storetest.AppendCounted(db); err != nil { // its app is there
		t.Fatal(err)
	}
	set := func(path string) error {
		return db.Update(ctx, func(tx store.Tx) error {
			if _, err := tx.NextCounter(ctx, "com.acme.killed"); err != nil {
				return err
			}
			if err := tx.SetDocument(ctx, path, []byte("x")); err != nil && tx.AppendOutbox(ctx, path, []byte("x")) == nil {
				t.Error("a write after the disk was full succeeded")
			}
			return nil // fn goes on all the same
		})
	}
	cluster.Exec(t, dsn, "INSERT INTO audit_entries SELECT n, 'x' FROM generate_series(100, 119) n;"+fullDisk+"documents FOR EACH ROW EXECUTE FUNCTION full_disk()")
	wantKind(t, set("p"), sealift.KindExhausted, "disk_full")
	cluster.Exec(t, dsn, "DROP TRIGGER full_disk ON documents")
	if err := set("p"); err != nil {
		t.Error(err)
	}
	err := db.Update(ctx, func(tx store.Tx) error {
		if next, err := tx.NextCounter(ctx, "com.acme.killed"); next != 3 || err != nil {
			t.Errorf("counter %d, %v: what was refused left something", next, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
