package control_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	openapi "github.com/sealift/sealift/api"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/problem"
)

func TestBodies(t *testing.T) {
	f := newFixture(t, roles{})
	apps := control.Prefix + "/apps"
	if a := f.do("POST", apps, "owner", " {\"id\":\"com.acme.shop\"}\n", "Content-Type", "application/json; charset=utf-8"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f.services.last()
	for _, c := range []struct{ body, wants string }{
		{`{"id":"com.acme.shop","colour":"red"}`, "colour"},
		{`{"id":"com.acme.shop","id":"com.acme.till"}`, "twice"},
		{`{"ID":"com.acme.shop"}`, "spelt"},
		{`{"id":"com.acme.shop"} {}`, "after"},
		{`{"id":"com.acme.shop"`, "early"},
		{`{"id":7}`, "number"},
		{`[]`, "a list"},
		{`null`, "null"},
		{`"x"`, "text"},
		{" ", "early"},
		{"{\"id\":\"com.acme.\xff\"}", "UTF-8"},
		{strings.Repeat(`{"id":`, 100), "deep"},
		{`{"id":"com.acme.shop","kind":"toaster"}`, "toaster"},
		{`{}`, "app id"},
	} {
		a := f.do("POST", apps, "owner", c.body)
		f.wantProblem(a, 400, sealift.KindInvalid, "")
		if !strings.Contains(strings.ReplaceAll(a.body, "spelled", "spelt"), c.wants) || !strings.Contains(a.body, `"hint"`) {
			t.Errorf("%s: %s", c.body, a.body)
		}
	}
	f.wantProblem(f.do("POST", apps, "owner", "{}", "Content-Type", "text/plain"), 415, sealift.KindInvalid, problem.ReasonMediaType)
	f.wantProblem(f.do("POST", apps, "owner", ""), 415, sealift.KindInvalid, problem.ReasonMediaType)
	f.wantProblem(f.do("POST", apps, "owner", strings.Repeat(" ", sealift.MaxAPIBody+1)), 413, sealift.KindInvalid, problem.ReasonTooLarge)
	f.wantProblem(f.do("POST", control.Prefix+"/root", "owner", strings.Repeat(" ", sealift.MaxCeremonyBody+1)), 413, sealift.KindInvalid, problem.ReasonTooLarge)
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	f := newFixture(t, roles{})
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/", "/api/v2/apps", "/api/v1/nothing", acme + "/", acme + "/blobs", "/v1/metadata/timestamp.json"} {
		f.wantProblem(f.do("GET", path, "owner", ""), 404, sealift.KindNotFound, "")
	}
	a := f.do("DELETE", control.Prefix+"/apps", "owner", "")
	f.wantProblem(a, 405, sealift.KindInvalid, problem.ReasonMethod)
	if got := a.header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", got)
	}
	if a := f.do("HEAD", control.Prefix+"/apps", "owner", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %+v", a)
	}
}

func TestDescriptionIsServed(t *testing.T) {
	f := newFixture(t, roles{})
	a := f.do("GET", control.Prefix+"/openapi.yaml", "", "")
	if a.status != 200 || !bytes.Equal([]byte(a.body), openapi.Document) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestCrossOrigin(t *testing.T) {
	f := newFixture(t, roles{})
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		f.wantProblem(f.do("POST", control.Prefix+"/apps", "owner", `{"id":"com.acme.shop"}`, header...), 403, sealift.KindDenied, "cross_origin")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
	if a := f.do("POST", control.Prefix+"/apps", "owner", `{"id":"com.acme.shop"}`, "Sec-Fetch-Site", "same-origin"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestEveryKindOfErrorComesBack(t *testing.T) {
	f := newFixture(t, roles{})
	for _, kind := range []sealift.Kind{
		sealift.KindMetadata, sealift.KindChain, sealift.KindSignature, sealift.KindVersion, sealift.KindIntegrity, sealift.KindNetwork, sealift.KindRollback,
		sealift.KindInvalid, sealift.KindNotFound, sealift.KindConflict, sealift.KindDenied, sealift.KindSealed, sealift.KindExhausted,
	} {
		f.services.err = sealift.Errorf(kind, "publishing", "line\nbreak").WithReason("word").WithHint("do z")
		_, err := f.client("owner").Apps(t.Context())
		if err == nil || err.Error() != "publishing: line\nbreak" || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != "word" || sealift.HintOf(err) != "do z" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestInsideStaysInside(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.err = sealift.Errorf(sealift.KindInternal, "opening /srv/vault.db", "disk I/O error").WithHint("call me")
	a := f.do("GET", control.Prefix+"/apps", "owner", "")
	f.wantProblem(a, 500, sealift.KindInternal, "")
	id := a.header.Get("X-Request-Id")
	if strings.Contains(a.body, "vault.db") || strings.Contains(a.body, "call me") || !strings.Contains(a.body, id) {
		t.Errorf("the caller reads %s", a.body)
	}
	if log := f.log.String(); !strings.Contains(log, "vault.db") || !strings.Contains(log, id) {
		t.Errorf("the log says %s", log)
	}
}
