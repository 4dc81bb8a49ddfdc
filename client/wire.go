package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
)

// wire is the one way to the network: metadata, targets, releases, device
// messages and blobs all pass through do.
type wire struct {
	client *http.Client
}

func newWire(rt http.RoundTripper) *wire {
	return &wire{&http.Client{Transport: rt, CheckRedirect: sameServer}}
}

// sameServer lets a server redirect within itself only: an update never
// silently comes from elsewhere, nor without TLS.
func sameServer(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return fmt.Errorf("it redirects to another server, %s://%s", req.URL.Scheme, req.URL.Host)
	}
	if len(via) > sealift.MaxRedirects {
		return fmt.Errorf("it redirects more than %d times", sealift.MaxRedirects)
	}
	return nil
}

// parseBase checks the address of a server and returns it with a slash at its
// end. A password in it is refused: it would end up in logs and errors.
func parseBase(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		err = errors.New("it is not a URL") // the parser's own error repeats it
	case u.Scheme != "http" && u.Scheme != "https":
		err = errors.New("it does not begin with http:// or https://")
	case u.Host == "":
		err = errors.New("it names no host")
	case u.User != nil:
		err = errors.New("it contains a user name or password")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		err = errors.New("it has a query or a fragment")
	}
	if err != nil {
		return "", sealift.Errorf(sealift.KindInvalid, "reading the server's address", "%w", err).
			WithHint("use an address such as https://updates.example.com")
	}
	return strings.TrimSuffix(s, "/") + "/", nil
}

// do sends one request and returns the answer's head, its status one of want.
// The answer is never compressed underway.
func (w *wire) do(ctx context.Context, req *http.Request, want ...int) (*http.Response, error) {
	op := "fetching " + req.URL.String()
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "sealift")
	resp, err := w.client.Do(req.WithContext(ctx))
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // it repeats method and address
			err = outer.Err
		}
		return nil, networkError(ctx, op, err)
	}
	for _, status := range want {
		if resp.StatusCode != status {
			continue
		}
		if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
			_ = resp.Body.Close()
			return nil, networkError(ctx, op, fmt.Errorf("the answer is encoded as %.40q", enc))
		}
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, statusError(op, req.URL.String(), resp.StatusCode)
}

// get fetches a document of at most max bytes within the metadata timeout. It
// counts what arrives and believes no header about it.
func (w *wire) get(ctx context.Context, address string, max int64) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "fetching", "%w", err)
	}
	return w.exchange(ctx, req, max)
}

// post sends a message and returns the answer, of at most max bytes.
func (w *wire) post(ctx context.Context, address, contentType string, body []byte, max int64) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "sending", "%w", err)
	}
	req.Header.Set("Content-Type", contentType)
	return w.exchange(ctx, req, max)
}

var errDeadline = errors.New("no complete answer in time")

func (w *wire) exchange(ctx context.Context, req *http.Request, max int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sealift.MetadataTimeout, errDeadline)
	defer cancel()
	resp, err := w.do(ctx, req, http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	op := "fetching " + req.URL.String()
	data, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	if err != nil {
		return nil, networkError(ctx, op, err)
	}
	if int64(len(data)) > max {
		return nil, sealift.Errorf(sealift.KindNetwork, op, "the answer is longer than %d bytes", max).
			WithReason("too-long").WithHint("check that the address is that of a Sealift server")
	}
	return data, nil
}

// statusError keeps the status in the form in which go-tuf looks for it: a
// 404 is how it learns that there is no newer root.
func statusError(op, address string, status int) error {
	e := sealift.Errorf(sealift.KindNetwork, op, "the server answers %d %s%w", status, http.StatusText(status),
		quiet{&metadata.ErrDownloadHTTP{StatusCode: status, URL: address}})
	switch {
	case status == http.StatusNotFound:
		return e.WithReason("not-found").WithHint("check the server's address; if it is right, the server lacks a file that it should have")
	case status == http.StatusTooManyRequests:
		return e.WithReason("busy").WithHint("try again later")
	case status >= 500:
		return e.WithReason("server").WithHint("the server has trouble of its own; try again later")
	}
	return e.WithReason("status").WithHint("check that the address is that of a Sealift server and that nothing in between answers for it")
}

// quiet carries a cause that errors.As finds and nobody reads.
type quiet struct{ error }

// Error returns nothing: the text around it says all.
func (quiet) Error() string { return "" }

// Unwrap returns the cause.
func (q quiet) Unwrap() error { return q.error }

// isNotFound reports whether err is a 404.
func isNotFound(err error) bool {
	var status *metadata.ErrDownloadHTTP
	return errors.As(err, &status) && status.StatusCode == http.StatusNotFound
}

// networkError says what went wrong between here and the server. Where the
// context was ended for a cause, the cause is the error.
func networkError(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	e := sealift.Errorf(sealift.KindNetwork, op, "%w", err)
	var certificate x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return e.WithReason("cancelled")
	case errors.Is(err, errSlow):
		return e.WithReason("slow").WithHint("the network or the server is too slow; what arrived is kept, try again")
	case errors.Is(err, errDeadline), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return e.WithReason("timeout").WithHint("the network or the server is too slow; try again")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return e.WithReason("certificate").WithHint("check this machine's clock, then the server's TLS certificate")
	case errors.As(err, &certificate):
		return e.WithReason("certificate").WithHint("the server's TLS certificate is not signed by a CA that this machine trusts")
	}
	return e.WithReason("unreachable").WithHint("check that the server runs and that its address is right; nothing was changed here")
}
