package bundle

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The bytes of a header are what archive/tar writes today.
func TestHeaderIsArchiveTars(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := File{
			Path:       drawPath(t),
			Size:       rapid.Int64Range(0, 8<<30-1).Draw(t, "size"),
			Executable: rapid.Bool().Draw(t, "executable"),
		}
		mode := int64(0o644)
		if f.Executable {
			mode = 0o755
		}
		var want bytes.Buffer
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: mode}
		if err := tar.NewWriter(&want).WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		got := appendHeader(nil, f)
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("header of %q differs: %s", f.Path, cmp.Diff(want.Bytes(), got))
		}
		if len(got) > maxHeader {
			t.Fatalf("a header of %d bytes", len(got))
		}
	})
}

// drawPath draws a path that checkPath takes, of any length it takes.
func drawPath(t *rapid.T) string {
	element := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9_-]{1,12}`),
		rapid.StringMatching(`[A-Za-z0-9._ é日本😀-]{0,60}[a-z]`),
		rapid.StringMatching(`[a-z]{90,250}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		path := element.Draw(t, "element")
		for range rapid.IntRange(0, 8).Draw(t, "depth") {
			path += "/" + element.Draw(t, "element")
		}
		return path
	}).Filter(func(path string) bool { return checkPath(path) == "" }).Draw(t, "path")
}
