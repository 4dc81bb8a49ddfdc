package client_test

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// meanwhile is a network on which something happens when a blob is asked for.
type meanwhile struct {
	http.RoundTripper
	happens func() // once
}

func (m meanwhile) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/blobs/") {
		m.happens()
	}
	return m.RoundTripper.RoundTrip(r)
}

// during has something happen while the device fetches the next blob.
func (s *scene) during(happens func()) {
	s.Helper()
	s.must(s.device.Close())
	honest := s.host.transport
	s.host.transport = meanwhile{honest, sync.OnceFunc(happens)}
	s.open()
	s.host.transport = honest
}

// What ended, or was taken away, between the verdict and the last byte of the
// blob is not put in place.
func TestFreshWhenSwapped(t *testing.T) {
	revoke := func(s *scene, p *sealifttest.Published) {
		leaf, err := x509.ParseCertificate(p.Certificate)
		s.must(err)
		s.world.Deny.Revoked = append(s.world.Deny.Revoked, trust.Revocation{
			Issuer: trust.IssuerOf(s.world.ReleaseCA.Certificate), Serial: trust.SerialOf(leaf),
		})
		s.must(s.world.Direct())
	}
	for name, test := range map[string]struct {
		before, happens func(s *scene, p *sealifttest.Published)
		back            time.Duration // the release goes back, until then
		kind            sealift.Kind
		reason          string
	}{
		"all is over": {
			happens: func(s *scene, _ *sealifttest.Published) { s.world.Advance(100 * 24 * time.Hour) },
			kind:    sealift.KindMetadata, reason: "expired",
		},
		"the timestamp is over soon": {
			before:  func(s *scene, _ *sealifttest.Published) { s.world.Advance(sealift.TimestampLife - time.Minute) },
			happens: func(s *scene, _ *sealifttest.Published) { s.world.Advance(2 * time.Minute) },
			kind:    sealift.KindMetadata, reason: "expired",
		},
		"revoked": {
			happens: func(s *scene, p *sealifttest.Published) { s.world.Advance(time.Hour); revoke(s, p) },
			kind:    sealift.KindChain, reason: "revoked",
		},
		"suspended": {
			happens: func(s *scene, _ *sealifttest.Published) {
				s.world.Advance(time.Hour)
				s.world.Deny.SuspendedCAs = []sealift.Digest{trust.IssuerOf(s.world.ReleaseCA.Certificate)}
				s.must(s.world.Direct())
			},
			kind: sealift.KindChain, reason: "ca-suspended",
		},
		"under a floor": {
			happens: func(s *scene, _ *sealifttest.Published) {
				s.world.Advance(time.Hour)
				s.world.Deny.Floors = map[sealift.AppID]trust.Floor{s.config.App: {Version: "5.0.0"}}
				s.must(s.world.Direct())
			},
			kind: sealift.KindVersion, reason: "floor",
		},
		"the roll-back ended": {
			back: 30 * time.Minute,
			happens: func(s *scene, _ *sealifttest.Published) {
				s.world.Advance(time.Hour)
				s.must(s.world.Direct())
			},
			kind: sealift.KindVersion, reason: "rollback-expired",
		},
		"the roll-back ended soon": {
			back:    time.Minute,
			happens: func(s *scene, _ *sealifttest.Published) { s.world.Advance(2 * time.Minute) },
			kind:    sealift.KindVersion, reason: "rollback-expired",
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				have := s.publish("1.0.0")
				s.must(s.update())
				spec := sealifttest.Spec{Version: "1.1.0"}
				if test.back > 0 {
					spec = sealifttest.Spec{Version: "0.9.0", Act: sealift.ActRollback, Rollback: &trust.Rollback{
						From: []sealift.Digest{have.Candidate.Release.Digest}, NotAfter: trust.At(s.world.Now().Add(test.back)), Reason: "1.0.0 loses orders",
					}}
				}
				next, err := s.world.Publish(spec)
				s.must(err)
				if test.before != nil {
					test.before(s, next)
				}
				s.during(func() { test.happens(s, next) })
				before, files := s.standing(), s.files()
				s.refused(s.update(), test.kind, test.reason)
				s.sameAs(before, files)
				if _, err := os.Stat(filepath.Join(s.config.Dir, "bundles", "b")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the refused bundle was left: %v", err)
				}
			})
		})
	}
}

// A clock that stands still, or is put back, hides no time from the process
// that waited.
func TestFreshByAClockThatStands(t *testing.T) {
	play(t, func(s *scene) {
		s.must(s.device.Close())
		waited := false
		s.config.Progress = func(step client.Step, _, _ int64) {
			if step != client.StepOpen || waited {
				return
			}
			waited = true
			s.world.Deny.SuspendedCAs = []sealift.Digest{trust.IssuerOf(s.world.ReleaseCA.Certificate)}
			s.must(s.world.Direct())
			time.Sleep(sealift.MaxVerdictAge + time.Second)
		}
		s.open()
		s.publish("1.0.0")
		s.refused(s.update(), sealift.KindChain, "ca-suspended")
		s.wantInstalled("")
	})
}

// That something newer is offered by the time is no refusal.
func TestOfferMovesOn(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.during(func() {
			s.world.Advance(time.Hour)
			s.publish("1.1.0")
		})
		s.must(s.update())
		s.wantInstalled("1.0.0")
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}
