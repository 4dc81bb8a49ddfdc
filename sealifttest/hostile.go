package sealifttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealift/sealift/trust"
)

// Hostile is an edge in the hands of an attacker. It passes everything on to
// the true one, watches, and once an Attack is mounted, lies. It is an
// http.Handler and may stand before any: a World, or a reverse proxy to a real
// server.
type Hostile struct {
	// Pace is the time between two bytes of the slow attack. Set it before
	// serving; zero is a second.
	Pace time.Duration

	mu         sync.Mutex
	upstream   http.Handler
	edge       edge
	bites      int
	patches    map[string]bool // paths of the patches that releases name
	timestamps [][]byte        // every one that was seen, oldest first
	seen       []string        // paths that devices fetched, oldest first, each once
	requests   [][]byte        // of devices
	answers    [][]byte        // to devices, that the vault gave
}

// edge returns what answers a request in the place of the true one, or nil to
// pass it on. path is below /v1/.
type edge func(in *http.Request, path string) http.HandlerFunc

// NewHostile returns a Hostile that passes everything on to upstream, as it
// does while no attack is mounted.
func NewHostile(upstream http.Handler) *Hostile {
	return &Hostile{upstream: upstream, patches: map[string]bool{}}
}

// Serve passes on to another upstream from now on.
func (h *Hostile) Serve(upstream http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.upstream = upstream
}

func (h *Hostile) honest() http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.upstream
}

// Mount starts an attack in place of the one before. The error says what the
// attacker has not seen yet and needs.
func (h *Hostile) Mount(a Attack) error {
	behaviour := edge(nil)
	if a.edge != nil {
		var err error
		if behaviour, err = a.edge(h); err != nil {
			return fmt.Errorf("mounting %s: %w", a.Name, err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.edge, h.bites = behaviour, 0
	return nil
}

// Unmount makes the edge honest.
func (h *Hostile) Unmount() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.edge = nil
}

// Bites returns how many requests the mounted attack answered: an attack of
// the delivery that answered none proves nothing.
func (h *Hostile) Bites() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bites
}

// Observe fetches the timestamp now: what an attacker who waits would have.
func (h *Hostile) Observe(ctx context.Context) error {
	in, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge/v1/"+timestampPath, nil)
	if err != nil {
		return err
	}
	got := h.fetch(in, timestampPath)
	if got.status != http.StatusOK {
		return fmt.Errorf("observing %s: %d", timestampPath, got.status)
	}
	h.watch(timestampPath, nil, got)
	return nil
}

// ReplayRequest sends the newest request of a device that the edge passed on
// to the vault once more, and returns the vault's status and answer.
func (h *Hostile) ReplayRequest(ctx context.Context) (status int, answer []byte, err error) {
	h.mu.Lock()
	requests := slices.Clone(h.requests)
	h.mu.Unlock()
	if len(requests) == 0 {
		return 0, nil, fmt.Errorf("replaying: no device asked anything yet")
	}
	in, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://edge/v1/devices", nil)
	if err != nil {
		return 0, nil, err
	}
	in.Header.Set("Content-Type", messageType)
	got := h.send(in, requests[len(requests)-1])
	return got.status, got.body.Bytes(), nil
}

// ServeHTTP implements http.Handler.
func (h *Hostile) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	path := strings.TrimPrefix(in.URL.Path, "/v1/")
	if rest, ok := strings.CutPrefix(in.URL.Path, elsewhere); ok { // where a redirect led
		in = in.Clone(in.Context())
		in.URL.Path, in.URL.RawPath = rest, ""
		h.honest().ServeHTTP(out, in)
		return
	}
	if answer := h.lie(in, path); answer != nil {
		answer(out, in)
		return
	}
	h.pass(out, in, path)
}

func (h *Hostile) lie(in *http.Request, path string) http.HandlerFunc {
	h.mu.Lock()
	behaviour := h.edge
	h.mu.Unlock()
	if behaviour == nil {
		return nil
	}
	answer := behaviour(in, path)
	if answer != nil {
		h.mu.Lock()
		h.bites++
		h.mu.Unlock()
	}
	return answer
}

// pass passes a request on, and keeps what an attacker would keep: small
// documents whole, of the rest where they were.
func (h *Hostile) pass(out http.ResponseWriter, in *http.Request, path string) {
	if releaseDocument.MatchString(path) {
		h.remember(path)
		got := h.send(in, nil)
		h.learn(got.body.Bytes())
		got.copyTo(out)
		return
	}
	if path != timestampPath && path != devicesPath {
		h.remember(path)
		h.honest().ServeHTTP(out, in)
		return
	}
	var request []byte
	if path == devicesPath {
		var err error
		if request, err = io.ReadAll(in.Body); err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
	}
	got := h.send(in, request)
	h.watch(path, request, got)
	got.copyTo(out)
}

func (h *Hostile) remember(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.seen, path) {
		h.seen = append(h.seen, path)
	}
}

// learn reads in a release.json which blobs are patches. It is signed, not secret.
func (h *Hostile) learn(file []byte) {
	parsed, err := trust.ParseReleaseFile(file)
	if err != nil {
		return
	}
	release, err := trust.ParseRelease(parsed.Payload())
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range release.Blobs {
		if b.Kind == trust.BlobPatch {
			h.patches["blobs/"+b.Digest.String()] = true
		}
	}
}

func (h *Hostile) isPatch(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.patches[path]
}

func (h *Hostile) watch(path string, request []byte, got *captured) {
	h.mu.Lock()
	defer h.mu.Unlock()
	content := bytes.Clone(got.body.Bytes())
	switch {
	case path == timestampPath && got.status == http.StatusOK:
		if n := len(h.timestamps); n == 0 || !bytes.Equal(h.timestamps[n-1], content) {
			h.timestamps = append(h.timestamps, content)
		}
	case path == devicesPath:
		h.requests = append(h.requests, request)
		if got.status == http.StatusOK {
			h.answers = append(h.answers, content)
		}
	}
}

// fetch gets another path than was asked for from the true edge, whole.
func (h *Hostile) fetch(in *http.Request, path string) *captured {
	in = in.Clone(in.Context())
	in.Method, in.URL.Path, in.URL.RawPath = http.MethodGet, "/v1/"+path, ""
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding"} {
		in.Header.Del(name)
	}
	in.Body, in.ContentLength = http.NoBody, 0
	return capture(h.honest(), in)
}

// send passes a request on with the given body.
func (h *Hostile) send(in *http.Request, body []byte) *captured {
	in = in.Clone(in.Context())
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return capture(h.honest(), in)
}

// captured is an answer that was kept instead of sent. It is an
// http.ResponseWriter.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func capture(from http.Handler, in *http.Request) *captured {
	c := &captured{header: http.Header{}}
	from.ServeHTTP(c, in)
	c.WriteHeader(http.StatusOK)
	return c
}

// Header implements http.ResponseWriter.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *captured) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

// Write implements http.ResponseWriter.
func (c *captured) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}

// serve is an http.HandlerFunc.
func (c *captured) serve(out http.ResponseWriter, _ *http.Request) { c.copyTo(out) }

func (c *captured) copyTo(out http.ResponseWriter) {
	for name, values := range c.header {
		out.Header()[name] = values
	}
	out.WriteHeader(c.status)
	_, _ = out.Write(c.body.Bytes()) // the device may have gone
}
