package client_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
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

// wantUpdate updates and wants a version of any content.
func (s *scene) wantUpdate(version sealift.Version) {
	s.Helper()
	r, err := s.device.Update(s.Context())
	s.must(err)
	if r.Installed == nil || r.Installed.Version != version || r.Pending != nil || len(s.files()) == 0 {
		s.Fatalf("%+v, want %s", r, version)
	}
}
