package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

// FuzzOpen pushes any bytes at all through the strict reader. What it accepts
// must be, byte for byte, the archive of the files that it gave.
func FuzzOpen(f *testing.F) {
	var small parcel
	small.addFile(File{Path: "a.js", Size: 5}, "let x")
	small.addFile(File{Path: "b/run", Size: 600, Executable: true}, strings.Repeat("x", 600))
	f.Add(append(small.archive, make([]byte, tarTrailer)...), 512)
	f.Add(tarOf(File{Path: "é/日本"}, File{Path: "ü", Executable: true}), 1)
	f.Add(tarOf(File{Path: "a/b"}, File{Path: "a/c"}), 1<<20)
	f.Add(foreign(tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b", Mode: 0o644}), 100)
	f.Fuzz(func(t *testing.T, archive []byte, step int) {
		archive = bytes.Clone(archive)
		sumBlocks(archive)
		got := tree{}
		reader := tarReader{sink: got, left: int64(len(archive))}
		defer reader.abandon()
		if err := pushAll(&reader, archive, step); err != nil {
			if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) == "" {
				t.Errorf("refused with kind %q and reason %q: %v", sealift.KindOf(err), sealift.ReasonOf(err), err)
			}
			return
		}
		if !bytes.Equal(archiveOf(t, got), archive) {
			t.Errorf("an archive of %d files that we would not write is accepted", len(got))
		}
	})
}

// sumBlocks corrects checksums, without which little would be tried.
func sumBlocks(archive []byte) {
	for block := range slices.Chunk(archive, tarBlock) {
		if len(block) < tarBlock || string(block[257:262]) != "ustar" {
			continue
		}
		copy(block[148:156], "        ")
		sum := int64(0)
		for _, c := range block {
			sum += int64(c)
		}
		putOctal(block[148:155], sum)
	}
}

func pushAll(reader *tarReader, archive []byte, step int) error {
	if step < 1 {
		step = 1
	}
	for len(archive) > 0 {
		n := min(step, len(archive))
		if err := reader.take(archive[:n]); err != nil {
			return err
		}
		archive = archive[n:]
	}
	return reader.finish()
}

// FuzzCompressed gives Open a stream that authenticates and holds anything.
func FuzzCompressed(f *testing.F) {
	honest := honest(f)
	f.Add(honest.packed)
	f.Add(append(bytes.Clone(honest.packed), 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 1, 0, 0})
	f.Fuzz(func(t *testing.T, packed []byte) {
		p := &parcel{app: testApp, keepID: true, id: honest.id, packed: packed}
		p.seal(t)
		got := tree{}
		err := Open(t.Context(), bytes.NewReader(p.sealed), p.id, p.app, p.key, got, nil)
		switch {
		case err == nil && !bytes.Equal(archiveOf(t, got), honest.archive):
			t.Error("another archive is accepted")
		case err != nil && (sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) == ""):
			t.Errorf("refused with kind %q and reason %q: %v", sealift.KindOf(err), sealift.ReasonOf(err), err)
		}
	})
}

// FuzzInspect holds the inspection to one verdict, however the content comes.
func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x7fELF"), 1)
	f.Add([]byte(peFile(100)), 7)
	f.Add([]byte("PK\x03\x04PK\x03\x04PK\x01\x02"), 3)
	f.Fuzz(func(t *testing.T, content []byte, step int) {
		whole, parts := newInspector(newZipBudget(t.Context())), newInspector(newZipBudget(t.Context()))
		whole.take(content)
		for rest := content; len(rest) > 0; {
			n := min(max(step, 1), len(rest))
			parts.take(rest[:n])
			rest = rest[n:]
		}
		a, errA := whole.finish()
		b, errB := parts.finish()
		if a != b || !errors.Is(errB, errA) {
			t.Errorf("%q and %v in one piece, %q and %v in pieces of %d", a, errA, b, errB, step)
		}
	})
}
