package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"

	"github.com/sealift/sealift"
)

func (b *bench) told(counter sealift.Counter) (service.Rollout, service.Story) {
	b.Helper()
	r, err := b.Rollout(b.Context(), b.app, counter)
	b.check(err)
	if r.Story == nil {
		b.Fatal("there is no story")
	}
	return r, *r.Story
}

// Who looks at a roll-out that halted sees why, from the log, and the roll-back that
// waits; late reports change what is said of now, and not of then.
func TestStoryOfHalt(t *testing.T) {
	b := alone(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	first := b.publishAs("1.0.0", nil, key)
	bad := b.publishAs("1.1.0", goingBack, key)
	b.report(first, stats.Taken, 40)
	b.report(first, stats.Outcome(rollout.RolledBack), 1)
	if _, s := b.told(bad.Counter); s.Last == nil || s.Last.Action != "rollout.start" || s.Halt != nil || len(s.Evidence) != 4 || len(s.Backs) != 0 {
		t.Errorf("before: %+v", s)
	}
	b.failing(bad)
	b.look(1)
	b.report(bad, stats.Taken, 5)
	r, s := b.told(bad.Counter)
	if h := s.Halt; r.State.Phase != rollout.Halted || h == nil || h.Kind != rollout.RolledBack || h.Count != 10 || h.Taken != 20 || !h.Halts || h.Weight < h.Needed || h.OldTaken != 40 || h.OldCount != 1 {
		t.Errorf("%+v", s.Halt)
	}
	if s.Last.Actor != release.System("rollout") || s.Last.Action != "rollout.halt" || s.Last.Name != "" || !s.Last.Time.Equal(b.clock) {
		t.Errorf("%+v", s.Last)
	}
	if len(s.Backs) != 1 || s.Backs[0].Version != "1.0.0" || !strings.Contains(s.WayBack, s.Backs[0].ID) || len(s.Backs[0].Missing) != 1 {
		t.Errorf("%q, %+v", s.WayBack, s.Backs)
	}
	if now := s.Evidence[rollout.RolledBack.Kind()]; now.Taken != 25 || now.Count != 10 {
		t.Errorf("by now: %+v", now)
	}
	if _, s := b.told(first.Counter); len(s.Backs) != 0 {
		t.Errorf("of another: %+v", s.Backs)
	}
}

// A person's brake has their name and words; a warning says since when; and the cap
// says how many.
func TestStory(t *testing.T) {
	b := alone(t)
	b.devices(200)
	b.cap(20)
	r := b.publish("1.0.0")
	start := b.clock.Truncate(time.Hour)
	b.report(r, stats.Taken, 100)
	b.report(r, stats.Confirmed, 90)
	b.report(r, stats.Outcome(rollout.NotStored), 9)
	got, s := b.told(r.Counter)
	if e := s.Evidence[rollout.NotStored.Kind()]; !got.Capped || s.Known.Cap != 20 || s.Known.Fleet != 200 || s.Known.Confirmed != 90 || !e.Warning || e.Halts || !e.Since.Equal(start) || e.Low <= e.Limit {
		t.Errorf("%+v", s)
	}
	_, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "it crashes")
	b.check(err)
	_, paused := b.told(r.Counter)
	if s := paused; s.Last.Action != "rollout.pause" || s.Last.Actor.ID != officer.ID || s.Last.Reason != "it crashes" || s.Evidence == nil {
		t.Errorf("%+v", s.Last)
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerAbort, "never mind")
	b.check(err)
	if _, s := b.told(r.Counter); s.Last.Reason != "never mind" || s.Evidence != nil {
		t.Errorf("over: %+v", s)
	}
	// An entry that names another row says nothing of this one.
	b.change(r.Counter, func(row *store.Rollout) { row.Entry = paused.Last.Entry })
	if _, s := b.told(r.Counter); s.Last != nil {
		t.Errorf("by another entry: %+v", s.Last)
	}
	_, err = b.Rollout(b.Context(), b.app, 99)
	wantRefusal(t, "none", err, sealift.KindNotFound, "rollout")
}
