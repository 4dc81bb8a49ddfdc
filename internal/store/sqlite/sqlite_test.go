package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/store/storetest"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path)
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
	storetest.TestStore(t, func(t *testing.T) (store.Store, func() store.Store) {
		path := filepath.Join(t.TempDir(), "vault.db")
		db := open(t, path)
		return db, func() store.Store {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			db = open(t, path)
			return db
		}
	})
}

// BenchmarkAppend measures transactions of one log entry each, one after the
// other: what a use of a key costs at least.
func BenchmarkAppend(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "vault.db"))
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

// BenchmarkOpen measures opening a store that is there.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "vault.db")
	for b.Loop() {
		db, err := sqlite.Open(b.Context(), path)
		if err := errors.Join(err, db.Close()); err != nil {
			b.Fatal(err)
		}
	}
}
