package problem_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/problem"
)

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		kind   sealift.Kind
		reason string
		status int
	}{
		{sealift.KindMetadata, "expired", 422},
		{sealift.KindChain, "revoked", 422},
		{sealift.KindSignature, "", 422},
		{sealift.KindVersion, "floor", 422},
		{sealift.KindIntegrity, "digest", 422},
		{sealift.KindNetwork, "", 502},
		{sealift.KindNetwork, "slow_upload", 408},
		{sealift.KindRollback, "", 422},
		{sealift.KindInvalid, "", 400},
		{sealift.KindInvalid, "too_large", 413},
		{sealift.KindInvalid, "media_type", 415},
		{sealift.KindInvalid, "method", 405},
		{sealift.KindInvalid, "length_required", 411},
		{sealift.KindNotFound, "", 404},
		{sealift.KindConflict, "exists", 409},
		{sealift.KindDenied, "role", 403},
		{sealift.KindDenied, "unauthenticated", 401},
		{sealift.KindSealed, "", 503},
		{sealift.KindExhausted, "disk_full", 507},
		{sealift.KindExhausted, "rate", 429},
	} {
		want := sealift.Errorf(c.kind, "doing x", "%q is wrong", "y\n<z>").WithReason(c.reason).WithHint("do z")
		w := httptest.NewRecorder()
		problem.Write(w, want, "id")
		if w.Code != c.status {
			t.Errorf("%s/%s: status %d, want %d", c.kind, c.reason, w.Code, c.status)
		}
		got := problem.Decode(w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
		if got.Error() != want.Error() || sealift.KindOf(got) != c.kind || sealift.ReasonOf(got) != c.reason || sealift.HintOf(got) != "do z" {
			t.Errorf("%v came back as %v", want, got)
		}
		if w.Header().Get("Cache-Control") != "no-store" || (c.status == 401) != (w.Header().Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s/%s: headers %v", c.kind, c.reason, w.Header())
		}
	}
}

func TestKnownForm(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, sealift.Errorf(sealift.KindConflict, "creating app", "com.acme.shop exists already").WithReason("exists").WithHint("choose another id"), "id")
	const want = `{"type":"about:blank","title":"Conflict","status":409,"detail":"creating app: com.acme.shop exists already","kind":"conflict","reason":"exists","hint":"choose another id"}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	for _, err := range []error{
		errors.New("open /srv/secret: denied"),
		sealift.Errorf(sealift.KindInternal, "opening /srv/secret", "denied").WithReason("secret").WithHint("secret"),
		sealift.Errorf("nonsense", "opening /srv/secret", "denied"),
	} {
		w := httptest.NewRecorder()
		problem.Write(w, err, "0123")
		if body := w.Body.String(); w.Code != 500 || strings.Contains(body, "secret") || !strings.Contains(body, "0123") {
			t.Errorf("%d %s", w.Code, body)
		}
	}
}

func TestDatabaseStaysInside(t *testing.T) {
	for _, reason := range []string{problem.ReasonDatabaseAway, problem.ReasonCommitUnknown} {
		w := httptest.NewRecorder()
		problem.Write(w, sealift.Errorf(sealift.KindNetwork, "updating the store", "dial tcp 10.0.0.5:5432: refused").WithReason(reason).WithHint("see 10.0.0.5"), "0123")
		got := problem.Decode(w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
		if w.Code != 503 || strings.Contains(w.Body.String(), "10.0.0.5") || sealift.KindOf(got) != sealift.KindNetwork || sealift.ReasonOf(got) != reason || sealift.HintOf(got) == "" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestDecodeNonsense(t *testing.T) {
	for _, c := range []struct{ contentType, body string }{
		{"text/html", "<h1>Bad Gateway</h1>"},
		{"", ""},
		{problem.MediaType, ""},
		{problem.MediaType, "null"},
		{problem.MediaType, `{"detail":"x"}`},
		{problem.MediaType, `{"detail":"x","kind":"nonsense"}`},
		{problem.MediaType, `{"detail":"","kind":"invalid"}`},
		{"application/json", `{"detail":"x","kind":"invalid"}`},
	} {
		err := problem.Decode(502, c.contentType, []byte(c.body))
		if sealift.KindOf(err) != sealift.KindNetwork || !strings.Contains(err.Error(), "502 Bad Gateway") || sealift.HintOf(err) == "" {
			t.Errorf("%s %q: %v", c.contentType, c.body, err)
		}
	}
}
