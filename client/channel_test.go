package client_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// channels directs the devices of the app to a channels.json.
func (s *scene) channels(standard sealift.Channel, rules map[sealift.Channel]trust.ChannelRules) {
	s.Helper()
	s.world.Channels[s.config.App] = trust.Channels{App: s.config.App, Default: standard, Channels: rules}
	s.must(s.world.Direct())
}

// moved opens the device anew with another configuration.
func (s *scene) moved(change func(*client.Config)) {
	s.Helper()
	s.must(s.device.Close())
	change(&s.config)
	s.open()
}

func (s *scene) on(channel sealift.Channel, version sealift.Version) {
	s.Helper()
	_, err := s.world.Publish(sealifttest.Spec{Channel: channel, Version: version, Bundle: content(version)})
	s.must(err)
}

func (s *scene) wantOutcome(outcome client.Outcome, channel sealift.Channel, excluded string) client.Result {
	s.Helper()
	r, err := s.device.Update(s.Context())
	s.must(err)
	if r.Outcome != outcome || r.Channel != channel || r.Excluded != excluded {
		s.Fatalf("%s on channel %q, excluded by %q; want %s on %q, by %q", r.Outcome, r.Channel, r.Excluded, outcome, channel, excluded)
	}
	return r
}

// A channel that is not for the device gives it nothing, and says why; what it
// has stays, and the channel's releases are for it once the rule is lifted.
func TestChannelExcludes(t *testing.T) {
	play(t, func(s *scene) {
		s.config.Build = trust.BuildDevelopment
		s.config.Emulator = true
		s.reopen()
		s.publish("1.0.0")
		s.must(s.update())
		s.publish("1.1.0")
		for reason, rule := range map[string]trust.ChannelRules{
			"private":  {Private: true},
			"platform": {Platforms: []sealift.Platform{"ios"}},
			"runtime":  {Runtime: ">=2.0.1"},
			"build":    {Builds: []trust.Build{trust.BuildProduction}},
			"emulator": {NoEmulators: true},
		} {
			s.channels("", map[sealift.Channel]trust.ChannelRules{"production": rule})
			s.wantOutcome(client.OutcomeCurrent, "production", reason)
			s.reopen()
			if r, err := s.device.Status(); err != nil || r.Excluded != reason {
				t.Errorf("the next process knows %q of %q: %v", r.Excluded, reason, err)
			}
			if r, err := s.device.Check(s.Context()); err != nil || r.Outcome != client.OutcomeCurrent || r.Excluded != reason {
				t.Errorf("a check found %s, excluded by %q: %v", r.Outcome, r.Excluded, err)
			}
			s.wantInstalled("1.0.0")
		}
		// Rules that it meets, and those of other channels, are none to it.
		s.channels("", map[sealift.Channel]trust.ChannelRules{
			"beta": {Private: true},
			"production": {
				Platforms: []sealift.Platform{"ios", s.config.Platform}, Runtime: ">=2.0.0 <3.0.0", Builds: []trust.Build{trust.BuildDevelopment},
			},
		})
		s.wantOutcome(client.OutcomeUpdated, "production", "")
		s.wantInstalled("1.1.0")
	})
}

// Who says nothing of a build was built for production, and runs on no emulator.
func TestChannelOfPlainHosts(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.channels("", map[sealift.Channel]trust.ChannelRules{"production": {Builds: []trust.Build{trust.BuildDevelopment}}})
		s.wantOutcome(client.OutcomeCurrent, "production", "build")
		s.wantInstalled("")
		s.channels("", map[sealift.Channel]trust.ChannelRules{"production": {Builds: []trust.Build{trust.BuildProduction}, NoEmulators: true}})
		s.wantOutcome(client.OutcomeUpdated, "production", "")
	})
}

// A device without a channel of its own follows the default, wherever that goes;
// without one it says so.
func TestDefaultChannel(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.on("beta", "1.1.0")
		s.moved(func(c *client.Config) { c.Channel, c.Dir = "", c.Dir+"-2" })
		s.must(s.device.Enrol(s.Context(), s.world.EnrolmentToken()))
		err := s.update()
		s.refused(err, sealift.KindNotFound, "channel")
		s.report() // there is nothing to tell
		if steps, _ := s.world.Reported(s.device.ID()); len(steps) > 0 {
			t.Errorf("told without a channel: %+v", steps)
		}
		s.channels("production", nil)
		s.wantOutcome(client.OutcomeUpdated, "production", "")
		s.wantInstalled("1.0.0")
		s.channels("beta", nil)
		s.wantOutcome(client.OutcomeUpdated, "beta", "")
		s.wantInstalled("1.1.0")
		s.report()
		if steps, state := s.world.Reported(s.device.ID()); state.Channel != "beta" || steps[len(steps)-1].Channel != "beta" {
			t.Errorf("told of channel %s", state.Channel)
		}
		s.channels("", nil)
		err = s.update()
		s.refused(err, sealift.KindNotFound, "channel")
		s.wantInstalled("1.1.0")
	})
}

// A device that changes its channel keeps what it has until there is something
// newer: to change is no way back.
func TestChannelChanges(t *testing.T) {
	play(t, func(s *scene) {
		s.on("beta", "1.3.0") // a lower counter, a higher version
		s.on("gamma", "1.1.0")
		s.publish("1.2.0")
		s.on("delta", "1.1.5") // a higher counter, a lower version
		s.must(s.update())
		s.wantInstalled("1.2.0")
		for _, channel := range []sealift.Channel{"beta", "gamma", "delta"} {
			s.moved(func(c *client.Config) { c.Channel = channel })
			s.wantOutcome(client.OutcomeCurrent, channel, "")
			s.wantInstalled("1.2.0")
		}
		s.on("delta", "1.4.0")
		s.wantOutcome(client.OutcomeUpdated, "delta", "")
		s.wantInstalled("1.4.0")
		s.report()
		if _, state := s.world.Reported(s.device.ID()); state.Channel != "delta" || len(state.Epochs) != 2 {
			t.Errorf("told %+v", state)
		}
	})
}

// That a device found nothing is told again where it is another channel that it
// found nothing on, or another reason.
func TestChannelIsNews(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.must(s.update())
		s.must(s.update())
		s.report()
		before, _ := s.world.Reported(s.device.ID())
		s.channels("", map[sealift.Channel]trust.ChannelRules{"production": {Private: true}})
		for range 3 {
			s.wantOutcome(client.OutcomeCurrent, "production", "private")
		}
		s.report()
		if after, _ := s.world.Reported(s.device.ID()); len(after) != len(before)+1 || after[len(after)-1].Step != trust.StepChecked {
			t.Errorf("%d steps after %d: %+v", len(after), len(before), after)
		}
	})
}

// A thief of the director's key can lift rules, and no more than that; a
// channels.json that is none is a refusal.
func TestBadChannels(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.publish("1.1.0")
		path := trust.ChannelsPath(s.config.App)
		for name, content := range map[string]string{
			"another app's":    `{"app":"com.acme.till","channels":{}}`,
			"null":             `null`,
			"unknown and so":   `{"app":"com.acme.shop","channels":{},"critical":["moon"],"moon":1}`,
			"a build":          `{"app":"com.acme.shop","channels":{"production":{"builds":["nightly"]}}}`,
			"of no form":       `{"app":"com.acme.shop","channels":[]}`,
			"a default of one": `{"app":"com.acme.shop","default":"No","channels":{}}`,
		} {
			s.must(s.world.Direct(tufrepo.Target{Path: path, Content: []byte(content)}))
			err := s.update()
			if sealift.KindOf(err) != sealift.KindMetadata {
				t.Errorf("%s: %v", name, err)
			}
			s.wantInstalled("1.0.0")
		}
	})
}
