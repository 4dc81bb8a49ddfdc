package bundle

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// BenchmarkMemory reports the greatest resident memory of this process, in
// MiB, during the passes over an archive of 1 GiB: all of the process, the
// test's own part included. Linux only.
func BenchmarkMemory(b *testing.B) {
	const files, size = 64, 16 << 20
	b.Run("publish", func(b *testing.B) {
		for b.Loop() {
			resetPeak(b)
			publish(b, io.Discard, randomFS{files, size}, ContentKey{})
			b.ReportMetric(peak(b), "MiB")
		}
	})
	b.Run("publish+install", func(b *testing.B) {
		for b.Loop() {
			resetPeak(b)
			publishAndInstall(b, randomFS{files, size})
			b.ReportMetric(peak(b), "MiB")
		}
	})
}

// BenchmarkPatchMemory reports the same while a patch is made and applied, for
// both archives of 10, 50 and 64 MiB: files of 1 MiB, each changed in one place.
func BenchmarkPatchMemory(b *testing.B) {
	for _, mib := range []int{10, 50, 64} {
		older, newer := &changedFS{randomFS: randomFS{mib, 1<<20 - tarBlock}}, &changedFS{randomFS{mib, 1<<20 - tarBlock}, "changed"}
		base, id := identityOf(b, older), identityOf(b, newer)
		var patch bytes.Buffer
		b.Run(fmt.Sprintf("make/%dMiB", mib), func(b *testing.B) {
			for b.Loop() {
				patch.Reset()
				resetPeak(b)
				from, to := mustOpen(b, older), mustOpen(b, newer)
				if _, err := SealPatch(b.Context(), &patch, Base{base, from}, to, id, testApp, ContentKey{}, nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(peak(b), "MiB")
			}
			b.ReportMetric(float64(patch.Len()), "bytes")
		})
		b.Run(fmt.Sprintf("apply/%dMiB", mib), func(b *testing.B) {
			for b.Loop() {
				resetPeak(b)
				from := mustOpen(b, older)
				if err := OpenPatch(b.Context(), bytes.NewReader(patch.Bytes()), Base{base, from}, id, testApp, ContentKey{}, Discard, nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(peak(b), "MiB")
			}
		})
	}
}

func mustOpen(b *testing.B, fsys fs.FS) *Source {
	source, err := OpenSource(fsys)
	if err != nil {
		b.Fatal(err)
	}
	return source
}

func identityOf(b *testing.B, fsys fs.FS) Identity {
	id, err := mustOpen(b, fsys).Digest(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// changedFS is a randomFS whose files begin with something else.
type changedFS struct {
	randomFS
	start string
}

func (c *changedFS) Open(name string) (fs.File, error) {
	file, err := c.randomFS.Open(name)
	if random, ok := file.(randomFile); ok && c.start != "" {
		start := io.MultiReader(strings.NewReader(c.start), random.Reader)
		return randomFile{random.info, io.LimitReader(start, random.info.Size())}, err
	}
	return file, err
}

// publishAndInstall opens a bundle while it is being sealed, so that nothing
// holds the sealed bytes.
func publishAndInstall(b *testing.B, fsys fs.FS) {
	source, err := OpenSource(fsys)
	if err != nil {
		b.Fatal(err)
	}
	id, err := source.Digest(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		_, err := Seal(b.Context(), w, source, id, testApp, ContentKey{}, nil)
		w.CloseWithError(err)
	}()
	if err := Open(b.Context(), r, id, testApp, ContentKey{}, Discard, nil); err != nil {
		b.Fatal(err)
	}
}

func resetPeak(b *testing.B) {
	debug.FreeOSMemory()
	// proc(5): 5 resets the peak resident set size.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

func peak(b *testing.B) (mib float64) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kib float64
			if _, err := fmt.Sscanf(value, "%f kB", &kib); err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

// randomFS is a folder of files of random bytes, made as they are read; every
// other one is hexadecimal, so that both encoders work.
type randomFS struct {
	files int
	size  int64
}

func (r randomFS) Open(name string) (fs.File, error) {
	if name == "." {
		return benchFS{}.Open(name)
	}
	var seed [32]byte
	copy(seed[:], name)
	content := io.Reader(rand.NewChaCha8(seed))
	if strings.HasSuffix(name, "1.bin") {
		content = hexadecimal{content}
	}
	return randomFile{r.info(name), io.LimitReader(content, r.size)}, nil
}

func (r randomFS) info(name string) fs.FileInfo { return sizedInfo{benchInfo{name: name}, r.size} }

func (r randomFS) ReadDir(string) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	for i := range r.files {
		entries = append(entries, fs.FileInfoToDirEntry(r.info(benchName(i))))
	}
	return entries, nil
}

type randomFile struct {
	info fs.FileInfo
	io.Reader
}

func (f randomFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f randomFile) Close() error               { return nil }

type hexadecimal struct{ io.Reader }

func (h hexadecimal) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	for i := range b[:n] {
		b[i] = "0123456789abcdef"[b[i]&15]
	}
	return n, err
}
