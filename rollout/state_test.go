package rollout_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
)

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

func stages(s ...rollout.Stage) *rollout.Plan {
	return &rollout.Plan{Stages: s, Halt: rollout.DefaultRule()}
}

func stage(percent int, d time.Duration) rollout.Stage {
	return rollout.Stage{Share: sealift.Share(percent * 100), Duration: rollout.Duration(d)}
}

func bad() rollout.Known {
	rule := rollout.DefaultRule()
	return rollout.Known{Verdict: rule.Judge([]rollout.Slice{{New: failing(100, 50)}})}
}

func failing(taken, rolledBack int) rollout.Counts {
	c := rollout.Counts{Taken: taken}
	c.Failed[rollout.RolledBack.Kind()] = rolledBack
	return c
}

func TestAdvanceByTime(t *testing.T) {
	p := stages(stage(1, 24*hour), stage(10, 24*hour), stage(100, hour))
	s := rollout.Start(day0)
	for _, c := range []struct {
		at    time.Duration
		stage int
		phase rollout.Phase
		share sealift.Share
	}{
		{0, 0, rollout.Running, 100}, {24*hour - 1, 0, rollout.Running, 100}, {24 * hour, 1, rollout.Running, 1000},
		{47 * hour, 1, rollout.Running, 1000}, {48 * hour, 2, rollout.Running, 10_000}, {49 * hour, 2, rollout.Finished, 10_000}, {1000 * hour, 2, rollout.Finished, 10_000},
	} {
		if next := p.Next(s); s.Phase == rollout.Running && c.at > 0 && day0.Add(c.at).Before(next) {
			if got := p.Advance(s, day0.Add(c.at), rollout.Known{}); got != s {
				t.Fatalf("at %s, before %s: %+v", c.at, next, got)
			}
		}
		s = p.Advance(s, day0.Add(c.at), rollout.Known{})
		if s.Stage != c.stage || s.Phase != c.phase || p.Share(s) != c.share {
			t.Fatalf("at %s: %+v with %s percent, want stage %d, %s, %s percent", c.at, s, p.Share(s), c.stage, c.phase, c.share)
		}
	}
}

func TestAdvanceWaits(t *testing.T) {
	after := day0.Add(25 * hour)
	gated := stages(rollout.Stage{Share: 100, Duration: rollout.Duration(24 * hour), Gate: rollout.Approval}, stage(100, hour))
	s := gated.Advance(rollout.Start(day0), after, rollout.Known{})
	if s.Phase != rollout.Waiting || gated.Share(s) != 100 {
		t.Fatalf("at a gate: %+v with %s percent", s, gated.Share(s))
	}
	if again := gated.Advance(s, after.Add(1000*hour), rollout.Known{}); again != s {
		t.Errorf("it went through a gate by itself: %+v", again)
	}
	if s, err := gated.Approve(s, after); err != nil || s.Stage != 1 || s.Phase != rollout.Running || !s.Since.Equal(after) {
		t.Errorf("let through: %+v, %v", s, err)
	}

	counted := stages(rollout.Stage{Share: 100, Duration: rollout.Duration(24 * hour), Confirmed: 20}, stage(100, hour))
	if s := counted.Advance(rollout.Start(day0), after, rollout.Known{Confirmed: 19}); s.Stage != 0 {
		t.Errorf("with 19 of 20 devices: %+v", s)
	}
	if s := counted.Advance(rollout.Start(day0), after, rollout.Known{Confirmed: 20}); s.Stage != 1 {
		t.Errorf("with 20 of 20 devices: %+v", s)
	}

	rule := rollout.DefaultRule()
	warned := rollout.Known{Verdict: rule.Judge([]rollout.Slice{{New: failing(30, 4)}})}
	if !warned.Verdict.Warns() || warned.Verdict.Halts() != nil {
		t.Fatalf("4 of 30 should warn and not halt: %+v", warned.Verdict)
	}
	plain := stages(stage(1, 24*hour), stage(100, hour))
	if s := plain.Advance(rollout.Start(day0), after, warned); s.Phase != rollout.Waiting {
		t.Errorf("with a warning it goes on by itself: %+v", s)
	}
}

// The table of what moves a roll-out: each phase against each act.
func TestPhases(t *testing.T) {
	p := stages(stage(1, 24*hour), stage(100, hour))
	acts := map[string]func(rollout.State) (rollout.State, error){
		"time": func(s rollout.State) (rollout.State, error) {
			return p.Advance(s, day0.Add(100*hour), rollout.Known{}), nil
		},
		"halt":    func(s rollout.State) (rollout.State, error) { return p.Advance(s, day0.Add(hour), bad()), nil },
		"pause":   func(s rollout.State) (rollout.State, error) { return s.Pause(day0.Add(hour)) },
		"resume":  func(s rollout.State) (rollout.State, error) { return s.Resume(day0.Add(hour)) },
		"approve": func(s rollout.State) (rollout.State, error) { return p.Approve(s, day0.Add(hour)) },
		"finish":  func(s rollout.State) (rollout.State, error) { return p.Finish(s, day0.Add(hour)) },
		"abort":   func(s rollout.State) (rollout.State, error) { return s.Abort(day0.Add(hour)) },

		"withdraw":  func(s rollout.State) (rollout.State, error) { return s.Withdraw(day0.Add(hour)) },
		"reinstate": func(s rollout.State) (rollout.State, error) { return s.Reinstate(day0.Add(hour)) },
		"reissue":   func(s rollout.State) (rollout.State, error) { return s.Reissue(day0.Add(hour)) },
		"end":       func(s rollout.State) (rollout.State, error) { return s.End(day0.Add(hour)), nil },
	}
	const no = rollout.Phase("")
	for phase, row := range map[rollout.Phase]map[string]rollout.Phase{
		rollout.Running:  {"time": rollout.Running, "halt": rollout.Halted, "pause": rollout.Paused, "resume": no, "approve": no, "finish": rollout.Finished, "abort": rollout.Aborted, "withdraw": rollout.Withdrawn, "reinstate": no, "reissue": rollout.Reissued, "end": rollout.Aborted},
		rollout.Waiting:  {"time": rollout.Waiting, "halt": rollout.Halted, "pause": rollout.Paused, "resume": no, "approve": rollout.Running, "finish": rollout.Finished, "abort": rollout.Aborted, "withdraw": rollout.Withdrawn, "reinstate": no, "reissue": rollout.Reissued, "end": rollout.Aborted},
		rollout.Paused:   {"time": rollout.Paused, "halt": rollout.Paused, "pause": rollout.Paused, "resume": rollout.Running, "approve": no, "finish": no, "abort": rollout.Aborted, "withdraw": rollout.Withdrawn, "reinstate": no, "reissue": rollout.Reissued, "end": rollout.Aborted},
		rollout.Halted:   {"time": rollout.Halted, "halt": rollout.Halted, "pause": rollout.Halted, "resume": rollout.Running, "approve": no, "finish": no, "abort": rollout.Aborted, "withdraw": rollout.Withdrawn, "reinstate": no, "reissue": rollout.Reissued, "end": rollout.Aborted},
		rollout.Finished: {"time": rollout.Finished, "halt": rollout.Finished, "pause": no, "resume": no, "approve": no, "finish": no, "abort": no, "withdraw": rollout.Withdrawn, "reinstate": no, "reissue": no, "end": rollout.Aborted},
		rollout.Aborted:  {"time": rollout.Aborted, "halt": rollout.Aborted, "pause": no, "resume": no, "approve": no, "finish": no, "abort": no, "withdraw": no, "reinstate": no, "reissue": no, "end": rollout.Aborted},

		rollout.Withdrawn: {"time": rollout.Withdrawn, "halt": rollout.Withdrawn, "pause": no, "resume": no, "approve": no, "finish": no, "abort": no, "withdraw": rollout.Withdrawn, "reinstate": rollout.Running, "reissue": no, "end": rollout.Aborted},
		rollout.Reissued:  {"time": rollout.Reissued, "halt": rollout.Reissued, "pause": no, "resume": no, "approve": no, "finish": no, "abort": no, "withdraw": no, "reinstate": no, "reissue": no, "end": rollout.Aborted},
	} {
		for act, want := range row {
			s := rollout.State{Phase: phase, Since: day0}
			got, err := acts[act](s)
			switch {
			case want == no && (err == nil || sealift.KindOf(err) != sealift.KindConflict || sealift.HintOf(err) == "" || got != s):
				t.Errorf("%s of %s: %+v, %v, want a conflict", act, phase, got, err)
			case want != no && (err != nil || got.Phase != want):
				t.Errorf("%s of %s: %s, %v, want %s", act, phase, got.Phase, err, want)
			}
		}
		if len(row) != len(acts) {
			t.Errorf("%s: %d of %d acts", phase, len(row), len(acts))
		}
	}
}

// A pause does not count towards a stage, however often; nor does a clock that
// was set back.
func TestPausesDoNotCount(t *testing.T) {
	p := stages(stage(1, 24*hour), stage(100, hour))
	s, now := rollout.Start(day0), day0
	for range 3 {
		now = now.Add(6 * hour)
		s = must(t)(s.Pause(now))
		if p.Share(s) != 0 {
			t.Fatalf("while it is paused %s percent may take it", p.Share(s))
		}
		now = now.Add(50 * hour)
		s = must(t)(s.Resume(now))
	}
	if got := p.Advance(s, now.Add(6*hour-1), rollout.Known{}); got.Stage != 0 {
		t.Errorf("after 24 hours less a moment: %+v", got)
	}
	if got := p.Advance(s, now.Add(-100*hour), rollout.Known{}); got != s {
		t.Errorf("with a clock that was set back: %+v", got)
	}
	if got := p.Advance(s, now.Add(6*hour), rollout.Known{}); got.Stage != 1 {
		t.Errorf("after 24 hours: %+v", got)
	}
}

func must(t *testing.T) func(rollout.State, error) rollout.State {
	return func(s rollout.State, err error) rollout.State {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// What a person saw before they resumed a halted roll-out halts it no more.
func TestResumeAfterHalt(t *testing.T) {
	p := stages(stage(1, 24*hour), stage(100, hour))
	s := p.Advance(rollout.Start(day0), day0.Add(hour), bad())
	s = must(t)(s.Resume(day0.Add(2 * hour)))
	if !s.Cleared.Equal(day0.Add(2 * hour)) {
		t.Errorf("cleared at %s", s.Cleared)
	}
	s = must(t)(s.Pause(day0.Add(3 * hour)))
	s = must(t)(s.Resume(day0.Add(4 * hour)))
	if !s.Cleared.Equal(day0.Add(2 * hour)) {
		t.Errorf("a pause cleared what happened until %s", s.Cleared)
	}
}

func TestReach(t *testing.T) {
	for _, c := range []struct {
		share                   sealift.Share
		fleet, confirmed, limit int
		want                    sealift.Share
	}{
		{5000, 100_000, 0, 0, 5000},        // no cap
		{5000, 100_000, 0, 1000, 100},      // 1,000 of 100,000 devices
		{5000, 100_000, 700, 1000, 170},    // 700 of them confirmed
		{100, 100_000, 700, 1000, 100},     // never above the plan
		{5000, 0, 0, 1000, 5000},           // nobody yet
		{10_000, 900, 0, 1000, 10_000},     // fewer than the cap
		{10_000, 20_000_000, 0, 1000, 0},   // finer than an offer can say
		{10_000, 1_000, 1_000, 10, 10_000}, // all confirmed
	} {
		if got := rollout.Reach(c.share, c.fleet, c.confirmed, c.limit); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		share := sealift.Share(rapid.IntRange(0, 10_000).Draw(t, "share"))
		fleet, limit := rapid.IntRange(1, 50_000_000).Draw(t, "fleet"), rapid.IntRange(1, 50_000_000).Draw(t, "limit")
		confirmed := rapid.IntRange(0, fleet).Draw(t, "confirmed")
		got := rollout.Reach(share, fleet, confirmed, limit)
		if got < 0 || got > share || fleet > limit && int64(got)*int64(fleet) > int64(confirmed+limit)*10_000 {
			t.Fatalf("%d of %d devices are reached", int64(got)*int64(fleet)/10_000, fleet)
		}
	})
}

// A stage that a cap holds up does not end, whatever its time: it has not been for
// whom it is. What a person finished knows no cap.
func TestCapHoldsStages(t *testing.T) {
	p := stages(stage(10, hour), stage(100, hour))
	known := rollout.Known{Fleet: 1000, Cap: 50}
	s, later := rollout.Start(day0), day0.Add(100*hour)
	if got := p.Reached(s, known); got != 500 || !p.Capped(s, known) {
		t.Errorf("reached %s percent", got)
	}
	if got := p.Advance(s, later, known); got != s {
		t.Errorf("it went on: %+v", got)
	}
	known.Confirmed = 50
	if got := p.Advance(s, later, known); got.Stage != 1 || p.Reached(s, known) != 1000 {
		t.Errorf("it did not: %+v", got)
	}
	halted := bad()
	halted.Fleet, halted.Cap = 1000, 50
	if got := p.Advance(s, later, halted); got.Phase != rollout.Halted {
		t.Errorf("a cap keeps it from halting: %+v", got)
	}
	finished, err := p.Finish(s, later)
	if err != nil || p.Reached(finished, rollout.Known{Fleet: 1000, Cap: 50}) != sealift.Everybody {
		t.Errorf("finished: %+v, %v", finished, err)
	}
}
