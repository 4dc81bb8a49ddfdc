package client_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// scene is a World behind a Hostile, and a device. All of it lives within a
// synctest bubble: what would take minutes takes none.
type scene struct {
	*testing.T
	world   *sealifttest.World
	hostile *sealifttest.Hostile
	host    *host
	config  client.Config
	device  *client.Device
}

// host is a machine of its own clock, whose network is memory.
type host struct {
	*client.System
	clock     func() time.Time
	transport http.RoundTripper
	wrap      func(client.Files) client.Files
}

func (h *host) Now() time.Time { return h.clock() }

func (h *host) Transport() http.RoundTripper { return h.transport }

func (h *host) Files(dir string) (client.Files, error) {
	files, err := h.System.Files(dir)
	if err == nil && h.wrap != nil {
		files = h.wrap(files)
	}
	return files, err
}

// play runs a test in a new scene.
func play(t *testing.T, test func(s *scene)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "device")
	synctest.Test(t, func(t *testing.T) {
		w, err := sealifttest.New(start)
		if err != nil {
			t.Fatal(err)
		}
		h := sealifttest.NewHostile(w)
		s := &scene{T: t, world: w, hostile: h}
		s.host = &host{System: client.NewSystem(), clock: w.Now, transport: client.PipeNet(t, h)}
		d := sealifttest.Default
		s.config = client.Config{
			Server: "http://edge", App: d.App, Channel: d.Channel, Platform: d.Platform, Runtime: "2.0.0",
			Dir: dir, Root: w.FirstRoot(), Host: s.host,
		}
		s.open()
		defer func() { s.must(s.device.Close()) }()
		s.must(s.device.Enrol(t.Context(), w.EnrolmentToken()))
		test(s)
	})
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) open() {
	s.Helper()
	var err error
	s.device, err = client.Open(s.config)
	s.must(err)
}

// forget removes what is in the device's folder under a name.
func (s *scene) forget(name string) {
	s.Helper()
	s.must(os.RemoveAll(filepath.Join(s.config.Dir, name)))
}

// reopen is what happens when the process ends and another one starts.
func (s *scene) reopen() {
	s.Helper()
	s.must(s.device.Close())
	s.open()
}

func (s *scene) update() error {
	_, err := s.device.Update(s.Context())
	return err
}

// publish publishes a version whose bundle says which it is.
func (s *scene) publish(version sealift.Version) *sealifttest.Published {
	s.Helper()
	p, err := s.world.Publish(sealifttest.Spec{Version: version, Bundle: content(version)})
	s.must(err)
	return p
}

// content is a bundle with folders and a program.
func content(version sealift.Version) fs.FS {
	return fstest.MapFS{
		"index.html":         {Data: []byte("<h1>" + version + "</h1>"), Mode: 0o644},
		"assets/app.js":      {Data: bytes.Repeat([]byte("version "+version+"\n"), 1000), Mode: 0o644},
		"assets/img/a/b.svg": {Data: []byte("<svg/>"), Mode: 0o644},
		"bin/run":            {Data: []byte("#!/bin/sh\nexit 0\n"), Mode: 0o755},
	}
}

// files returns what current points to, nil if nothing.
func (s *scene) files() map[string]string {
	return readTree(s.T, filepath.Join(s.config.Dir, "current"))
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return treeOf(t, os.DirFS(dir))
}

func treeOf(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&0o111 != 0 {
			path += "*"
		}
		files[path] = string(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantInstalled wants a version in place, whole, and nothing else.
func (s *scene) wantInstalled(version sealift.Version) {
	s.Helper()
	r, err := s.device.Status()
	s.must(err)
	if version == "" {
		if r.Installed != nil || s.files() != nil {
			s.Fatalf("%v is installed, want nothing", r.Installed)
		}
		return
	}
	if r.Installed == nil || r.Installed.Version != version || r.Pending != nil {
		s.Fatalf("installed %v, pending %v, want %s", r.Installed, r.Pending, version)
	}
	if diff := cmp.Diff(treeOf(s.T, content(version)), s.files()); diff != "" {
		s.Fatalf("current is not %s (-want +got):\n%s", version, diff)
	}
}

func (s *scene) refused(err error, kind sealift.Kind, reason string) {
	s.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		s.Errorf("got %q/%q (%v), want %q/%q", sealift.KindOf(err), sealift.ReasonOf(err), err, kind, reason)
	}
}

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

func TestHealthCheck(t *testing.T) {
	play(t, func(s *scene) {
		sick := errors.New("it does not start")
		var verdict error
		var looked []string
		s.config.HealthCheck = func(_ context.Context, dir string) error {
			looked = append(looked, dir)
			if diff := cmp.Diff(readTree(t, dir), s.files()); diff != "" {
				t.Errorf("current is not what is checked:\n%s", diff)
			}
			return verdict
		}
		s.reopen()

		verdict = sick
		first := s.publish("1.0.0")
		r, err := s.device.Update(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		if !errors.Is(err, sick) || r.Outcome != client.OutcomeRolledBack || r.Available.Version != "1.0.0" {
			t.Errorf("%v, %+v", err, r)
		}
		s.wantInstalled("")
		verdict = nil
		s.must(s.update()) // never again
		s.wantInstalled("")

		s.publish("1.1.0")
		s.must(s.update())
		s.wantInstalled("1.1.0")
		verdict = sick
		s.publish("1.2.0")
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.1.0")
		s.reopen()
		verdict = nil
		s.must(s.update())
		s.wantInstalled("1.1.0")
		// The counter of what failed was not confirmed: the same version may
		// come again as another release.
		s.publish("1.2.0")
		s.must(s.update())
		s.wantInstalled("1.2.0")
		if len(looked) != 4 {
			t.Errorf("checked %q", looked)
		}
		_ = first
	})
}

// A health check that never returns because the machine goes down with it.
func TestHealthCheckCrashes(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		ctx, cancel := context.WithCancel(s.Context())
		runs := 0
		s.config.HealthCheck = func(context.Context, string) error { runs++; cancel(); return errors.New("interrupted") }
		s.publish("1.1.0")
		s.reopen()
		for range 3 {
			r, err := s.device.Update(ctx)
			if !errors.Is(err, context.Canceled) || r.Outcome != client.OutcomePending {
				t.Fatalf("%v, %+v", err, r)
			}
			s.reopen()
			if diff := cmp.Diff(treeOf(t, content("1.1.0")), s.files()); diff != "" {
				t.Fatalf("current is not what waits for its check:\n%s", diff)
			}
			ctx, cancel = context.WithCancel(s.Context())
		}
		_, err := s.device.Update(ctx)
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
		if runs != 3 {
			t.Errorf("%d health checks", runs)
		}
		cancel()
	})
}

func TestConfirm(t *testing.T) {
	play(t, func(s *scene) {
		s.config.ConfirmWithin = time.Minute
		s.reopen()
		_, err := s.device.Confirm(s.Context())
		s.refused(err, sealift.KindNotFound, "not-pending")

		s.publish("1.0.0")
		r, err := s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomePending || r.Pending == nil || r.Installed != nil {
			t.Fatalf("%+v", r)
		}
		s.reopen()
		r, err = s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomePending {
			t.Fatalf("%+v", r)
		}
		r, err = client.ConfirmIn(s.host, s.config.Dir) // while it is open
		s.must(err)
		if r.Installed.Version != "1.0.0" {
			t.Fatalf("%+v", r)
		}
		s.wantInstalled("1.0.0")

		s.publish("1.1.0")
		s.must(s.update())
		time.Sleep(2 * time.Minute)
		r, err = s.device.Update(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		if r.Outcome != client.OutcomeRolledBack {
			t.Errorf("%+v", r)
		}
		s.wantInstalled("1.0.0")

		s.publish("1.2.0")
		s.must(s.update())
		_, err = s.device.Revert(s.Context(), "the screen stays dark")
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
		_, err = s.device.Revert(s.Context(), "again")
		s.refused(err, sealift.KindNotFound, "not-pending")
	})
}

func TestAwait(t *testing.T) {
	play(t, func(s *scene) {
		s.config.ConfirmWithin = time.Minute
		s.reopen()
		s.publish("1.0.0")
		s.must(s.update())
		go func() {
			time.Sleep(10 * time.Second)
			_, err := client.ConfirmIn(s.host, s.config.Dir)
			if err != nil {
				s.Error(err)
			}
		}()
		r, err := s.device.Await(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeUpdated || r.Installed.Version != "1.0.0" {
			t.Errorf("%+v", r)
		}
		s.publish("1.1.0")
		s.must(s.update())
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		defer cancel()
		r, err = s.device.Await(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || r.Outcome != client.OutcomePending {
			t.Errorf("%v, %+v", err, r)
		}
		begin := time.Now()
		world := s.world.Now()
		s.host.clock = func() time.Time { return world.Add(time.Since(begin)) }
		_, err = s.device.Await(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
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

// A release that came from a thief is followed by one with a lower counter,
// once its certificate is revoked.
func TestWayBackFromAThief(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		bad, err := s.world.Publish(sealifttest.Spec{Version: "9.0.0", Counter: 500_000, Bundle: content("9.0.0")})
		s.must(err)
		s.must(s.update())
		s.wantInstalled("9.0.0")
		good, err := s.world.Publish(sealifttest.Spec{Version: "1.1.0", Counter: 30, Bundle: content("1.1.0")})
		s.must(err)
		s.must(s.update()) // it passes over it
		s.wantInstalled("9.0.0")
		s.offer(tempting(good.Candidate))
		s.refused(s.update(), sealift.KindVersion, "counter")
		s.offer(good.Candidate)
		s.wantInstalled("9.0.0")
		leaf, err := x509.ParseCertificate(bad.Certificate)
		s.must(err)
		s.world.Deny.Revoked = append(s.world.Deny.Revoked, trust.Revocation{
			Issuer: trust.IssuerOf(s.world.ReleaseCA.Certificate), Serial: trust.SerialOf(leaf),
		})
		s.must(s.world.Direct())
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

// A vault that was restored from before 1.1.0 shows a log that a device which
// took 1.1.0 refuses, until people name a new log key and none of the old ones.
func TestWayBackFromALostLog(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		size := s.world.LogSize()
		s.publish("1.1.0")
		s.must(s.update())
		s.world.ForkLog(size)
		s.must(s.world.AppendLog([]byte("the restore\n")))
		s.publish("1.2.0")
		s.refused(s.update(), sealift.KindSignature, "log")
		s.wantInstalled("1.1.0")

		s.must(s.world.ReplaceLog(size))
		old, err := s.world.Publish(sealifttest.Spec{Version: "1.0.1", Counter: 2, Bundle: content("1.0.1")})
		s.must(err)
		s.offer(tempting(old.Candidate))
		s.refused(s.update(), sealift.KindVersion, "counter") // the log key's end frees nobody from the counter
		s.publish("1.3.0")
		s.must(s.update())
		s.wantInstalled("1.3.0")

		// The memory goes on under the new key.
		s.world.ForkLog(size)
		s.must(s.world.AppendLog([]byte("another restore\n"), []byte("and more\n"), []byte("of it\n")))
		s.publish("1.4.0")
		s.refused(s.update(), sealift.KindSignature, "log")
	})
}

// A log key that is exchanged for its standby, and then dropped, takes no memory
// with it, also from a device that took no release meanwhile.
func TestLogKeyRotationKeepsTheMemory(t *testing.T) {
	play(t, func(s *scene) {
		a := s.world.Trust.Log.Keys[0]
		s.publish("1.0.0")
		s.must(s.update())
		size := s.world.LogSize()
		for range 3 { // {a, b}, {b, c}, {c, d}
			s.must(s.world.ReplaceLog(size))
			b := s.world.Trust.Log.Keys[0]
			s.world.Trust.Log.Keys = []string{a, b}
			s.must(s.world.SignTargets())
			s.must(s.world.Direct())
			_, err := s.device.Check(s.Context())
			if sealift.KindOf(err) != sealift.KindSignature && err != nil { // the proof offered is by a key that is gone
				s.Fatal(err)
			}
			a = b
		}
		s.world.ForkLog(size - 1)
		s.must(s.world.AppendLog([]byte("another history\n")))
		s.publish("1.1.0")
		s.refused(s.update(), sealift.KindSignature, "log")
	})
}

// tempting is a candidate that lies, so that a device looks at it.
func tempting(c trust.Candidate) trust.Candidate {
	c.Version, c.Counter, c.From = "99.0.0", 1_000_000, nil
	return c
}

// A device on a canary that is stopped is offered what is older, and that is no
// refusal. Where the director lies about that, step 3 says no.
func TestPassedOver(t *testing.T) {
	play(t, func(s *scene) {
		base := s.publish("1.0.0")
		canary := s.publish("1.2.0")
		s.must(s.update())
		s.wantInstalled("1.2.0")
		hotfix, err := s.world.Prepare(sealifttest.Spec{Version: "1.1.0", Bundle: content("1.1.0")})
		s.must(err)
		for name, offer := range map[string][]trust.Candidate{
			"none":              nil,
			"what was before":   {base.Candidate},
			"a hotfix of that":  {hotfix.Candidate, base.Candidate},
			"what is installed": {canary.Candidate, hotfix.Candidate},
		} {
			s.offer(offer...)
			r, err := s.device.Update(s.Context())
			s.must(err)
			if r.Outcome != client.OutcomeCurrent {
				t.Errorf("%s: %+v", name, r)
			}
		}
		s.offer(tempting(hotfix.Candidate))
		s.refused(s.update(), sealift.KindVersion, "not-newer")
		s.offer(tempting(base.Candidate))
		s.refused(s.update(), sealift.KindVersion, "counter")
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

// wantUpdate updates and wants a version of any content.
func (s *scene) wantUpdate(version sealift.Version) {
	s.Helper()
	r, err := s.device.Update(s.Context())
	s.must(err)
	if r.Installed == nil || r.Installed.Version != version || r.Pending != nil || len(s.files()) == 0 {
		s.Fatalf("%+v, want %s", r, version)
	}
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
