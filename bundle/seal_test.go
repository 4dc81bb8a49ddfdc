package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTree(t)
		key := NewContentKey()
		sealed, id := mustSeal(t, want, key)
		got := tree{}
		if err := Open(t.Context(), bytes.NewReader(sealed), id, testApp, key, got, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// drawTree draws a bundle that OpenSource takes.
func drawTree(t *rapid.T) tree {
	content := rapid.OneOf(
		rapid.StringN(0, 100, -1),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.StringN(1, 20, -1).Draw(t, "unit"), rapid.IntRange(0, 40_000).Draw(t, "times"))
		}),
	)
	drawn := tree{}
	for range rapid.IntRange(1, 12).Draw(t, "files") {
		drawn[drawPath(t)] = leaf{content.Draw(t, "content"), rapid.Bool().Draw(t, "executable")}
	}
	var seen names
	for _, path := range slices.Sorted(maps.Keys(drawn)) {
		if reason, _ := seen.add(path); reason != "" {
			delete(drawn, path)
		}
	}
	return drawn
}

// The bundle's identity depends on the files alone: not on when and how often
// they are archived, by what pieces they are read, or on their other modes.
func TestArchiveIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawTree(t)
		archive := archiveOf(t, drawn)
		_, id := mustSeal(t, drawn, ContentKey{})
		if id != (Identity{sealift.DigestOf(archive), int64(len(archive))}) {
			t.Fatal("the identity is not the archive's")
		}
		fsys := drawn.fs()
		for _, file := range fsys {
			file.ModTime = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "time"), 0)
			file.Mode |= fs.FileMode(rapid.SampledFrom([]int{0, 0o600, 0o044, 0o022}).Draw(t, "mode"))
		}
		source, err := OpenSource(pieces{fsys})
		if err != nil {
			t.Fatal(err)
		}
		again, err := source.Digest(t.Context(), nil)
		if err != nil || again != id {
			t.Fatal(again, id, err)
		}
		for _, file := range fsys {
			file.Mode ^= 0o111
			break
		}
		if source, err = OpenSource(fsys); err != nil {
			t.Fatal(err)
		}
		if other, err := source.Digest(t.Context(), nil); err != nil || other == id {
			t.Fatal("the executable bit does not count", err)
		}
	})
}

// pieces reads every file a few bytes at a time, and lists folders backwards.
type pieces struct{ fs.FS }

func (p pieces) Open(name string) (fs.File, error) {
	file, err := p.FS.Open(name)
	if err != nil || name == "." {
		return file, err
	}
	return brokenFile{File: file, read: func(b []byte) (int, error) { return file.Read(b[:min(len(b), 4099)]) }}, nil
}

func (p pieces) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(p.FS, name)
	slices.Reverse(entries)
	return entries, err
}

// The archive is a tar that everyone can read.
func TestArchiveIsTar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, got := drawTree(t), tree{}
		for r := tar.NewReader(bytes.NewReader(archiveOf(t, want))); ; {
			header, err := r.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got[header.Name] = leaf{string(content), header.Mode == 0o755}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSealNoticesChange(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 100_000)
	for name, change := range map[string]func(fsys fstest.MapFS){
		"content":    func(fsys fstest.MapFS) { fsys["b"].Data[len(big)/2] ^= 1 },
		"exchanged":  func(fsys fstest.MapFS) { fsys["c"].Data, fsys["d"].Data = fsys["d"].Data, fsys["c"].Data },
		"longer":     func(fsys fstest.MapFS) { fsys["b"].Data = append(fsys["b"].Data, 'x') },
		"shorter":    func(fsys fstest.MapFS) { fsys["b"].Data = fsys["b"].Data[1:] },
		"gone":       func(fsys fstest.MapFS) { delete(fsys, "b") },
		"executable": func(fsys fstest.MapFS) { fsys["b"].Mode = 0o755 },
		"a folder":   func(fsys fstest.MapFS) { fsys["b"].Mode |= fs.ModeDir },
		"a link":     func(fsys fstest.MapFS) { fsys["b"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("c")} },
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(name, "/", known), func(t *testing.T) {
				fsys := tree{"a": {Content: "a"}, "b": {Content: big}, "c": {Content: "12"}, "d": {Content: "34"}}.fs()
				source, err := OpenSource(fsys)
				if err != nil {
					t.Fatal(err)
				}
				id, err := source.Digest(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !known { // an identity from elsewhere
					source.first = nil
				}
				if _, err := Seal(t.Context(), io.Discard, source, id, testApp, ContentKey{}, nil); err != nil {
					t.Fatal("before the change:", err)
				}
				change(fsys)
				_, err = Seal(t.Context(), io.Discard, source, id, testApp, ContentKey{}, nil)
				if sealift.KindOf(err) != sealift.KindConflict || sealift.ReasonOf(err) != "changed" {
					t.Error(err)
				}
			})
		}
	}
}

// A file that grows or shrinks between its Stat and its last Read.
func TestSealNoticesGrowth(t *testing.T) {
	for name, content := range map[string]string{"longer": "bb", "shorter": ""} {
		t.Run(name, func(t *testing.T) {
			good := tree{"b.js": {Content: "b"}}.fs()
			source, err := OpenSource(brokenFS{good, func(f fs.File) (fs.File, error) {
				return brokenFile{File: f, read: strings.NewReader(content).Read}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.Digest(t.Context(), nil); sealift.ReasonOf(err) != "changed" {
				t.Error(err)
			}
		})
	}
}

func TestSealOfAnotherIdentity(t *testing.T) {
	source, err := OpenSource(tree{"a": {Content: "a"}}.fs())
	if err != nil {
		t.Fatal(err)
	}
	right, err := source.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []Identity{{}, {Length: right.Length}, {right.Digest, right.Length + 1}} {
		if _, err := Seal(t.Context(), io.Discard, source, id, testApp, ContentKey{}, nil); sealift.KindOf(err) != sealift.KindConflict {
			t.Error(err)
		}
	}
}

func TestSealPassesErrors(t *testing.T) {
	content := strings.Repeat("a", 4<<20)
	source, err := OpenSource(tree{"a": {Content: content}}.fs())
	if err != nil {
		t.Fatal(err)
	}
	id, err := source.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	full := sealift.Errorf(sealift.KindExhausted, "writing", "disk full")
	if _, err := Seal(t.Context(), failing{write: full}, source, id, testApp, ContentKey{}, nil); !errors.Is(err, full) || sealift.KindOf(err) != sealift.KindExhausted {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Seal(ctx, io.Discard, source, id, testApp, ContentKey{}, func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := source.Digest(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Progress only grows, and ends with all of it, in each of the three passes.
func TestProgress(t *testing.T) {
	source, err := OpenSource(tree{"a": {Content: strings.Repeat("a", 3<<20)}, "b": {}}.fs())
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	last := int64(0)
	progress := func(done, total int64) {
		if calls++; done <= last || done > total || total != source.Length() {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}
	whole := func(pass string) {
		if calls < 3<<20/chunkSize || last != source.Length() {
			t.Errorf("%s: %d calls, the last with %d", pass, calls, last)
		}
		calls, last = 0, 0
	}
	id, err := source.Digest(t.Context(), progress)
	if err != nil {
		t.Fatal(err)
	}
	whole("digest")
	var sealed bytes.Buffer
	if _, err := Seal(t.Context(), &sealed, source, id, testApp, ContentKey{}, progress); err != nil {
		t.Fatal(err)
	}
	whole("seal")
	if err := Open(t.Context(), &sealed, id, testApp, ContentKey{}, tree{}, progress); err != nil {
		t.Fatal(err)
	}
	whole("open")
}

// Two seals of one bundle share no byte that an observer could compare.
func TestSealIsRandomized(t *testing.T) {
	bundle := tree{"a": {Content: "a"}}
	one, _ := mustSeal(t, bundle, ContentKey{})
	two, _ := mustSeal(t, bundle, ContentKey{})
	if bytes.Equal(one[1:streamHeader], two[1:streamHeader]) || bytes.Equal(one[streamHeader:], two[streamHeader:]) {
		t.Error("salt and nonce prefix repeat")
	}
}
