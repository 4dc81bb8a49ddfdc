package sealifttest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

const (
	timestampPath = "metadata/timestamp.json"
	devicesPath   = "devices"
	messageType   = "application/vnd.dsse+json"
	// elsewhere is where a redirect leads: to the true content, under another
	// name of this host, so that a device which follows it is not refused.
	elsewhere = "/elsewhere"
)

// The documents that a device fetches, by path below /v1/.
var (
	rootDocument      = regexp.MustCompile(`^metadata/\d+\.root\.json$`)
	timestampDocument = regexp.MustCompile(`^metadata/timestamp\.json$`)
	snapshotDocument  = regexp.MustCompile(`^metadata/\d+\.snapshot\.json$`)
	targetsDocument   = regexp.MustCompile(`^metadata/\d+\.targets\.json$`)
	binDocument       = regexp.MustCompile(`^metadata/\d+\.bins-[0-9a-f]+\.json$`)
	trustDocument     = regexp.MustCompile(`^targets/[0-9a-f]{64}\.trust\.json$`)
	denyDocument      = regexp.MustCompile(`^targets/[0-9a-f]{64}\.deny\.json$`)
	channelsDocument  = regexp.MustCompile(`^targets/[^/]+/[0-9a-f]{64}\.channels\.json$`)
	offerDocument     = regexp.MustCompile(`^targets/.*/[0-9a-f]{64}\.offer\.json$`)
	releaseDocument   = regexp.MustCompile(`^releases/`)
	proofDocument     = regexp.MustCompile(`^proofs/`)
	tileDocument      = regexp.MustCompile(`^log/tile/`)
	deviceMessage     = regexp.MustCompile(`^devices$`)
	blobDocument      = regexp.MustCompile(`^blobs/`)
)

// on answers requests for documents.
func on(documents *regexp.Regexp, answer http.HandlerFunc) edge {
	return func(_ *http.Request, path string) http.HandlerFunc {
		if !documents.MatchString(path) {
			return nil
		}
		return answer
	}
}

// damaging answers requests for documents by what damage makes of the true
// answer, and passes on the rest.
func damaging(documents *regexp.Regexp, damage func(*Hostile, http.ResponseWriter, *http.Request, *captured)) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		return on(documents, func(out http.ResponseWriter, in *http.Request) {
			body, err := io.ReadAll(in.Body)
			if err != nil {
				return // the device has gone
			}
			if got := h.send(in, body); got.status == http.StatusOK {
				damage(h, out, in, got)
			} else {
				got.copyTo(out)
			}
		}), nil
	}
}

// replacing is damaging by changing the content.
func replacing(documents *regexp.Regexp, change func([]byte) []byte) func(*Hostile) (edge, error) {
	return damaging(documents, func(_ *Hostile, out http.ResponseWriter, _ *http.Request, got *captured) {
		_, _ = out.Write(change(got.body.Bytes()))
	})
}

func garble(content []byte) []byte {
	content = bytes.Clone(content)
	if len(content) > 0 {
		content[len(content)/2] ^= 1
	}
	return content
}

func empty([]byte) []byte { return nil }

func null([]byte) []byte { return []byte("null") }

// endless sends the true content and goes on for ever.
func endless(_ *Hostile, out http.ResponseWriter, in *http.Request, got *captured) {
	_, err := out.Write(got.body.Bytes())
	pour(out, in, err)
}

// pour writes until the device hangs up.
func pour(out io.Writer, in *http.Request, err error) {
	more := bytes.Repeat([]byte(" "), 32<<10)
	for err == nil && in.Context().Err() == nil {
		_, err = out.Write(more)
	}
}

func missing(_ *Hostile, out http.ResponseWriter, in *http.Request, _ *captured) {
	http.NotFound(out, in)
}

func failing(_ *Hostile, out http.ResponseWriter, _ *http.Request, _ *captured) {
	http.Error(out, "out of order", http.StatusInternalServerError)
}

// redirecting sends the device to another name of this very host.
func redirecting(_ *Hostile, out http.ResponseWriter, in *http.Request, _ *captured) {
	host, port, err := net.SplitHostPort(in.Host)
	if err != nil {
		host, port = in.Host, "80"
	}
	other := "localhost"
	if host == other {
		other = "127.0.0.1"
	}
	http.Redirect(out, in, "http://"+net.JoinHostPort(other, port)+elsewhere+in.URL.Path, http.StatusFound)
}

// streaming answers requests for blobs, which may be long, by passing the true
// bytes through a writer that changes them.
func streaming(change func(h *Hostile, out http.ResponseWriter, in *http.Request) http.ResponseWriter) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		return on(blobDocument, func(out http.ResponseWriter, in *http.Request) {
			h.honest().ServeHTTP(change(h, out, in), in)
		}), nil
	}
}

// tampering flips a bit of the first byte of every answer.
type tampering struct {
	http.ResponseWriter
	done bool
}

// Write implements http.ResponseWriter.
func (t *tampering) Write(b []byte) (int, error) {
	if !t.done && len(b) > 0 {
		b = bytes.Clone(b)
		b[0] ^= 1
		t.done = true
	}
	return t.ResponseWriter.Write(b)
}

// halving pretends that a file has half of its bytes.
type halving struct {
	http.ResponseWriter
	left int64
}

// WriteHeader implements http.ResponseWriter.
func (t *halving) WriteHeader(status int) {
	if length, err := strconv.ParseInt(t.Header().Get("Content-Length"), 10, 64); err == nil {
		t.left = length / 2
		t.Header().Set("Content-Length", strconv.FormatInt(t.left, 10))
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. What is too much is taken and thrown
// away.
func (t *halving) Write(b []byte) (int, error) {
	keep := b[:min(int64(len(b)), t.left)]
	t.left -= int64(len(keep))
	if len(keep) > 0 {
		if _, err := t.ResponseWriter.Write(keep); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// trickling writes a byte at a time.
type trickling struct {
	http.ResponseWriter
	in   *http.Request
	pace time.Duration
}

// Write implements http.ResponseWriter.
func (t *trickling) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := t.ResponseWriter.Write(b[i : i+1]); err != nil {
			return i, err
		}
		_ = http.NewResponseController(t.ResponseWriter).Flush()
		select {
		case <-t.in.Context().Done():
			return i, t.in.Context().Err()
		case <-time.After(t.pace):
		}
	}
	return len(b), nil
}

// stalling writes one byte and then nothing.
type stalling struct {
	http.ResponseWriter
	in *http.Request
}

// Write implements http.ResponseWriter.
func (t *stalling) Write(b []byte) (int, error) {
	if len(b) > 0 {
		_, _ = t.ResponseWriter.Write(b[:1])
		_ = http.NewResponseController(t.ResponseWriter).Flush()
	}
	<-t.in.Context().Done()
	return 0, t.in.Context().Err()
}

// growing forgets how long a file is.
type growing struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (t *growing) WriteHeader(status int) {
	t.Header().Del("Content-Length")
	t.ResponseWriter.WriteHeader(status)
}
