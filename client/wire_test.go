package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
)

// refused checks kind and reason of an error.
func refused(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("got %q/%q (%v), want %q/%q", sealift.KindOf(err), sealift.ReasonOf(err), err, kind, reason)
	}
	if err != nil && sealift.HintOf(err) == "" && reason != "cancelled" {
		t.Errorf("no hint with: %v", err)
	}
}

func TestGet(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("elsewhere")) }))
	defer other.Close()
	mux := http.NewServeMux()
	handle := func(path string, f http.HandlerFunc) { mux.HandleFunc("/"+path, f) }
	handle("ok", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Accept-Encoding %q", got)
		}
		_, _ = w.Write([]byte("0123456789"))
	})
	handle("eleven", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("0123456789a")) })
	handle("endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 4096))
		}
	})
	handle("short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9")
		_, _ = w.Write([]byte("0123"))
	})
	handle("gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("0123"))
	})
	handle("missing", http.NotFound)
	handle("broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "x", http.StatusBadGateway) })
	handle("busy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "x", http.StatusTooManyRequests) })
	handle("partial", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) })
	handle("within", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	handle("loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	handle("away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	handle("cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(mux)
	defer server.Close()
	w := newWire(NewSystem().Transport())
	for path, reason := range map[string]string{
		"ok": "", "within": "",
		"eleven": "too-long", "endless": "too-long",
		"short": "unreachable", "cut": "unreachable", "gzip": "unreachable", "away": "unreachable", "loop": "unreachable",
		"missing": "not-found", "broken": "server", "busy": "busy", "partial": "status",
	} {
		t.Run(path, func(t *testing.T) {
			data, err := w.get(t.Context(), server.URL+"/"+path, 10)
			if reason == "" {
				if err != nil || string(data) != "0123456789" {
					t.Errorf("%q, %v", data, err)
				}
				return
			}
			refused(t, err, sealift.KindNetwork, reason)
			if data != nil {
				t.Errorf("%d bytes beside an error", len(data))
			}
			if isNotFound(err) != (path == "missing") {
				t.Errorf("isNotFound: %v", isNotFound(err))
			}
		})
	}
	t.Run("away for good", func(t *testing.T) {
		server.Close()
		_, err := w.get(t.Context(), server.URL+"/ok", 10)
		refused(t, err, sealift.KindNetwork, "unreachable")
		if strings.Count(err.Error(), server.URL) != 1 {
			t.Errorf("the address is not there once: %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := w.get(ctx, server.URL+"/ok", 10)
		refused(t, err, sealift.KindNetwork, "cancelled")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("not recognisable: %v", err)
		}
	})
}

// A small document has one deadline for all of it: neither silence nor a
// trickle holds a device up.
func TestGetDeadline(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"trickle": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(pipeNet(t, handler))
				begin := time.Now()
				_, err := w.get(t.Context(), "http://edge/x", 1<<20)
				refused(t, err, sealift.KindNetwork, "timeout")
				if took := time.Since(begin); took != sealift.MetadataTimeout {
					t.Errorf("gave up after %s, want %s", took, sealift.MetadataTimeout)
				}
			})
		})
	}
}

func TestParseBase(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:1": "http://127.0.0.1:1/", "https://e.example/x/": "https://e.example/x/",
		"https://e/%5Ba%5D": "https://e/%5Ba%5D/",
		"":                  "", "ftp://x": "", "http://": "", "/path": "", "http://u:secret@x": "", "http://x?q": "", "http://x/#f": "", "http://[": "",
	} {
		got, err := parseBase(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if err != nil {
			refused(t, err, sealift.KindInvalid, "")
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password in an error: %v", err)
			}
		}
	}
}
