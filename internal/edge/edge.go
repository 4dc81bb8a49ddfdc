// Package edge talks to devices over HTTP. It holds no key and decides nothing:
// it serves the published tree, and passes a device's signed messages to the
// vault's desk and the signed answers back.
//
//	GET /v1/metadata/<file>                timestamp.json, or <version>.<role>.json
//	GET /v1/targets/[<dir>/]<sha256>.<name>
//	GET /v1/releases/<sha256>              release.json
//	GET /v1/proofs/<sha256>                C2SP tlog-proof
//	GET /v1/blobs/<sha256>                 sealed blob
//	GET /v1/log/checkpoint                 C2SP tlog-checkpoint
//	GET /v1/log/tile/<level>/<n>[.p/<w>]   C2SP tlog-tiles, tile height 8
//	POST /v1/devices                       DSSE in, DSSE out
//	GET /healthz                           "ok"
//
// Whatever else the store holds is not served, and nothing is listed. GET may
// be HEAD. A path with a SHA-256 or a version in it always names the same
// bytes: it may be cached for a year ("immutable"), and one with a SHA-256 has
// it as its strong ETag. timestamp.json and the checkpoint change in place:
// caches may keep them for MutableAge, and their ETag is computed from what is
// sent, since a modification time of whole seconds would hide the second change
// within one. Range requests (RFC 9110, section 14) work on everything.
//
// Errors are problem documents (package problem), which no cache may keep: a
// root.json that is not there yet must not be missing for longer than it is.
package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/throttle"
)

// Desk answers the messages of devices.
type Desk interface {
	// Answer returns the DSSE answer to the DSSE request that came from the
	// given IP address. request is at most sealift.MaxMessage bytes of
	// anything. Errors are *sealift.Error and are shown to the device.
	Answer(ctx context.Context, request []byte, address string) (answer []byte, err error)
}

// MessageType is the media type of a device's request and of its answer.
const MessageType = "application/vnd.dsse+json"

// Options are what a handler does not need to work.
type Options struct {
	// Log takes failures, and every request at level Debug; nil for none.
	Log *slog.Logger
	// Address returns the IP address of the client that sent a request; nil
	// for that of the connection, which is a proxy's where one stands before
	// the edge.
	Address func(*http.Request) string
}

type handler struct {
	store   blob.Store
	desk    Desk
	log     *slog.Logger
	address func(*http.Request) string

	throttle *throttle.Throttle
}

// New returns the handler of everything in the package comment.
func New(store blob.Store, desk Desk, options Options) http.Handler {
	h := &handler{store: store, desk: desk, log: options.Log, address: options.Address, throttle: throttle.New(sealift.MessagesPerMinute)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.address == nil {
		h.address = remoteAddress
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/{key...}", h.published)
	mux.HandleFunc("/v1/devices", h.devices)
	mux.HandleFunc("/healthz", h.healthz)
	mux.HandleFunc("/", h.absent)
	return problem.Guard(h.log, slog.LevelDebug, mux)
}

func remoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (h *handler) healthz(w http.ResponseWriter, r *http.Request) {
	if !h.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok")
}

func (h *handler) absent(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, sealift.Errorf(sealift.KindNotFound, "finding path", "nothing is published here"))
}

func (h *handler) devices(w http.ResponseWriter, r *http.Request) {
	if !h.allowed(w, r, http.MethodPost) {
		return
	}
	address := h.address(r)
	if wait, ok := h.throttle.Admit(address, time.Now()); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		h.fail(w, r, sealift.Errorf(sealift.KindExhausted, "taking a device's message", "more than %d a minute come from this network", sealift.MessagesPerMinute).
			WithReason(problem.ReasonRate).WithHint("wait a minute"))
		return
	}
	request, err := readMessage(w, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer, err := h.desk.Answer(r.Context(), request, address)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", MessageType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(answer)
}

func readMessage(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const op = "reading device request"
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != MessageType {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "the media type is not %s", MessageType).WithReason(problem.ReasonMediaType)
	}
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, sealift.MaxMessage))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "it is larger than %d bytes", sealift.MaxMessage).WithReason(problem.ReasonTooLarge)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNetwork, op, "%w", err).WithReason(problem.ReasonSlowUpload)
	}
	return request, nil
}

func (h *handler) allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, method := range methods {
		if r.Method == method {
			return true
		}
	}
	for _, method := range methods {
		w.Header().Add("Allow", method)
	}
	h.fail(w, r, sealift.Errorf(sealift.KindInvalid, "finding path", "the method is not allowed here").WithReason(problem.ReasonMethod))
	return false
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	problem.Answer(w, r, err, h.log)
}
