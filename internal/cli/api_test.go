package cli

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/control/problem"
)

func TestAPIOptions(t *testing.T) {
	for _, test := range []struct {
		server string
		env    []string
		base   string
		wrong  string
		kind   sealift.Kind
	}{
		{server: "http://127.0.0.1:8470/", env: []string{"SEALIFT_TOKEN=t"}, base: "http://127.0.0.1:8470"},
		{env: []string{"SEALIFT_TOKEN=t", "SEALIFT_SERVER=https://u.example.com/sealift"}, base: "https://u.example.com/sealift"},
		{server: "https://a", env: []string{"SEALIFT_TOKEN=t", "SEALIFT_SERVER=https://b"}, base: "https://a"},
		{server: "http://[::1]:8470", env: []string{"SEALIFT_TOKEN=t"}, base: "http://[::1]:8470"},
		{server: "http://localhost", env: []string{"SEALIFT_TOKEN=t"}, base: "http://localhost"},
		{env: []string{"SEALIFT_TOKEN=t"}, wrong: "finding the server: none was named", kind: sealift.KindInvalid},
		{server: "https://a", wrong: "signing in: no token was given", kind: sealift.KindDenied},
		{server: "https://a", env: []string{"SEALIFT_TOKEN=" + strings.Repeat("x", 1025)}, wrong: "longer than 1024", kind: sealift.KindInvalid},
		{server: "127.0.0.1:8470", wrong: "is no base URL", kind: sealift.KindInvalid},
		{server: "ftp://a", wrong: "is no base URL", kind: sealift.KindInvalid},
		{server: "https://a?x=1", wrong: "is no base URL", kind: sealift.KindInvalid},
		{server: "https://", wrong: "is no base URL", kind: sealift.KindInvalid},
		{server: "https://me:hunter2@a", wrong: "holds a user name", kind: sealift.KindInvalid},
		{server: "http://10.0.0.1", env: []string{"SEALIFT_TOKEN=t"}, wrong: "token in clear", kind: sealift.KindInvalid},
		{server: "http://localhost.evil.com", env: []string{"SEALIFT_TOKEN=t"}, wrong: "token in clear", kind: sealift.KindInvalid},
	} {
		std, _, _ := testIO(test.env...)
		api, err := APIOptions{Server: test.server}.Open(&std)
		if test.wrong == "" {
			if err != nil || api.Base.String() != test.base {
				t.Errorf("%s: %v, %v", test.server, api, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.wrong) || sealift.KindOf(err) != test.kind {
			t.Errorf("%s: %v, want %s", test.server, err, test.wrong)
		}
		if strings.Contains(fmt.Sprint(err, sealift.HintOf(err)), "hunter2") {
			t.Errorf("secret in %v", err)
		}
	}
}

func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	std, _, _ := testIO("SEALIFT_TOKEN=from-env\n")
	for want, opts := range map[string]APIOptions{"from-file": {TokenFile: path}, "from-env": {}} {
		opts.Server = "https://a"
		api, err := opts.Open(&std)
		if err != nil || string(api.token.Bytes()) != want {
			t.Fatalf("%v, want %s, %v", api, want, err)
		}
		if got := fmt.Sprintf("%v %+v %#v %v", api, api, *api, *api); strings.Contains(got, want) || strings.Contains(got, "102 114 111") {
			t.Errorf("token printed: %s", got)
		}
	}
}

// open returns a client of a server that answers with handler.
func open(t *testing.T, handler http.HandlerFunc) *apiclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return openAt(t, server.URL)
}

func openAt(t *testing.T, url string) *apiclient.Client {
	t.Helper()
	std, _, _ := testIO("SEALIFT_TOKEN=tok")
	server, err := APIOptions{Server: url}.Open(&std)
	if err != nil {
		t.Fatal(err)
	}
	client, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAPICall(t *testing.T) {
	client := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/apps" || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("User-Agent") != "sealift/v1.2.3" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apps":[{"id":"com.acme.shop"}]}`)
	})
	apps, err := client.Apps(t.Context())
	if err != nil || len(apps) != 1 || apps[0].ID != "com.acme.shop" {
		t.Errorf("%v, %v", apps, err)
	}
}

func TestAPIRefusal(t *testing.T) {
	client := open(t, func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, sealift.Errorf(sealift.KindConflict, "creating app", "it exists").WithReason("exists").WithHint("choose another"), "1")
	})
	_, err := client.Apps(t.Context())
	if sealift.KindOf(err) != sealift.KindConflict || err.Error() != "creating app: it exists" || sealift.HintOf(err) != "choose another" {
		t.Errorf("%v, hint %q", err, sealift.HintOf(err))
	}
}

func TestAPIFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Error("asked elsewhere, with the token")
	}))
	defer elsewhere.Close()
	client := open(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := client.Apps(t.Context()); sealift.KindOf(err) != sealift.KindNetwork || !strings.Contains(err.Error(), "307") {
		t.Errorf("got %v", err)
	}
}

func TestAPIUnreachable(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, err := openAt(t, server.URL).Apps(t.Context())
	if sealift.KindOf(err) != sealift.KindNetwork || sealift.ReasonOf(err) != "certificate" {
		t.Errorf("unknown authority: %v, reason %q", err, sealift.ReasonOf(err))
	}
	server.Close() // nothing listens there any more
	client := openAt(t, server.URL)
	_, err = client.Apps(t.Context())
	if sealift.KindOf(err) != sealift.KindNetwork || sealift.ReasonOf(err) != "refused" || !strings.HasPrefix(err.Error(), "asking "+server.URL+": dial tcp") {
		t.Errorf("nobody there: %v, reason %q", err, sealift.ReasonOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	std, _, _ := testIO()
	if _, err := client.Apps(ctx); std.report(err) != 130 {
		t.Errorf("interrupted: %v", err)
	}
}
