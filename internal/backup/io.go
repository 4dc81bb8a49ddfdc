package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/sealift/sealift"
)

// ioError classes an error of a file, or keeps one that is classed.
func ioError(op string, err error) error {
	var classed *sealift.Error
	switch {
	case errors.As(err, &classed):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithReason("disk_full").
			WithHint("make room on that disk, or name another one, and run it again; nothing was kept")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("name a folder that you may write to")
	case errors.Is(err, fs.ErrExist):
		return sealift.Errorf(sealift.KindConflict, op, "%w", err).WithReason("exists").WithHint("name a file that does not exist yet; nothing is overwritten")
	case errors.Is(err, fs.ErrNotExist):
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("check the path")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err)
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func compareDigests(a, b sealift.Digest) int { return bytes.Compare(a[:], b[:]) }
