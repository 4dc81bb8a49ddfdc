package postgres_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/storetest"
)

// killedStore is the connection string of a child process that is there to be
// killed.
const killedStore = "SEALIFT_TEST_KILLED_STORE"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(killedStore); dsn != "" {
		db, err := postgres.Open(context.Background(), dsn, postgres.Options{})
		if err == nil {
			err = storetest.WriteForEver(db, os.Stdout)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := postgrestest.Main(m.Run, os.Stderr)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func open(t testing.TB, dsn string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), dsn, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestStore(t *testing.T) {
	cluster := postgrestest.Start(t)
	var free []string // schemas that an earlier test has done with
	storetest.TestStore(t, func(t *testing.T) (store.Store, func() store.Store) {
		dsn := ""
		if n := len(free); n > 0 {
			dsn, free = free[n-1], free[:n-1]
		} else {
			dsn = cluster.Schema(t)
		}
		t.Cleanup(func() { free = append(free, dsn) })
		db := open(t, dsn)
		cluster.Exec(t, dsn, emptyAll)
		return db, func() store.Store {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			db = open(t, dsn)
			return db
		}
	})
}

// emptyAll takes all rows away: to make the tables anew for each test would take
// longer than all that is done in them.
const emptyAll = `DO $$ DECLARE t record; BEGIN
	SET LOCAL session_replication_role = replica; -- references are in nobody's way
	FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version' LOOP
		EXECUTE format('DELETE FROM %I', t.tablename);
	END LOOP; END $$`

func TestKilled(t *testing.T) {
	dsn := postgrestest.Start(t).Schema(t)
	storetest.TestKilled(t, func() *exec.Cmd {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), killedStore+"="+dsn)
		child.Stderr = os.Stderr
		return child
	}, func(t *testing.T) store.Store { return open(t, dsn) })
}

// BenchmarkAppend measures transactions of one log entry each, one after the
// other: what a use of a key costs at least.
func BenchmarkAppend(b *testing.B) {
	db := open(b, postgrestest.Start(b).Schema(b))
	for n := 0; b.Loop(); n++ {
		err := db.Update(b.Context(), func(tx store.Tx) error {
			_, err := audit.AppendLeaf(b.Context(), tx, fmt.Appendf(nil, `{"v":1,"entry":%d}`, n))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
