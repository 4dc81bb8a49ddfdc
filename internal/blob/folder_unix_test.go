//go:build unix

package blob_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift"
)

func TestSpecialFilesAreAbsent(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), "fifo"); sealift.KindOf(err) != sealift.KindNotFound {
		t.Errorf("Open of a fifo: %v", err)
	}
}

// fullDir names the variable by which TestFullDisk runs itself again.
const fullDir = "SEALIFT_TEST_FULL_DIR"

// TestFullDisk runs a Put in a second process whose files may not grow beyond
// 64 KiB: the write fails halfway, as on a full disk.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullDir); dir != "" {
		putOnFullDisk(t, dir)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), fullDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func putOnFullDisk(t *testing.T, dir string) {
	f := openFolder(t, dir)
	if err := f.Put(t.Context(), "a/b", strings.NewReader("old"), nil); err != nil {
		t.Fatal(err)
	}
	limit := &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit); err != nil {
		t.Fatal(err)
	}
	err := f.Put(t.Context(), "a/b", bytes.NewReader(make([]byte, 1<<20)), nil)
	if !errors.Is(err, syscall.EFBIG) || sealift.KindOf(err) != sealift.KindExhausted || sealift.HintOf(err) == "" {
		t.Errorf("Put on a full disk: %v (kind %s, hint %q)", err, sealift.KindOf(err), sealift.HintOf(err))
	}
	if left := tempFiles(t, dir); len(left) != 0 {
		t.Errorf("unfinished files are still there: %v", left)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "a", "b")); string(content) != "old" || err != nil {
		t.Errorf("the old file reads %q, %v", content, err)
	}
}
