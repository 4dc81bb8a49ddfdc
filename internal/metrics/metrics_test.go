package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/fleet"
	"github.com/sealift/sealift/internal/metrics"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// world is a store of made-up apps, and a desk and a vault that say what they are
// told.
type world struct {
	*testing.T
	store.Store
	clock   time.Time
	sealed  bool
	tallies fleet.Tallies
	away    error // of the newest timestamp
	metrics *metrics.Metrics
}

func (w *world) Sealed() bool           { return w.sealed }
func (w *world) Tallies() fleet.Tallies { return w.tallies }

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{T: t, Store: s, clock: noon}
	w.metrics = metrics.New(metrics.Source{
		Store: s, Vault: w, Desk: w, Now: func() time.Time { return w.clock }, Log: slog.New(slog.DiscardHandler),
		Capgo: func() []metrics.Answered { return []metrics.Answered{{Call: "update", Answer: "offer", N: 11}} },
		Timestamp: func(context.Context) (issued, expires time.Time, err error) {
			return noon.Add(-time.Hour), noon.Add(71 * time.Hour), w.away
		},
	})
	return w
}

func (w *world) update(fn func(tx store.Tx) error) {
	w.Helper()
	if err := w.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

// app makes one with releases, the first of which has one device that confirmed it,
// and a roll-out of the last that is halted.
func (w *world) app(id sealift.AppID, releases int) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		errs := []error{
			tx.InsertApp(w.Context(), store.App{ID: id, Created: noon, MAC: []byte("mac")}),
			tx.InsertChannel(w.Context(), store.Channel{App: id, Name: "production", Created: noon}),
		}
		for n := 1; n <= releases; n++ {
			at := store.Coordinates{App: id, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: sealift.Version(fmt.Sprintf("1.%d.0", n))}
			digest := sealift.DigestOf(fmt.Append(nil, id, n))
			phase := rollout.Finished
			if n == releases {
				phase = rollout.Halted
			}
			errs = append(errs, tx.InsertRelease(w.Context(), store.Release{
				Coordinates: at, Digest: digest, Counter: sealift.Counter(n), Act: sealift.ActRelease, File: []byte("{}"), Proof: []byte("proof"),
			}), tx.InsertRollout(w.Context(), store.Rollout{
				Coordinates: at, Counter: sealift.Counter(n), Release: digest, Plan: []byte("{}"), Salt: "salt", Phase: string(phase), Share: 2500, MAC: []byte("mac"),
			}))
		}
		return errors.Join(errs...)
	})
}

// device is one that says it runs a version, and has confirmed release n.
func (w *world) device(app sealift.AppID, name string, version sealift.Version, n int) {
	w.Helper()
	d := store.Device{App: app, ID: sealift.DeviceID(name), Token: "t", State: store.DeviceActive, Enrolled: noon}
	w.update(func(tx store.Tx) error {
		reporter := stats.Reporter{Device: d, Now: noon}
		return errors.Join(tx.PutDevice(w.Context(), d),
			tx.PutDeviceReport(w.Context(), store.DeviceReport{App: app, Device: d.ID, Seen: noon, Reported: noon, Version: version, Counter: sealift.Counter(n), State: []byte("{}")}),
			reporter.Count(w.Context(), tx, []trust.ReportStep{
				{Step: trust.StepVerified, Release: sealift.DigestOf(fmt.Append(nil, app, n))}, {Step: trust.StepConfirmed, Release: sealift.DigestOf(fmt.Append(nil, app, n))},
			}))
	})
}

// scrape reads them as a monitoring system does, and lints them.
func (w *world) scrape() string {
	w.Helper()
	answer := httptest.NewRecorder()
	w.metrics.Handler("1.2.3", nil).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, metrics.Path, nil))
	text := answer.Body.String()
	if answer.Code != http.StatusOK {
		w.Fatalf("%d: %s", answer.Code, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range problems {
		w.Errorf("%s: %s", p.Metric, p.Text)
	}
	return text
}

func (w *world) wantLines(text string, lines ...string) {
	w.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			name, _, _ := strings.Cut(line, "{")
			w.Errorf("there is no %s, but %q", line, slices.DeleteFunc(slices.Clone(all), func(l string) bool { return !strings.HasPrefix(l, strings.Fields(name)[0]) }))
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.app("com.acme.shop", 2)
	w.device("com.acme.shop", "d1", "1.1.0", 1)
	w.device("com.acme.shop", "d2", "1.1.0", 2) // whose word is that it runs a version under another's counter
	w.device("com.acme.shop", "d3", "made.up", 1)
	w.update(func(tx store.Tx) error { return tx.AppendOutbox(w.Context(), "releases/1", []byte("{}")) })
	w.sealed = true
	w.tallies = fleet.Tallies{Kept: 5, Repeated: 7, Messages: []fleet.Tally{
		{Kind: trust.RequestReport, Result: audit.OK, N: 3}, {Kind: trust.RequestReport, Result: fleet.Unanswered, Reason: "rate", N: 2}, {Result: fleet.Unanswered, Reason: "malformed", N: 1},
	}}
	ok := w.metrics.Requests("devices", []string{"blob", "other"}, func(r *http.Request) string { return r.URL.Path[1:] }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now()); errors.Is(err, http.ErrNotSupported) {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write(make([]byte, 2000))
	}))
	server := httptest.NewServer(ok)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), "FROBNICATE", server.URL+"/blob", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(request); err == nil {
		resp.Body.Close()
	}
	text := w.scrape()
	w.wantLines(text,
		`sealift_build_info{version="1.2.3"} 1`, `sealift_vault_sealed 1`, `sealift_store_up 1`, `sealift_outbox_files 1`, `sealift_apps_left_out 0`,
		`sealift_metadata_issued_timestamp_seconds 1.7723628e+09`, `sealift_metadata_expires_timestamp_seconds 1.772622e+09`,
		`sealift_devices_active{app="com.acme.shop"} 3`, `sealift_devices_seen_day{app="com.acme.shop"} 3`, `sealift_devices_seen_week{app="com.acme.shop"} 3`,
		`sealift_devices_installed{app="com.acme.shop",counter="1",version="1.1.0"} 1`, `sealift_devices_installed{app="com.acme.shop",counter="other",version="other"} 2`,
		`sealift_release_devices{app="com.acme.shop",channel="production",counter="1",outcome="taken",platform="web",version="1.1.0"} 2`,
		`sealift_release_devices{app="com.acme.shop",channel="production",counter="1",outcome="confirmed",platform="web",version="1.1.0"} 2`,
		`sealift_release_devices{app="com.acme.shop",channel="production",counter="2",outcome="rolled-back",platform="web",version="1.2.0"} 0`,
		`sealift_release_devices_unvouched{app="com.acme.shop",channel="production",counter="1",outcome="taken",platform="web",version="1.1.0"} 0`,
		`sealift_release_devices_fetched{app="com.acme.shop",channel="production",counter="1",platform="web",version="1.1.0",via="patch"} 0`,
		`sealift_release_devices_fetched{app="com.acme.shop",channel="production",counter="1",platform="web",version="1.1.0",via="whole"} 2`,
		`sealift_rollout_phase{app="com.acme.shop",channel="production",counter="2",phase="halted",platform="web",version="1.2.0"} 1`,
		`sealift_rollout_share_ratio{app="com.acme.shop",channel="production",counter="2",platform="web",version="1.2.0"} 0`,
		`sealift_rollout_share_ratio{app="com.acme.shop",channel="production",counter="1",platform="web",version="1.1.0"} 0.25`,
		`sealift_device_messages_total{reason="",request="report",result="ok"} 3`, `sealift_device_messages_total{reason="rate",request="report",result="unanswered"} 2`,
		`sealift_device_messages_total{reason="malformed",request="unreadable",result="unanswered"} 1`,
		`sealift_capgo_calls_total{answer="offer",call="update"} 11`, `sealift_report_steps_total{result="kept"} 5`, `sealift_report_steps_total{result="repeated"} 7`,
		`sealift_http_requests_total{code="200",door="devices",method="unknown",what="blob"} 1`, `sealift_http_response_size_bytes_sum{door="devices",what="blob"} 2000`,
	)
	if strings.Contains(text, "made.up") || strings.Contains(text, "FROBNICATE") {
		t.Error("a device invents what stands in a label")
	}
}

// TestNamesAreDocumented: the package comment and the operator's page name what
// there is, and nothing else.
func TestNamesAreDocumented(t *testing.T) {
	w := newWorld(t)
	w.app("com.acme.shop", 1)
	w.tallies = fleet.Tallies{Messages: []fleet.Tally{{Kind: trust.RequestReport, Result: audit.OK, N: 3}}}
	counted := w.metrics.Requests("people", []string{"api"}, func(*http.Request) string { return "api" }, http.NotFoundHandler())
	counted.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	is := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (sealift_\w+)`).FindAllStringSubmatch(w.scrape(), -1) {
		is[match[1]] = true
	}
	name := regexp.MustCompile(`\bsealift_[a-z_]+`)
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, n := range name.FindAllString(string(doc), -1) {
		named[n] = true
		if !is[n] {
			t.Errorf("doc.go names %s, which there is not", n)
		}
	}
	for n := range is {
		if !named[n] {
			t.Errorf("doc.go does not name %s", n)
		}
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := name.FindAllString(section, -1)
	if len(told) < 10 {
		t.Errorf("operations.md names %q", told)
	}
	for _, n := range told {
		if !is[strings.TrimSuffix(strings.TrimSuffix(n, "_bucket"), "_count")] {
			t.Errorf("operations.md names %s, which there is not", n)
		}
	}
}

// TestMetricsAreBounded: however many apps and releases there are.
func TestMetricsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.app("com.acme.a", sealift.MaxMetricsReleases+3)
	for n := range sealift.MaxMetricsApps + 1 {
		w.app(sealift.AppID(fmt.Sprintf("com.acme.b%03d", n)), 0)
	}
	text := w.scrape()
	w.wantLines(text, `sealift_apps_left_out 2`, `sealift_devices_active{app="com.acme.a"} 0`)
	if n := strings.Count(text, "\nsealift_devices_active{"); n != sealift.MaxMetricsApps {
		t.Errorf("%d apps", n)
	}
	if n := strings.Count(text, "\nsealift_rollout_phase{"); n != sealift.MaxMetricsReleases || strings.Contains(text, `version="1.3.0"`) || !strings.Contains(text, `version="1.4.0"`) {
		t.Errorf("%d releases", n)
	}
}

// TestRowsAreReadSeldom: however often somebody asks, and anew after a while; what
// cannot be read does not hide the rest.
func TestRowsAreReadSeldom(t *testing.T) {
	w := newWorld(t)
	w.wantLines(w.scrape(), `sealift_outbox_files 0`)
	w.update(func(tx store.Tx) error { return tx.AppendOutbox(w.Context(), "releases/1", []byte("{}")) })
	w.clock = w.clock.Add(sealift.MetricsPeriod - 1)
	w.wantLines(w.scrape(), `sealift_outbox_files 0`)
	w.clock = w.clock.Add(1)
	w.wantLines(w.scrape(), `sealift_outbox_files 1`)
	w.clock, w.away, w.sealed = w.clock.Add(sealift.MetricsPeriod), errors.New("away"), true
	text := w.scrape()
	w.wantLines(text, `sealift_store_up 0`, `sealift_vault_sealed 1`)
	if strings.Contains(text, "sealift_outbox_files") {
		t.Error("what could not be read is there")
	}
	w.clock, w.away = w.clock.Add(-24*time.Hour), nil // the clock went back
	w.wantLines(w.scrape(), `sealift_store_up 1`, `sealift_outbox_files 1`)
}

func TestToken(t *testing.T) {
	w := newWorld(t)
	const token = "0123456789abcdef0123456789abcdef"
	handler := w.metrics.Handler("1.2.3", []byte(token))
	for _, c := range []struct {
		path, shown string
		want        int
	}{
		{metrics.Path, "Bearer " + token, 200}, {metrics.Path, "bearer " + token, 200}, {metrics.Path, "", 401}, {metrics.Path, "Bearer ", 401},
		{metrics.Path, token, 401}, {metrics.Path, "Basic " + token, 401}, {metrics.Path, "Bearer " + token[1:], 401}, {metrics.Path, "Bearer " + token + "0", 401},
		{"/", "", 401}, {"/", "Bearer " + token, 404}, {metrics.Path + "/x", "Bearer " + token, 404},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Header.Set("Authorization", c.shown)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != c.want || (c.want == 401) != (answer.Header().Get("WWW-Authenticate") == "Bearer") || c.want != 200 && strings.Contains(answer.Body.String(), "sealift_") {
			t.Errorf("%s with %q: %d", c.path, c.shown, answer.Code)
		}
	}
}
