package client

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// blobServer serves one blob; serve, if set, does so instead of it.
type blobServer struct {
	content []byte
	etag    string
	mu      sync.Mutex
	ranges  []string // of each request
	serve   func(w http.ResponseWriter, r *http.Request, n int)
}

func (s *blobServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	n := len(s.ranges)
	s.mu.Unlock()
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
	}
	if s.serve != nil {
		s.serve(w, r, n)
		return
	}
	s.honest(w, r)
}

func (s *blobServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ranges
}

func (s *blobServer) honest(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.content))
}

// half sends the first half of what it should and breaks the connection.
func (s *blobServer) half(w http.ResponseWriter, from int) {
	rest := s.content[from:]
	w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s.content)-1, len(s.content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(rest[:len(rest)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func newBlobServer() *blobServer {
	s := &blobServer{content: make([]byte, 600_000), etag: `"v1"`}
	_, _ = rand.Read(s.content)
	return s
}

func (s *blobServer) download(t *testing.T, files Files) *download {
	return &download{
		wire: newWire(pipeNet(t, s)), files: files, name: "blob", address: "http://edge/v1/blobs/x",
		want: trust.Blob{Kind: trust.BlobFull, Digest: sealift.DigestOf(s.content), Length: int64(len(s.content))},
	}
}

func testFiles(t *testing.T) Files {
	files, err := NewSystem().Files(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	return files
}

func put(t *testing.T, files Files, name string, data []byte) {
	t.Helper()
	if err := files.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDownload(t *testing.T) {
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[0] ^= 1
		return b
	}
	for name, test := range map[string]struct {
		staged func(s *blobServer) []byte
		serve  func(s *blobServer) func(http.ResponseWriter, *http.Request, int)
		ranges []string
	}{
		"at once": {nil, nil, []string{""}},
		"broken and gone on with": {nil, func(s *blobServer) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, n int) {
				switch n {
				case 1:
					s.half(w, 0)
				case 2:
					if r.Header.Get("If-Range") != s.etag {
						panic("no If-Range")
					}
					s.half(w, 300_000)
				}
				s.honest(w, r)
			}
		}, []string{"", "bytes=300000-", "bytes=450000-"}},
		"begun by another run": {func(s *blobServer) []byte { return s.content[:1000] }, nil, []string{"bytes=1000-"}},
		"all there":            {func(s *blobServer) []byte { return s.content }, nil, nil},
		"damaged beginning":    {func(s *blobServer) []byte { return flip(s.content[:1000]) }, nil, []string{"bytes=1000-", ""}},
		"all there, damaged":   {func(s *blobServer) []byte { return flip(s.content) }, nil, []string{""}},
		"more than there is":   {func(s *blobServer) []byte { return append(bytes.Clone(s.content), 1) }, nil, []string{""}},
		"no ranges": {func(s *blobServer) []byte { return s.content[:1000] }, func(s *blobServer) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, _ int) { _, _ = w.Write(s.content) }
		}, []string{"bytes=1000-"}},
		"another range": {func(s *blobServer) []byte { return s.content[:1000] }, func(s *blobServer) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(s.content)-1, len(s.content)))
					w.WriteHeader(http.StatusPartialContent)
					return
				}
				s.honest(w, r)
			}
		}, []string{"bytes=1000-", ""}},
		"nothing satisfiable": {func(s *blobServer) []byte { return s.content[:1000] }, func(s *blobServer) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
					return
				}
				s.honest(w, r)
			}
		}, []string{"bytes=1000-", ""}},
		"changed meanwhile": {nil, func(s *blobServer) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, n int) {
				switch n {
				case 1:
					s.half(w, 0)
				case 2: // goes on with another file
					w.Header().Set("ETag", `"v2"`)
					s.half(w, 300_000)
				}
				s.honest(w, r)
			}
		}, []string{"", "bytes=300000-", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s, files := newBlobServer(), testFiles(t)
			if test.staged != nil {
				put(t, files, "blob", test.staged(s))
			}
			if test.serve != nil {
				s.serve = test.serve(s)
			}
			d := s.download(t, files)
			var last int64
			d.progress = func(done, total int64) {
				if done > total || total != int64(len(s.content)) {
					t.Errorf("progress %d of %d", done, total)
				}
				last = done
			}
			if err := d.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, err := files.ReadFile("blob", 1<<20)
			if err != nil || !bytes.Equal(got, s.content) {
				t.Errorf("staged %d bytes that differ, %v", len(got), err)
			}
			if fmt.Sprint(s.asked()) != fmt.Sprint(test.ranges) {
				t.Errorf("asked for %q, want %q", s.asked(), test.ranges)
			}
			if len(test.ranges) > 0 && last != int64(len(s.content)) {
				t.Errorf("progress ended at %d", last)
			}
		})
	}
}

func TestDownloadRefused(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		serve  func(s *blobServer, w http.ResponseWriter, r *http.Request)
	}{
		"tampered": {"blob-digest", func(s *blobServer, w http.ResponseWriter, r *http.Request) {
			s.content[500_000] ^= 1
			s.honest(w, r)
			s.content[500_000] ^= 1
		}},
		"truncated":         {"blob-length", func(s *blobServer, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.content[:1000]) }},
		"truncated, unsaid": {"blob-length", func(s *blobServer, w http.ResponseWriter, _ *http.Request) { chunked(w, s.content[:1000]) }},
		"one more": {"blob-length", func(s *blobServer, w http.ResponseWriter, _ *http.Request) {
			chunked(w, append(bytes.Clone(s.content), 1))
		}},
		"one more, and saying": {"blob-length", func(s *blobServer, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(bytes.Clone(s.content), 1))
		}},
		"empty": {"blob-length", func(s *blobServer, w http.ResponseWriter, _ *http.Request) {}},
		"endless": {"blob-length", func(s *blobServer, w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(s.content)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, files := newBlobServer(), testFiles(t)
			s.serve = func(w http.ResponseWriter, r *http.Request, _ int) { test.serve(s, w, r) }
			err := s.download(t, files).run(t.Context())
			if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != test.reason {
				t.Errorf("got %q/%q (%v), want %q", sealift.KindOf(err), sealift.ReasonOf(err), err, test.reason)
			}
			if _, err := files.Open("blob"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was refused is still staged: %v", err)
			}
			if len(s.asked()) != 1 {
				t.Errorf("%d requests for what cannot get better", len(s.asked()))
			}
		})
	}
}

func chunked(w http.ResponseWriter, content []byte) {
	_, _ = w.Write(content[:1])
	_ = http.NewResponseController(w).Flush()
	_, _ = w.Write(content[1:])
}

// What is too slow is given up, whether it stops or pretends to go on, and
// what came is kept.
func TestDownloadSlow(t *testing.T) {
	trickle := func(every time.Duration) func(*blobServer, http.ResponseWriter, *http.Request) {
		return func(s *blobServer, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
			for i := 0; i < len(s.content) && r.Context().Err() == nil; i++ {
				_, _ = w.Write(s.content[i : i+1])
				_ = http.NewResponseController(w).Flush()
				time.Sleep(every)
			}
		}
	}
	for name, test := range map[string]struct {
		serve  func(s *blobServer, w http.ResponseWriter, r *http.Request)
		within time.Duration
	}{
		"trickle":  {trickle(100 * time.Millisecond), sealift.MinRateWindow + time.Second},
		"stalled":  {trickle(time.Hour), sealift.IdleTimeout},
		"no start": {func(_ *blobServer, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, sealift.ConnectTimeout + sealift.IdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			files := testFiles(t)
			synctest.Test(t, func(t *testing.T) {
				s := newBlobServer()
				s.serve = func(w http.ResponseWriter, r *http.Request, _ int) { test.serve(s, w, r) }
				begin := time.Now()
				refused(t, s.download(t, files).run(t.Context()), sealift.KindNetwork, "slow")
				if took := time.Since(begin); took > test.within {
					t.Errorf("gave up after %s, want %s at most", took, test.within)
				}
				if len(s.asked()) != 1 {
					t.Errorf("%d requests, want 1", len(s.asked()))
				}
			})
		})
	}
}

// fullDisk is a Files on which no more than room bytes can be appended.
type fullDisk struct {
	Files
	room int
}

func (d *fullDisk) Append(name string) (File, error) {
	f, err := d.Files.Append(name)
	return &fullFile{f, d}, err
}

type fullFile struct {
	File
	disk *fullDisk
}

func (f *fullFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p[:min(len(p), f.disk.room)])
	f.disk.room -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestDownloadFullDisk(t *testing.T) {
	s, disk := newBlobServer(), &fullDisk{testFiles(t), 100_000}
	refused(t, s.download(t, disk).run(t.Context()), sealift.KindExhausted, "disk-full")
	disk.room = 1 << 30
	if err := s.download(t, disk).run(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if want := "[ bytes=100000-]"; fmt.Sprint(s.asked()) != want {
		t.Errorf("asked for %q, want %q", s.asked(), want)
	}
}

func TestDownloadGivesUp(t *testing.T) {
	s, files := newBlobServer(), testFiles(t)
	at := 0
	s.serve = func(w http.ResponseWriter, _ *http.Request, n int) {
		from := at
		at += (len(s.content) - at) / 2
		s.half(w, from)
	}
	refused(t, s.download(t, files).run(t.Context()), sealift.KindNetwork, "unreachable")
	if len(s.asked()) != sealift.MaxResumes+1 {
		t.Errorf("%d requests, want %d", len(s.asked()), sealift.MaxResumes+1)
	}
	s.serve = nil
	if err := s.download(t, files).run(t.Context()); err != nil {
		t.Errorf("by another run: %v", err)
	}
}
