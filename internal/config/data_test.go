package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
)

func dataDir(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenData(t *testing.T) {
	dir := dataDir(t, 0o700)
	d, err := config.OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.Dir() != dir || d.Public() != filepath.Join(dir, "public") {
		t.Errorf("%s, %s", d.Dir(), d.Public())
	}
	wantRefused(t, dir, sealift.KindConflict, "locked", "stop")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := config.OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantRefused(t *testing.T, dir string, kind sealift.Kind, reason, hint string) {
	t.Helper()
	d, err := config.OpenData(dir)
	if err == nil {
		_ = d.Close()
	}
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || !strings.Contains(sealift.HintOf(err), hint) {
		t.Errorf("%s: %v (kind %s, reason %s, hint %s)", dir, err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err))
	}
}

func TestOpenDataRefusals(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o750, 0o701, 0o710} {
		dir := dataDir(t, mode)
		wantRefused(t, dir, sealift.KindDenied, "permissions", "chmod 700 "+dir)
		if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
			t.Errorf("a refused folder was written to: %v, %v", entries, err)
		}
	}
	wantRefused(t, filepath.Join(t.TempDir(), "absent"), sealift.KindNotFound, "", "sealift init")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, file, sealift.KindInvalid, "", "sealift init")
}
