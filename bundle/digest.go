package bundle

import (
	"context"
	"crypto/sha256"
	"hash"
	"hash/crc32"

	"github.com/sealift/sealift"
)

// Identity names an archive, and so a bundle: the SHA-256 and the length in
// bytes of the archive before compression and sealing.
type Identity struct {
	Digest sealift.Digest
	Length int64
}

// firstPass is what Seal needs to see that the archive is still the one that
// Digest read: its CRC-32C, for which processors have an instruction.
type firstPass struct {
	id  Identity
	sum uint32
}

// Digest reads all files once and returns the bundle's identity. It fails with
// KindConflict and Reason "changed" if a file is not as OpenSource listed it,
// with KindInvalid and Reason "unreadable" if it cannot be read, and with
// ctx's error.
func (s *Source) Digest(ctx context.Context, progress Progress) (Identity, error) {
	strong := sha256.New()
	quick := newQuickHash()
	err := s.writeArchive(ctx, progress, func(chunk []byte) error {
		strong.Write(chunk)
		quick.Write(chunk)
		return nil
	})
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Digest: sealift.Digest(strong.Sum(nil)), Length: s.length}
	s.first = &firstPass{id: id, sum: quick.Sum32()}
	return id, nil
}

// changeDetector checks that what passes through Write is the archive id.
type changeDetector struct {
	hash  hash.Hash
	check func() bool
}

// detectChange picks the cheap hash if this Source computed id itself, and
// SHA-256 if the caller has id from elsewhere.
func (s *Source) detectChange(id Identity) changeDetector {
	if first := s.first; first != nil && first.id == id {
		quick := newQuickHash()
		return changeDetector{quick, func() bool { return quick.Sum32() == first.sum }}
	}
	strong := sha256.New()
	return changeDetector{strong, func() bool { return sealift.Digest(strong.Sum(nil)) == id.Digest }}
}

func newQuickHash() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }
