package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
)

// The tests below mount every attack of the catalogue on a device: it is
// refused as the catalogue says, what is installed stays, and the device can
// take the next honest release.

// slowly makes the slow attack take its time, which costs none here.
const slowly = 10 * time.Second

// begin brings the scene to where attacks begin: 1.0.0, with a past.
func (s *scene) begin() *sealifttest.Published {
	s.Helper()
	s.hostile.Pace = slowly
	s.must(s.hostile.Observe(s.Context()))
	first, err := s.world.Baseline()
	s.must(err)
	s.wantUpdate("1.0.0")
	return first
}

// mount tries an attack on the scene's device.
func (s *scene) mount(a sealifttest.Attack) {
	s.Helper()
	s.must(s.hostile.Mount(a))
	before, files := s.standing(), s.files()
	if err := a.Refused(s.update()); err != nil {
		s.Error(err)
	}
	if a.Delivery() && s.hostile.Bites() == 0 {
		s.Errorf("attack %s never answered a request", a.Name)
	}
	s.sameAs(before, files)
	s.reopen()
	s.sameAs(before, files)
}

// Attacks by theft, and those that take days, one after the other: after each
// the device takes an honest release.
func TestAttacks(t *testing.T) {
	play(t, func(s *scene) {
		s.begin()
		have := sealift.Version("1.0.0")
		for i, a := range sealifttest.Attacks() {
			if a.Delivery() && a.Later == 0 {
				continue
			}
			s.must(a.Lure(s.world))
			if a.Lured() {
				s.wantUpdate(have)
			}
			next := sealift.Version(fmt.Sprintf("1.%d.0", i+1))
			honest, err := a.Stage(s.world, sealifttest.Spec{Version: next})
			s.must(err)
			s.mount(a)
			s.hostile.Unmount()
			s.must(honest())
			s.wantUpdate(next)
			have = next
			// What two of them demand for good.
			delete(s.world.Trust.Apps, s.config.App)
			delete(s.world.Deny.Floors, s.config.App)
			s.must(s.world.SignTargets())
			s.must(s.world.Direct())
		}
	})
}

// Attacks of the delivery, one after the other: each is offered the same
// release, which has a patch: where a patch and a whole bundle are bad alike, the
// release is refused.
func TestDeliveryAttacks(t *testing.T) {
	play(t, func(s *scene) {
		first := s.begin()
		_, err := s.world.Publish(sealifttest.Spec{Version: "1.1.0", Bases: []*sealifttest.Published{first}})
		s.must(err)
		for _, a := range sealifttest.Attacks() {
			if a.Delivery() && a.Later == 0 && !a.Fresh {
				s.mount(a)
			}
		}
		s.hostile.Unmount()
		s.wantUpdate("1.1.0")
	})
}

// Attacks on patches, one after the other: none keeps the device from the release.
func TestPatchAttacks(t *testing.T) {
	play(t, func(s *scene) {
		s.begin()
		for i, a := range sealifttest.PatchAttacks() {
			next := sealift.Version(fmt.Sprintf("1.%d.0", i+1))
			_, err := a.Stage(s.world, sealifttest.Spec{Version: next})
			s.must(err)
			s.must(s.hostile.Mount(a))
			r, err := s.device.Update(s.Context())
			s.must(err)
			var dropped client.Dropped
			if r.Delivery != nil && r.Delivery.Dropped != nil {
				dropped = *r.Delivery.Dropped
			}
			if err := a.Dropped(dropped.Kind, dropped.Reason); err != nil {
				t.Errorf("%v: %s", err, dropped.Message)
			}
			if a.Delivery() && s.hostile.Bites() == 0 {
				t.Errorf("attack %s never answered a request", a.Name)
			}
			s.hostile.Unmount()
			if r.Installed == nil || r.Installed.Version != next {
				t.Errorf("attack %s: installed %v, want %s", a.Name, r.Installed, next)
			}
			if want := "<h1>" + string(next) + "</h1>\n"; len(s.files()) != 1 || s.files()["index.html"] != want {
				t.Errorf("attack %s: %q, want %q", a.Name, s.files(), want)
			}
		}
		for _, name := range []string{"evil", "bundles/evil"} {
			if _, err := os.Lstat(filepath.Join(s.config.Dir, name)); err == nil {
				t.Errorf("%s was written", name)
			}
		}
	})
}

// Attacks on what a device fetches once, each on one that is new.
func TestFreshAttacks(t *testing.T) {
	play(t, func(s *scene) {
		s.begin()
		seasoned, config := s.device, s.config
		defer func() { s.device = seasoned }()
		for _, a := range sealifttest.Attacks() {
			if !a.Delivery() || a.Later > 0 || !a.Fresh {
				continue
			}
			s.config = config
			s.config.Dir = filepath.Join(t.TempDir(), a.Name)
			s.hostile.Unmount()
			s.open()
			s.must(s.device.Enrol(s.Context(), s.world.EnrolmentToken()))
			s.must(s.device.Close())
			// What enrolling fetched is fetched again.
			s.forget("tuf")
			s.open()
			s.mount(a)
			s.hostile.Unmount()
			s.wantUpdate("1.0.0")
			s.must(s.device.Close())
		}
	})
}

// standing is what no refused update may change.
func (s *scene) standing() client.Result {
	s.Helper()
	r, err := s.device.Status()
	s.must(err)
	r.Blocked = false // a floor is no attack
	return r
}

func (s *scene) sameAs(before client.Result, files map[string]string) {
	s.Helper()
	if diff := cmp.Diff(before, s.standing()); diff != "" {
		s.Errorf("the device changed:\n%s", diff)
	}
	if diff := cmp.Diff(files, s.files()); diff != "" {
		s.Errorf("what is installed changed:\n%s", diff)
	}
}
