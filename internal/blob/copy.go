package blob

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/sealift/sealift"
)

// copyBuffer is read and hashed at a time: large enough that system calls do
// not count, small enough for a hundred uploads at once.
const copyBuffer = 256 << 10

// copyChecked copies r to dst until r ends, ctx ends or want is exceeded, and
// compares what it copied with want.
func copyChecked(ctx context.Context, dst io.Writer, r io.Reader, want *Expect) error {
	hash := sha256.New()
	if want != nil {
		// One byte more tells "too long" without writing an endless stream.
		r = io.LimitReader(r, want.Length+1)
	}
	// Neither side may see the other's ReadFrom or WriteTo, which would take
	// the copy out of reach of ctx and of the hash.
	n, err := io.CopyBuffer(
		struct{ io.Writer }{io.MultiWriter(dst, hash)},
		&contextReader{ctx: ctx, r: r},
		make([]byte, copyBuffer),
	)
	if err != nil {
		return err
	}
	return check(want, sealift.Digest(hash.Sum(nil)), n)
}

func check(want *Expect, digest sealift.Digest, n int64) error {
	switch {
	case want == nil:
		return nil
	case n > want.Length:
		return sealift.Errorf(sealift.KindIntegrity, "", "more than the expected %d bytes", want.Length).WithReason("length")
	case n < want.Length:
		return sealift.Errorf(sealift.KindIntegrity, "", "%d bytes, not the expected %d", n, want.Length).WithReason("length")
	case digest != want.Digest:
		return sealift.Errorf(sealift.KindIntegrity, "", "SHA-256 is %s, not the expected %s", digest, want.Digest).WithReason("digest")
	}
	return nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
