package capgo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/throttle"
)

// Prefix is the path under which the edge answers Capgo's plugin.
const Prefix = "/capgo/"

// Source tells what is offered.
type Source interface {
	// Catalog returns what is offered now, with URLs of the edge whose public URL is
	// base; the same pointer as before where nothing changed, or nothing can be read.
	// It is good also beside an error, which is then about some apps alone.
	Catalog(ctx context.Context, before *Catalog, base string) (*Catalog, error)
}

// Config is what an edge is made of.
type Config struct {
	Source Source
	Store  store.Store
	// Base is the URL under which devices reach this server: https://updates.example.com.
	Base    string
	Log     *slog.Logger
	Now     func() time.Time
	Address func(*http.Request) string // of the client; nil for that of the connection
}

// Edge answers Capgo's plugin. It is safe for concurrent use.
type Edge struct {
	Config
	mux     *http.ServeMux
	catalog atomic.Pointer[Catalog]
	memory  memory
	waiting chan checkIn
	tallies tallies

	reports   *throttle.Throttle
	choices   *throttle.Counter[string]
	events    *throttle.Counter[string]    // that networks send
	reporting chan struct{}                // a place for each report that waits for the disk
	sizing    chan struct{}                // a place for each question how large files are
	fresh     *throttle.Counter[newcomers] // devices that were never seen before
}

// New returns an edge that knows of no app until Refresh, which Run calls.
func New(c Config) *Edge {
	if c.Address == nil {
		c.Address = remoteAddress
	}
	e := &Edge{
		Config: c, mux: http.NewServeMux(), waiting: make(chan checkIn, sealift.MaxCapgoWaiting),
		reports: throttle.New(sealift.CapgoReportsPerMinute), choices: throttle.NewCounter[string](sealift.CapgoChoicesPerHour, time.Hour), reporting: make(chan struct{}, sealift.MaxCapgoReporting),
		events: throttle.NewCounter[string](sealift.CapgoEventsPerHour, time.Hour), sizing: make(chan struct{}, sealift.MaxCapgoSizing),
		fresh: throttle.NewCounter[newcomers](sealift.CapgoNewPerHour, time.Hour),
	}
	e.mux.HandleFunc("POST /capgo/updates", e.updates)
	e.mux.HandleFunc("POST /capgo/updates/manifest_size", e.sizes)
	e.mux.HandleFunc("POST /capgo/stats", e.stats)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodGet, http.MethodDelete} {
		e.mux.HandleFunc(method+" /capgo/channel_self", e.channelSelf)
	}
	return e
}

// ServeHTTP implements http.Handler.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.mux.ServeHTTP(w, r) }

func remoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// What is answered, as it is counted.
const (
	callUpdate  = "update"
	callSize    = "manifest_size"
	callStats   = "stats"
	callChannel = "channel"
	callCheckIn = "check-in" // kept of an update check
	callOther   = "other"
)

// updates answers an update check. It waits for no storage.
func (e *Edge) updates(w http.ResponseWriter, r *http.Request) {
	body, f := readBody(w, r, sealift.MaxCapgoBody)
	var s said
	if f == nil {
		f = unmarshal(body, &s)
	}
	if f != nil {
		e.refuse(w, callUpdate, f)
		return
	}
	in, f := s.info()
	if f != nil {
		e.refuse(w, callUpdate, f)
		return
	}
	d, ready, f := e.decide(&in)
	if f != nil {
		e.refuse(w, callUpdate, f)
		return
	}
	answer, err := d.reply(&in)
	if err != nil {
		e.broken(w, callUpdate, err)
		return
	}
	if !ready {
		e.answer(w, callUpdate, "not-ready", answer)
		return
	}
	e.here(checkIn{device: e.device(&in, &s, d.Channel), address: e.Address(r), runs: d.Runs})
	e.answer(w, callUpdate, d.counted(), answer)
}

// decide says what a device is to run. It is not ready, and then there is nothing new,
// until it has read what is offered: with a vault that is sealed, from the start on.
func (e *Edge) decide(in *Info) (d Decision, ready bool, f *fault) {
	catalog := e.catalog.Load()
	if catalog == nil {
		return d, false, nil
	}
	app := catalog.Apps[in.App]
	if app == nil {
		return d, true, noApp()
	}
	failed := func(release sealift.Digest) bool { return e.memory.failed(in.App, in.Device, release) }
	return app.Decide(in, e.memory.chosen(in.App, in.Device), failed), true, nil
}

// noApp is that an app has nothing for Capgo devices, or is none.
func noApp() *fault {
	return &fault{codeApp, "this server has no app of this id with releases for this plugin"}
}

// counted is how a decision is counted.
func (d *Decision) counted() string {
	switch {
	case d.Offer != nil:
		return "offer"
	case d.Back:
		return builtin
	case d.Blocked != "":
		return d.Blocked
	}
	return kindCurrent
}

func (e *Edge) app(id sealift.AppID) *App {
	if c := e.catalog.Load(); c != nil {
		return c.Apps[id]
	}
	return nil
}

// device is what is kept of one that was here.
func (e *Edge) device(in *Info, s *said, on sealift.Channel) store.CapgoDevice {
	now := e.Now().UTC()
	d := store.CapgoDevice{
		App: in.App, ID: in.Device, Platform: in.Platform, Version: string(in.Running), Build: string(in.Build), Plugin: string(in.Plugin),
		Channel: on, Production: in.Production, Emulator: in.Emulator, Began: now, Seen: now,
	}
	if in.Running == "" && s.VersionName != builtin {
		d.Version = string(s.VersionName) // in its own words
	}
	return d
}

// readBody reads at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *fault) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &fault{codeTooLarge, "the body is larger than the plugin sends"}
	}
	if err != nil {
		return nil, &fault{codeMalformed, "the body did not come whole"}
	}
	return body, nil
}

// answer sends an answer that the plugin understands.
func (e *Edge) answer(w http.ResponseWriter, call, counted string, body []byte) {
	e.tallies.add(call, counted, 1)
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))} // or it goes out in pieces
	_, _ = w.Write(body)
}

// jsonType and noStore are shared by all answers, which do not change them.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
)

// refuse tells of a fault, with HTTP 200: old plugins take any other status for a
// broken network.
func (e *Edge) refuse(w http.ResponseWriter, call string, f *fault) {
	body, err := f.reply()
	if err != nil {
		e.broken(w, call, err)
		return
	}
	e.answer(w, call, f.code, body)
}

// broken answers what should not happen.
func (e *Edge) broken(w http.ResponseWriter, call string, err error) {
	e.tallies.add(call, "internal", 1)
	e.Log.Error("answering Capgo's plugin", "call", call, "error", err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}
