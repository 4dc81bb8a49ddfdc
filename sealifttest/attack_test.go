package sealifttest_test

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// past is a World before and after it had a history.
type past struct{ before, after *sealifttest.World }

var pasts = sync.OnceValues(func() (past, error) {
	w, err := sealifttest.New(start)
	if err != nil {
		return past{}, err
	}
	before := w.Clone()
	_, err = w.Baseline()
	return past{before, w}, err
})

// scene is a World behind a Hostile, with a device that has taken 1.0.0.
type scene struct {
	*testing.T
	world   *sealifttest.World
	hostile *sealifttest.Hostile
	device  *plain
}

func newScene(t *testing.T) *scene {
	t.Helper()
	past, err := pasts()
	if err != nil {
		t.Fatal(err)
	}
	h := sealifttest.NewHostile(past.before)
	if err := h.Observe(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := past.after.Clone()
	h.Serve(w)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "targets"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := newPlain(server.URL, dir, w)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t, w, h, d}
	s.wantInstalled("1.0.0")
	return s
}

func (s *scene) wantInstalled(version sealift.Version) {
	s.Helper()
	if err := s.device.update(); err != nil {
		s.Fatalf("updating to %s: %v", version, err)
	}
	if have := s.device.state.Device.Installed; have == nil || have.Version != version {
		s.Fatalf("installed %v, want %s", have, version)
	}
}

// TestAttacks mounts every attack of the catalogue against a device: it is
// refused as the catalogue says, changes nothing, and leaves the device able to
// take the next honest release.
func TestAttacks(t *testing.T) {
	for _, a := range sealifttest.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			if err := a.Lure(s.world); err != nil {
				t.Fatal(err)
			}
			if a.Lured() {
				s.wantInstalled("1.0.0")
			}
			honest, err := a.Stage(s.world, sealifttest.Spec{Version: "1.1.0"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.hostile.Mount(a); err != nil {
				t.Fatal(err)
			}
			before := s.device.snapshot()
			if err := a.Refused(s.device.update()); err != nil {
				t.Error(err)
			}
			if diff := s.device.changed(before); diff != "" {
				t.Errorf("the device changed:\n%s", diff)
			}
			if a.Delivery() && s.hostile.Bites() == 0 {
				t.Error("the attack never answered a request")
			}
			s.hostile.Unmount()
			if err := honest(); err != nil {
				t.Fatal(err)
			}
			s.wantInstalled("1.1.0")
		})
	}
}

// TestAttackNames: people ask for an attack by its name.
func TestAttackNames(t *testing.T) {
	names := map[string]bool{}
	for _, a := range slices.Concat(sealifttest.Attacks(), sealifttest.PatchAttacks()) {
		if names[a.Name] || a.Name != strings.ToLower(a.Name) || a.Title == "" || a.Kind == "" {
			t.Errorf("attack %q: %q", a.Name, a.Title)
		}
		names[a.Name] = true
	}
}

// TestPatchAttacks mounts every attack on patches: the device drops the patch as
// the catalogue says, and installs the release.
func TestPatchAttacks(t *testing.T) {
	for _, a := range sealifttest.PatchAttacks() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			if _, err := a.Stage(s.world, sealifttest.Spec{Version: "1.1.0"}); err != nil {
				t.Fatal(err)
			}
			if err := s.hostile.Mount(a); err != nil {
				t.Fatal(err)
			}
			s.wantInstalled("1.1.0")
			if err := a.Dropped(sealift.KindOf(s.device.dropped), sealift.ReasonOf(s.device.dropped)); err != nil {
				t.Errorf("%v: %v", err, s.device.dropped)
			}
			if a.Delivery() && s.hostile.Bites() == 0 {
				t.Error("the attack never answered a request")
			}
		})
	}
}

// TestDeliveryAttacksInARow mounts all attacks of the delivery one after the
// other on one device, as a demonstration does: those that are Fresh on a new
// device each.
func TestDeliveryAttacksInARow(t *testing.T) {
	t.Run("before a World", func(t *testing.T) { inARow(t, newScene(t)) })
	t.Run("before a reverse proxy", func(t *testing.T) {
		s := newScene(t)
		server := httptest.NewServer(s.world)
		t.Cleanup(server.Close)
		target, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		s.hostile.Serve(&httputil.ReverseProxy{
			Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
			ErrorLog: log.New(io.Discard, "", 0), // devices hang up on liars
		})
		inARow(t, s)
	})
}

func inARow(t *testing.T, s *scene) {
	if _, err := s.world.Publish(sealifttest.Spec{Version: "1.1.0"}); err != nil {
		t.Fatal(err)
	}
	for _, a := range sealifttest.Attacks() {
		if !a.Delivery() || a.Fresh || a.Later > 0 {
			continue
		}
		if err := s.hostile.Mount(a); err != nil {
			t.Error(err)
			continue
		}
		if err := a.Refused(s.device.update()); err != nil || s.hostile.Bites() == 0 {
			t.Errorf("%v; %d answers were of the attacker", err, s.hostile.Bites())
		}
	}
	s.hostile.Unmount()
	s.wantInstalled("1.1.0")
}

// TestReplayedRequest: what a device said once is not granted twice.
func TestReplayedRequest(t *testing.T) {
	s := newScene(t)
	_, answer, err := s.hostile.ReplayRequest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := trust.NewRules(&s.world.Trust, &s.world.Deny, sealifttest.Default.App)
	if err != nil {
		t.Fatal(err)
	}
	req := s.device.asked
	if _, err := rules.OpenAnswer(answer, req, s.world.Now()); sealift.KindOf(err) != sealift.KindConflict || sealift.ReasonOf(err) != "nonce" {
		t.Errorf("the vault's answer to a replayed request: %v", err)
	}
}
