package client_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func TestUpdate(t *testing.T) {
	play(t, func(s *scene) {
		var steps []client.Step
		s.config.Progress = func(step client.Step, done, total int64) {
			if len(steps) == 0 || steps[len(steps)-1] != step {
				steps = append(steps, step)
			}
			if done > total {
				s.Errorf("%s: %d of %d", step, done, total)
			}
		}
		s.reopen()
		first := s.publish("1.0.0")
		r, err := s.device.Check(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeAvailable || r.Available.Version != "1.0.0" || r.Installed != nil || s.files() != nil {
			t.Fatalf("check: %+v", r)
		}
		r, err = s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeUpdated || r.Installed.Release != first.Candidate.Release.Digest {
			t.Fatalf("update: %+v", r)
		}
		s.wantInstalled("1.0.0")
		if diff := cmp.Diff([]client.Step{client.StepFetch, client.StepOpen}, steps); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		for range 2 {
			r, err = s.device.Update(s.Context())
			s.must(err)
			if r.Outcome != client.OutcomeCurrent {
				t.Fatalf("second update: %+v", r)
			}
			s.reopen()
		}
		for _, version := range []sealift.Version{"1.1.0", "1.2.0-rc.1", "1.2.0"} {
			s.publish(version)
			s.must(s.update())
			s.wantInstalled(version)
		}
		entries, err := os.ReadDir(filepath.Join(s.config.Dir, "releases"))
		s.must(err)
		if len(entries) > 4 {
			t.Errorf("%d files of releases are kept, want 4 at most", len(entries))
		}
		if _, err := os.Stat(filepath.Join(s.config.Dir, "staging")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the staging folder was not removed: %v", err)
		}
	})
}

func TestSecretsAreKept(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		for _, name := range []string{"identity.pem", "hpke.json", "state.json", "epochs/*"} {
			found, err := filepath.Glob(filepath.Join(s.config.Dir, name))
			s.must(err)
			if len(found) == 0 {
				t.Errorf("no %s", name)
			}
			for _, path := range found {
				info, err := os.Stat(path)
				s.must(err)
				if mode := info.Mode().Perm(); mode != 0o600 {
					t.Errorf("%s has mode %#o", path, mode)
				}
			}
		}
		id := s.device.ID()
		s.reopen()
		if s.device.ID() != id {
			t.Error("another device after a restart")
		}
		for _, name := range []string{"identity.pem", "hpke.json"} {
			path := filepath.Join(s.config.Dir, name)
			good, err := os.ReadFile(path)
			s.must(err)
			s.must(s.device.Close())
			s.must(os.Chmod(path, 0o644))
			_, err = client.Open(s.config)
			s.refused(err, sealift.KindDenied, "permission")
			s.must(os.Chmod(path, 0o600))
			s.must(os.WriteFile(path, good[:len(good)/2], 0o600))
			_, err = client.Open(s.config)
			s.refused(err, sealift.KindInternal, "damaged")
			s.must(os.Remove(path))
			if _, err = client.Open(s.config); err == nil {
				t.Errorf("without %s an enrolled device opens", name)
			}
			s.must(os.WriteFile(path, good, 0o600))
			s.open()
		}
		// A damaged epoch key is asked for again.
		found, err := filepath.Glob(filepath.Join(s.config.Dir, "epochs/*"))
		s.must(err)
		s.must(os.WriteFile(found[0], []byte("null"), 0o600))
		s.publish("1.1.0")
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

func TestEnrol(t *testing.T) {
	play(t, func(s *scene) {
		if !s.world.Enrolled(s.device.ID()) {
			t.Error("the vault does not know the device")
		}
		token := s.world.EnrolmentToken()
		s.must(s.device.Enrol(s.Context(), token))
		stranger := sealift.NewEnrolmentToken(token.Root())
		s.refused(s.device.Enrol(s.Context(), stranger), sealift.KindDenied, "token")
		elsewhere := sealift.NewEnrolmentToken(sealift.DigestOf([]byte("another root")))
		s.refused(s.device.Enrol(s.Context(), elsewhere), sealift.KindDenied, "root")

		other := s.config
		other.Dir = filepath.Join(s.config.Dir, "other")
		d, err := client.Open(other)
		s.must(err)
		defer d.Close()
		if d.ID() == s.device.ID() {
			t.Error("two devices with one id")
		}
		s.publish("1.0.0")
		_, err = d.Update(s.Context())
		s.refused(err, sealift.KindDenied, "not-enrolled")
		s.must(d.Enrol(s.Context(), token))
		_, err = d.Update(s.Context())
		s.must(err)
	})
}

func TestOneProcess(t *testing.T) {
	play(t, func(s *scene) {
		_, err := client.Open(s.config)
		s.refused(err, sealift.KindConflict, "locked")
		s.must(s.device.Close())
		other := s.config
		other.App = "com.acme.other"
		_, err = client.Open(other)
		s.refused(err, sealift.KindConflict, "")
		s.open()
	})
}

func TestBadConfig(t *testing.T) {
	play(t, func(s *scene) {
		for name, spoil := range map[string]func(*client.Config){
			"server":   func(c *client.Config) { c.Server = "edge" },
			"app":      func(c *client.Config) { c.App = "x" },
			"channel":  func(c *client.Config) { c.Channel = "No" },
			"build":    func(c *client.Config) { c.Build = "nightly" },
			"platform": func(c *client.Config) { c.Platform = "A" },
			"runtime":  func(c *client.Config) { c.Runtime = "1" },
			"dir":      func(c *client.Config) { c.Dir = "" },
			"root":     func(c *client.Config) { c.Root = []byte("{}") },
		} {
			c := s.config
			spoil(&c)
			if _, err := client.Open(c); sealift.KindOf(err) != sealift.KindInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestUnknownNames(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.device.Close())
		s.config.Channel = "nightly"
		s.open()
		err := s.update()
		s.refused(err, sealift.KindMetadata, "missing")
		if !strings.Contains(sealift.HintOf(err), "channel") {
			t.Errorf("hint: %s", sealift.HintOf(err))
		}
	})
}

// The runtime and the refused ones are passed over, and so are roll-outs that
// do not reach this device.
func TestChoose(t *testing.T) {
	play(t, func(s *scene) {
		d := sealifttest.Default
		candidates := func(share sealift.Share) []trust.Candidate {
			var all []trust.Candidate
			for _, spec := range []sealifttest.Spec{
				{Version: "3.0.0", Runtime: ">=3.0.0", Bundle: content("3.0.0")},
				{Version: "2.0.0", Bundle: content("2.0.0")},
				{Version: "1.0.0", Bundle: content("1.0.0")},
			} {
				p, err := s.world.Prepare(spec)
				s.must(err)
				all = append(all, p.Candidate)
			}
			all[1].Share = share
			all[1].Salt = "x"
			return all
		}
		s.must(s.world.Offer(d.App, d.Channel, d.Platform))
		r, err := s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeCurrent {
			t.Errorf("of an empty offer: %+v", r)
		}
		in := 0
		offer := candidates(100)
		for _, share := range []sealift.Share{1, 5000, 9999, sealift.Everybody} {
			offer[1].Share = share
			s.must(s.world.Offer(d.App, d.Channel, d.Platform, offer...))
			r, err := s.device.Check(s.Context())
			s.must(err)
			switch {
			case r.Available.Version == "2.0.0":
				in++
			case r.Available.Version != "1.0.0" || in > 0:
				t.Errorf("at %s percent: %s, after %d times 2.0.0", share, r.Available.Version, in)
			}
		}
		if in == 0 {
			t.Error("at 100 percent a device is left out")
		}
	})
}

func TestBlocked(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.world.Deny.Floors = map[sealift.AppID]trust.Floor{s.config.App: {Version: "1.5.0"}}
		s.must(s.world.Direct())
		r, err := s.device.Update(s.Context())
		s.must(err)
		if !r.Blocked || r.Outcome != client.OutcomeCurrent {
			t.Errorf("%+v", r)
		}
		s.reopen()
		r, err = s.device.Status()
		s.must(err)
		if !r.Blocked {
			t.Error("forgotten after a restart")
		}
		s.publish("1.4.0")
		s.refused(s.update(), sealift.KindVersion, "floor")
		s.publish("1.5.0")
		r, err = s.device.Update(s.Context())
		s.must(err)
		if r.Blocked {
			t.Errorf("%+v", r)
		}
	})
}

func TestStale(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.world.Advance(20 * 24 * time.Hour)
		r, err := s.device.Update(s.Context())
		s.refused(err, sealift.KindMetadata, "expired")
		if !r.Stale || r.Installed == nil || r.Outcome != client.OutcomeFailed {
			t.Errorf("%+v", r)
		}
		s.wantInstalled("1.0.0")
		s.publish("1.1.0")
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

func TestRollbackRelease(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		bad := s.publish("1.1.0")
		s.must(s.update())
		_, err := s.world.Publish(sealifttest.Spec{Version: "1.0.0", Act: sealift.ActRollback, Bundle: content("1.0.0"), Rollback: &trust.Rollback{
			From: []sealift.Digest{bad.Candidate.Release.Digest}, NotAfter: trust.At(s.world.Now().Add(time.Hour)), Reason: "1.1.0 loses orders",
		}})
		s.must(err)
		s.must(s.update())
		s.wantInstalled("1.0.0")
	})
}

// Somebody empties the disk but for the state.
func TestFolderLost(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.forget("bundles")
		s.forget("tuf")
		s.forget("releases")
		s.reopen()
		s.must(s.update())
		s.wantInstalled("1.0.0")
	})
}

func TestStateDamaged(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		path := filepath.Join(s.config.Dir, "state.json")
		good, err := os.ReadFile(path)
		s.must(err)
		s.must(s.device.Close())
		for content, kind := range map[string]sealift.Kind{
			"": sealift.KindInternal, "null": sealift.KindInternal, "garbage": sealift.KindInternal, string(good[:50]): sealift.KindInternal,
			`{"format":2}`: sealift.KindInvalid,
		} {
			s.must(os.WriteFile(path, []byte(content), 0o600))
			if _, err := client.Open(s.config); sealift.KindOf(err) != kind {
				t.Errorf("%.20q: %v", content, err)
			}
		}
		s.must(os.WriteFile(path, good, 0o600))
		s.open()
		s.wantInstalled("1.0.0")
	})
}

// A server may keep full tiles of the log only.
func TestPartialTilesGone(t *testing.T) {
	play(t, func(s *scene) {
		var records [][]byte
		for i := range 300 {
			records = append(records, fmt.Appendf(nil, "record %d\n", i))
		}
		s.must(s.world.AppendLog(records[:200]...))
		s.publish("1.0.0")
		s.must(s.update())
		s.must(s.world.AppendLog(records[200:]...))
		s.publish("1.1.0")
		s.must(s.world.AppendLog(records...))
		for path := range s.world.Files() {
			if strings.HasPrefix(path, "log/tile/0/001.p/") {
				s.world.SetFile(path, nil)
			}
		}
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}
