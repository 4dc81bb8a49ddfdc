package problem_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealift/sealift/internal/control/problem"
)

func serve(t *testing.T, handler http.HandlerFunc) (url string, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	server := httptest.NewServer(problem.Guard(slog.New(slog.NewTextHandler(log, nil)), slog.LevelInfo, handler))
	t.Cleanup(server.Close)
	return server.URL, log
}

func TestGuardTracesAndLogs(t *testing.T) {
	url, log := serve(t, func(w http.ResponseWriter, r *http.Request) {
		problem.TraceOf(r.Context()).Who = "somebody"
		_, _ = io.WriteString(w, problem.TraceOf(r.Context()).ID)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/path?secret=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	id, err := io.ReadAll(resp.Body)
	if err != nil || len(id) < 20 || resp.Header.Get("X-Request-Id") != string(id) {
		t.Errorf("id %q, header %q, %v", id, resp.Header.Get("X-Request-Id"), err)
	}
	http.DefaultClient.CloseIdleConnections()
	line := log.String()
	for _, want := range []string{string(id), "path=/path", "status=200", "who=somebody", "bytes=26"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %q: %s", want, line)
		}
	}
	if strings.Contains(line, "secret") {
		t.Errorf("the log has a secret: %s", line)
	}
}

func TestGuardAnswersAPanic(t *testing.T) {
	url, log := serve(t, func(http.ResponseWriter, *http.Request) { panic("broken inside") })
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 500 || resp.Header.Get("Content-Type") != problem.MediaType || strings.Contains(string(body), "broken") {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	if !strings.Contains(log.String(), "broken inside") || !strings.Contains(log.String(), "guard_test.go") {
		t.Errorf("the log lacks cause or stack: %s", log)
	}
}

func TestGuardBreaksAHalfAnswer(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("broken")
	})
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer looks whole: %q", body)
	}
}

func TestAnswerLogsInternalErrorsOnly(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	r := httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("x", 10_000), nil)
	problem.Answer(httptest.NewRecorder(), r, errors.New("the cause"), logger)
	if !strings.Contains(log.String(), "the cause") || log.Len() > 1000 {
		t.Errorf("log: %.2000s", log.String())
	}
}
