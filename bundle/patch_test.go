package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
)

// patchParcel is all that OpenPatch gets. A test bends one thing of it.
type patchParcel struct {
	key    ContentKey
	app    sealift.AppID
	base   Base
	id     Identity
	old    []byte
	sealed []byte
}

func (p *patchParcel) clone() *patchParcel {
	other := *p
	other.old, other.sealed = bytes.Clone(p.old), bytes.Clone(p.sealed)
	return &other
}

func (p *patchParcel) open(ctx context.Context, sink Sink) error {
	base := p.base
	base.Archiver = Archive(bytes.NewReader(p.old))
	return OpenPatch(ctx, bytes.NewReader(p.sealed), base, p.id, p.app, p.key, sink, nil)
}

// mustPatch makes the patch from one tree to another.
func mustPatch(t reporter, from, to tree) *patchParcel {
	t.Helper()
	p := &patchParcel{key: ContentKey{1, 2, 3}, app: testApp, old: archiveOf(t, from)}
	p.base.Identity = Identity{sealift.DigestOf(p.old), int64(len(p.old))}
	source, id := sourceOf(t, to)
	p.id = id
	var dst bytes.Buffer
	blob, err := SealPatch(t.Context(), &dst, Base{p.base.Identity, Archive(bytes.NewReader(p.old))}, source, p.id, p.app, p.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.sealed = dst.Bytes()
	if want := (Blob{sealift.DigestOf(p.sealed), int64(len(p.sealed))}); blob != want {
		t.Fatal("SealPatch returned", blob, "for", want)
	}
	return p
}

func sourceOf(t reporter, from tree) (*Source, Identity) {
	t.Helper()
	source, err := OpenSource(from.fs())
	if err != nil {
		t.Fatal(err)
	}
	id, err := source.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return source, id
}

// Whatever two bundles are, the patch leads from one to the other. They are 20
// examples, and no search for more: an encoder's tables have 70 MiB.
func TestPatchRoundTrip(t *testing.T) {
	type pair struct{ from, to tree }
	pairs := rapid.Custom(func(t *rapid.T) pair {
		p := pair{drawTree(t), drawTree(t)}
		for path, leaf := range p.from {
			if rapid.Bool().Draw(t, "keep") {
				leaf.Content += rapid.StringN(0, 9, -1).Draw(t, "edit")
				p.to = tree{path: leaf}
			}
		}
		return p
	})
	for seed := range 20 {
		p, got := pairs.Example(seed), tree{}
		if err := mustPatch(t, p.from, p.to).open(t.Context(), got); err != nil {
			t.Fatal(seed, err)
		}
		if diff := cmp.Diff(p.to, got); diff != "" {
			t.Fatal(seed, diff)
		}
	}
}

// hexText is text that compresses by half and holds no repetition.
func hexText(seed uint64, length int) string {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, length)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

// big is a bundle with files of all lengths that matter: less than a frame must
// have, groups of many files, and longer than a frame may be.
func big() tree {
	t := tree{"0": {Content: "x"}, "long.js": {Content: hexText(1, sealift.MaxPatchFrame+12345)}, "z/last": {Content: "y"}}
	for i := range 40 {
		t["chunk/"+hexText(uint64(100+i), 8)+".js"] = leaf{Content: hexText(uint64(200+i), 30_000+i*2000)}
	}
	return t
}

// A build renames what it changes, and inserts and removes some.
func TestPatchOfRenamedFiles(t *testing.T) {
	from, to := big(), tree{}
	for i, path := range slices.Sorted(maps.Keys(from)) {
		leaf := from[path]
		if at := len(leaf.Content) / 2; i%5 == 1 {
			leaf.Content = leaf.Content[:at] + "// changed" + leaf.Content[at:]
			path = strings.Replace(path, "chunk/", "chunk/"+hexText(uint64(i), 4), 1)
		}
		to[path] = leaf
	}
	p, got := mustPatch(t, from, to), tree{}
	if err := p.open(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, to) {
		t.Error("another bundle came out")
	}
	// 10 changed files of 40: names and changes are a few hundred bytes, frames and
	// pieces some 20 each.
	if most := 4 << 10; len(p.sealed) > most {
		t.Errorf("a patch of %d bytes, want at most %d", len(p.sealed), most)
	}
}

// Many small files that each were a long one before: the pieces would be more
// than a device takes.
func TestPatchOfShrunkFiles(t *testing.T) {
	from, to, got := tree{}, tree{}, tree{}
	for i := range 40 {
		path, content := hexText(uint64(i), 8), hexText(uint64(100+i), 50_000)
		from[path], to[path] = leaf{Content: content}, leaf{Content: content[:4000]}
	}
	p := mustPatch(t, from, to)
	if err := p.open(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, to) {
		t.Error("another bundle came out")
	}
	if most := 4 << 10; len(p.sealed) > most {
		t.Errorf("a patch of %d bytes, want at most %d", len(p.sealed), most)
	}
}

// Of two files with the same resemblance the one of the same name is found, and
// of one that moved, itself.
func TestRelations(t *testing.T) {
	from := tree{}
	for _, name := range []string{"a", "b", "c"} {
		from["es5/"+name+".js"] = leaf{Content: hexText(uint64(name[0]), 5000)}
		from["esm/"+name+".js"] = leaf{Content: hexText(uint64(name[0]), 5000)}
	}
	r, err := newRelations(t.Context(), archiveOf(t, from))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"es5/b.js": "es5/b.js", "esm/b.js": "esm/b.js", "new/b.js": "es5/b.js"} {
		content := hexText('b', 5000)
		archive := append(appendHeader(nil, File{Path: path, Size: 5000}), content+"edit"...)
		if got := r.of(archive, entry{path, 0, len(archive)}).path; got != want {
			t.Errorf("%s resembles %q, want %s", path, got, want)
		}
	}
	archive := appendHeader(nil, File{Path: "esm/b.js", Size: 5000})
	if got := r.of(archive, entry{"esm/b.js", 0, 0}).path; got != "esm/b.js" {
		t.Errorf("without content %q was found", got)
	}
	if got := r.of(nil, entry{path: "unknown"}); got != (entry{}) {
		t.Errorf("an empty file of no known name resembles %v", got)
	}
}

func TestOpenPatchRefuses(t *testing.T) {
	from := tree{"a.js": {Content: hexText(1, 90_000)}, "b": {Content: "b"}}
	to := tree{"a.js": {Content: hexText(1, 90_000) + "more"}, "c": {Content: hexText(2, 200_000)}}
	made := mustPatch(t, from, to)
	for _, test := range []struct {
		name, reason string
		bend         func(p *patchParcel)
	}{
		{"nothing at all", "truncated", func(p *patchParcel) { p.sealed = nil }},
		{"a changed byte", "authentication", func(p *patchParcel) { p.sealed[len(p.sealed)/2] ^= 1 }},
		{"a changed tag", "authentication", func(p *patchParcel) { p.sealed[len(p.sealed)-1] ^= 1 }},
		{"a truncated stream", "authentication", func(p *patchParcel) { p.sealed = p.sealed[:len(p.sealed)-1] }},
		{"an extended stream", "authentication", func(p *patchParcel) { p.sealed = append(p.sealed, 0) }},
		{"another key", "authentication", func(p *patchParcel) { p.key[31] ^= 1 }},
		{"another app", "authentication", func(p *patchParcel) { p.app = "com.acme.shoq" }},
		{"another archive digest", "authentication", func(p *patchParcel) { p.id.Digest[0] ^= 1 }},
		{"a patch for another base", "authentication", func(p *patchParcel) {
			p.old[len(p.old)-1] ^= 1
			p.base.Digest = sealift.DigestOf(p.old)
		}},
		{"a full blob", "authentication", func(p *patchParcel) { p.sealed, p.id = mustSeal(t, to, p.key) }},
		{"a changed base", "base", func(p *patchParcel) { p.old[600] ^= 1 }},
		{"a shorter base", "base", func(p *patchParcel) { p.old = p.old[:len(p.old)-1] }},
		{"a longer base", "base", func(p *patchParcel) { p.old = append(p.old, 0) }},
		{"a base of nothing", "length", func(p *patchParcel) { p.base.Length = 0 }},
		{"a base beyond all bounds", "length", func(p *patchParcel) { p.base.Length = sealift.MaxPatchArchive + 1 }},
		{"an archive of nothing", "length", func(p *patchParcel) { p.id.Length = 0 }},
		{"an archive beyond all bounds", "length", func(p *patchParcel) { p.id.Length = sealift.MaxPatchArchive + 1 }},
		{"a shorter archive", "shorter", func(p *patchParcel) { p.id.Length += tarBlock }},
		{"a longer archive", "patch", func(p *patchParcel) { p.id.Length -= tarBlock }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := made.clone()
			if err := p.open(t.Context(), tree{}); err != nil {
				t.Fatal("before it is bent:", err)
			}
			test.bend(p)
			wantRefusal(t, p.open(t.Context(), tree{}), test.reason)
		})
	}
}

// Who knows the content key can seal any plaintext.
func TestOpenPatchRefusesFrames(t *testing.T) {
	from, to := tree{"a.js": {Content: hexText(1, 90_000)}}, tree{"a.js": {Content: hexText(1, 90_000) + "more"}}
	made, archive := mustPatch(t, from, to), archiveOf(t, to)
	head := func(content, frame int, pieces ...piece) []byte { return patchHead{content, frame, pieces}.append(nil) }
	honest := func(p *patchParcel, archive []byte) (h, frame []byte) {
		frame, err := encodeWith(p.old, archive)
		if err != nil {
			t.Fatal(err)
		}
		return head(len(archive), len(frame)), frame
	}
	size := len(archive)
	for _, test := range []struct {
		name, reason string
		plain        func(p *patchParcel, h, frame []byte) []byte
	}{
		{"no frame", "shorter", func(*patchParcel, []byte, []byte) []byte { return nil }},
		{"half a head", "shorter", func(_ *patchParcel, h, _ []byte) []byte { return h[:len(h)-1] }},
		{"no head", "patch", func(_ *patchParcel, _, frame []byte) []byte { return frame }},
		{"another skippable frame", "patch", func(_ *patchParcel, h, f []byte) []byte { h[0] ^= 1; return append(h, f...) }},
		{"a head beyond all bounds", "patch", func(_ *patchParcel, h, f []byte) []byte { h[6] ^= 1; return append(h, f...) }},
		{"an empty head", "patch", func(*patchParcel, []byte, []byte) []byte { return []byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0} }},
		{"a number without end", "patch", func(*patchParcel, []byte, []byte) []byte {
			return append([]byte{0x50, 0x2a, 0x4d, 0x18, 16, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 16)...)
		}},
		{"a piece without length", "patch", func(_ *patchParcel, _, f []byte) []byte { return append(head(size, len(f), piece{0, 0}), f...) }},
		{"a piece beyond the base", "patch", func(p *patchParcel, _, f []byte) []byte {
			return append(head(size, len(f), piece{1, len(p.old)}), f...)
		}},
		{"a piece from beyond", "patch", func(p *patchParcel, _, f []byte) []byte {
			return append(head(size, len(f), piece{len(p.old), 1}), f...)
		}},
		{"too much in pieces", "patch", func(p *patchParcel, _, f []byte) []byte {
			return append(head(size, len(f), piece{0, len(p.old)}, piece{0, len(p.old)}, piece{0, len(p.old)}), f...)
		}},
		{"a frame of nothing", "patch", func(_ *patchParcel, _, f []byte) []byte { return append(head(0, len(f)), f...) }},
		{"a small frame that is not the last", "patch", func(*patchParcel, []byte, []byte) []byte { return head(sealift.MinPatchFrame-1, 9) }},
		{"a frame longer than the archive", "patch", func(_ *patchParcel, _, f []byte) []byte { return append(head(size+1, len(f)), f...) }},
		{"a frame too long for its content", "patch", func(*patchParcel, []byte, []byte) []byte { return head(size, 1<<20) }},
		{"no zstd", "compression", func(*patchParcel, []byte, []byte) []byte { return append(head(size, 9), "undefined"...) }},
		{"a cut frame", "shorter", func(_ *patchParcel, h, f []byte) []byte { return append(h, f[:len(f)-1]...) }},
		{"a frame cut in its head", "compression", func(_ *patchParcel, _, f []byte) []byte {
			return append(head(size, len(f)-1), f[:len(f)-1]...)
		}},
		{"a bomb", "window", func(p *patchParcel, _, _ []byte) []byte {
			bomb := pack(t, make([]byte, 64<<20))
			return append(head(size, len(bomb)), bomb...)
		}},
		{"one byte more", "window", func(p *patchParcel, _, _ []byte) []byte {
			more, _ := encodeWith(p.old, append(slices.Clone(archive), 0))
			return append(head(size, len(more)), more...)
		}},
		{"one byte less", "shorter", func(p *patchParcel, _, _ []byte) []byte {
			less, _ := encodeWith(p.old, archive[:size-1])
			return append(head(size, len(less)), less...)
		}},
		{"one byte less, and that byte", "shorter", func(p *patchParcel, _, _ []byte) []byte {
			less, _ := encodeWith(p.old, archive[:size-1])
			last, _ := encodeWith(p.old, archive[size-1:])
			return slices.Concat(head(size, len(less)), less, head(1, len(last)), last)
		}},
		{"another dictionary's number", "compression", func(p *patchParcel, _, _ []byte) []byte {
			other := pack(t, archive, zstd.WithEncoderDictRaw(7, p.old))
			return append(head(size, len(other)), other...)
		}},
		{"something behind it", "trailing", func(_ *patchParcel, h, f []byte) []byte { return append(append(h, f...), 0) }},
		{"another archive", "digest", func(p *patchParcel, _, _ []byte) []byte {
			h, f := honest(p, bytes.Replace(archive, []byte("more"), []byte("less"), 1))
			return append(h, f...)
		}},
		{"no tar", "header", func(p *patchParcel, _, _ []byte) []byte {
			h, f := honest(p, bytes.Repeat([]byte("x"), size))
			return append(h, f...)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := made.clone()
			h, frame := honest(p, archive)
			p.seal(t, append(slices.Clone(h), frame...))
			if err := p.open(t.Context(), tree{}); err != nil {
				t.Fatal("before it is bent:", err)
			}
			p.seal(t, test.plain(p, h, frame))
			wantRefusal(t, p.open(t.Context(), tree{}), test.reason)
		})
	}
}

func (p *patchParcel) seal(t *testing.T, plain []byte) {
	t.Helper()
	var sealed bytes.Buffer
	w, err := newSealingWriter(&sealed, p.key, patchBinding(p.app, p.id.Digest, p.base.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.sealed = sealed.Bytes()
}

func TestSealPatchRefuses(t *testing.T) {
	from, to := tree{"a": {Content: "a"}}, tree{"a": {Content: "b"}}
	old := archiveOf(t, from)
	base := Identity{sealift.DigestOf(old), int64(len(old))}
	source, id := sourceOf(t, to)
	patch := func(ctx context.Context, base Identity, old io.Reader, id Identity, dst io.Writer) error {
		_, err := SealPatch(ctx, dst, Base{base, Archive(old)}, source, id, testApp, ContentKey{}, nil)
		return err
	}
	other := base
	other.Digest[0] ^= 1
	wantRefusal(t, patch(t.Context(), other, bytes.NewReader(old), id, io.Discard), "base")
	other = base
	other.Length = sealift.MaxPatchArchive + 1
	wantRefusal(t, patch(t.Context(), other, bytes.NewReader(old), id, io.Discard), "length")
	junk := bytes.Repeat([]byte("x"), 2048)
	wantRefusal(t, patch(t.Context(), Identity{sealift.DigestOf(junk), 2048}, bytes.NewReader(junk), id, io.Discard), "header")

	changedID := id
	changedID.Digest[0] ^= 1
	if err := patch(t.Context(), base, bytes.NewReader(old), changedID, io.Discard); sealift.KindOf(err) != sealift.KindConflict || sealift.ReasonOf(err) != "changed" {
		t.Error("of another archive:", err)
	}
	changedID = id
	changedID.Length += tarBlock
	if err := patch(t.Context(), base, bytes.NewReader(old), changedID, io.Discard); sealift.ReasonOf(err) != "changed" {
		t.Error("of another length:", err)
	}
	if err := patch(t.Context(), base, iotest.ErrReader(errDisk), id, io.Discard); !errors.Is(err, errDisk) {
		t.Error("of a base that cannot be read:", err)
	}
	if err := patch(t.Context(), base, bytes.NewReader(old), id, failingWriter{}); !errors.Is(err, errDisk) {
		t.Error("to a full disk:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := patch(ctx, base, bytes.NewReader(old), id, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error("after it was cancelled:", err)
	}
}

var errDisk = errors.New("disk on fire")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errDisk }

// An error of the caller's own is no finding about the patch.
func TestOpenPatchPassesErrors(t *testing.T) {
	p := mustPatch(t, tree{"a": {Content: "a"}}, tree{"a": {Content: "b"}})
	base := Base{p.base.Identity, Archive(bytes.NewReader(p.old))}
	if err := OpenPatch(t.Context(), iotest.ErrReader(errDisk), base, p.id, p.app, p.key, tree{}, nil); !errors.Is(err, errDisk) || sealift.KindOf(err) == sealift.KindIntegrity {
		t.Error("of the patch's reader:", err)
	}
	base.Archiver = Archive(iotest.ErrReader(errDisk))
	if err := OpenPatch(t.Context(), bytes.NewReader(p.sealed), base, p.id, p.app, p.key, tree{}, nil); !errors.Is(err, errDisk) || sealift.KindOf(err) == sealift.KindIntegrity {
		t.Error("of the base's reader:", err)
	}
	if err := p.open(t.Context(), fullDisk{}); !errors.Is(err, errDisk) || sealift.KindOf(err) == sealift.KindIntegrity {
		t.Error("of the sink:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.open(ctx, tree{}); !errors.Is(err, context.Canceled) {
		t.Error("after it was cancelled:", err)
	}
}

type fullDisk struct{}

func (fullDisk) Create(string, int64, bool) (io.WriteCloser, error) { return nil, errDisk }

// A base may lie sealed: what the vault has.
func TestOpenPatchFromSealedBase(t *testing.T) {
	from, to := tree{"a": {Content: hexText(1, 5000)}}, tree{"a": {Content: hexText(1, 5000) + "x"}}
	p := mustPatch(t, from, to)
	sealed, id := mustSeal(t, from, ContentKey{9})
	open := func(sealed []byte, key ContentKey, sink Sink) error {
		base := Base{id, SealedArchive(bytes.NewReader(sealed), id, testApp, key)}
		return OpenPatch(t.Context(), bytes.NewReader(p.sealed), base, p.id, p.app, p.key, sink, nil)
	}
	got := tree{}
	if err := open(sealed, ContentKey{9}, got); err != nil || !maps.Equal(got, to) {
		t.Errorf("%v, %d files", err, len(got))
	}
	wantRefusal(t, open(sealed, ContentKey{8}, Discard), "authentication")
	wantRefusal(t, open(sealed[:len(sealed)-1], ContentKey{9}, Discard), "authentication")

	var archive bytes.Buffer
	if err := SealedArchive(bytes.NewReader(sealed), id, testApp, ContentKey{9}).WriteArchive(t.Context(), &archive); err != nil || !bytes.Equal(archive.Bytes(), p.old) {
		t.Errorf("%v, %d bytes", err, archive.Len())
	}
	err := SealedArchive(bytes.NewReader(sealed), id, testApp, ContentKey{9}).WriteArchive(t.Context(), failingWriter{})
	if !errors.Is(err, errDisk) || sealift.KindOf(err) == sealift.KindIntegrity {
		t.Errorf("a full disk is %v", err)
	}
}
