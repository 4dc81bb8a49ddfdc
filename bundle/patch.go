package bundle

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

// Archiver writes an archive, always the same bytes. A [Source] is one, so a
// device gives the folder it installed; a file that holds an archive is
// another, see [Archive].
type Archiver interface {
	WriteArchive(ctx context.Context, w io.Writer) error
}

// Base is the older archive of a patch: what it must be, and where it comes
// from.
type Base struct {
	Identity
	Archiver
}

// Archive is an Archiver whose bytes are read from r, once.
func Archive(r io.Reader) Archiver { return readArchive{r} }

type readArchive struct{ r io.Reader }

func (a readArchive) WriteArchive(ctx context.Context, w io.Writer) error {
	buffer := make([]byte, chunkSize)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := a.r.Read(buffer)
		if _, err := w.Write(buffer[:n]); err != nil {
			return err
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading archive: %w", err)
		}
	}
}

// patchBinding is the associated data of a patch blob.
func patchBinding(app sealift.AppID, archive, base sealift.Digest) []byte {
	return bind("sealift/bundle/v1").text("patch").text(string(app)).bytes(archive[:]).bytes(base[:])
}

// workspace is the memory of both sides of a patch: the older archive, what is
// there of the new one, and behind it the pieces that the next frame names.
// Before any frame its dictionary is thus in one place, with what resembles
// the frame most at the end, where offsets are small.
type workspace struct {
	buffer []byte
	base   int // length of the older archive
	done   int // length of the new one so far
}

// newWorkspace reads the older archive, and refuses one of another length with
// Reason "base"; checkBase has the rest. Its memory is taken when it is used, not
// before.
func newWorkspace(ctx context.Context, base Base, archive int64) (*workspace, error) {
	for _, length := range []int64{base.Length, archive} {
		if length < tarTrailer || length > sealift.MaxPatchArchive {
			return nil, refuse("length", "an archive of %d bytes, which no patch may have", length)
		}
	}
	w := &workspace{base: int(base.Length)}
	w.buffer = make([]byte, base.Length+archive+2*sealift.MaxPatchFrame)
	into := &fixedWriter{space: w.buffer[:w.base]}
	if err := base.WriteArchive(ctx, into); err != nil {
		return nil, err
	}
	if len(into.space) > 0 {
		return nil, refuseBase()
	}
	return w, nil
}

// checkBase refuses an older archive that is not base's, with Reason "base".
func (w *workspace) checkBase(base Base) error {
	if sealift.DigestOf(w.old()) != base.Digest {
		return refuseBase()
	}
	return nil
}

func refuseBase() error {
	return refuse("base", "the older archive is not the one the patch is for").WithHint("take the whole bundle")
}

// fixedWriter fills space and takes no more.
type fixedWriter struct{ space []byte }

func (f *fixedWriter) Write(b []byte) (int, error) {
	if len(b) > len(f.space) {
		return 0, refuseBase()
	}
	f.space = f.space[copy(f.space, b):]
	return len(b), nil
}

func (w *workspace) old() []byte { return w.buffer[:w.base] }

// dictionary returns the dictionary of the next frame. How much of its end are
// pieces is the second result. It holds until accept.
func (w *workspace) dictionary(pieces []piece) (dictionary []byte, near int) {
	end := w.base + w.done
	for _, p := range pieces {
		near += copy(w.buffer[end+near:], w.old()[p.offset:p.offset+p.length])
	}
	return w.buffer[:end+near], near
}

// accept appends what a frame decoded to.
func (w *workspace) accept(b []byte) { w.done += copy(w.buffer[w.base+w.done:], b) }

// piece is a part of the older archive.
type piece struct{ offset, length int }

// patchHead stands before each frame of a patch.
type patchHead struct {
	content int // bytes that the frame decodes to
	frame   int // bytes of the frame
	pieces  []piece
}

// pieceHead is how many bytes a piece takes in a head at the most: two numbers
// of 28 bits, since MaxPatchArchive has 28.
const pieceHead = 2 * 4

// headMagic begins a skippable frame (RFC 8878, section 3.1.2), the first of
// the sixteen.
const headMagic = 0x184D2A50

// append encodes h as a skippable frame of unsigned LEB128 numbers.
func (h patchHead) append(dst []byte) []byte {
	var body []byte
	body = binary.AppendUvarint(body, uint64(h.content))
	body = binary.AppendUvarint(body, uint64(h.frame))
	for _, p := range h.pieces {
		body = binary.AppendUvarint(body, uint64(p.offset))
		body = binary.AppendUvarint(body, uint64(p.length))
	}
	dst = binary.LittleEndian.AppendUint32(dst, headMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}

// readHead reads the head of the next frame, which may decode to at most left
// bytes and names pieces of an older archive of base bytes.
func readHead(r io.Reader, base, left int) (h patchHead, err error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return h, cutShort(err)
	}
	size := binary.LittleEndian.Uint32(start[4:])
	if binary.LittleEndian.Uint32(start[:]) != headMagic || size > sealift.MaxPatchHead {
		return h, refuse("patch", "a frame has no list of pieces before it")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return h, cutShort(err)
	}
	numbers := numbers{body}
	h.content = numbers.next(min(left, sealift.MinPatchFrame), min(left, sealift.MaxPatchFrame))
	h.frame = numbers.next(1, int(packedBound(int64(h.content))))
	for most := 2 * h.content; len(numbers.rest) > 0; {
		var p piece
		p.offset = numbers.next(0, base-1)
		p.length = numbers.next(1, min(base-p.offset, most))
		most -= p.length
		h.pieces = append(h.pieces, p)
	}
	if numbers.rest == nil {
		return h, refuse("patch", "a list of pieces is out of bounds")
	}
	return h, nil
}

// numbers decodes unsigned LEB128. After a number that is out of bounds, rest
// is nil, and every number its least.
type numbers struct{ rest []byte }

func (n *numbers) next(least, most int) int {
	value, length := binary.Uvarint(n.rest)
	if length <= 0 || most < least || value < uint64(least) || value > uint64(most) {
		n.rest = nil
		return least
	}
	n.rest = n.rest[length:]
	return int(value)
}

// cutShort turns the end of a stream within a frame into a refusal.
func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return refuse("shorter", "the patch ends before the archive is whole")
	}
	return err
}

// newDictEncoder makes the encoder of one frame: klauspost's best level, with a
// window over dictionary and content.
func newDictEncoder(dictionary []byte, content int) (*zstd.Encoder, error) {
	window := zstd.MinWindowSize
	for window < len(dictionary)+content {
		window *= 2
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true),
		zstd.WithSingleSegment(true), zstd.WithEncoderDictRaw(0, dictionary))
	if err != nil {
		return nil, fmt.Errorf("starting zstd: %w", err)
	}
	return encoder, nil
}
