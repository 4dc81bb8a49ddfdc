package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// respell publishes a release's file in another spelling, with the same payload
// and signature, and returns a candidate for it. That takes no key.
func (s *scene) respell(p *sealifttest.Published) trust.Candidate {
	s.Helper()
	bent := append([]byte(`{"x":1,`), bytes.TrimPrefix(p.ReleaseJSON, []byte("{"))...)
	c := p.Candidate
	c.Release = trust.Pointer{Digest: sealift.DigestOf(bent), Length: int64(len(bent))}
	s.world.SetFile("releases/"+c.Release.Digest.String(), bent)
	return c
}

func (s *scene) offer(candidates ...trust.Candidate) {
	s.Helper()
	s.must(s.world.Offer(s.config.App, s.config.Channel, s.config.Platform, candidates...))
}

// refuse has the device take the newest release back.
func (s *scene) refuse() {
	s.Helper()
	s.config.ConfirmWithin = year
	s.reopen()
	s.must(s.update())
	_, err := s.device.Revert(s.Context(), "the screen stays dark")
	s.refused(err, sealift.KindRollback, "unhealthy")
	s.config.ConfirmWithin = 0
	s.reopen()
}

// A release that failed here is known again in any spelling, and does not stand
// in the way of others.
func TestRespelledRefused(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		bad := s.publish("1.2.0")
		s.refuse()
		s.wantInstalled("1.0.0")
		s.offer(s.respell(bad))
		s.must(s.update())
		s.wantInstalled("1.0.0")
		good, err := s.world.Prepare(sealifttest.Spec{Version: "1.1.0", Bundle: content("1.1.0")})
		s.must(err)
		s.offer(s.respell(bad), bad.Candidate, good.Candidate)
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

// What failed here is not taken under another name either, which is the same
// archive; what an author publishes anew is.
func TestRenamedRefused(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		bad := s.publish("1.2.0")
		s.refuse()
		for _, act := range []sealift.Act{sealift.ActReissue, sealift.ActPromotion} {
			_, err := s.world.Publish(sealifttest.Spec{Version: "1.2.0", Act: act, Bundle: content("1.2.0")})
			s.must(err)
			s.must(s.update())
			s.wantInstalled("1.0.0")
		}
		have := s.publish("1.3.0")
		s.must(s.update())
		back, err := s.world.Publish(sealifttest.Spec{Version: "1.2.0", Act: sealift.ActRollback, Bundle: content("1.2.0"), Rollback: &trust.Rollback{
			From: []sealift.Digest{have.Candidate.Release.Digest}, NotAfter: trust.At(s.world.Now().Add(year)),
		}})
		s.must(err)
		if back.Release.Archive != bad.Release.Archive {
			t.Fatal("the archive is another one")
		}
		s.must(s.update())
		s.wantInstalled("1.3.0")
		_, err = s.world.Publish(sealifttest.Spec{Version: "1.4.0", Bundle: content("1.2.0")})
		s.must(err)
		s.must(s.update())
		r, err := s.device.Status()
		if err != nil || r.Installed == nil || r.Installed.Version != "1.4.0" {
			t.Errorf("it runs %+v, %v", r.Installed, err)
		}
	})
}

// What a device runs is known again in any spelling.
func TestRespelledInstalled(t *testing.T) {
	play(t, func(s *scene) {
		have := s.publish("1.0.0")
		s.must(s.update())
		s.offer(s.respell(have))
		r, err := s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeCurrent {
			t.Errorf("%+v", r)
		}
		s.forget("bundles")
		s.must(s.update())
		s.wantInstalled("1.0.0")
	})
}

// A state that was written before payloads were kept goes by digests.
func TestStateWithoutPayloads(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.publish("1.1.0")
		s.refuse()
		s.must(s.device.Close())
		path := filepath.Join(s.config.Dir, "state.json")
		data, err := os.ReadFile(path)
		s.must(err)
		var state map[string]any
		s.must(json.Unmarshal(data, &state))
		delete(state, "refusedPayloads")
		delete(state["installed"].(map[string]any), "payload")
		data, err = json.Marshal(state)
		s.must(err)
		s.must(os.WriteFile(path, data, 0o600))
		s.open()
		s.must(s.update())
		s.wantInstalled("1.0.0")
		s.publish("1.2.0")
		s.must(s.update())
		s.wantInstalled("1.2.0")
	})
}
