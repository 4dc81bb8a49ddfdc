package client_test

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

// waiting brings the scene to where 1.1.0 waits for an hour to be confirmed.
func (s *scene) waiting() {
	s.Helper()
	s.publish("1.0.0")
	s.must(s.update())
	s.config.ConfirmWithin = time.Hour
	s.reopen()
	s.publish("1.1.0")
	s.wantPending()
}

func (s *scene) wantPending() {
	s.Helper()
	r, err := s.device.Update(s.Context())
	s.must(err)
	if r.Outcome != client.OutcomePending || r.Pending == nil || r.Pending.Version != "1.1.0" {
		s.Fatalf("%+v, want 1.1.0 to wait", r)
	}
}

// off sets the machine's clock off the world's.
func (s *scene) off(by time.Duration) {
	s.host.clock = func() time.Time { return s.world.Now().Add(by) }
}

const year = 365 * 24 * time.Hour

// The process that put a release in place does not look at the clock.
func TestWaitByAWrongClock(t *testing.T) {
	for name, by := range map[string]time.Duration{"ahead": year, "put back": -year} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.waiting()
				s.off(by)
				time.Sleep(59 * time.Minute)
				s.wantPending()
				time.Sleep(2 * time.Minute)
				s.refused(s.update(), sealift.KindRollback, "unhealthy")
				s.wantInstalled("1.0.0")
				s.off(0)
				s.must(s.update()) // never again
				s.wantInstalled("1.0.0")
			})
		})
	}
}

// A clock that jumps ahead costs a release its wait, and once only: it is not
// taken for a bad one.
func TestWaitByAClockThatJumps(t *testing.T) {
	for name, good := range map[string]bool{"confirmed": true, "lapsed again": false} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.waiting()
				s.off(year)
				s.reopen()
				s.refused(s.update(), sealift.KindRollback, "unhealthy")
				s.wantInstalled("1.0.0")
				s.off(0)
				s.wantPending()
				if good {
					_, err := s.device.Confirm(s.Context())
					s.must(err)
					s.wantInstalled("1.1.0")
					return
				}
				s.off(2 * time.Hour)
				s.reopen()
				s.refused(s.update(), sealift.KindRollback, "unhealthy")
				s.off(0)
				s.must(s.update()) // never again
				s.wantInstalled("1.0.0")
				s.publish("1.2.0")
				s.must(s.update())
			})
		})
	}
}

// A clock that was put back makes no process wait longer than the whole wait,
// nor do processes that come and go.
func TestWaitByAClockPutBack(t *testing.T) {
	play(t, func(s *scene) {
		s.waiting()
		s.off(-year)
		s.reopen()
		s.wantPending()
		time.Sleep(time.Hour)
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
	})
	play(t, func(s *scene) {
		s.waiting()
		s.off(-year)
		s.reopen()
		s.wantPending()
		s.off(-year + 59*time.Minute)
		s.reopen()
		s.wantPending()
		s.off(-year + 61*time.Minute)
		s.reopen()
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
	})
}

// What is left of the wait goes on in another process.
func TestWaitGoesOn(t *testing.T) {
	play(t, func(s *scene) {
		s.waiting()
		s.off(40 * time.Minute)
		s.reopen()
		s.wantPending()
		time.Sleep(19 * time.Minute)
		s.wantPending()
		time.Sleep(2 * time.Minute)
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
	})
}
