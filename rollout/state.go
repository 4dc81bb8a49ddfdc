package rollout

import (
	"time"

	"github.com/sealift/sealift"
)

// Phase is where a roll-out is.
type Phase string

// The phases. In Running and Waiting devices may take the release; Finished is
// what everybody may take without a roll-out; in the others nobody may take it,
// and who has it keeps it.
const (
	Running  Phase = "running"
	Waiting  Phase = "waiting"  // for a person to let it into the next stage
	Paused   Phase = "paused"   // by a person
	Halted   Phase = "halted"   // by the rule
	Finished Phase = "finished" // for good
	Aborted  Phase = "aborted"  // by a person, for good
	// Withdrawn is taken out of the offer, by a person or by a roll-back from it,
	// until somebody takes that back.
	Withdrawn Phase = "withdrawn"
	Reissued  Phase = "reissued" // for good: it goes on as that of a re-issue of the release
)

// Over reports whether the roll-out has ended: for good, or until somebody takes
// the release's withdrawal back.
func (p Phase) Over() bool {
	return p == Finished || p == Aborted || p == Withdrawn || p == Reissued
}

// Offered reports whether devices may take the release.
func (p Phase) Offered() bool { return p == Running || p == Waiting || p == Finished }

// State is how far a roll-out is. Its zero value is none: see Start.
type State struct {
	Phase Phase `json:"phase"`
	Stage int   `json:"stage"` // from 0
	// Since is when the stage began to count, or went on after a pause; Spent is
	// how long it had lasted before that.
	Since time.Time `json:"since"`
	Spent Duration  `json:"spent,omitempty"`
	// Cleared is what a person saw before they resumed a halted roll-out: devices
	// that took the release before that count no more.
	Cleared time.Time `json:"cleared,omitzero"`
}

// Start returns the first state of a roll-out.
func Start(now time.Time) State { return State{Phase: Running, Since: now} }

// Known is what is known of the devices when a roll-out is looked at.
type Known struct {
	Verdict   Verdict
	Confirmed int // devices that run the release and say that it works
	// Fleet is how many devices the channel and platform have, and Cap how many of
	// them may have been offered the release and not confirmed it; 0 for any number.
	Fleet, Cap int
}

// Advance moves a state forward to now: into the next stage, into Waiting,
// Halted or Finished; by one step, so call it until the state stays as it is.
// What a person stopped, and what is over, stays.
func (p *Plan) Advance(s State, now time.Time, known Known) State {
	if s.Phase != Running && s.Phase != Waiting {
		return s
	}
	if known.Verdict.Halts() != nil {
		return s.stop(Halted, now)
	}
	stage := p.Stages[s.Stage]
	if p.Capped(s, known) { // so long it has not been for whom it is
		return s
	}
	if s.Phase == Waiting || s.spent(now) < stage.Duration || known.Confirmed < stage.Confirmed {
		return s
	}
	if stage.Gate == Approval || known.Verdict.Warns() { // a warning is for people to look at
		s.Phase = Waiting
		return s
	}
	return p.next(s, now)
}

func (p *Plan) next(s State, now time.Time) State {
	if s.Stage == len(p.Stages)-1 {
		return State{Phase: Finished, Stage: s.Stage, Since: now}
	}
	return State{Phase: Running, Stage: s.Stage + 1, Since: now, Cleared: s.Cleared}
}

// Next is when Advance may have something to do for the stage's time alone;
// zero where it waits for something else.
func (p *Plan) Next(s State) time.Time {
	if s.Phase != Running {
		return time.Time{}
	}
	return s.Since.Add(time.Duration(p.Stages[s.Stage].Duration - s.Spent))
}

// Share returns who may take the release by the plan, zero where nobody may.
func (p *Plan) Share(s State) sealift.Share {
	if !s.Phase.Offered() {
		return 0
	}
	return p.Stages[s.Stage].Share
}

// Reached returns who may take the release of those whom Share names: all of them, or as
// many as known.Cap lets. What is finished knows no cap: a person, or the last
// stage, gave it to everybody.
func (p *Plan) Reached(s State, known Known) sealift.Share {
	share := p.Share(s)
	if s.Phase == Finished {
		return share
	}
	return Reach(share, known.Fleet, known.Confirmed, known.Cap)
}

// Capped reports whether the cap keeps the release from some of those whom the
// stage is for. A stage does not end before.
func (p *Plan) Capped(s State, known Known) bool { return p.Reached(s, known) < p.Share(s) }

// spent is how long the stage has lasted. A clock that was set back makes it
// shorter, never negative.
func (s *State) spent(now time.Time) Duration {
	if s.Phase != Running && s.Phase != Waiting {
		return s.Spent
	}
	return s.Spent + max(0, Duration(now.Sub(s.Since)))
}

func (s State) stop(phase Phase, now time.Time) State {
	s.Spent = s.spent(now)
	s.Phase, s.Since = phase, now
	return s
}

// Pause is a person's brake. What is stopped already stays as it is.
func (s State) Pause(now time.Time) (State, error) {
	switch {
	case s.Phase == Finished:
		return s, s.wrong("pausing the roll-out", "a release that everybody may take is taken out of the offer with: sealift withdraw RELEASE --app ID --reason TEXT")
	case s.Phase.Over():
		return s, s.wrong("pausing the roll-out", "nobody is offered the release: nothing is left to pause")
	case !s.Phase.Offered():
		return s, nil
	}
	return s.stop(Paused, now), nil
}

// Resume lets a paused or halted roll-out go on in the stage in which it
// stopped. After a halt, what happened until now counts no more: a person has
// looked at it.
func (s State) Resume(now time.Time) (State, error) {
	switch s.Phase {
	case Paused, Halted:
		if s.Phase == Halted {
			s.Cleared = now
		}
		s.Phase, s.Since = Running, now
		return s, nil
	}
	return s, s.wrong("resuming the roll-out", "only what is paused or halted is resumed")
}

// Approve lets a waiting roll-out into its next stage.
func (p *Plan) Approve(s State, now time.Time) (State, error) {
	if s.Phase != Waiting {
		return s, s.wrong("letting the roll-out go on", "only what waits needs somebody to let it go on")
	}
	return p.next(s, now), nil
}

// Finish ends it: everybody may take the release now.
func (p *Plan) Finish(s State, now time.Time) (State, error) {
	if s.Phase != Running && s.Phase != Waiting {
		return s, s.wrong("finishing the roll-out", "resume it first: what is stopped is never given to everybody in one step")
	}
	return State{Phase: Finished, Stage: len(p.Stages) - 1, Since: now}, nil
}

// Abort ends it: nobody takes the release any more.
func (s State) Abort(now time.Time) (State, error) {
	switch {
	case s.Phase == Finished:
		return s, s.wrong("aborting the roll-out", "a release that everybody may take is taken out of the offer with: sealift withdraw RELEASE --app ID --reason TEXT")
	case s.Phase.Over():
		return s, s.wrong("aborting the roll-out", "nobody is offered the release: nothing is left to abort")
	}
	return s.stop(Aborted, now), nil
}

// Withdraw takes the release out of the offer, whether its roll-out is over or not.
// What is withdrawn already stays as it is.
func (s State) Withdraw(now time.Time) (State, error) {
	switch s.Phase {
	case Withdrawn:
		return s, nil
	case Aborted:
		return s, s.wrong("withdrawing the release", "nobody takes it any more: there is nothing to withdraw")
	case Reissued:
		return s, s.wrong("withdrawing the release", "withdraw its re-issue, which devices are offered in its place")
	}
	return s.stop(Withdrawn, now), nil
}

// Reinstate takes a withdrawal back: the roll-out goes on in the stage in which it
// was, and what happened until now counts no more, as after Resume.
func (s State) Reinstate(now time.Time) (State, error) {
	if s.Phase != Withdrawn {
		return s, s.wrong("taking the withdrawal back", "only what is withdrawn is offered again by this")
	}
	s.Phase, s.Since, s.Cleared = Running, now, now
	return s, nil
}

// Reissue ends it in favour of that of a re-issue, which goes on from here.
func (s State) Reissue(now time.Time) (State, error) {
	if s.Phase.Over() {
		return s, s.wrong("issuing the release anew", "only a roll-out that is under way goes on under another counter")
	}
	return s.stop(Reissued, now), nil
}

// End ends a roll-back whose time is over, wherever its roll-out is: no device that is
// offered it would take it any more.
func (s State) End(now time.Time) State { return s.stop(Aborted, now) }

func (s State) wrong(op, hint string) error {
	return sealift.Errorf(sealift.KindConflict, op, "it is %s", s.Phase).WithReason("phase").WithHint("%s", hint)
}

// Reach returns how much of a share may be used with a cap on the blast radius:
// so much that, of a fleet of devices, no more than limit have been offered the
// release and not confirmed it. It grows as devices confirm. A limit of zero is
// none. It is zero where the limit is less than a ten-thousandth of the fleet,
// which no offer can say.
func Reach(share sealift.Share, fleet, confirmed, limit int) sealift.Share {
	if limit <= 0 || fleet <= limit {
		return share
	}
	open := int64(confirmed+limit) * int64(sealift.Everybody) / int64(fleet)
	return min(share, sealift.Share(min(open, int64(sealift.Everybody))))
}
