package publisher

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// sealedFile is a sealed blob in a temporary file.
type sealedFile struct {
	*os.File
	blob trust.Blob
}

func (s *sealedFile) discard() {
	_ = s.Close() // nobody reads it any more
	_ = os.Remove(s.Name())
}

func discardAll(files []*sealedFile) {
	for _, f := range files {
		f.discard()
	}
}

// sealed has seal fill a temporary file.
func (p *Publisher) sealed(seal func(io.Writer) (bundle.Blob, error)) (*sealedFile, error) {
	file, err := os.CreateTemp(p.TempDir, "sealift-*.sealed") // mode 0600
	if err != nil {
		return nil, tempError(sealift.KindInvalid, err)
	}
	s := &sealedFile{File: file}
	blob, err := seal(file)
	if err != nil {
		s.discard()
		if sealift.KindOf(err) == sealift.KindInternal && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			err = tempError(sealift.KindInternal, err)
		}
		return nil, err
	}
	s.blob = trust.Blob{Kind: trust.BlobFull, Digest: blob.Digest, Length: blob.Length}
	return s, nil
}

// seal seals the archive itself.
func (p *Publisher) seal(ctx context.Context, j job, key bundle.ContentKey) (*sealedFile, error) {
	progress, done := p.stage("sealing", j.source.Length())
	defer done()
	return p.sealed(func(w io.Writer) (bundle.Blob, error) {
		return bundle.Seal(ctx, w, j.source, j.id, j.req.App, key, progress)
	})
}

// tempError says of the temporary file that there is no room, where that is
// what is wrong.
func tempError(otherwise sealift.Kind, err error) error {
	if noRoom(err) {
		otherwise = sealift.KindExhausted
	}
	return sealift.Errorf(otherwise, "writing the temporary file", "%w", err).WithHint("point TMPDIR to a folder that is there, with room for the bundle")
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// upload uploads all blobs, as one stage.
func (p *Publisher) upload(ctx context.Context, app sealift.AppID, all []*sealedFile) error {
	var total int64
	for _, s := range all {
		total += s.blob.Length
	}
	progress, done := p.stage("uploading", total)
	defer done()
	var before int64
	for _, s := range all {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return sealift.Errorf(sealift.KindInternal, "reading the sealed bundle", "%w", err)
		}
		if err := p.API.UploadBlob(ctx, app, s.blob.Digest, s.blob.Length, &counted{r: s, done: before, total: total, progress: progress}); err != nil {
			return err
		}
		before += s.blob.Length
	}
	return nil
}

// counted tells how much was read.
type counted struct {
	r           io.Reader
	done, total int64
	progress    bundle.Progress
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return n, err
}
