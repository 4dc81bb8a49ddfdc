package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/blob/blobtest"
)

func openFolder(t *testing.T, dir string) *blob.Folder {
	t.Helper()
	f, err := blob.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFolder(t *testing.T) {
	blobtest.TestStore(t, func(t *testing.T) blob.Store {
		return openFolder(t, filepath.Join(t.TempDir(), "public"))
	})
}

func TestOpenFolderCleansUp(t *testing.T) {
	dir := t.TempDir()
	for _, left := range []string{".tmp", "metadata"} {
		if err := os.Mkdir(filepath.Join(dir, left), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, left, "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := openFolder(t, dir)
	if left := tempFiles(t, dir); len(left) != 0 {
		t.Errorf("unfinished files are still there: %v", left)
	}
	if ok, err := f.Exists(t.Context(), "metadata/file"); !ok || err != nil {
		t.Errorf("a finished file: %t, %v", ok, err)
	}
}

func tempFiles(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestFailedPutLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir)
	err := f.Put(t.Context(), "a/b", strings.NewReader("x"), &blob.Expect{Length: 1})
	if sealift.ReasonOf(err) != "digest" {
		t.Fatalf("Put = %v", err)
	}
	if left := tempFiles(t, dir); len(left) != 0 {
		t.Errorf("unfinished files are still there: %v", left)
	}
}

func TestOpenFolderRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(t.TempDir(), "absent", "public")} {
		if f, err := blob.OpenFolder(dir); err == nil {
			_ = f.Close()
			t.Errorf("OpenFolder(%q) succeeded", dir)
		}
	}
}

func TestLinksDoNotLeadOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	f := openFolder(t, dir)
	for _, key := range []string{"out/secret", "file"} {
		if file, err := f.Open(t.Context(), key); err == nil {
			_ = file.Close()
			t.Errorf("%s was opened through a link", key)
		}
	}
	if err := f.Put(t.Context(), "out/new", strings.NewReader("x"), nil); err == nil {
		t.Error("a file was put through a link")
	}
	if entries, err := os.ReadDir(outside); len(entries) != 1 || err != nil {
		t.Errorf("outside the folder: %v, %v", entries, err)
	}
}

func TestKeyIsAFolder(t *testing.T) {
	f := openFolder(t, t.TempDir())
	for _, key := range []string{"a/b", "c"} {
		if err := f.Put(t.Context(), key, strings.NewReader("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "c/d"} {
		if err := f.Put(t.Context(), key, strings.NewReader("y"), nil); err == nil {
			t.Errorf("Put(%q) succeeded beside a key that it is a folder of", key)
		}
	}
}
