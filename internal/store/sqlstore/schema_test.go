package sqlstore_test

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestMigrationsAreTwins wants the migrations of both databases to have the same
// names. That they make the same columns is known elsewhere: the queries are
// checked against PostgreSQL's when they are generated, SQLite prepares every one
// of them when it opens a file, and the suite of package storetest runs on both.
func TestMigrationsAreTwins(t *testing.T) {
	lite, pg := migrations(t, "../sqlite"), migrations(t, "../postgres")
	if !slices.Equal(lite, pg) {
		t.Errorf("SQLite has the migrations %v, PostgreSQL %v", lite, pg)
	}
}

func migrations(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "migrations", "*.sql"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, path := range found {
		names = append(names, filepath.Base(path))
	}
	return names
}
