package client_test

import (
	"crypto/x509"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

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
