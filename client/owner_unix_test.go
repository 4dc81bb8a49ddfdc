//go:build unix

package client

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift"
)

func TestFolderOfOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "device")
	files, err := NewSystem().Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	for mode, good := range map[os.FileMode]bool{
		0o700: true, 0o750: true, 0o755: true, 0o770: false, 0o775: false, 0o757: false, 0o702: false, os.ModeSticky | 0o777: false,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		d := &Device{cfg: Config{Dir: dir}, files: files, store: stateStore{files}}
		err := checkFolder(files, dir)
		if good && err != nil {
			t.Errorf("%#o: %v", mode, err)
		}
		if !good {
			refused(t, err, sealift.KindDenied, "permission")
			refused(t, d.open(), sealift.KindDenied, "permission")
			if names, _ := files.Names("."); len(names) > 0 {
				t.Errorf("%#o: %q was written", mode, names)
			}
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkOwner(info, dir, os.Geteuid()); err != nil {
		t.Error(err)
	}
	refused(t, checkOwner(info, dir, os.Geteuid()+1), sealift.KindDenied, "permission")
}
