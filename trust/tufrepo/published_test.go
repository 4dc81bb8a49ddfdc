package tufrepo_test

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

func reader(files map[string][]byte) tufrepo.Get {
	return func(path string, most int64) ([]byte, error) {
		if int64(len(files[path])) > most {
			return nil, errors.New("too long")
		}
		return files[path], nil
	}
}

// TestReadPublished reads what a world published, after a change of its root,
// long after all of it expired.
func TestReadPublished(t *testing.T) {
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Publish(sealifttest.Spec{Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	first := w.FirstRoot()
	if err := w.ReplaceOnlineKeys(); err != nil {
		t.Fatal(err)
	}
	got, err := tufrepo.ReadPublished(first, reader(w.Files()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Roots) != 1 || got.Roots[0].Version != 2 || !got.Issued.Equal(start) || len(got.Roles) != 259 {
		t.Errorf("%d roots, %d roles, issued %s", len(got.Roots), len(got.Roles), got.Issued)
	}
	offer := got.Documents["com.acme.shop/production/web/offer.json"]
	if !bytes.Contains(offer, []byte(p.Candidate.Release.Digest.String())) || got.Documents["deny.json"] == nil || len(got.Trust) == 0 {
		t.Errorf("%d documents; the offer is %s", len(got.Documents), offer)
	}
	for role, version := range map[string]int64{"timestamp": got.Roles["timestamp"].Version, "targets": 2} {
		if got.Roles[role].Version != version || version < 2 || !got.Roles[role].Expires.After(start) {
			t.Errorf("%s: %+v", role, got.Roles[role].Version)
		}
	}

	bent := func(name, path string, bend func([]byte) []byte, want string) {
		t.Helper()
		files := maps.Clone(w.Files())
		for file := range files {
			if strings.HasSuffix(file, path) {
				files[file] = bend(files[file])
			}
		}
		if _, err := tufrepo.ReadPublished(first, reader(files)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	gone := func([]byte) []byte { return nil }
	for _, path := range []string{"timestamp.json", "snapshot.json", "targets.json", "bins-a4.json", "trust.json", "offer.json"} {
		bent("without "+path, path, gone, "not there")
		bent("bent "+path, path, func(b []byte) []byte { return bytes.Replace(b, []byte(`2`), []byte(`3`), 1) }, "")
	}
	bent("bent root", "2.root.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"version":2`), []byte(`"version":3`), 1) }, "root.json")

	other, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tufrepo.ReadPublished(other.FirstRoot(), reader(w.Files())); !errors.Is(err, tufrepo.ErrForeign) {
		t.Errorf("another vault's: %v", err)
	}
	second := w.Files()["metadata/2.root.json"]
	if _, err := tufrepo.ReadPublished(second, reader(map[string][]byte{"metadata/1.root.json": first})); !errors.Is(err, tufrepo.ErrForeign) {
		t.Errorf("an older state: %v", err)
	}
}

// TestDirectAbove: what a restored repository signs is above what was published,
// and every bin is still told apart by its version.
func TestDirectAbove(t *testing.T) {
	r := newRepository(t)
	r.direct(r.now)
	r.keys.Above = map[string]int64{"snapshot": 1000, "timestamp": 2000}
	for number, bin := range tufrepo.Bins() {
		r.keys.Above[bin] = 40<<8 + int64(number)
	}
	r.now = r.now.Add(time.Hour)
	u := r.direct(r.now.AddDate(100, 0, 0))
	for i, role := range u.Roles {
		want := int64(41<<8 + i)
		switch role.Role {
		case "snapshot":
			want = 1001
		case "timestamp":
			want = 2001
		}
		if role.Version != want {
			t.Errorf("%s is at version %d, want %d", role.Role, role.Version, want)
		}
	}
	u = r.direct(r.now.Add(sealift.TimestampPeriod))
	r.want(names(u), "timestamp")
	if u.Roles[0].Version != 2002 {
		t.Errorf("and then at %d", u.Roles[0].Version)
	}
}
