package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/edge"
)

// desk is a fake that answers with its request, from whom it came, or err.
type desk struct{ err error }

func (d *desk) Answer(_ context.Context, request []byte, address string) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	return []byte(address + " said " + string(request)), nil
}

type fixture struct {
	t      *testing.T
	store  *blob.Folder
	desk   *desk
	server *httptest.Server
	log    *bytes.Buffer
}

func newFixture(t *testing.T, options edge.Options) *fixture {
	t.Helper()
	store, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: store, desk: new(desk), log: new(bytes.Buffer)}
	options.Log = slog.New(slog.NewTextHandler(f.log, nil))
	f.server = httptest.NewServer(edge.New(store, f.desk, options))
	t.Cleanup(func() {
		f.server.Close()
		_ = store.Close()
	})
	return f
}

func (f *fixture) put(key, content string) {
	f.t.Helper()
	if err := f.store.Put(f.t.Context(), key, strings.NewReader(content), nil); err != nil {
		f.t.Fatal(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := f.server.Client().Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(content)}
}

func (f *fixture) wantProblem(a answer, status int, kind sealift.Kind) {
	f.t.Helper()
	err := problem.Decode(a.status, a.header.Get("Content-Type"), []byte(a.body))
	if a.status != status || sealift.KindOf(err) != kind || a.header.Get("Cache-Control") != "no-store" {
		f.t.Errorf("%d %v %s, want %d %s", a.status, a.header, a.body, status, kind)
	}
}

func TestHealthz(t *testing.T) {
	f := newFixture(t, edge.Options{})
	if a := f.do("GET", "/healthz", ""); a.status != 200 || a.body != "ok" {
		t.Errorf("%+v", a)
	}
	f.wantProblem(f.do("POST", "/healthz", ""), 405, sealift.KindInvalid)
}

func TestDevices(t *testing.T) {
	f := newFixture(t, edge.Options{})
	a := f.do("POST", "/v1/devices", "hello", "Content-Type", edge.MessageType)
	if a.status != 200 || a.body != "127.0.0.1 said hello" || a.header.Get("Content-Type") != edge.MessageType ||
		a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%+v", a)
	}
	a = f.do("POST", "/v1/devices", "hello", "Content-Type", edge.MessageType+"; charset=utf-8", "X-Forwarded-For", "192.0.2.1")
	if a.status != 200 || a.body != "127.0.0.1 said hello" {
		t.Errorf("%+v", a)
	}
}

func TestDevicesBehindAProxy(t *testing.T) {
	f := newFixture(t, edge.Options{Address: func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }})
	a := f.do("POST", "/v1/devices", "hello", "Content-Type", edge.MessageType, "X-Real-Ip", "192.0.2.1")
	if a.status != 200 || a.body != "192.0.2.1 said hello" {
		t.Errorf("%+v", a)
	}
}

func TestDevicesRefusals(t *testing.T) {
	f := newFixture(t, edge.Options{})
	largest := strings.Repeat("x", sealift.MaxMessage)
	if a := f.do("POST", "/v1/devices", largest, "Content-Type", edge.MessageType); a.status != 200 {
		t.Errorf("the largest message: %d", a.status)
	}
	f.wantProblem(f.do("POST", "/v1/devices", largest+"x", "Content-Type", edge.MessageType), 413, sealift.KindInvalid)
	f.wantProblem(f.do("POST", "/v1/devices", "x"), 415, sealift.KindInvalid)
	f.wantProblem(f.do("POST", "/v1/devices", "x", "Content-Type", "text/plain"), 415, sealift.KindInvalid)
	a := f.do("GET", "/v1/devices", "")
	f.wantProblem(a, 405, sealift.KindInvalid)
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
}

func TestDeskErrors(t *testing.T) {
	f := newFixture(t, edge.Options{})
	for kind, status := range map[sealift.Kind]int{
		sealift.KindDenied: 403, sealift.KindSealed: 503, sealift.KindInvalid: 400, sealift.KindNotFound: 404,
		sealift.KindConflict: 409, sealift.KindSignature: 422, sealift.KindExhausted: 507,
	} {
		f.desk.err = sealift.Errorf(kind, "enrolling", "no").WithReason("word").WithHint("do z")
		a := f.do("POST", "/v1/devices", "x", "Content-Type", edge.MessageType)
		f.wantProblem(a, status, kind)
		err := problem.Decode(a.status, a.header.Get("Content-Type"), []byte(a.body))
		if err.Error() != "enrolling: no" || sealift.ReasonOf(err) != "word" || sealift.HintOf(err) != "do z" {
			t.Errorf("the device reads %v", err)
		}
	}
	f.desk.err = errors.New("the cause")
	a := f.do("POST", "/v1/devices", "x", "Content-Type", edge.MessageType)
	f.wantProblem(a, 500, sealift.KindInternal)
	if strings.Contains(a.body, "cause") || !strings.Contains(f.log.String(), "the cause") {
		t.Errorf("the device reads %s, the log says %s", a.body, f.log)
	}
}
