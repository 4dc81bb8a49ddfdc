package web_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/sealift/sealift/internal/web"
)

func get(t *testing.T, method, path string) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	web.New().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return rec.Result()
}

func TestPages(t *testing.T) {
	for path, kind := range map[string]string{
		"/people/": "text/html; charset=utf-8", "/people/people.js": "text/javascript; charset=utf-8", "/people/people.css": "text/css; charset=utf-8",
	} {
		resp := get(t, "GET", path)
		h := resp.Header
		if resp.StatusCode != 200 || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, h)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
	}
	for _, path := range []string{"/people/x", "/people/people.html", "/people/static/people.js", "/people/../people/people.js", "/people/x/people.js", "/people"} {
		if resp := get(t, "GET", path); resp.StatusCode != 404 && path != "/people/people.html" {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	if resp := get(t, "POST", "/people/"); resp.StatusCode != 405 || resp.Header.Get("Allow") == "" {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// The policy lets nothing inline run: the page has none, and its script writes
// text only.
func TestNothingInline(t *testing.T) {
	page, script := body(t, "/people/"), body(t, "/people/people.js")
	if m := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son\w+=|style=|javascript:|https?://`).FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "https://", "http://"} {
		if strings.Contains(script, bad) {
			t.Errorf("the script has %s", bad)
		}
	}
	for _, id := range regexp.MustCompile(`at\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
		if !strings.Contains(page, `id="`+id[1]+`"`) {
			t.Errorf("the page has no %s", id[1])
		}
	}
}

func body(t *testing.T, path string) string {
	t.Helper()
	resp := get(t, "GET", path)
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return text
}
