package bundle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/sealift/sealift"
)

// Blob names a sealed archive: the SHA-256 and the length in bytes of what
// Seal wrote.
type Blob struct {
	Digest sealift.Digest
	Length int64
}

// Seal reads all files a second time and writes the sealed archive to dst. It
// writes as it reads: the caller must discard what dst got unless the error is
// nil. dst sees writes of about 1 MiB.
//
// id must be what Digest returned. If the archive is no longer that one, the
// error is KindConflict with Reason "changed". When src itself computed id,
// that is noticed by sizes and a CRC-32C over the archive. It finds accidents
// (a build that still writes): one in 2^32 slips through, and whoever wants to
// can make one that does. Such a release harms nobody: it cannot be installed,
// since every device checks the SHA-256 that was signed. For an id from
// elsewhere Seal computes SHA-256 a second time.
//
// key must be fresh: one key for each release. An error of dst is returned
// wrapped, and ctx's as it is.
func Seal(ctx context.Context, dst io.Writer, src *Source, id Identity, app sealift.AppID, key ContentKey, progress Progress) (Blob, error) {
	if src.length != id.Length {
		return Blob{}, changed("its archive has %d bytes instead of %d", src.length, id.Length)
	}
	blob := &blobWriter{dst: dst, hash: sha256.New()}
	sealing, err := newSealingWriter(blob, key, fullBinding(app, id.Digest))
	if err != nil {
		return Blob{}, blob.failure(err)
	}
	zstd, err := newCompressor(sealing)
	if err != nil {
		return Blob{}, err
	}
	detector := src.detectChange(id)
	err = src.writeArchive(ctx, progress, func(chunk []byte) error {
		detector.hash.Write(chunk)
		_, err := zstd.Write(chunk)
		return blob.failure(err)
	})
	if err != nil {
		return Blob{}, err
	}
	if !detector.check() {
		return Blob{}, changed("a file has another content of the same length")
	}
	if err := zstd.Close(); err != nil {
		return Blob{}, blob.failure(err)
	}
	if err := sealing.Close(); err != nil {
		return Blob{}, blob.failure(err)
	}
	return Blob{Digest: sealift.Digest(blob.hash.Sum(nil)), Length: blob.length}, nil
}

// blobWriter hashes and counts what goes to dst.
type blobWriter struct {
	dst    io.Writer
	hash   hash.Hash
	length int64
}

func (b *blobWriter) Write(p []byte) (int, error) {
	b.hash.Write(p)
	n, err := b.dst.Write(p)
	b.length += int64(n)
	return n, err
}

// failure names what was being done; the kind stays that of dst's error.
func (b *blobWriter) failure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing sealed bundle: %w", err)
}
