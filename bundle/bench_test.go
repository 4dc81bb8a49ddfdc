package bundle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

// BenchmarkCPU measures the processor time, user and system, of the whole
// publishing pipeline (both passes) and of the whole installing pipeline (the
// blob's SHA-256 and Open) without a disk, on incompressible bytes, as
// multiples of one SHA-256 pass over the same bytes. "floor" is what no
// pipeline of this design can go below: two SHA-256 passes and one of AES-GCM.
// Each round measures all of them, so that a noisy machine disturbs them
// alike; the medians are reported.
func BenchmarkCPU(b *testing.B) {
	content := make([]byte, benchContents*benchFileSize)
	rand.NewChaCha8([32]byte{1}).Read(content)
	fsys := benchFS{content}
	var sums, floors, publishes, installs []float64
	var sealed bytes.Buffer
	sealed.Grow(benchFiles*benchFileSize*129/128 + 1<<20)
	key := NewContentKey()
	id := publish(b, &sealed, fsys, key)
	for b.Loop() {
		sums = append(sums, cpu(func() { hashAll(b, fsys) }))
		publishes = append(publishes, cpu(func() { publish(b, io.Discard, fsys, NewContentKey()) }))
		installs = append(installs, cpu(func() { install(b, sealed.Bytes(), id, key) }))
		floors = append(floors, 2*sums[len(sums)-1]+cpu(func() { encryptAll(b, content) }))
	}
	b.SetBytes(benchFiles * benchFileSize)
	b.ReportMetric(median(publishes)/median(sums), "publish/sha256")
	b.ReportMetric(median(installs)/median(sums), "install/sha256")
	b.ReportMetric(median(floors)/median(sums), "floor/sha256")
	b.ReportMetric(benchFiles*benchFileSize/1e6/median(sums), "sha256-MB/s")
}

// encryptAll encrypts as many bytes as all files have, and nothing more.
func encryptAll(b *testing.B, content []byte) {
	s, err := newSegments(ContentKey{}, make([]byte, streamHeader), nil)
	if err != nil {
		b.Fatal(err)
	}
	sealed := make([]byte, 0, segmentSize)
	for range benchFiles / benchContents {
		for segment := range slices.Chunk(content, segmentSize-tagSize) {
			s.gcm.Seal(sealed, make([]byte, nonceSize), segment, nil)
		}
	}
}

const (
	benchFiles, benchFileSize = 128, 4 << 20
	benchContents             = 64 // different ones; they repeat far beyond any window
)

func hashAll(b *testing.B, fsys fs.FS) {
	buffer := make([]byte, chunkSize)
	h := sha256.New()
	for i := range benchFiles {
		in, err := fsys.Open(benchName(i))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{in}, buffer); err != nil {
			b.Fatal(err)
		}
	}
	h.Sum(nil)
}

func publish(b *testing.B, dst io.Writer, fsys fs.FS, key ContentKey) Identity {
	source, err := OpenSource(fsys)
	if err != nil {
		b.Fatal(err)
	}
	id, err := source.Digest(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := Seal(b.Context(), dst, source, id, testApp, key, nil); err != nil {
		b.Fatal(err)
	}
	return id
}

func install(b *testing.B, sealed []byte, id Identity, key ContentKey) {
	buffer := make([]byte, chunkSize)
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{bytes.NewReader(sealed)}, buffer); err != nil {
		b.Fatal(err)
	}
	if sealift.Digest(h.Sum(nil)).IsZero() {
		b.Fatal("unlikely")
	}
	if err := Open(b.Context(), bytes.NewReader(sealed), id, testApp, key, Discard, nil); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the processor seconds that the whole process spends on work.
func cpu(work func()) float64 {
	before := processTime()
	work()
	return (processTime() - before).Seconds()
}

func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// benchFS is a folder of benchFiles files in memory.
type benchFS struct{ content []byte }

func benchName(i int) string { return fmt.Sprintf("file-%03d.bin", i) }

func (f benchFS) Open(name string) (fs.File, error) {
	if name == "." {
		return &benchFile{info: benchInfo{name: ".", dir: true}}, nil
	}
	var i int
	if _, err := fmt.Sscanf(name, "file-%03d.bin", &i); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	content := f.content[i%benchContents*benchFileSize:][:benchFileSize]
	return &benchFile{info: benchInfo{name: name}, Reader: bytes.NewReader(content)}, nil
}

func (f benchFS) ReadDir(string) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	for i := range benchFiles {
		entries = append(entries, fs.FileInfoToDirEntry(benchInfo{name: benchName(i)}))
	}
	return entries, nil
}

type benchFile struct {
	*bytes.Reader
	info benchInfo
}

func (f *benchFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *benchFile) Close() error               { return nil }

type benchInfo struct {
	name string
	dir  bool
}

func (i benchInfo) Name() string       { return i.name }
func (i benchInfo) Size() int64        { return benchFileSize }
func (i benchInfo) ModTime() time.Time { return time.Time{} }
func (i benchInfo) IsDir() bool        { return i.dir }
func (i benchInfo) Sys() any           { return nil }
func (i benchInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
