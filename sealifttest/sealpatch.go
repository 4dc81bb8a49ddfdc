package sealifttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// patchDraft is a patch before it is encrypted, for a thief to bend.
type patchDraft struct {
	app           sealift.AppID
	archive, base sealift.Digest
	older, newer  []byte // the archives
	plain         []byte // pairs of heads and frames
}

// sealPatch makes the patch blob of a Spec against an older release: as a
// publisher does, or by hand where the archive is.
func sealPatch(spec Spec, s *sealed, base *Published) ([]byte, error) {
	if s.source != nil && spec.bendPatch == nil {
		var out bytes.Buffer
		from := bundle.Base{
			Identity: bundle.Identity{Digest: sealift.DigestOf(base.Archive), Length: int64(len(base.Archive))},
			Archiver: bundle.Archive(bytes.NewReader(base.Archive)),
		}
		_, err := bundle.SealPatch(context.Background(), &out, from, s.source, s.id, spec.App, s.key, nil)
		return out.Bytes(), err
	}
	draft := &patchDraft{app: spec.App, archive: s.id.Digest, base: sealift.DigestOf(base.Archive), older: base.Archive, newer: s.archive}
	if err := draft.write(s.archive); err != nil {
		return nil, err
	}
	if spec.bendPatch != nil {
		if err := spec.bendPatch(draft); err != nil {
			return nil, err
		}
	}
	return encrypt(draft.plain, s.key, associatedData("patch", draft.app, draft.archive, draft.base[:]))
}

// write makes plain one pair, which decodes to content: to a base and an archive
// of few bytes a device needs no more.
func (d *patchDraft) write(content []byte) error {
	frame, err := d.frame(content)
	d.plain = pair(frame, uint64(len(content)), uint64(len(frame)))
	return err
}

// writePieces makes plain one pair of the archive, with two pieces of the base
// behind the whole of it.
func (d *patchDraft) writePieces() error {
	half := len(d.older) / 2
	frame, err := compress(d.newer, slices.Concat(d.older, d.older[half:], d.older[:512]))
	d.plain = pair(frame, uint64(len(d.newer)), uint64(len(frame)), uint64(half), uint64(len(d.older)-half), 0, 512)
	return err
}

// frame compresses content against the whole of the base.
func (d *patchDraft) frame(content []byte) ([]byte, error) { return compress(content, d.older) }

// compress makes one frame, with a raw dictionary.
func compress(content, dictionary []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
		zstd.WithEncoderDictRaw(0, dictionary))
	if err != nil {
		return nil, err
	}
	defer w.Close() // it has no writer: nothing to lose
	return w.EncodeAll(content, nil), nil
}

// pair is a frame behind its head: a skippable frame (RFC 8878, section 3.1.2) of
// unsigned LEB128 numbers, which are the lengths of content and frame, and offset
// and length of each piece.
func pair(frame []byte, numbers ...uint64) []byte {
	var body []byte
	for _, n := range numbers {
		body = binary.AppendUvarint(body, n)
	}
	out := binary.LittleEndian.AppendUint32(nil, 0x184D2A50)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(body)))
	return append(append(out, body...), frame...)
}
