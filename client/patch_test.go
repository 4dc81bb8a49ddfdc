package client_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// patched publishes a version with a patch to an older one.
func (s *scene) patched(version sealift.Version, bases ...*sealifttest.Published) *sealifttest.Published {
	s.Helper()
	p, err := s.world.Publish(sealifttest.Spec{Version: version, Bundle: content(version), Bases: bases})
	s.must(err)
	return p
}

// blobOf is the blob of a kind of a release.
func blobOf(p *sealifttest.Published, kind trust.BlobKind) trust.Blob {
	for _, b := range p.Release.Blobs {
		if b.Kind == kind {
			return b
		}
	}
	return trust.Blob{}
}

// wantByPatch updates, and wants the last patch of p to have been all that was
// fetched.
func (s *scene) wantByPatch(p *sealifttest.Published) {
	s.Helper()
	patch := p.Release.Blobs[len(p.Release.Blobs)-1]
	r, err := s.device.Update(s.Context())
	s.must(err)
	if c := r.Delivery; c == nil || c.Base == nil || *c.Base != *patch.Base || c.Blob.Digest != patch.Digest || c.Fetched != patch.Length || c.Dropped != nil {
		s.Errorf("delivery: %+v, want the patch of %d bytes", c, patch.Length)
	}
	s.wantInstalled(p.Release.Version)
}

// wantWholeBundle updates, and wants the whole bundle of p to have been fetched,
// after its patch was dropped for a reason; "" is none.
func (s *scene) wantWholeBundle(p *sealifttest.Published, reason string) *client.Delivery {
	s.Helper()
	full := blobOf(p, trust.BlobFull)
	r, err := s.device.Update(s.Context())
	s.must(err)
	c := r.Delivery
	if c == nil || c.Base != nil || c.Blob.Digest != full.Digest || reason != "tried" && c.Fetched < full.Length || (c.Dropped != nil) != (reason != "") {
		s.Fatalf("delivery: %+v, want the whole of %d bytes", c, full.Length)
	}
	if reason != "" && (c.Dropped.Reason != reason || c.Dropped.Kind == "" || c.Dropped.Message == "" || c.Dropped.Patch.Digest != blobOf(p, trust.BlobPatch).Digest) {
		s.Errorf("dropped: %+v, want %q", c.Dropped, reason)
	}
	s.wantInstalled(p.Release.Version)
	return c
}

func TestPatch(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.wantWholeBundle(first, "") // there is nothing to patch
		second := s.patched("1.1.0", first)
		r, err := s.device.Check(s.Context())
		s.must(err)
		if a := r.Available; a == nil || a.Patch == nil || a.Patch.Digest != blobOf(second, trust.BlobPatch).Digest || a.Blob.Digest != blobOf(second, trust.BlobFull).Digest || r.Delivery != nil {
			t.Errorf("available: %+v, delivery %+v", a, r.Delivery)
		}
		s.wantByPatch(second)
		s.report()
		steps, _ := s.world.Reported(s.device.ID())
		for _, step := range steps { // the vault is told, of what was verified alone
			want := sealift.Digest{}
			if step.Step == trust.StepVerified && step.Version == "1.1.0" {
				want = blobOf(second, trust.BlobPatch).Digest
			}
			if step.Patch != want {
				t.Errorf("%s of %s: patch %v, want %v", step.Step, step.Version, step.Patch, want)
			}
		}
		// From a bundle that came by a patch, into the other folder, and with a patch
		// for others beside.
		s.wantByPatch(s.patched("1.2.0", first, second))
		if r, err := s.device.Update(s.Context()); err != nil || r.Delivery != nil {
			t.Errorf("nothing newer: %+v, %v", r.Delivery, err)
		}
		s.wantWholeBundle(s.patched("1.3.0", first, second), "") // neither is of what is installed
		if left, err := os.ReadDir(filepath.Join(s.config.Dir, "staging")); err == nil {
			t.Errorf("staging holds %v", left)
		}
	})
}

// What is installed is not always what it was.
func TestPatchOfChangedFiles(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"another content":  func(dir string) error { return overwrite(filepath.Join(dir, "assets/app.js"), "version 2.0.0\n") },
		"a file more":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "cache"), []byte("x"), 0o600) },
		"a file less":      func(dir string) error { return os.Remove(filepath.Join(dir, "index.html")) },
		"a link":           func(dir string) error { return os.Symlink("index.html", filepath.Join(dir, "link")) },
		"an executable":    func(dir string) error { return os.Chmod(filepath.Join(dir, "index.html"), 0o755) },
		"no folder at all": func(dir string) error { return os.RemoveAll(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				first := s.publish("1.0.0")
				s.must(s.update())
				s.must(change(filepath.Join(s.config.Dir, "bundles", "a")))
				second := s.patched("1.1.0", first)
				s.config.Progress = func(step client.Step, _, total int64) {
					if step == client.StepFetch && total == blobOf(second, trust.BlobFull).Length {
						if _, err := os.Stat(s.inStaging(blobOf(second, trust.BlobPatch))); err == nil {
							t.Error("a patch that was dropped takes room")
						}
					}
				}
				s.reopen()
				c := s.wantWholeBundle(second, "base")
				fetched := c.Fetched - blobOf(second, trust.BlobFull).Length
				if same := name == "another content" || name == "an executable"; fetched != 0 != same {
					t.Errorf("%d bytes of a patch were fetched", fetched)
				}
				s.wantByPatch(s.patched("1.2.0", second)) // what came is whole
			})
		})
	}
}

// overwrite puts text at the beginning of a file.
func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestPatchLimit(t *testing.T) {
	play(t, func(s *scene) {
		last := s.publish("1.0.0")
		s.must(s.update())
		longest := last.Release.Archive.Length
		for _, test := range []struct {
			limit   int64
			version sealift.Version
			taken   bool
		}{{-1, "1.1.0", false}, {longest - 1, "1.2.0", false}, {longest, "1.3.0", true}, {1 << 40, "1.4.0", true}} {
			s.config.PatchLimit = test.limit
			s.reopen()
			next := s.patched(test.version, last)
			if next.Release.Archive.Length != longest {
				t.Fatalf("%d and %d bytes", next.Release.Archive.Length, longest)
			}
			if test.taken {
				s.wantByPatch(next)
			} else {
				s.wantWholeBundle(next, "")
			}
			last = next
		}
	})
}

// A signed length that no patch may have is not even tried.
func TestPatchOfLongArchive(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		_, err := s.world.Publish(sealifttest.Spec{Version: "1.1.0", Bases: []*sealifttest.Published{first}, BendRelease: func(r *trust.Release) {
			r.Archive.Length = sealift.MaxPatchArchive + 512
		}})
		s.must(err)
		r, err := s.device.Check(s.Context())
		s.must(err)
		if r.Available == nil || r.Available.Patch != nil {
			t.Errorf("%+v", r.Available)
		}
	})
}

// onCreate is a Files that asks before each new file.
type onCreate struct {
	client.Files
	ask func(name string) error
}

func (o onCreate) Create(name string, perm fs.FileMode) (client.File, error) {
	if err := o.ask(name); err != nil {
		return nil, err
	}
	return o.Files.Create(name, perm)
}

// asking has the scene's device ask before each new file, from now on.
func (s *scene) asking(ask func(name string) error) {
	s.Helper()
	s.host.wrap = func(f client.Files) client.Files { return onCreate{f, ask} }
	s.reopen()
	s.host.wrap = nil
}

// inStaging is the path of a blob in staging.
func (s *scene) inStaging(b trust.Blob) string {
	return filepath.Join(s.config.Dir, "staging", b.Digest.String())
}

// A process that ends while it applies a patch, as for lack of memory, does not
// do so again at every start.
func TestPatchTriedOnce(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		second := s.patched("1.1.0", first)
		patch := s.inStaging(blobOf(second, trust.BlobPatch))
		copied := filepath.Join(t.TempDir(), "device")
		s.asking(func(string) error { // as a process that ends here leaves it
			if _, err := os.Stat(copied); err == nil {
				return nil
			}
			return os.CopyFS(copied, os.DirFS(s.config.Dir))
		})
		s.wantByPatch(second)
		s.config.Dir = copied
		s.makeSecret()
		s.reopen()
		s.wantInstalled("1.0.0")
		if _, err := os.Stat(s.inStaging(blobOf(second, trust.BlobPatch))); err != nil || patch == copied {
			t.Fatal(err)
		}
		if c := s.wantWholeBundle(second, "tried"); c.Fetched != blobOf(second, trust.BlobFull).Length {
			t.Errorf("%d bytes were fetched", c.Fetched)
		}
	})
}

// What is no fault of the patch leaves it where it is: it is taken later, and not
// fetched again.
func TestPatchInterrupted(t *testing.T) {
	for name, test := range map[string]struct {
		kind   sealift.Kind
		reason string
		disk   error
		stops  bool
	}{
		"the disk is full":  {sealift.KindExhausted, "disk-full", syscall.ENOSPC, false},
		"the host stops it": {sealift.KindInternal, "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				first := s.publish("1.0.0")
				s.must(s.update())
				second := s.patched("1.1.0", first)
				ctx, cancel := context.WithCancel(s.Context())
				defer cancel()
				s.config.Progress = func(step client.Step, done, total int64) {
					if test.stops && step == client.StepFetch && done == total {
						cancel()
					}
				}
				s.asking(func(string) error { return test.disk })
				r, err := s.device.Update(ctx)
				if s.refused(err, test.kind, test.reason); test.stops && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				patch := blobOf(second, trust.BlobPatch)
				if c := r.Delivery; c == nil || c.Fetched != patch.Length || c.Blob.Digest != patch.Digest || c.Dropped != nil {
					t.Errorf("delivery: %+v", c)
				}
				s.wantInstalled("1.0.0")
				s.config.Progress = nil
				s.reopen()
				r, err = s.device.Update(s.Context())
				s.must(err)
				if c := r.Delivery; c == nil || c.Fetched != 0 || c.Blob.Digest != patch.Digest || c.Dropped != nil {
					t.Errorf("delivery: %+v", c)
				}
				s.wantInstalled("1.1.0")
			})
		})
	}
}

// Quiet hours that begin while a patch is applied leave it for later.
func TestPatchBeforeQuietHours(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		second := s.patched("1.1.0", first)
		from := s.world.Now().Hour()*60 + s.world.Now().Minute() + 10
		s.config.Quiet = []client.QuietHours{{From: from, To: from + 60}}
		s.asking(func(string) error { s.world.Advance(10 * time.Minute / 4); return nil })
		r, err := s.device.Update(s.Context())
		s.must(err)
		if r.Waits == nil || r.Delivery == nil || r.Delivery.Fetched == 0 {
			t.Fatalf("%+v", r)
		}
		s.wantInstalled("1.0.0")
		s.world.Advance(2 * time.Hour)
		s.must(s.world.Direct())
		r, err = s.device.Update(s.Context())
		s.must(err)
		if c := r.Delivery; c == nil || c.Base == nil || c.Fetched != 0 {
			t.Errorf("delivery: %+v", c)
		}
		s.wantInstalled(second.Release.Version)
	})
}

// A patch that broke off is gone on with, and so is the whole bundle after a
// patch that was dropped.
func TestPatchGoneOnWith(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		second := s.patched("1.1.0", first)
		part := func(b trust.Blob) int64 {
			blob := s.world.File("blobs/" + b.Digest.String())
			s.must(os.MkdirAll(filepath.Join(s.config.Dir, "staging"), 0o700))
			s.must(os.WriteFile(s.inStaging(b), blob[:len(blob)/2], 0o600))
			return int64(len(blob) - len(blob)/2)
		}
		left := part(blobOf(second, trust.BlobPatch))
		r, err := s.device.Update(s.Context())
		s.must(err)
		if c := r.Delivery; c == nil || c.Base == nil || c.Fetched != left || c.Dropped != nil {
			t.Errorf("delivery: %+v, want %d bytes", c, left)
		}
		s.wantInstalled("1.1.0")

		third := s.patched("1.2.0", second)
		s.world.SetFile("blobs/"+blobOf(third, trust.BlobPatch).Digest.String(), nil)
		left = part(blobOf(third, trust.BlobFull))
		r, err = s.device.Update(s.Context())
		s.must(err)
		if c := r.Delivery; c == nil || c.Base != nil || c.Fetched != left || c.Dropped == nil || c.Dropped.Reason != "not-found" {
			t.Errorf("delivery: %+v, want %d bytes", c, left)
		}
		s.wantInstalled("1.2.0")
	})
}

// A patch may be cut off by a power cut at any write, and what comes after may be.
func TestCrashPatch(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		s.patched("1.1.0", first)
		s.crashes(all, s.update, []sealift.Version{"1.0.0", "1.1.0"}, "1.1.0")
	})
}
