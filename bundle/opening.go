package bundle

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

// opening takes the decompressed archive: it holds it to its signed length and
// SHA-256, and passes it on to the tar reader.
type opening struct {
	ctx      context.Context
	id       Identity
	hash     hash.Hash
	progress Progress
	tar      tarReader
	archive  io.Writer // takes the archive itself as well, or nil
	packed   *boundedReader
	done     int64
	packedAt int64 // what had been read of packed when the archive was whole
}

func (o *opening) Write(b []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, passedError{err}
	}
	if int64(len(b)) > o.id.Length-o.done {
		return 0, refuse("longer", "the archive is longer than the signed %d bytes", o.id.Length)
	}
	o.hash.Write(b)
	if err := o.tar.take(b); err != nil {
		return 0, err
	}
	if o.archive != nil {
		if _, err := o.archive.Write(b); err != nil {
			return 0, passedError{err}
		}
	}
	if o.done += int64(len(b)); o.done == o.id.Length {
		o.packedAt = o.packed.read
	}
	if o.progress != nil {
		o.progress(o.done, o.id.Length)
	}
	return len(b), nil
}

// lastBlock is the length of an empty last block, which an encoder writes when
// it learns of the end too late to mark the block before (RFC 8878, section
// 3.1.1.2).
const lastBlock = 3

// finish judges the archive once the stream has ended well.
func (o *opening) finish() error {
	switch {
	case o.done < o.id.Length:
		return refuse("shorter", "the archive has %d bytes instead of the signed %d", o.done, o.id.Length)
	case o.packed.read-o.packedAt > lastBlock:
		return refuse("trailing", "something follows the compressed archive")
	}
	if err := o.tar.finish(); err != nil {
		return err
	}
	if sum := sealift.Digest(o.hash.Sum(nil)); sum != o.id.Digest {
		return refuse("digest", "the archive's SHA-256 is %s, and %s was signed", sum, o.id.Digest)
	}
	return nil
}

// classify turns what the layers beneath report into a refusal. Ours pass, and
// so do errors that have nothing to do with the archive.
func (o *opening) classify(err error) error {
	var ours *sealift.Error
	switch {
	case errors.As(err, new(passedError)):
		return unpass(err)
	case errors.As(err, &ours):
		return err
	case errors.Is(err, errSegment):
		return refuse("authentication", "%w: another key, app or archive, or changed bytes", err)
	case o.done == o.id.Length && !errors.Is(err, zstd.ErrCRCMismatch):
		return refuse("trailing", "something follows the compressed archive: %w", err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return refuse("window", "a frame wants more memory than %d bytes: %w", sealift.MaxZstdWindow, err)
	}
	return refuse("compression", "%w", err)
}

// passedError carries an error of the caller's own (of the blob's file, the
// Sink, ctx) through the layers, so that it cannot be taken for a finding
// about the archive.
type passedError struct{ err error }

func (p passedError) Error() string { return p.err.Error() }

func unpass(err error) error {
	var passed passedError
	if errors.As(err, &passed) {
		return passed.err
	}
	return err
}

// sourceReader marks errors of the sealed blob's reader.
type sourceReader struct{ r io.Reader }

func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF { // io.Reader: the end is io.EOF itself
		err = passedError{fmt.Errorf("reading sealed bundle: %w", err)}
	}
	return n, err
}

// boundedReader ends a stream that would go on without ever giving more
// archive: empty blocks, skippable frames.
type boundedReader struct {
	r          io.Reader
	read, most int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.read += int64(n); b.read > b.most {
		return 0, refuse("longer", "more than %d bytes of compressed data", b.most)
	}
	return n, err
}
