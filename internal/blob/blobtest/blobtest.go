// Package blobtest is the contract of blob.Store as tests: every
// implementation runs TestStore.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
)

// TestStore runs the contract over stores that open makes, each empty.
func TestStore(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"PutOpen", testPutOpen},
		{"Overwrite", testOverwrite},
		{"Expect", testExpect},
		{"ExpectKeepsOld", testExpectKeepsOld},
		{"EndlessReader", testEndlessReader},
		{"FailingReader", testFailingReader},
		{"Cancelled", testCancelled},
		{"NotFound", testNotFound},
		{"Delete", testDelete},
		{"OpenSurvivesReplacement", testOpenSurvives},
		{"Seek", testSeek},
		{"Keys", testKeys},
		{"AtomicUnderConcurrency", testAtomic},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

const key = "targets/com.acme.shop/production/web/offer.json"

func put(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return drain(t, f)
}

func drain(t *testing.T, f blob.File) string {
	t.Helper()
	content, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if f.Size() != int64(len(content)) {
		t.Errorf("Size() = %d, but %d bytes were read", f.Size(), len(content))
	}
	return string(content)
}

func wantAbsent(t *testing.T, s blob.Store, key string) {
	t.Helper()
	if exists, err := s.Exists(t.Context(), key); exists || err != nil {
		t.Errorf("Exists(%q) = %t, %v, want false", key, exists, err)
	}
}

func wantError(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("error %v has kind %q and reason %q, want %q and %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func expect(content string) *blob.Expect {
	return &blob.Expect{Digest: sealift.DigestOf([]byte(content)), Length: int64(len(content))}
}

func testPutOpen(t *testing.T, s blob.Store) {
	for key, content := range map[string]string{
		key:                              "offer",
		"top":                            "one element",
		"empty":                          "",
		"metadata/3.bins%2Da4.x":         "escaped",
		"log/tile/0/x001/067.p/8":        strings.Repeat("hash", 64),
		"blobs/" + big().Digest.String(): string(bigContent),
	} {
		put(t, s, key, content)
		if got := get(t, s, key); got != content {
			t.Errorf("%s holds %d bytes, want %d", key, len(got), len(content))
		}
		if exists, err := s.Exists(t.Context(), key); !exists || err != nil {
			t.Errorf("Exists(%q) = %t, %v, want true", key, exists, err)
		}
	}
}

// bigContent takes several buffers of any implementation.
var bigContent = bytes.Repeat([]byte("0123456789abcdef"), 3<<16)

func big() *blob.Expect { return expect(string(bigContent)) }

func testOverwrite(t *testing.T, s blob.Store) {
	put(t, s, key, "a longer first version")
	put(t, s, key, "second")
	if got := get(t, s, key); got != "second" {
		t.Errorf("after overwriting: %q", got)
	}
}

func testExpect(t *testing.T, s blob.Store) {
	if err := s.Put(t.Context(), key, bytes.NewReader(bigContent), big()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, key); got != string(bigContent) {
		t.Errorf("%d bytes came back, want %d", len(got), len(bigContent))
	}
	if err := s.Put(t.Context(), "empty", strings.NewReader(""), expect("")); err != nil {
		t.Error(err)
	}
}

func testExpectKeepsOld(t *testing.T, s blob.Store) {
	put(t, s, key, "old")
	for _, c := range []struct{ content, reason string }{
		{"nea", "digest"}, {"ne", "length"}, {"neww", "length"}, {"", "length"},
	} {
		err := s.Put(t.Context(), key, strings.NewReader(c.content), expect("new"))
		wantError(t, err, sealift.KindIntegrity, c.reason)
		err = s.Put(t.Context(), "other", strings.NewReader(c.content), expect("new"))
		wantError(t, err, sealift.KindIntegrity, c.reason)
	}
	if got := get(t, s, key); got != "old" {
		t.Errorf("a refused Put left %q", got)
	}
	wantAbsent(t, s, "other")
}

type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

func testEndlessReader(t *testing.T, s blob.Store) {
	r := new(endless)
	err := s.Put(t.Context(), key, r, expect("short"))
	wantError(t, err, sealift.KindIntegrity, "length")
	if r.read > int64(len("short"))+1 {
		t.Errorf("%d bytes were read of an endless stream", r.read)
	}
	wantAbsent(t, s, key)
}

func testFailingReader(t *testing.T, s blob.Store) {
	put(t, s, key, "old")
	away := sealift.Errorf(sealift.KindNetwork, "reading upload", "the other side is away").WithReason("away")
	for _, cause := range []error{away, io.ErrUnexpectedEOF} {
		r := io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(cause))
		err := s.Put(t.Context(), key, r, nil)
		if !errors.Is(err, cause) {
			t.Errorf("error %v does not wrap %v", err, cause)
		}
		if cause == error(away) {
			wantError(t, err, sealift.KindNetwork, "away")
		}
	}
	if got := get(t, s, key); got != "old" {
		t.Errorf("a failed Put left %q", got)
	}
}

func testCancelled(t *testing.T, s blob.Store) {
	put(t, s, key, "old")
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(strings.NewReader("ne"), readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, "w"), nil
	}), strings.NewReader("er"))
	if err := s.Put(ctx, key, r, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Put: %v", err)
	}
	if _, err := s.Open(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Open: %v", err)
	}
	if _, err := s.Exists(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Exists: %v", err)
	}
	if err := s.Delete(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Delete: %v", err)
	}
	if got := get(t, s, key); got != "old" {
		t.Errorf("a cancelled Put left %q", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func testNotFound(t *testing.T, s blob.Store) {
	put(t, s, "a/b/c", "x")
	for _, key := range []string{"absent", "a/absent", "a", "a/b", "a/b/c/d"} {
		_, err := s.Open(t.Context(), key)
		wantError(t, err, sealift.KindNotFound, "")
		wantAbsent(t, s, key)
	}
}

func testDelete(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	put(t, s, "a/c", "y")
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, "a/b")
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if got := get(t, s, "a/c"); got != "y" {
		t.Errorf("its neighbour holds %q", got)
	}
	put(t, s, "a/b", "again")
}

func testOpenSurvives(t *testing.T, s blob.Store) {
	put(t, s, "replaced", "old")
	put(t, s, "deleted", "old")
	files := make([]blob.File, 0, 2)
	for _, key := range []string{"replaced", "deleted"} {
		f, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	put(t, s, "replaced", "newer")
	if err := s.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if got := drain(t, f); got != "old" {
			t.Errorf("an open file reads %q", got)
		}
	}
}

func testSeek(t *testing.T, s blob.Store) {
	put(t, s, key, "0123456789")
	f, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.ModTime().IsZero() {
		t.Error("ModTime is zero")
	}
	if n, err := f.Seek(-3, io.SeekEnd); n != 7 || err != nil {
		t.Fatalf("Seek = %d, %v", n, err)
	}
	rest, err := io.ReadAll(f)
	if string(rest) != "789" || err != nil {
		t.Errorf("after Seek: %q, %v", rest, err)
	}
}

func testKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", ".tmp", ".tmp/a", "a/.hidden",
		`a\b`, "a b", "a\x00b", "a\nb", "ä", "a:b", "C:/a", "~", "a*", strings.Repeat("a", 256),
		strings.Repeat("a/", 16) + "a", strings.Repeat(strings.Repeat("a", 100)+"/", 11) + "a",
	} {
		wantError(t, s.Put(t.Context(), key, strings.NewReader("x"), nil), sealift.KindInvalid, "")
		_, err := s.Open(t.Context(), key)
		wantError(t, err, sealift.KindInvalid, "")
		_, err = s.Exists(t.Context(), key)
		wantError(t, err, sealift.KindInvalid, "")
		wantError(t, s.Delete(t.Context(), key), sealift.KindInvalid, "")
	}
}

// testAtomic has writers replace one key while readers read it: each reader
// must see one writer's bytes, whole.
func testAtomic(t *testing.T, s blob.Store) {
	versions := []string{strings.Repeat("a", 300<<10), strings.Repeat("b", 200<<10), strings.Repeat("c", 100<<10)}
	put(t, s, key, versions[0])
	var wg sync.WaitGroup
	for _, content := range versions {
		wg.Go(func() {
			for range 5 {
				if err := s.Put(t.Context(), key, strings.NewReader(content), expect(content)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				f, err := s.Open(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(f)
				if err := errors.Join(err, f.Close()); err != nil {
					t.Error(err)
				}
				if !isOneOf(string(got), versions) {
					t.Errorf("a reader saw %d mixed or partial bytes", len(got))
				}
			}
		})
	}
	wg.Wait()
}

func isOneOf(got string, versions []string) bool {
	for _, v := range versions {
		if got == v {
			return true
		}
	}
	return false
}
