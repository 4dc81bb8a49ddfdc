package client_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/trust"
)

// mute is a network on which some blobs never come.
type mute struct {
	http.RoundTripper
	blobs []trust.Blob
	asked int
}

func (m *mute) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, b := range m.blobs {
		if strings.HasSuffix(req.URL.Path, b.Digest.String()) {
			m.asked++
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		}
	}
	return m.RoundTripper.RoundTrip(req)
}

// withholding has blobs not come any more.
func (s *scene) withholding(blobs ...trust.Blob) *mute {
	m := &mute{RoundTripper: s.host.transport, blobs: blobs}
	s.host.transport = m
	s.reopen()
	return m
}

// interrupted updates, and is stopped once the whole bundle begins to come.
func (s *scene) interrupted(full trust.Blob) *client.Dropped {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	s.config.Progress = func(step client.Step, _, total int64) {
		if step == client.StepFetch && total == full.Length {
			cancel()
		}
	}
	s.reopen()
	r, err := s.device.Update(ctx)
	if err == nil || ctx.Err() == nil || r.Delivery == nil || r.Delivery.Dropped == nil {
		s.Fatalf("%+v, %v", r.Delivery, err)
	}
	s.config.Progress = nil
	s.reopen()
	return r.Delivery.Dropped
}

// A patch that came to nothing is not tried at each check, whatever was wrong with it.
func TestPatchGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		bend   func(s *scene, patch trust.Blob)
	}{
		"it stalls": {"slow", func(s *scene, patch trust.Blob) { s.withholding(patch) }},
		"it is missing": {"not-found", func(s *scene, patch trust.Blob) {
			s.world.SetFile("blobs/"+patch.Digest.String(), nil)
		}},
		"the installed files are others": {"base", func(s *scene, _ trust.Blob) {
			s.must(overwrite(filepath.Join(s.config.Dir, "bundles", "a", "assets/app.js"), "version 2.0.0\n"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				first := s.publish("1.0.0")
				s.must(s.update())
				second := s.patched("1.1.0", first)
				patch, full := blobOf(second, trust.BlobPatch), blobOf(second, trust.BlobFull)
				test.bend(s, patch)
				if d := s.interrupted(full); d.Reason != test.reason {
					t.Errorf("dropped: %+v, want %q", d, test.reason)
				}
				again := s.withholding(patch)
				begin := time.Now()
				c := s.wantWholeBundle(second, "tried")
				if took := time.Since(begin); !strings.Contains(c.Dropped.Message, "given up before: ") || again.asked > 0 || took > time.Second {
					t.Errorf("after %s, and %d requests: %+v", took, again.asked, c.Dropped)
				}
				s.wantByPatch(s.patched("1.2.0", second))
				if left, err := os.ReadDir(filepath.Join(s.config.Dir, "staging")); err == nil {
					t.Errorf("staging holds %v", left)
				}
			})
		})
	}
}

// What was given up is forgotten with its release, also while the next one waits.
func TestGivenUpIsForgotten(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		second := s.patched("1.1.0", first)
		m := s.withholding(blobOf(second, trust.BlobPatch))
		s.interrupted(blobOf(second, trust.BlobFull))
		third := s.patched("1.2.0", first)
		m.blobs = append(m.blobs, blobOf(third, trust.BlobPatch))
		s.interrupted(blobOf(third, trust.BlobFull))
		entries, err := os.ReadDir(filepath.Join(s.config.Dir, "staging"))
		s.must(err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		want := []string{blobOf(third, trust.BlobFull).Digest.String(), blobOf(third, trust.BlobPatch).Digest.String() + ".tried"}
		if slices.Sort(want); !slices.Equal(names, want) {
			t.Errorf("staging holds %v, want %v", names, want)
		}
	})
}

// Without a network neither comes. That says nothing about the patch.
func TestPatchWithoutNetwork(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		second := s.patched("1.1.0", first)
		m := s.withholding(second.Release.Blobs...)
		r, err := s.device.Update(s.Context())
		s.refused(err, sealift.KindNetwork, "slow")
		if r.Delivery == nil || r.Delivery.Dropped == nil || m.asked != 2 {
			t.Errorf("%+v after %d requests", r.Delivery, m.asked)
		}
		m.blobs = nil
		s.wantByPatch(second)
	})
}
