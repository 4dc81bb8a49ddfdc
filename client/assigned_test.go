package client_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// assign puts the scene's device on a channel, with what bend changes.
func (s *scene) assign(channel sealift.Channel, bend func(*trust.Assignment)) {
	s.Helper()
	a := trust.Assignment{App: s.config.App, Device: s.device.ID(), Channel: channel, Sequence: uint64(s.world.Now().Unix())}
	if bend != nil {
		bend(&a)
	}
	s.must(s.world.Assign(a))
}

func (s *scene) publishTo(channel sealift.Channel, version sealift.Version) {
	s.Helper()
	_, err := s.world.Publish(sealifttest.Spec{Channel: channel, Version: version})
	s.must(err)
}

func (s *scene) wantVersion(what string, version sealift.Version) {
	s.Helper()
	s.must(s.update())
	status, err := s.device.Status()
	if err != nil || status.Installed == nil || status.Installed.Version != version {
		s.Errorf("%s: %+v, %v; want %s", what, status.Installed, err, version)
	}
}

// TestAssigned: the device follows the channel that it was put on, and its own when
// it is taken off.
func TestAssigned(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		s.publishTo("beta", "1.1.0")
		s.channels("", map[sealift.Channel]trust.ChannelRules{"beta": {Private: true}})
		s.wantVersion("its own channel", "1.0.0")
		s.assign("beta", nil)
		s.wantVersion("assigned", "1.1.0")
		s.publishTo("beta", "1.2.0")
		s.reopen()
		s.wantVersion("by another process", "1.2.0")
		s.world.Advance(time.Minute)
		s.assign("", nil)
		s.wantVersion("taken off: nothing newer", "1.2.0")
		s.publishTo("beta", "1.3.0")
		s.publishTo("production", "1.4.0")
		s.wantVersion("back on its own", "1.4.0")
		s.report()
		steps, said := s.world.Reported(s.device.ID())
		if said.Channel != "production" {
			t.Errorf("it says that it follows %s", said.Channel)
		}
		var followed []string
		for _, step := range steps {
			if step.Step == trust.StepConfirmed {
				followed = append(followed, string(step.Channel)+" "+string(step.Version))
			}
		}
		if diff := cmp.Diff([]string{"production 1.0.0", "beta 1.1.0", "beta 1.2.0", "production 1.4.0"}, followed); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAssignmentHidden: who hides the assignment changes nothing until it expires.
func TestAssignmentHidden(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		s.publishTo("beta", "1.1.0")
		s.assign("beta", func(a *trust.Assignment) { a.Expires = trust.At(s.world.Now().Add(time.Hour)) })
		s.wantVersion("assigned", "1.1.0")
		s.must(s.world.Unlist(s.device.ID()))
		s.publishTo("production", "1.2.0")
		s.publishTo("beta", "1.2.1")
		s.reopen()
		s.wantVersion("hidden", "1.2.1")
		s.world.Advance(time.Hour)
		s.publishTo("beta", "1.3.0")
		s.publishTo("production", "1.4.0")
		s.wantVersion("expired", "1.4.0")
		s.assign("beta", func(a *trust.Assignment) { a.Expires = trust.At(s.world.Now()) })
		s.publishTo("beta", "1.5.0")
		s.wantVersion("told when it is over", "1.4.0")
	})
}

// TestAssignmentOlder: an assignment of before, and another one of the same number,
// are not gone by, whatever becomes of the newest.
func TestAssignmentOlder(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		s.publishTo("beta", "1.1.0")
		newest := uint64(s.world.Now().Unix())
		s.assign("production", func(a *trust.Assignment) { a.Expires = trust.At(s.world.Now().Add(time.Hour)) })
		s.wantVersion("the newest", "1.0.0")
		for _, sequence := range []uint64{1, newest - 1, newest} {
			s.assign("beta", func(a *trust.Assignment) { a.Sequence = sequence })
			s.wantVersion("an older one", "1.0.0")
		}
		s.world.Advance(time.Hour)
		s.assign("beta", func(a *trust.Assignment) { a.Sequence = newest })
		s.wantVersion("the newest is over", "1.0.0")
		s.assign("beta", nil)
		s.wantVersion("a newer one", "1.1.0")
	})
}

// TestAssignmentRefused: what is not this device's assignment ends the update.
func TestAssignmentRefused(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		for what, c := range map[string]struct {
			reason string
			bend   func(*trust.Assignment)
		}{
			"far ahead": {"sequence", func(a *trust.Assignment) {
				a.Sequence = uint64(s.world.Now().Add(sealift.MaxSequenceAhead + time.Second).Unix())
			}},
			"another app's": {"malformed", func(a *trust.Assignment) { a.App = "com.acme.other" }},
		} {
			s.assign("production", c.bend)
			if err := s.update(); sealift.KindOf(err) != sealift.KindMetadata || sealift.ReasonOf(err) != c.reason {
				t.Errorf("%s: %v", what, err)
			}
		}
		s.assign("production", nil)
		s.wantVersion("its own", "1.0.0")
	})
}

// Where a thief of the director's key put a device counts no more once people named
// other keys, however long the thief said that it does, and whatever its number.
func TestAssignmentOfAThief(t *testing.T) {
	play(t, func(s *scene) {
		s.publishTo("production", "1.0.0")
		s.publishTo("beta", "1.1.0")
		s.assign("beta", func(a *trust.Assignment) {
			a.Sequence = uint64(s.world.Now().Add(sealift.MaxSequenceAhead).Unix())
			a.Expires = trust.At(s.world.Now().AddDate(70, 0, 0))
		})
		s.wantVersion("the thief's", "1.1.0")
		s.must(s.world.Unlist(s.device.ID()))
		s.must(s.world.ReplaceOnlineKeys())
		s.publishTo("beta", "1.2.0")
		s.publishTo("production", "1.3.0")
		s.reopen()
		s.wantVersion("its own channel", "1.3.0")
		s.assign("beta", nil)
		s.publishTo("beta", "1.4.0")
		s.wantVersion("an honest one, of a lower number", "1.4.0")
		s.must(s.world.ReplaceOnlineKeys())
		s.publishTo("production", "1.5.0")
		s.publishTo("beta", "1.5.1")
		s.wantVersion("which is told under the next keys, too", "1.5.1")
	})
}
