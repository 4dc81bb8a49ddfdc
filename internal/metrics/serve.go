package metrics

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/problem"
)

// Path is where the numbers are.
const Path = "/metrics"

func (d doors) handler(labels prometheus.Labels, next http.Handler) http.Handler {
	next = promhttp.InstrumentHandlerResponseSize(d.size.MustCurryWith(labels), next)
	next = promhttp.InstrumentHandlerDuration(d.took.MustCurryWith(labels), next)
	return promhttp.InstrumentHandlerCounter(d.requests.MustCurryWith(labels), next)
}

// Handler answers GET Path to whoever shows token as a bearer token (RFC 6750,
// section 2.1), or to everybody if it is empty. version is the program's.
func (m *Metrics) Handler(version string, token []byte) http.Handler {
	build := prometheus.NewRegistry()
	build.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sealift_build_info", Help: "1, with the version of the program.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 }))
	numbers := promhttp.HandlerFor(prometheus.Gatherers{build, m.registry}, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, numbers)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Answer(w, r, sealift.Errorf(sealift.KindNotFound, "finding path", "there is nothing but %s here", Path), m.source.Log)
	})
	if len(token) == 0 {
		return mux
	}
	want := sealift.DigestOf(token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sealift.DigestOf([]byte(shown)) // of one length, whatever is shown
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem.Answer(w, r, sealift.Errorf(sealift.KindDenied, "reading metrics", "they want a token that was not shown").WithReason(problem.ReasonUnauthenticated).
				WithHint("show what is in the file that --metrics-token-file of the server names"), m.source.Log)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
