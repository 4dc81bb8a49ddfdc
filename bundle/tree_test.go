package bundle

import (
	"bytes"
	"context"
	"io"
	"testing/fstest"

	"github.com/sealift/sealift"
)

const testApp = sealift.AppID("com.acme.shop")

// tree is a bundle in memory, and a Sink.
type tree map[string]leaf

type leaf struct {
	Content    string
	Executable bool
}

func (t tree) Create(path string, _ int64, executable bool) (io.WriteCloser, error) {
	return &leafWriter{tree: t, path: path, executable: executable}, nil
}

type leafWriter struct {
	bytes.Buffer
	tree       tree
	path       string
	executable bool
}

func (l *leafWriter) Close() error {
	l.tree[l.path] = leaf{l.String(), l.executable}
	return nil
}

func (t tree) fs() fstest.MapFS {
	fsys := fstest.MapFS{}
	for path, leaf := range t {
		file := &fstest.MapFile{Data: []byte(leaf.Content), Mode: 0o644}
		if leaf.Executable {
			file.Mode = 0o755
		}
		fsys[path] = file
	}
	return fsys
}

// reporter is what *testing.T, *testing.B and *rapid.T have in common.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Context() context.Context
}

// mustSeal publishes a tree.
func mustSeal(t reporter, from tree, key ContentKey) (sealed []byte, id Identity) {
	t.Helper()
	source, err := OpenSource(from.fs())
	if err != nil {
		t.Fatal(err)
	}
	id, err = source.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var dst bytes.Buffer
	blob, err := Seal(t.Context(), &dst, source, id, testApp, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Blob{sealift.DigestOf(dst.Bytes()), int64(dst.Len())}); blob != want {
		t.Fatal("Seal returned", blob, "for", want)
	}
	return dst.Bytes(), id
}
