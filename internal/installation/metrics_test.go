package installation_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/installation"
)

// TestMetricsDoor: a monitoring system reads at a door of its own what came of a
// release, and devices find nothing at theirs.
func TestMetricsDoor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	d := b.device()
	d.update()
	d.report()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		b.check(err)
		return l
	}
	devices, door := listen(), listen()
	const token = "0123456789abcdef0123456789abcdef"
	b.i.OpenMetrics(installation.MetricsDoor{Listener: door, Token: []byte(token)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.i.Serve(ctx, devices, config.Server{}, "1.2.3") }()
	get := func(from net.Listener, shown string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+from.Addr().String()+"/metrics", nil)
		b.check(err)
		request.Header.Set("Authorization", shown)
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		b.check(err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		b.check(err)
		return answer.StatusCode, string(body)
	}
	if code, text := get(devices, "Bearer "+token); code != http.StatusNotFound || strings.Contains(text, "com.acme") {
		t.Errorf("devices are answered %d: %s", code, text)
	}
	if code, text := get(door, ""); code != http.StatusUnauthorized || strings.Contains(text, "com.acme") {
		t.Errorf("without a token: %d: %s", code, text)
	}
	code, text := get(door, "Bearer "+token)
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	b.check(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	of := `{app="` + string(app) + `",channel="production",counter="1",`
	for _, line := range []string{
		`sealift_build_info{version="1.2.3"} 1`, `sealift_vault_sealed 0`, `sealift_outbox_files 0`, `sealift_store_up 1`,
		`sealift_release_devices` + of + `outcome="confirmed",platform="web",version="1.0.0"} 1`,
		`sealift_rollout_phase` + of + `phase="`, // running, or finished by now
		`sealift_rollout_share_ratio` + of + `platform="web",version="1.0.0"} 1`,
		`sealift_device_messages_total{reason="",request="report",result="ok"} 1`, `sealift_report_steps_total{result="kept"} `,
		`sealift_http_requests_total{code="200",door="devices",method="get",what="timestamp"} `, `sealift_http_requests_total{code="200",door="devices",method="get",what="blob"} 1`,
		`sealift_http_requests_total{code="201",door="people",method="post",what="api"} `, `sealift_store_commits_total `, `process_`, `go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	cancel()
	b.check(<-ended)
}
