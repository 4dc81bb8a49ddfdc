package bundle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

// OpenPatch is Open for a patch: it rebuilds the archive id from base and the
// sealed patch, and gives its files to sink. The caller has checked the
// patch's length and SHA-256, and both archives' lengths against what it is
// ready to hold in memory: they and 24 MiB are what OpenPatch takes.
//
// Refusals are those of Open and these:
//
//	base    nothing came of it, and the older archive is not base.Digest's
//	length  one of the archives is longer than sealift.MaxPatchArchive
//	patch   a frame's list of pieces is missing or out of bounds
//
// None of them says that the release is bad: the full blob may well be good,
// and the caller should take it. Files that the Sink was given may then be made of
// what no signature covers, as with Open.
func OpenPatch(ctx context.Context, sealed io.Reader, base Base, id Identity, app sealift.AppID, key ContentKey, sink Sink, progress Progress) error {
	work, err := newWorkspace(ctx, base, id.Length)
	if err != nil {
		return err
	}
	// Whatever the older archive is, what comes out has the SHA-256 of id or is refused.
	// So that of base is computed to name what is at fault, and otherwise not: it would
	// be half of all the hashing.
	err = work.openPatch(ctx, sealed, base, id, app, key, sink, progress)
	if err != nil && ctx.Err() == nil {
		if other := work.checkBase(base); other != nil {
			return other
		}
	}
	return err
}

func (w *workspace) openPatch(ctx context.Context, sealed io.Reader, base Base, id Identity, app sealift.AppID, key ContentKey, sink Sink, progress Progress) error {
	plain, err := newOpeningReader(&sourceReader{sealed}, key, patchBinding(app, id.Digest, base.Digest))
	if err != nil {
		return unpass(err)
	}
	if policy, ok := sink.(*PolicySink); ok {
		policy.within(ctx)
	}
	out := &opening{ctx: ctx, id: id, hash: sha256.New(), progress: progress, packed: &boundedReader{}}
	out.tar = tarReader{sink: sink, left: id.Length}
	defer out.tar.abandon()
	p := &unpatcher{work: w, in: plain, out: out}
	for out.done < id.Length {
		if err := p.frame(); err != nil {
			return out.classify(err)
		}
	}
	if err := p.end(); err != nil {
		return out.classify(err)
	}
	return out.finish()
}

// unpatcher decodes the frames of a patch. Its two buffers grow to the largest
// frame.
type unpatcher struct {
	work           *workspace
	in             io.Reader
	out            *opening
	packed, unpack []byte
}

func (p *unpatcher) frame() error {
	head, err := readHead(p.in, p.work.base, int(p.out.id.Length-p.out.done))
	if err != nil {
		return err
	}
	p.packed = grown(p.packed, head.frame)
	if _, err := io.ReadFull(p.in, p.packed); err != nil {
		return cutShort(err)
	}
	dictionary, _ := p.work.dictionary(head.pieces)
	p.unpack = grown(p.unpack, head.content)
	content, err := decodeWith(dictionary, p.packed, p.unpack[:0:head.content])
	if err != nil {
		return err
	}
	if len(content) != head.content {
		return refuse("shorter", "a frame has %d bytes instead of %d", len(content), head.content)
	}
	p.work.accept(content)
	_, err = p.out.Write(content)
	return err
}

// grown returns b with length n, in new memory if it must.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// decodeWith decodes frame into the capacity of content and no further.
func decodeWith(dictionary, frame, content []byte) ([]byte, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(sealift.MaxPatchFrame), zstd.WithDecoderMaxMemory(sealift.MaxPatchFrame),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderDictRaw(0, dictionary))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opOpen, err)
	}
	defer decoder.Close()
	return decoder.DecodeAll(frame, content)
}

// end sees that the stream ends with the archive, and that the end is
// authentic.
func (p *unpatcher) end() error {
	var one [1]byte
	switch n, err := readSome(p.in, one[:]); {
	case n > 0:
		return refuse("trailing", "something follows the patch")
	case err != io.EOF:
		return err
	}
	return nil
}
