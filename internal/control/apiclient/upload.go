package apiclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// UploadBlob uploads the sealed blob that r yields, which must have the given
// digest and length in bytes. Nothing of r is read before the server has said
// that it will take it. Uploading a blob that is there already is no error, so
// one that broke off may be repeated from its beginning.
func (c *Client) UploadBlob(ctx context.Context, app sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(sealift.AnswerTimeout, func() { cancel(errors.New("the server takes nothing any more")) })
	defer watchdog.Stop()
	watched := &watchedReader{r: r, watchdog: watchdog}
	// The transport may go on reading after it has returned; r is the caller's
	// again when this function has.
	defer watched.finish()
	resp, err := c.api.UploadBlobWithBody(ctx, string(app), digest.String(), "application/octet-stream", watched,
		func(_ context.Context, req *http.Request) error {
			req.ContentLength = length
			if length == 0 {
				req.Body = http.NoBody // net/http takes 0 with a body for "unknown"
			}
			req.Header.Set("Expect", "100-continue")
			return nil
		})
	if err != nil {
		// The transport says that its write broke where r says why.
		if said := watched.finish(); said != nil {
			return said
		}
		return unreachable(ctx, err)
	}
	_, err = read(ctx, resp)
	return err
}

// watchedReader postpones the watchdog whenever the connection takes bytes.
// After the last, it waits for the answer, in which the server has to fsync.
type watchedReader struct {
	watchdog *time.Timer

	mu  sync.Mutex
	r   io.Reader // nil once finished
	err error     // what r said, if not the end
}

func (w *watchedReader) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.r == nil {
		return 0, errors.New("the upload is over")
	}
	n, err := w.r.Read(p)
	if err == io.EOF {
		w.watchdog.Reset(sealift.AnswerTimeout)
		return n, err
	}
	w.watchdog.Reset(sealift.TransferTimeout)
	w.err = err
	return n, err
}

// finish waits for a Read that is under way, lets no other begin, and returns
// what r said, if not the end.
func (w *watchedReader) finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.r = nil
	return w.err
}
