package publisher_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/publisher"
)

func capgoRequest(files ...string) publisher.Request {
	req := request()
	req.Capgo = true
	site := fstest.MapFS{"index.html": {Data: []byte("<script src=a.js></script>")}}
	for _, f := range files {
		path, text, _ := strings.Cut(f, "=")
		site[path] = &fstest.MapFile{Data: []byte(text)}
	}
	req.Bundle = site
	return req
}

// What is uploaded opens with the session that the vault is given, and holds the bundle.
func TestCapgo(t *testing.T) {
	v := newVault()
	p, _ := newPublisher(t, v)
	var warned []string
	p.Warn = func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }
	script := strings.Repeat("CapacitorUpdater.notifyAppReady();", 300)
	_, err := p.Publish(t.Context(), capgoRequest("a.js="+script))
	check(t, err)
	wantAsked(t, v, "app", "key", "reserve", "upload", "upload", "upload", "upload", "submit d1")
	wantNoFiles(t, p)
	made := v.what.Capgo
	if made == nil || len(warned) != 0 {
		t.Fatalf("%+v, %q", made, warned)
	}
	plan, err := capgo.ParsePlan(made.Plan)
	check(t, err)
	session, err := capgo.ParseSession(v.session)
	check(t, err)
	want := []capgo.Entry{
		{Path: "a.js", Size: int64(len(script)), SHA256: sealift.DigestOf([]byte(script))},
		{Path: "index.html", Size: 26, SHA256: sealift.DigestOf([]byte("<script src=a.js></script>"))},
	}
	plain, length, err := session.OpenAt(bytes.NewReader(v.blobs[plan.Zip.SHA256]), plan.Zip.Size)
	check(t, err)
	if digest, err := capgo.CheckZip(plain, length, want); err != nil || digest != plan.Zip.Plain {
		t.Errorf("the zip: %v", err)
	}
	for i, f := range plan.Files {
		if err := capgo.CheckFile(session, f.Name, bytes.NewReader(v.blobs[f.SHA256]), f.Size, want[i]); err != nil {
			t.Error(err)
		}
	}
	if bytes.Equal(made.Session, v.session) {
		t.Error("the session key is not forgotten")
	}
}

func TestCapgoWarns(t *testing.T) {
	p, _ := newPublisher(t, newVault())
	var warned []string
	p.Warn = func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }
	_, err := p.Publish(t.Context(), capgoRequest())
	check(t, err)
	if len(warned) != 1 || !strings.Contains(warned[0], "notifyAppReady") {
		t.Errorf("%q", warned)
	}
}

// What devices would refuse is refused before anything is asked for, and where the
// app has no key nothing is reserved.
func TestCapgoRefusals(t *testing.T) {
	for _, c := range []struct {
		what string
		req  publisher.Request
	}{
		{"a space", capgoRequest("a b.js=x")},
		{"nothing in it", capgoRequest("a.js=")},
	} {
		v := newVault()
		p, _ := newPublisher(t, v)
		_, err := p.Publish(t.Context(), c.req)
		wantRefusal(t, err, sealift.KindInvalid, "capgo")
		wantAsked(t, v, "app")
	}
	v := newVault()
	v.kind = "device"
	p, _ := newPublisher(t, v)
	req := capgoRequest()
	req.Bundle = fstest.MapFS{"www/index.html": {Data: []byte("x")}}
	_, err := p.Publish(t.Context(), req)
	wantRefusal(t, err, sealift.KindInvalid, "capgo")

	v = newVault()
	v.capgoKey = sealift.Errorf(sealift.KindNotFound, "x", "y").WithReason("capgo-key")
	p, _ = newPublisher(t, v)
	_, err = p.Publish(t.Context(), capgoRequest())
	wantRefusal(t, err, sealift.KindNotFound, "capgo-key")
	wantAsked(t, v, "app", "key")

	v = newVault()
	away := errors.New("away")
	v.upload = func() error {
		if len(v.asked) > 4 {
			return away
		}
		return nil
	}
	p, _ = newPublisher(t, v)
	if _, err = p.Publish(t.Context(), capgoRequest("a.js=x", "b.js=y")); !errors.Is(err, away) {
		t.Errorf("an upload that fails: %v", err)
	}
	if last := v.asked[len(v.asked)-1]; last != "abandon d1" {
		t.Errorf("then %s", last)
	}
	wantNoFiles(t, p)
}
