package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// download brings one blob into a staging file, whose length and SHA-256 are
// those of the release when run returns nil. What a broken connection left is
// kept and gone on with, now or in another process; it is named by its digest,
// so it can belong to nothing else. Whatever the server says, the file never
// grows beyond the signed length.
type download struct {
	wire     *wire
	files    Files
	name     string // of the staging file
	address  string
	want     trust.Blob
	progress func(done, total int64) // bytes; may be nil

	file    File
	hash    hash.Hash // of what the file holds
	have    int64     // bytes in the file
	fetched int64     // bytes that came, also those that were in vain
	etag    string    // of the answer that the file comes from, if known
}

const blobOp = "step 4, fetching the blob"

func (d *download) run(ctx context.Context) (err error) {
	if d.file, err = d.files.Append(d.name); err != nil {
		return diskError(blobOp, err)
	}
	defer func() {
		err = errors.Join(err, d.file.Close())
		if sealift.KindOf(err) == sealift.KindIntegrity {
			_ = d.files.RemoveAll(d.name) // nothing in it is worth keeping
		}
	}()
	if err := d.takeUp(); err != nil {
		return diskError(blobOp, err)
	}
	begun := d.have > 0
	if err := d.fill(ctx); err != nil {
		return err
	}
	err = d.check()
	if err != nil && begun {
		// The part from before may have been the damaged one.
		if err := d.restart(); err != nil {
			return err
		}
		if err := d.fill(ctx); err != nil {
			return err
		}
		err = d.check()
	}
	return err
}

func (d *download) check() error {
	return trust.CheckBlob(d.want, sealift.Digest(d.hash.Sum(nil)), d.have)
}

// takeUp hashes what an earlier run left.
func (d *download) takeUp() error {
	d.hash = sha256.New()
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > d.want.Length {
		return d.restart()
	}
	old, err := d.files.Open(d.name)
	if err != nil {
		return err
	}
	defer old.Close()
	d.have, err = io.Copy(d.hash, old)
	return err
}

func (d *download) restart() error {
	if err := d.file.Truncate(0); err != nil {
		return diskError(blobOp, err)
	}
	d.hash, d.have, d.etag = sha256.New(), 0, ""
	return nil
}

// fill requests until the file is complete, as long as each request brings it
// on.
func (d *download) fill(ctx context.Context) error {
	for resumes := 0; d.have < d.want.Length; resumes++ {
		before := d.have
		err := d.request(ctx)
		if err == nil {
			continue
		}
		brought := d.have > before
		if !brought || resumes >= sealift.MaxResumes || !errors.Is(err, errBroken) || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

var (
	errSlow   = errors.New("it delivers too little")
	errBroken = errors.New("the connection broke")
)

// request asks once for what is missing and appends what comes.
func (d *download) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(sealift.ConnectTimeout+sealift.IdleTimeout, func() { cancel(errSlow) })
	defer idle.Stop()
	resp, err := d.ask(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := d.position(resp); err != nil {
		return err
	}
	if e := resp.Header.Get("ETag"); !strings.HasPrefix(e, "W/") {
		d.etag = e
	}
	return d.append(ctx, &watched{body: resp.Body, idle: idle, since: time.Now()})
}

func (d *download) ask(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, d.address, nil)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, blobOp, "%w", err)
	}
	if d.have == 0 {
		return d.wire.do(ctx, req, http.StatusOK)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	if d.etag != "" {
		req.Header.Set("If-Range", d.etag)
	}
	resp, err := d.wire.do(ctx, req, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil || d.continues(resp) {
		return resp, err
	}
	// The server has something else than before, or no ranges: from the start.
	if err := d.restart(); err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	_ = resp.Body.Close()
	return d.ask(ctx)
}

// continues reports whether an answer goes on exactly where the file ends (RFC
// 9110 section 14.4).
func (d *download) continues(resp *http.Response) bool {
	var first, last, total int64
	_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
	etag := resp.Header.Get("ETag")
	return resp.StatusCode == http.StatusPartialContent && err == nil &&
		first == d.have && last == d.want.Length-1 && total == d.want.Length &&
		(d.etag == "" || etag == "" || etag == d.etag)
}

// position refuses an announced length that cannot be right, before a byte of
// it is read.
func (d *download) position(resp *http.Response) error {
	if n := resp.ContentLength; n >= 0 && n != d.want.Length-d.have {
		return d.wrongLength("the server announces %d bytes, the release names %d", d.have+n)
	}
	return nil
}

func (d *download) wrongLength(format string, got int64) error {
	return sealift.Errorf(sealift.KindIntegrity, blobOp, format, got, d.want.Length).WithReason("blob-length").
		WithHint("the server holds another file than the release names; tell its owner")
}

func (d *download) append(ctx context.Context, body io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		// One byte more than is missing shows an endless answer for what it is.
		n, err := body.Read(buf[:min(int64(len(buf)), d.want.Length-d.have+1)])
		if int64(n) > d.want.Length-d.have {
			return d.wrongLength("more than %[2]d bytes come, which the release names", 0)
		}
		if writeErr := d.write(buf[:n]); writeErr != nil {
			return writeErr
		}
		switch {
		case err == io.EOF && d.have < d.want.Length:
			return d.wrongLength("%d bytes come, the release names %d", d.have)
		case err == io.EOF:
			return nil
		case errors.Is(err, errSlow) || context.Cause(ctx) != nil:
			return networkError(ctx, blobOp, err)
		case err != nil:
			return networkError(ctx, blobOp, fmt.Errorf("%w after %d of %d bytes: %w", errBroken, d.have, d.want.Length, err))
		}
	}
}

func (d *download) write(p []byte) error {
	if _, err := d.file.Write(p); err != nil {
		// How much of it arrived on disk is unknown: the next run counts anew.
		return diskError(blobOp, err)
	}
	d.hash.Write(p)
	d.have += int64(len(p))
	d.fetched += int64(len(p))
	if d.progress != nil && len(p) > 0 {
		d.progress(d.have, d.want.Length)
	}
	return nil
}

// watched is a body that must keep coming: something within the idle timeout,
// and sealift.MinRate on average over each window.
type watched struct {
	body  io.Reader
	idle  *time.Timer
	since time.Time // when the window began
	bytes int64     // within the window
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.idle.Reset(sealift.IdleTimeout)
	n, err := w.body.Read(p)
	w.bytes += int64(n)
	if age := time.Since(w.since); age >= sealift.MinRateWindow {
		if err == nil && float64(w.bytes) < sealift.MinRate*age.Seconds() {
			err = errSlow
		}
		w.since, w.bytes = time.Now(), 0
	}
	return n, err
}
