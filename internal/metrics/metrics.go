package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sealift/sealift/internal/fleet"
	"github.com/sealift/sealift/internal/store"
)

// Source is what numbers are read from.
type Source struct {
	Store interface {
		View(ctx context.Context, fn func(store.Tx) error) error
		Counts() store.Counts
	}
	Vault interface{ Sealed() bool }
	Desk  interface{ Tallies() fleet.Tallies }
	// Capgo returns how many calls of Capgo's plugin came to which end; nil for none.
	Capgo func() []Answered
	// Timestamp returns when the newest timestamp was signed, and when it ends.
	Timestamp func(ctx context.Context) (issued, expires time.Time, err error)
	Now       func() time.Time
	Log       *slog.Logger // takes what could not be read
}

// Answered is how many calls came to the same end. Both words are Sealift's own.
type Answered struct {
	Call, Answer string
	N            int64
}

// Metrics collects numbers. It is safe for concurrent use.
type Metrics struct {
	source   Source
	registry *prometheus.Registry
	http     doors

	mu   sync.Mutex // of what was read from rows
	read time.Time
	last *rows // nil where it could not be read
}

// New returns the numbers of a source.
func New(source Source) *Metrics {
	m := &Metrics{source: source, registry: prometheus.NewRegistry(), http: newDoors()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.http.requests, m.http.took, m.http.size, (*collector)(m))
	return m
}

// doors are the numbers of requests.
type doors struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	size     *prometheus.HistogramVec
}

func newDoors() doors {
	const door, what = "door", "what"
	return doors{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sealift_http_requests_total", Help: "Requests that were answered.",
		}, []string{door, what, "method", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sealift_http_request_duration_seconds", Help: "How long they took, up to the last byte of the answer.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60, 300},
		}, []string{door, what}),
		size: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sealift_http_response_size_bytes", Help: "Bytes of their answers.",
			Buckets: []float64{1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 26, 1 << 30},
		}, []string{door, what}),
	}
}

// Requests counts the requests that next answers. what says what one is for; its
// results are among whats.
func (m *Metrics) Requests(door string, whats []string, what func(*http.Request) string, next http.Handler) http.Handler {
	counted := map[string]http.Handler{}
	for _, name := range whats {
		labels := prometheus.Labels{"door": door, "what": name}
		counted[name] = m.http.handler(labels, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { counted[what(r)].ServeHTTP(w, r) })
}
