package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

// parcel is all that Open gets. A test bends one thing of it.
type parcel struct {
	key     ContentKey
	app     sealift.AppID
	id      Identity
	archive []byte // the plaintext tar; id is made of it unless resign is false
	packed  []byte // made of archive unless set
	sealed  []byte // made of packed unless set
	keepID  bool   // id stays that of the honest archive
}

// honest returns the parcel of a small bundle, all parts filled in.
func honest(t reporter) *parcel {
	p := &parcel{key: ContentKey{1, 2, 3}, app: testApp}
	for _, f := range []struct {
		File
		content string
	}{
		{File{Path: "app.js"}, strings.Repeat("let x = 1;\n", 20_000)},
		{File{Path: "bin/run", Executable: true}, "#!/bin/sh\n"},
		{File{Path: "empty"}, ""},
		{File{Path: "index.html"}, strings.Repeat("<p>", 5_000)},
	} {
		f.Size = int64(len(f.content))
		p.addFile(f.File, f.content)
	}
	p.archive = append(p.archive, make([]byte, tarTrailer)...)
	p.seal(t)
	return p
}

func (p *parcel) addFile(f File, content string) {
	p.archive = appendHeader(p.archive, f)
	p.archive = append(p.archive, content...)
	p.archive = append(p.archive, make([]byte, padding(f.Size))...)
}

// seal fills in what was not set.
func (p *parcel) seal(t reporter) {
	t.Helper()
	if !p.keepID {
		p.id = Identity{sealift.DigestOf(p.archive), int64(len(p.archive))}
	}
	if p.packed == nil {
		p.packed = pack(t, p.archive)
	}
	if p.sealed == nil {
		var sealed bytes.Buffer
		w, err := newSealingWriter(&sealed, p.key, fullBinding(p.app, p.id.Digest))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p.packed); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		p.sealed = sealed.Bytes()
	}
}

func pack(t reporter, archive []byte, options ...zstd.EOption) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	encoder.Reset(&packed)
	if _, err := encoder.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func (p *parcel) open(ctx context.Context) error {
	return Open(ctx, bytes.NewReader(p.sealed), p.id, p.app, p.key, tree{}, nil)
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name, reason string
		bend         func(p *parcel)
	}{
		{"nothing at all", "truncated", func(p *parcel) { p.sealed = []byte{} }},
		{"a cut header", "truncated", func(p *parcel) { p.sealed = p.sealed[:20] }},
		{"a header alone", "authentication", func(p *parcel) { p.sealed = p.sealed[:streamHeader] }},
		{"a header of another length", "format", func(p *parcel) { p.sealed[0]++ }},
		{"a changed salt", "authentication", func(p *parcel) { p.sealed[1]++ }},
		{"a changed byte", "authentication", func(p *parcel) { p.sealed[len(p.sealed)/2]++ }},
		{"a changed tag", "authentication", func(p *parcel) { p.sealed[len(p.sealed)-1]++ }},
		{"a truncated stream", "authentication", func(p *parcel) { p.sealed = p.sealed[:len(p.sealed)-1] }},
		{"an extended stream", "authentication", func(p *parcel) { p.sealed = append(p.sealed, 0) }},
		{"another key", "authentication", func(p *parcel) { p.key[31]++ }},
		{"another app", "authentication", func(p *parcel) { p.app = "com.acme.shoq" }},
		{"another archive digest", "authentication", func(p *parcel) { p.id.Digest[0]++ }},
		{"a patch's sealing", "authentication", func(p *parcel) {
			p.resealUnder(bind("sealift/bundle/v1").text("patch").text(string(p.app)).bytes(p.id.Digest[:]).bytes(nil))
		}},
		{"a base digest", "authentication", func(p *parcel) {
			p.resealUnder(bind("sealift/bundle/v1").text("full").text(string(p.app)).bytes(p.id.Digest[:]).bytes(p.id.Digest[:]))
		}},
		{"a length of nothing", "length", func(p *parcel) { p.id.Length = 0 }},
		{"a length beyond all bounds", "length", func(p *parcel) { p.id.Length = sealift.MaxArchive + 1 }},
		{"a longer archive", "longer", func(p *parcel) { p.id.Length -= tarBlock }},
		{"a shorter archive", "shorter", func(p *parcel) { p.id.Length += tarBlock }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := honest(t)
			if err := p.open(t.Context()); err != nil {
				t.Fatal("before it is bent:", err)
			}
			test.bend(p)
			wantRefusal(t, p.open(t.Context()), test.reason)
		})
	}
}

func (p *parcel) resealUnder(associated []byte) {
	var sealed bytes.Buffer
	w, err := newSealingWriter(&sealed, p.key, associated)
	if err != nil {
		panic(err)
	}
	w.Write(p.packed)
	w.Close()
	p.sealed = sealed.Bytes()
}

func wantRefusal(t *testing.T, err error, reason string) {
	t.Helper()
	if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != reason {
		t.Errorf("kind %q, reason %q, want reason %q: %v", sealift.KindOf(err), sealift.ReasonOf(err), reason, err)
	}
}

// Segments must not be left out, repeated or exchanged.
func TestOpenRefusesMovedSegments(t *testing.T) {
	p := honest(t)
	p.packed = slices.Repeat([]byte{0x50, 0x2a, 0x4d, 0x18, 0xf8, 0xff, 0x07, 0x00}, 4<<20/8) // any plaintext
	p.sealed = nil
	p.seal(t)
	segment := func(n int) []byte { return p.sealed[n*segmentSize : min((n+1)*segmentSize, len(p.sealed))] }
	for name, order := range map[string][]int{
		"left out": {0, 2, 3, 4}, "repeated": {0, 1, 1, 2, 3, 4}, "exchanged": {0, 2, 1, 3, 4}, "no last": {0, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var moved []byte
			for _, n := range order {
				moved = append(moved, segment(n)...)
			}
			plain, err := newOpeningReader(bytes.NewReader(moved), p.key, fullBinding(p.app, p.id.Digest))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, plain); !errors.Is(err, errSegment) {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefusesCompression(t *testing.T) {
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}
	for _, test := range []struct {
		name, reason string
		pack         func(t *testing.T, p *parcel) []byte
	}{
		{"no zstd", "compression", func(_ *testing.T, p *parcel) []byte { return p.archive }},
		{"a wrong checksum", "compression", func(t *testing.T, p *parcel) []byte {
			packed := pack(t, p.archive, zstd.WithEncoderCRC(true))
			packed[len(packed)-1]++
			return packed
		}},
		{"a reserved block", "compression", func(_ *testing.T, p *parcel) []byte {
			return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x07, 0x00, 0x00}
		}},
		{"a cut frame", "compression", func(_ *testing.T, p *parcel) []byte { return p.packed[:len(p.packed)-10] }},
		{"a dictionary", "compression", func(t *testing.T, p *parcel) []byte {
			return pack(t, p.archive, zstd.WithEncoderDictRaw(7, p.archive[:4096]))
		}},
		{"a bomb", "longer", func(t *testing.T, p *parcel) []byte {
			return pack(t, append(slices.Clone(p.archive), make([]byte, 256<<20)...))
		}},
		{"one byte more", "longer", func(t *testing.T, p *parcel) []byte {
			return pack(t, append(slices.Clone(p.archive), 0))
		}},
		{"one byte less", "shorter", func(t *testing.T, p *parcel) []byte {
			return pack(t, p.archive[:len(p.archive)-1])
		}},
		{"a window too large", "window", func(t *testing.T, p *parcel) []byte {
			return pack(t, p.archive, zstd.WithWindowSize(2*sealift.MaxZstdWindow), zstd.WithEncoderConcurrency(1))
		}},
		{"a single segment too large", "window", func(*testing.T, *parcel) []byte {
			return []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x01, 0x00, 0x80, 0x00, 0x01, 0x00, 0x00} // 8 MiB and 1
		}},
		{"junk after the frame", "trailing", func(_ *testing.T, p *parcel) []byte { return append(p.packed, "junk"...) }},
		{"a byte after the frame", "trailing", func(_ *testing.T, p *parcel) []byte { return append(p.packed, 0x28) }},
		{"a skippable frame after it", "trailing", func(_ *testing.T, p *parcel) []byte { return append(p.packed, skippable...) }},
		{"a frame of nothing after it", "trailing", func(t *testing.T, p *parcel) []byte { return append(p.packed, pack(t, nil)...) }},
		{"empty frames without end", "longer", func(_ *testing.T, p *parcel) []byte {
			return append(bytes.Repeat(skippable, 40_000), p.packed...)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := honest(t)
			p.packed = test.pack(t, p)
			p.sealed = nil
			p.seal(t)
			wantRefusal(t, p.open(t.Context()), test.reason)
		})
	}
}

// An archive that is well-formed, but not the one that was signed.
func TestOpenRefusesOtherArchive(t *testing.T) {
	p := honest(t)
	p.keepID = true
	p.archive = bytes.Replace(p.archive, []byte("let x = 1"), []byte("let x = 2"), 1)
	p.packed, p.sealed = nil, nil
	p.seal(t)
	wantRefusal(t, p.open(t.Context()), "digest")
}

func TestOpenRefusesTar(t *testing.T) {
	long := strings.Repeat("d/", sealift.MaxPath/2)
	for _, test := range []struct {
		name, reason string
		archive      []byte
	}{
		{"empty", "empty", tarOf()},
		{"..", "path", tarOf(File{Path: "../a"})},
		{".. within", "path", tarOf(File{Path: "a/../b"})},
		{".", "path", tarOf(File{Path: "./a"})},
		{"absolute", "path", tarOf(File{Path: "/etc/passwd"})},
		{"no name", "path", tarOf(File{Path: ""})},
		{"double slash", "path", tarOf(File{Path: "a//b"})},
		{"trailing slash", "path", tarOf(File{Path: "a/"})},
		{"backslash", "path", tarOf(File{Path: `a\b`})},
		{"control character", "path", tarOf(File{Path: "a\nb"})},
		{"not UTF-8", "path", tarOf(File{Path: "a\xff"})},
		{"Windows device", "path", tarOf(File{Path: "js/aux.js"})},
		{"Windows stream", "path", tarOf(File{Path: "a:b"})},
		{"over-long", "path", tarOf(File{Path: long + "abc"})},
		{"over-long element", "path", tarOf(File{Path: strings.Repeat("n", sealift.MaxPathElement+1)})},
		{"far over-long", "header", tarOf(File{Path: strings.Repeat(long, 4) + "a"})},
		{"duplicate", "collision", tarOf(File{Path: "a"}, File{Path: "a"})},
		{"unsorted", "order", tarOf(File{Path: "b"}, File{Path: "a"})},
		{"sorted by locale", "order", tarOf(File{Path: "a"}, File{Path: "B"})},
		{"case", "collision", tarOf(File{Path: "A.js"}, File{Path: "a.js"})},
		{"case of a folder", "collision", tarOf(File{Path: "A/1"}, File{Path: "a/2"})},
		{"normalization", "collision", tarOf(File{Path: "e\u0301"}, File{Path: "\u00e9"})},
		{"file and folder", "collision", tarOf(File{Path: "a"}, File{Path: "a/b"})},
		{"file and folder by case", "collision", tarOf(File{Path: "A"}, File{Path: "a/b"})},

		{"symbolic link", "link", foreign(tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc/passwd", Mode: 0o644})},
		{"hard link", "link", foreign(tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b", Mode: 0o644})},
		{"device", "special", foreign(tar.Header{Typeflag: tar.TypeChar, Name: "a", Mode: 0o644})},
		{"block device", "special", foreign(tar.Header{Typeflag: tar.TypeBlock, Name: "a", Mode: 0o644})},
		{"pipe", "special", foreign(tar.Header{Typeflag: tar.TypeFifo, Name: "a", Mode: 0o644})},
		{"folder", "folder", foreign(tar.Header{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o755})},
		{"link under a long name", "link", foreign(tar.Header{Typeflag: tar.TypeSymlink, Name: strings.Repeat("n", 200), Linkname: "b", Mode: 0o644})},
		{"GNU long name", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("n", 200), Mode: 0o644, Format: tar.FormatGNU})},
		{"global header", "header", foreign(tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}})},
		{"other mode", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o600})},
		{"setuid", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o4755})},
		{"owner", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, Uid: 1000})},
		{"owner's name", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, Uname: "root"})},
		{"needless PAX", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, PAXRecords: map[string]string{"path": "a"}, Format: tar.FormatPAX})},
		{"PAX extra", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "é", Mode: 0o644, PAXRecords: map[string]string{"SCHILY.xattr.a": "b"}})},
		{"PAX without a path", "header", foreign(tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o644, PAXRecords: map[string]string{"comment": "b"}})},
		{"NUL in a PAX path", "path", bytes.Replace(tarOf(File{Path: "é-abc"}), []byte("path=é-a"), []byte("path=é-\x00"), 1)},

		{"time", "header", bend(tarOf(File{Path: "a"}), 146, '1')},
		{"checksum", "header", bend(tarOf(File{Path: "a"}), 148, '7')},
		{"magic", "header", bend(tarOf(File{Path: "a"}), 262, ' ')},
		{"old regular type", "header", bend(tarOf(File{Path: "a"}), 156, 0)},
		{"rest of the header", "header", bend(tarOf(File{Path: "a"}), 511, 1)},
		{"size in base 256", "header", bend(tarOf(File{Path: "a"}), 124, 0x80)},
		{"size beyond the archive", "header", tarOf(File{Path: "a", Size: 1 << 32})},
		{"padding of an extended header", "header", bend(tarOf(File{Path: "é"}), 2*tarBlock-1, 1)},
		{"padding", "padding", bend(append(appendHeader(nil, File{Path: "a", Size: 1}), make([]byte, tarBlock+tarTrailer)...), 2*tarBlock-1, 1)},
		{"trailer", "padding", bend(tarOf(File{Path: "a"}), 3*tarBlock-1, 1)},
		{"after the trailer", "trailing", append(tarOf(File{Path: "a"}), 0)},
		{"a second archive", "trailing", append(tarOf(File{Path: "a"}), tarOf(File{Path: "b"})...)},
		{"no trailer", "shorter", tarOf(File{Path: "a", Size: 0})[:tarBlock+tarBlock]},
		{"half a header", "shorter", tarOf(File{Path: "a"}, File{Path: "b"})[:tarTrailer+100]},
		{"half a file", "header", append(appendHeader(nil, File{Path: "a", Size: 4096}), make([]byte, 1024)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &parcel{app: testApp, archive: test.archive}
			p.seal(t)
			wantRefusal(t, p.open(t.Context()), test.reason)
		})
	}
}

// tarOf encodes headers as they are, contents of zeros only where there is
// little of them, and the trailer.
func tarOf(files ...File) []byte {
	var archive []byte
	for _, f := range files {
		archive = appendHeader(archive, f)
	}
	return append(archive, make([]byte, tarTrailer)...)
}

// foreign has the standard library write an entry that we would not.
func foreign(header tar.Header) []byte {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&header); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return archive.Bytes()
}

func bend(archive []byte, at int, to byte) []byte {
	archive[at] = to
	return archive
}

func TestOpenRefusesTooManyFiles(t *testing.T) {
	reader := tarReader{sink: Discard, left: 1 << 40}
	for i := range sealift.MaxFiles - 1 { // as take would: it makes headers for long
		if reason, problem := reader.names.add(fmt.Sprintf("%06d", i)); reason != "" {
			t.Fatal(i, problem)
		}
	}
	if err := reader.take(appendHeader(nil, File{Path: "a"})); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, reader.take(appendHeader(nil, File{Path: "b"})), "too_many_files")
}

// Errors of others keep their kind, and are no findings about the archive.
func TestOpenPassesErrorsOfOthers(t *testing.T) {
	full := sealift.Errorf(sealift.KindExhausted, "writing", "disk full")
	p := honest(t)
	for name, sink := range map[string]Sink{
		"create": failing{create: full}, "write": failing{write: full}, "close": failing{close: full},
	} {
		err := Open(t.Context(), bytes.NewReader(p.sealed), p.id, p.app, p.key, sink, nil)
		if !errors.Is(err, full) || sealift.KindOf(err) != sealift.KindExhausted {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, broken := range []error{errors.New("disk on fire"), io.ErrUnexpectedEOF} {
		for _, after := range []int64{0, 30, 1000} {
			in := io.MultiReader(io.LimitReader(bytes.NewReader(p.sealed), after), iotest.ErrReader(broken))
			err := Open(t.Context(), in, p.id, p.app, p.key, tree{}, nil)
			if !errors.Is(err, broken) || sealift.KindOf(err) == sealift.KindIntegrity {
				t.Errorf("after %d bytes: %v", after, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.open(ctx); !errors.Is(err, context.Canceled) || sealift.KindOf(err) == sealift.KindIntegrity {
		t.Error(err)
	}
}

// failing is a Sink that fails at one point.
type failing struct{ create, write, close error }

func (f failing) Create(string, int64, bool) (io.WriteCloser, error) { return f, f.create }
func (f failing) Close() error                                       { return f.close }
func (f failing) Write(b []byte) (int, error) {
	if f.write != nil {
		return 0, f.write
	}
	return len(b), nil
}
