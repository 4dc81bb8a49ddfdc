package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

func TestOpenSourceRefuses(t *testing.T) {
	file := func(mode fs.FileMode) *fstest.MapFile { return &fstest.MapFile{Mode: mode} }
	for _, test := range []struct {
		name, reason string
		kind         sealift.Kind
		fsys         fs.FS
	}{
		{"empty", "empty", sealift.KindInvalid, fstest.MapFS{}},
		{"only folders", "empty", sealift.KindInvalid, fstest.MapFS{"a/b": file(fs.ModeDir | 0o755)}},
		{"missing", "", sealift.KindNotFound, os.DirFS(filepath.Join(t.TempDir(), "none"))},
		{"link", "link", sealift.KindInvalid, fstest.MapFS{"a": file(0o644), "b": &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("a")}}},
		{"pipe", "special", sealift.KindInvalid, fstest.MapFS{"a": file(fs.ModeNamedPipe)}},
		{"device", "special", sealift.KindInvalid, fstest.MapFS{"a": file(fs.ModeDevice)}},
		{"socket", "special", sealift.KindInvalid, fstest.MapFS{"a": file(fs.ModeSocket)}},
		{"backslash", "path", sealift.KindInvalid, fstest.MapFS{`a\b`: file(0o644)}},
		{"control", "path", sealift.KindInvalid, fstest.MapFS{"a\tb": file(0o644)}},
		{"Windows", "path", sealift.KindInvalid, fstest.MapFS{"a/con.js": file(0o644)}},
		{"long", "path", sealift.KindInvalid, fstest.MapFS{strings.Repeat("long/", 205) + "a": file(0o644)}},
		{"case", "collision", sealift.KindInvalid, fstest.MapFS{"A": file(0o644), "a": file(0o644)}},
		{"case of folders", "collision", sealift.KindInvalid, fstest.MapFS{"A/1": file(0o644), "a/2": file(0o644)}},
		{"normalization", "collision", sealift.KindInvalid, fstest.MapFS{"\u00e9": file(0o644), "e\u0301": file(0o644)}},
		{"too large", "too_large", sealift.KindInvalid, sizedFS{sealift.MaxArchive}},
		{"too large by a trailer", "too_large", sealift.KindInvalid, sizedFS{sealift.MaxArchive - tarTrailer}},
		{"negative", "too_large", sealift.KindInvalid, sizedFS{-1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenSource(test.fsys)
			if sealift.KindOf(err) != test.kind || sealift.ReasonOf(err) != test.reason || sealift.HintOf(err) == "" {
				t.Errorf("kind %q, reason %q, hint %q: %v", sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err), err)
			}
		})
	}
}

// sizedFS has one file that says it is so long.
type sizedFS struct{ size int64 }

func (s sizedFS) Open(name string) (fs.File, error) { return fstest.MapFS{"a": {}}.Open(name) }
func (s sizedFS) ReadDir(string) ([]fs.DirEntry, error) {
	return []fs.DirEntry{fs.FileInfoToDirEntry(sizedInfo{benchInfo{name: "a"}, s.size})}, nil
}

type sizedInfo struct {
	benchInfo
	size int64
}

func (s sizedInfo) Size() int64 { return s.size }

func TestOpenSourceOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSource(os.DirFS(path)); sealift.KindOf(err) != sealift.KindInvalid {
		t.Error(err)
	}
}

// A real folder, through os.Root as publishers use it.
func TestOpenSourceOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for path, mode := range map[string]fs.FileMode{"b": 0o600, "a-b": 0o640, "a/z": 0o755, "a/b": 0o610, "A!": 0o604} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("12345"), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	source, err := OpenSource(root.FS())
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{"A!", 5, false}, {"a-b", 5, false}, {"a/b", 5, true}, {"a/z", 5, true}, {"b", 5, false}}
	if diff := cmp.Diff(want, slices.Collect(source.Files())); diff != "" {
		t.Error(diff)
	}
	if want := int64(5*2*tarBlock + tarTrailer); source.Length() != want {
		t.Errorf("a length of %d, not %d", source.Length(), want)
	}

	if err := os.Symlink("b", filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSource(root.FS()); sealift.ReasonOf(err) != "link" {
		t.Error(err)
	}
}

// brokenFS fails in one way on one file.
type brokenFS struct {
	fs.FS
	open func(file fs.File) (fs.File, error)
}

func (b brokenFS) Open(name string) (fs.File, error) {
	file, err := b.FS.Open(name)
	if name != "b.js" || err != nil {
		return file, err
	}
	return b.open(file)
}

type brokenFile struct {
	fs.File
	read func([]byte) (int, error)
	stat func() (fs.FileInfo, error)
}

func (b brokenFile) Stat() (fs.FileInfo, error) {
	if b.stat != nil {
		return b.stat()
	}
	return b.File.Stat()
}

func (b brokenFile) Read(p []byte) (int, error) {
	if b.read != nil {
		return b.read(p)
	}
	return b.File.Read(p)
}

func TestUnreadableFile(t *testing.T) {
	good := tree{"a.js": {Content: "a"}, "b.js": {Content: "b"}}.fs()
	for name, open := range map[string]func(fs.File) (fs.File, error){
		"open": func(fs.File) (fs.File, error) { return nil, fs.ErrPermission },
		"stat": func(f fs.File) (fs.File, error) {
			return brokenFile{File: f, stat: func() (fs.FileInfo, error) { return nil, fs.ErrPermission }}, nil
		},
		"read": func(f fs.File) (fs.File, error) {
			return brokenFile{File: f, read: func([]byte) (int, error) { return 0, fs.ErrPermission }}, nil
		},
		"no progress": func(f fs.File) (fs.File, error) {
			return brokenFile{File: f, read: func([]byte) (int, error) { return 0, nil }}, nil
		},
		"end": func(f fs.File) (fs.File, error) {
			calls := 0
			return brokenFile{File: f, read: func(p []byte) (int, error) {
				if calls++; calls > 1 {
					return 0, fs.ErrPermission
				}
				return copy(p, "b"), nil
			}}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := OpenSource(brokenFS{good, open})
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Digest(t.Context(), nil)
			if sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "unreadable" || !strings.Contains(err.Error(), "b.js") {
				t.Error(err)
			}
		})
	}
}
