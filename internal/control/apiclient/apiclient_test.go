package apiclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/control/problem"
)

// Package control tests every operation against a real server. These tests are
// of servers that are away, slow or not a Sealift server.

// doer is a Doer that answers by itself.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func answering(status int, mediaType string, body io.Reader) doer {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {mediaType}}, Body: io.NopCloser(body)}, nil
	}
}

func client(t *testing.T, d doer) *apiclient.Client {
	t.Helper()
	c, err := apiclient.New("http://127.0.0.1:1/base/", d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBaseURL(t *testing.T) {
	var asked string
	_, _ = client(t, func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return nil, io.EOF
	}).Apps(t.Context())
	if asked != "http://127.0.0.1:1/base/api/v1/apps" {
		t.Errorf("asked %s", asked)
	}
	for _, bad := range []string{"", "http://[", "127.0.0.1:8470", "ftp://x", "https://"} {
		if _, err := apiclient.New(bad, nil); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

type zeroes struct{ read int }

func (z *zeroes) Read(p []byte) (int, error) {
	z.read += len(p)
	return len(p), nil
}

func TestNonsense(t *testing.T) {
	endless := new(zeroes)
	for name, d := range map[string]doer{
		"no JSON":        answering(200, "application/json", strings.NewReader("<html>")),
		"another type":   answering(200, "application/json", strings.NewReader(`{"apps":7}`)),
		"nothing":        answering(200, "application/json", strings.NewReader("")),
		"endless":        answering(200, "application/json", endless),
		"endless error":  answering(500, problem.MediaType, new(zeroes)),
		"cut off":        answering(200, "application/json", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))),
		"a proxy's page": answering(502, "text/html", strings.NewReader("<h1>Bad Gateway</h1>")),
		"a redirect":     answering(302, "text/html", strings.NewReader("")),
		"away":           func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
	} {
		_, err := client(t, d).Apps(t.Context())
		if sealift.KindOf(err) != sealift.KindNetwork || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %s)", name, err, sealift.KindOf(err))
		}
	}
	if endless.read > 32<<20 {
		t.Errorf("%d bytes of an endless answer were read", endless.read)
	}
}

func TestEnrolmentTokenNonsense(t *testing.T) {
	d := answering(201, "application/json", strings.NewReader(`{"id":"x","token":"sealift_enrol_secret","expires":"2026-01-02T03:04:05Z"}`))
	_, _, err := client(t, d).CreateEnrolmentToken(t.Context(), "com.acme.shop", api.NewEnrolmentToken{})
	if sealift.KindOf(err) != sealift.KindNetwork || strings.Contains(err.Error(), "sealift_enrol_secret") {
		t.Errorf("%v", err)
	}
}

func TestNewerServersAreUnderstood(t *testing.T) {
	d := answering(200, "application/json", strings.NewReader(`{"apps":[{"id":"com.acme.shop","colour":"red"}],"more":{}}`))
	if apps, err := client(t, d).Apps(t.Context()); err != nil || len(apps) != 1 || apps[0].ID != "com.acme.shop" {
		t.Errorf("%v, %v", apps, err)
	}
}

func TestWhatTheDoerSaysStays(t *testing.T) {
	said := sealift.Errorf(sealift.KindDenied, "signing in", "no token was given").WithHint("set SEALIFT_TOKEN")
	_, err := client(t, func(*http.Request) (*http.Response, error) { return nil, said }).Apps(t.Context())
	if err != error(said) {
		t.Errorf("%v", err)
	}
}

// hanging answers when its request's context ends.
func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := client(t, hanging).Apps(t.Context())
		if took := time.Since(start); took != sealift.AnswerTimeout || sealift.KindOf(err) != sealift.KindNetwork || !strings.Contains(err.Error(), "too long") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := client(t, hanging).Apps(ctx)
		if took := time.Since(start); took != time.Second || !errors.Is(err, context.Canceled) || sealift.KindOf(err) == sealift.KindNetwork {
			t.Errorf("after %s: %v", took, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client(t, hanging).Apps(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
	})
}

// An upload goes on for as long as the server takes bytes, and not longer.
func TestUploadWatchdog(t *testing.T) {
	for name, c := range map[string]struct {
		takes  int // pieces, one a minute less a second
		length int64
		wait   time.Duration // when it ends, after the last piece
	}{
		"never begins": {0, 1000, sealift.AnswerTimeout},
		"stalls":       {100, 1000, sealift.TransferTimeout},
		"no answer":    {101, 100, sealift.AnswerTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			var last time.Time
			d := func(r *http.Request) (*http.Response, error) {
				last = time.Now()
				for range c.takes {
					time.Sleep(sealift.TransferTimeout - time.Second)
					last = time.Now()
					if _, err := r.Body.Read(make([]byte, 1)); err != nil {
						break
					}
				}
				return hanging(r)
			}
			err := client(t, d).UploadBlob(t.Context(), "com.acme.shop", sealift.Digest{}, c.length, strings.NewReader(strings.Repeat("x", int(c.length))))
			if took := time.Since(last); took != c.wait || sealift.KindOf(err) != sealift.KindNetwork || !strings.Contains(err.Error(), "takes nothing") {
				t.Errorf("%s: %s after the last byte: %v", name, took, err)
			}
		})
	}
}

// The transport may go on reading after the call; what it reads from must not.
func TestUploadLetsGoOfItsReader(t *testing.T) {
	var body io.Reader
	d := func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return answering(403, problem.MediaType, strings.NewReader(`{"detail":"no","kind":"denied"}`))(r)
	}
	source := strings.NewReader("content")
	err := client(t, d).UploadBlob(t.Context(), "com.acme.shop", sealift.Digest{}, 7, source)
	if sealift.KindOf(err) != sealift.KindDenied {
		t.Errorf("%v", err)
	}
	if n, err := body.Read(make([]byte, 7)); n != 0 || err == nil || source.Len() != 7 {
		t.Errorf("%d bytes were read afterwards", n)
	}
}
