package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

// powerCut is a disk that is cut off at one of its writes, and stays so.
type powerCut struct {
	mu    sync.Mutex
	after int // writes before the cut
	count int
}

var errPowerCut = errors.New("power cut")

// write does a write, or not. That a write is done and nobody is told is the
// same to the disk as a cut before the next one.
func (p *powerCut) write(do func() error) error {
	p.mu.Lock()
	p.count++
	done := p.count > p.after
	p.mu.Unlock()
	if done {
		return errPowerCut
	}
	return do()
}

type cutFiles struct {
	client.Files
	cut *powerCut
}

func (f cutFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return f.cut.write(func() error { return f.Files.WriteFile(name, data, perm) })
}

func (f cutFiles) Append(name string) (file client.File, err error) {
	err = f.cut.write(func() error { file, err = f.Files.Append(name); return err })
	return f.opened(file, err)
}

func (f cutFiles) Create(name string, perm fs.FileMode) (file client.File, err error) {
	err = f.cut.write(func() error { file, err = f.Files.Create(name, perm); return err })
	return f.opened(file, err)
}

func (f cutFiles) opened(file client.File, err error) (client.File, error) {
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, err
	}
	return cutFile{file, f.cut}, nil
}

func (f cutFiles) MkdirAll(name string) error {
	return f.cut.write(func() error { return f.Files.MkdirAll(name) })
}

func (f cutFiles) Sync(name string) error {
	return f.cut.write(func() error { return f.Files.Sync(name) })
}

func (f cutFiles) RemoveAll(name string) error {
	return f.cut.write(func() error { return f.Files.RemoveAll(name) })
}

func (f cutFiles) Rename(from, to string) error {
	return f.cut.write(func() error { return f.Files.Rename(from, to) })
}

func (f cutFiles) Link(target, name string) error {
	return f.cut.write(func() error { return f.Files.Link(target, name) })
}

type cutFile struct {
	client.File
	cut *powerCut
}

func (f cutFile) Write(p []byte) (n int, err error) {
	err = f.cut.write(func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f cutFile) Truncate(size int64) error {
	return f.cut.write(func() error { return f.File.Truncate(size) })
}

func (f cutFile) Sync() error { return f.cut.write(f.File.Sync) }

// crashes copies the scene's device, lets act run into a power cut at each of
// its writes in turn, the last ones first and at most so many, and opens it
// again after each. Then what is installed must be one of the versions, whole,
// and the device must go on to the end.
func (s *scene) crashes(most int, act func() error, versions []sealift.Version, end sealift.Version) {
	s.Helper()
	s.must(s.device.Close())
	config, prepared := s.config, s.config.Dir
	const never = 1 << 20
	writes := never
	for after := never; after >= 0 && after >= writes-most; after-- {
		s.config.Dir = filepath.Join(s.TempDir(), "device")
		s.must(os.CopyFS(s.config.Dir, os.DirFS(prepared)))
		s.makeSecret()
		cut := &powerCut{after: after}
		s.host.wrap = func(f client.Files) client.Files { return cutFiles{f, cut} }
		var err error
		if s.device, err = client.Open(s.config); err == nil {
			err = act()
			s.must(s.device.Close())
		}
		s.host.wrap = nil
		name := fmt.Sprintf("cut at write %d of %d (%v)", after+1, writes, err)
		s.open()
		s.wantOneOf(name, versions)
		s.goOn(name, end)
		s.must(s.device.Close())
		s.must(os.RemoveAll(s.config.Dir))
		if after == never {
			writes, after = cut.count, cut.count
		}
	}
	s.Logf("%d writes", writes)
	s.config = config
	s.open()
}

// makeSecret gives copied secrets their modes back.
func (s *scene) makeSecret() {
	for _, pattern := range []string{"*.pem", "*.json", "epochs/*"} {
		found, err := filepath.Glob(filepath.Join(s.config.Dir, pattern))
		s.must(err)
		for _, path := range found {
			s.must(os.Chmod(path, 0o600))
		}
	}
}

func (s *scene) wantOneOf(name string, versions []sealift.Version) {
	s.Helper()
	r, err := s.device.Status()
	s.must(err)
	var have sealift.Version
	switch {
	case r.Pending != nil:
		have = r.Pending.Version
	case r.Installed != nil:
		have = r.Installed.Version
	}
	for _, version := range versions {
		if version != have {
			continue
		}
		var want map[string]string
		if version != "" {
			want = treeOf(s.T, content(version))
		}
		if diff := cmp.Diff(want, s.files()); diff != "" {
			s.Fatalf("%s: current is not %q:\n%s", name, version, diff)
		}
		return
	}
	s.Fatalf("%s: %q is in place, want one of %q", name, have, versions)
}

// goOn updates without a cut: the release that was being tried may be taken
// back once.
func (s *scene) goOn(name string, end sealift.Version) {
	s.Helper()
	for range 2 {
		r, err := s.device.Update(s.Context())
		if r.Outcome == client.OutcomePending {
			_, err = s.device.Confirm(s.Context())
		}
		if err == nil {
			break
		}
		if sealift.KindOf(err) != sealift.KindRollback {
			s.Fatalf("%s: and then: %v", name, err)
		}
	}
	s.wantInstalled(end)
}

// How many writes: all, or those from the swap on, which differ where a release
// is taken back.
const all, fromSwap = 1 << 10, 10

func TestCrashFirstInstall(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.crashes(all, s.update, []sealift.Version{"", "1.0.0"}, "1.0.0")
	})
}

func TestCrashUpdate(t *testing.T) {
	play(t, func(s *scene) {
		for _, version := range []sealift.Version{"1.0.0", "1.1.0"} { // so that both folders are in use
			s.publish(version)
			s.must(s.update())
		}
		s.publish("1.2.0")
		s.crashes(all, s.update, []sealift.Version{"1.1.0", "1.2.0"}, "1.2.0")
	})
}

func TestCrashTakingBack(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.config.HealthCheck = func(context.Context, string) error { return errors.New("sick") }
		s.publish("1.1.0")
		s.crashes(fromSwap, s.update, []sealift.Version{"1.0.0", "1.1.0"}, "1.0.0")
	})
}

func TestCrashTakingTheFirstBack(t *testing.T) {
	play(t, func(s *scene) {
		s.config.HealthCheck = func(context.Context, string) error { return errors.New("sick") }
		s.publish("1.0.0")
		s.crashes(fromSwap, s.update, []sealift.Version{"", "1.0.0"}, "")
	})
}

func TestCrashConfirming(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.config.ConfirmWithin = time.Hour
		s.publish("1.1.0")
		s.reopen()
		s.must(s.update())
		s.config.ConfirmWithin = 0
		s.crashes(all, func() error { _, err := s.device.Confirm(s.Context()); return err }, []sealift.Version{"1.1.0"}, "1.1.0")
	})
}
