package client_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

// TestSetChannel: the device asks, the vault's director says so, and the device
// follows; what is refused changes nothing.
func TestSetChannel(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		s.publishTo("beta", "1.1.0")
		s.wantVersion("its own", "1.0.0")
		err := s.device.SetChannel(s.Context(), "beta")
		s.refused(err, sealift.KindDenied, "channel")
		s.wantVersion("refused", "1.0.0")
		s.world.SelfAssign["beta"] = true
		s.must(s.device.SetChannel(s.Context(), "beta"))
		s.wantVersion("on beta", "1.1.0")
		s.world.Advance(1e9)
		s.must(s.device.SetChannel(s.Context(), ""))
		s.publishTo("beta", "1.2.0")
		s.publishTo("production", "1.3.0")
		s.wantVersion("back", "1.3.0")
		err = s.device.SetChannel(s.Context(), "No")
		s.refused(err, sealift.KindInvalid, "")

		s.moved(func(c *client.Config) { c.Dir += "-2" })
		err = s.device.SetChannel(s.Context(), "beta")
		s.refused(err, sealift.KindDenied, "not-enrolled")
	})
}
