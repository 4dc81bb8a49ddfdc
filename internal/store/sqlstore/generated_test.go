package sqlstore_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

const (
	root = "../../.."
	here = "internal/store/sqlstore/"
)

// TestGeneratedIsCurrent fails when the configuration, a migration, the queries
// or the generated code is not what was there when generated.sha256 was written.
func TestGeneratedIsCurrent(t *testing.T) {
	want := []string{"sqlc.yaml"}
	for _, pattern := range []string{"../postgres/migrations/*.sql", "queries*.sql", "sqlcgen/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		for _, name := range found {
			want = append(want, path.Join(here, filepath.ToSlash(name)))
		}
	}
	var listed []string
	for line := range strings.Lines(read(t, here+"generated.sha256")) {
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed = append(listed, path)
		if sealift.DigestOf([]byte(read(t, path))).String() != sum {
			t.Errorf("%s has changed: run go generate ./internal/store/sqlstore", path)
		}
	}
	if !slices.Equal(listed, want) {
		t.Errorf("generated.sha256 lists\n%v, not\n%v: run go generate ./internal/store/sqlstore", listed, want)
	}
}

// TestGeneratorIsPinned fails when the code was made by another version of the
// generator than the one in tools/go.mod.
func TestGeneratorIsPinned(t *testing.T) {
	pinned := regexp.MustCompile(`github.com/sqlc-dev/sqlc (v\S+)`).FindStringSubmatch(read(t, "tools/go.mod"))
	made := regexp.MustCompile(`sqlc (v\S+)`).FindStringSubmatch(read(t, here+"sqlcgen/db.go"))
	if pinned == nil || made == nil || pinned[1] != made[1] {
		t.Errorf("pinned %v, made by %v", pinned, made)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
