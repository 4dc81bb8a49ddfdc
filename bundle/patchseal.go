package bundle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/sealift/sealift"
)

// patchGroup is how many bytes of whole files a frame of a patch holds, a longer
// one aside.
const patchGroup = 1 << 20

// worthwhile is the part of a frame's content that its encoding against the
// pieces alone must stay under to be kept without a second try: a changed line
// or two.
const worthwhile = 256

// SealPatch writes src's archive to dst as a sealed patch against base, as the
// package's comment says. id, key and the discarding of dst are as in Seal;
// key is the release's own, so a release's full blob and patches share it.
//
// It holds both archives in memory, and the older one a second time while it
// compresses; BenchmarkPatchMemory prints what that comes to. Errors are those
// of Seal, and KindIntegrity with Reason "base" if the older archive is not
// base.Digest's, "length" if one of the two is longer than
// sealift.MaxPatchArchive, or any of Open's if base is no archive.
func SealPatch(ctx context.Context, dst io.Writer, base Base, src *Source, id Identity, app sealift.AppID, key ContentKey, progress Progress) (Blob, error) {
	if src.length != id.Length {
		return Blob{}, changed("its archive has %d bytes instead of %d", src.length, id.Length)
	}
	work, err := newWorkspace(ctx, base, id.Length)
	if err == nil {
		err = work.checkBase(base)
	}
	if err != nil {
		return Blob{}, err
	}
	related, err := newRelations(ctx, work.old())
	if err != nil {
		return Blob{}, err
	}
	blob := &blobWriter{dst: dst, hash: sha256.New()}
	sealing, err := newSealingWriter(blob, key, patchBinding(app, id.Digest, base.Digest))
	if err != nil {
		return Blob{}, blob.failure(err)
	}
	p := &patcher{ctx: ctx, work: work, related: related, out: sealing, length: id.Length, progress: progress}
	if err := p.writeAll(src, id); err != nil {
		return Blob{}, blob.failure(err)
	}
	if err := sealing.Close(); err != nil {
		return Blob{}, blob.failure(err)
	}
	return Blob{Digest: sealift.Digest(blob.hash.Sum(nil)), Length: blob.length}, nil
}

// patcher writes the frames of a patch.
type patcher struct {
	ctx      context.Context
	work     *workspace
	related  *relations
	out      io.Writer
	length   int64
	progress Progress
}

// writeAll cuts the new archive into frames at files, and long files into
// frames of equal length.
func (p *patcher) writeAll(src *Source, id Identity) error {
	archive, err := src.readAll(p.ctx, id)
	if err != nil {
		return err
	}
	var group []entry
	start, at := 0, 0
	for file := range src.Files() {
		next := entry{path: file.Path, from: at, to: at + int(entryLength(file))}
		if at-start >= sealift.MinPatchFrame && next.to-start > patchGroup {
			if err := p.writeGroup(archive, group); err != nil {
				return err
			}
			group, start = nil, at
		}
		group = append(group, next)
		at = next.to
	}
	group[len(group)-1].to = len(archive) // the trailer goes with the last file
	return p.writeGroup(archive, group)
}

// writeGroup writes the frames of some neighbouring files. If they are too many
// bytes for one, it is the last that is long.
func (p *patcher) writeGroup(archive []byte, group []entry) error {
	from, to := group[0].from, group[len(group)-1].to
	if to-from <= sealift.MaxPatchFrame {
		return p.writeFrame(archive[from:to], p.related.pieces(archive, group))
	}
	older := p.related.of(archive, group[len(group)-1])
	frames := (to - from + sealift.MaxPatchFrame - 1) / sealift.MaxPatchFrame
	for i := range frames {
		a, b := from+(to-from)*i/frames, from+(to-from)*(i+1)/frames
		if err := p.writeFrame(archive[a:b], around(older, i, frames, 2*(b-a))); err != nil {
			return err
		}
	}
	return nil
}

// around returns what part i of a long file most likely resembles: the same
// part of the older file, and half of such a part on both sides; at most most
// bytes.
func around(older entry, i, parts, most int) []piece {
	length := older.to - older.from
	from, to := length*(2*i-1)/(2*parts), length*(2*i+3)/(2*parts)
	from, to = max(from, 0), min(to, length, from+most)
	if to <= from {
		return nil
	}
	return []piece{{older.from + from, to - from}}
}

// writeFrame writes one frame. Offsets count from a dictionary's end, so what
// was encoded against the last part of one decodes with all of it: the pieces
// alone do where little changed, and are quick. Else the whole is tried too.
func (p *patcher) writeFrame(content []byte, pieces []piece) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	dictionary, near := p.work.dictionary(pieces)
	var best []byte
	if near > 0 {
		var err error
		if best, err = encodeWith(dictionary[len(dictionary)-near:], content); err != nil {
			return err
		}
	}
	if near == 0 || len(best) > len(content)/worthwhile {
		frame, err := encodeWith(dictionary, content)
		if err != nil {
			return err
		}
		if best == nil || len(frame) < len(best) {
			best = frame
		}
	}
	p.work.accept(content)
	head := patchHead{content: len(content), frame: len(best), pieces: pieces}
	for _, b := range [][]byte{head.append(nil), best} {
		if _, err := p.out.Write(b); err != nil {
			return err
		}
	}
	if p.progress != nil {
		p.progress(int64(p.work.done), p.length)
	}
	return nil
}

func encodeWith(dictionary, content []byte) ([]byte, error) {
	encoder, err := newDictEncoder(dictionary, len(content))
	if err != nil {
		return nil, err
	}
	defer encoder.Close() // it has no writer: nothing to lose
	return encoder.EncodeAll(content, nil), nil
}

// WriteArchive writes the archive of s to w, in pieces of 128 KiB. Errors are
// those of Digest, w's as it is, and ctx's.
func (s *Source) WriteArchive(ctx context.Context, w io.Writer) error {
	return s.writeArchive(ctx, nil, func(chunk []byte) error {
		_, err := w.Write(chunk)
		return err
	})
}

// readAll returns the archive of s, which must be id.
func (s *Source) readAll(ctx context.Context, id Identity) ([]byte, error) {
	archive := make([]byte, 0, id.Length)
	detector := s.detectChange(id)
	err := s.writeArchive(ctx, nil, func(chunk []byte) error {
		detector.hash.Write(chunk)
		if int64(len(archive)+len(chunk)) > id.Length {
			return fmt.Errorf("archive of %d bytes is longer than was listed", id.Length)
		}
		archive = append(archive, chunk...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !detector.check() {
		return nil, changed("a file has another content of the same length")
	}
	return archive, nil
}
