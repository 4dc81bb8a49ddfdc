package api_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

const root = "../../.."

// TestGeneratedIsCurrent fails when the description, the configuration or the
// generated code is not what was there when generated.sha256 was written.
func TestGeneratedIsCurrent(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(read(t, "internal/control/api/generated.sha256")), "\n")
	if len(lines) != 3 {
		t.Fatalf("generated.sha256 has %d lines, want 3", len(lines))
	}
	for _, line := range lines {
		sum, path, ok := strings.Cut(line, "  ")
		if got := sealift.DigestOf([]byte(read(t, path))).String(); !ok || got != sum {
			t.Errorf("%s has changed: run go generate ./internal/control/api", path)
		}
	}
}

// TestGeneratorIsPinned fails when the code was made by another version of the
// generator than the one in tools/go.mod.
func TestGeneratorIsPinned(t *testing.T) {
	pinned := regexp.MustCompile(`github.com/oapi-codegen/oapi-codegen/v2 (v\S+)`).FindStringSubmatch(read(t, "tools/go.mod"))
	made := regexp.MustCompile(`oapi-codegen/v2 version (v\S+) DO NOT EDIT`).FindStringSubmatch(read(t, "internal/control/api/api.gen.go"))
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
