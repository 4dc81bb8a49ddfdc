package edge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/edge"
)

var sum = sealift.DigestOf([]byte("content")).String()

const immutable = "public, max-age=31536000, immutable"

func TestPublished(t *testing.T) {
	f := newFixture(t, edge.Options{})
	tag := `"` + sum + `"`
	for _, c := range []struct{ key, mediaType, cache, tag string }{
		{"metadata/timestamp.json", "application/json", "public, max-age=15", tag},
		{"metadata/1.root.json", "application/json", immutable, ""},
		{"metadata/7.snapshot.json", "application/json", immutable, ""},
		{"metadata/3.bins-a4.json", "application/json", immutable, ""},
		{"targets/" + sum + ".trust.json", "application/json", immutable, tag},
		{"targets/com.Acme_1.shop/production/web/" + sum + ".offer.json", "application/json", immutable, tag},
		{"releases/" + sum, "application/json", immutable, tag},
		{"proofs/" + sum, "text/plain; charset=utf-8", immutable, tag},
		{"blobs/" + sum, "application/octet-stream", immutable, tag},
		{"log/checkpoint", "text/plain; charset=utf-8", "public, max-age=15", tag},
		{"log/tile/0/000", "application/octet-stream", immutable, ""},
		{"log/tile/1/x001/x234/067", "application/octet-stream", immutable, ""},
		{"log/tile/0/x001/067.p/255", "application/octet-stream", immutable, ""},
	} {
		f.wantProblem(f.do("GET", "/v1/"+c.key, ""), 404, sealift.KindNotFound)
		f.put(c.key, "content")
		a := f.do("GET", "/v1/"+c.key, "")
		if a.status != 200 || a.body != "content" || a.header.Get("Content-Type") != c.mediaType || a.header.Get("Cache-Control") != c.cache ||
			a.header.Get("ETag") != c.tag || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Length") != "7" {
			t.Errorf("%s: %+v", c.key, a)
		}
		if what := edge.What("/v1/" + c.key); what == edge.WhatOther || (what == edge.WhatTimestamp) != (c.key == "metadata/timestamp.json") || !slices.Contains(edge.Whats(), what) {
			t.Errorf("%s counts as %s", c.key, what)
		}
		if a := f.do("HEAD", "/v1/"+c.key, ""); a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "7" {
			t.Errorf("HEAD %s: %+v", c.key, a)
		}
		a = f.do("PUT", "/v1/"+c.key, "x")
		f.wantProblem(a, 405, sealift.KindInvalid)
		if got := strings.Join(a.header.Values("Allow"), " "); got != "GET HEAD" {
			t.Errorf("Allow: %q", got)
		}
	}
}

func TestWhatElseIsCounted(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/devices": edge.WhatMessage, "/healthz": edge.WhatHealth, "/": edge.WhatOther, "/v1": edge.WhatOther, "/v1/": edge.WhatOther,
		"/v1/blobs": edge.WhatOther, "/v1/secrets/key": edge.WhatOther, "/blobs": edge.WhatOther, "": edge.WhatOther,
	} {
		if got := edge.What(path); got != want || !slices.Contains(edge.Whats(), got) {
			t.Errorf("%q counts as %s, want %s", path, got, want)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	f := newFixture(t, edge.Options{})
	stored := []string{
		"metadata/root.json", "metadata/0.root.json", "metadata/01.root.json", "metadata/x/1.root.json", "metadata/1.root.json.bak", "metadata/1.ROOT.json",
		"targets/trust.json", "targets/" + sum, "targets/" + sum[1:] + ".trust.json", "targets/" + strings.ToUpper(sum) + ".trust.json",
		"releases/x", "releases/" + sum + ".json", "proofs/" + sum[1:], "blobs/a/" + sum, "blobs/" + strings.ToUpper(sum),
		"log/latest", "log/tile/0/1", "log/tile/0/000.p/0", "log/tile/entries/000", "log/tile/100/000", "log/tile/0/x001",
		"secrets/key", "vault.db",
	}
	for _, key := range stored {
		f.put(key, "hidden")
	}
	paths := []string{"/", "/v1", "/v1/", "/v1/metadata", "/v1/metadata/", "/v1/blobs/", "/v1/log/tile/0/", "/v2/blobs/" + sum, "/api/v1/apps", "/v1/%2e%2e/vault.db",
		"/v1/blobs/%00", "/v1/metadata/..%2f1.root.json", "/v1/targets/%2e%2e/" + sum + ".x", "/v1/.tmp/x", "/v1/metadata%2fx"}
	for _, key := range stored {
		paths = append(paths, "/v1/"+key)
	}
	for _, path := range paths {
		f.wantProblem(f.do("GET", path, ""), 404, sealift.KindNotFound)
	}
}

func TestRanges(t *testing.T) {
	f := newFixture(t, edge.Options{})
	f.put("blobs/"+sum, "0123456789")
	for _, c := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"Range", "bytes=4-"}, 206, "456789"},
		{[]string{"Range", "bytes=4-5"}, 206, "45"},
		{[]string{"Range", "bytes=-2"}, 206, "89"},
		{[]string{"Range", "bytes=4-", "If-Range", `"` + sum + `"`}, 206, "456789"},
		{[]string{"Range", "bytes=4-", "If-Range", `"other"`}, 200, "0123456789"},
		{[]string{"If-None-Match", `"` + sum + `"`}, 304, ""},
		{[]string{"If-None-Match", `"other"`}, 200, "0123456789"},
	} {
		if a := f.do("GET", "/v1/blobs/"+sum, "", c.header...); a.status != c.status || a.body != c.body {
			t.Errorf("%v: %d %q", c.header, a.status, a.body)
		}
	}
	a := f.do("GET", "/v1/blobs/"+sum, "", "Range", "bytes=10-")
	if a.status != http.StatusRequestedRangeNotSatisfiable || a.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("%+v", a)
	}
}

// Two timestamps within a second, and even of one length, are two things.
func TestMutableIsNeverStale(t *testing.T) {
	f := newFixture(t, edge.Options{})
	for _, key := range []string{"metadata/timestamp.json", "log/checkpoint"} {
		f.put(key, "one")
		first := f.do("GET", "/v1/"+key, "")
		if a := f.do("GET", "/v1/"+key, "", "If-None-Match", first.header.Get("ETag")); a.status != 304 {
			t.Errorf("%s unchanged: %+v", key, a)
		}
		f.put(key, "two")
		a := f.do("GET", "/v1/"+key, "", "If-None-Match", first.header.Get("ETag"), "If-Modified-Since", first.header.Get("Date"))
		if a.status != 200 || a.body != "two" || a.header.Get("Last-Modified") != "" {
			t.Errorf("%s changed: %+v", key, a)
		}
	}
	f.put("metadata/timestamp.json", strings.Repeat("x", 1<<20))
	f.wantProblem(f.do("GET", "/v1/metadata/timestamp.json", ""), 500, sealift.KindInternal)
}
