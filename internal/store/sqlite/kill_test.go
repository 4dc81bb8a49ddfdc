package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/store/storetest"
)

// killedStore names the store of a child process that is there to be killed.
const killedStore = "SEALIFT_TEST_KILLED_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedStore); path != "" {
		db, err := sqlite.Open(context.Background(), path)
		if err == nil {
			err = storetest.WriteForEver(db, os.Stdout)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	storetest.TestKilled(t, func() *exec.Cmd {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), killedStore+"="+path)
		child.Stderr = os.Stderr
		return child
	}, func(t *testing.T) store.Store { return open(t, path) })
	checkIntegrity(t, path)
}

// checkIntegrity has SQLite look at every page and every reference.
func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var found string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		t.Errorf("integrity_check: %q, %v", found, err)
	}
	rows, err := db.Query("PRAGMA foreign_key_check")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() {
		t.Error("a row belongs to one that is not there")
	}
}
