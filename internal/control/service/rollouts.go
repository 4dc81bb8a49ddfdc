package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/rollout"
)

// Rollouts shows how releases reach their devices, and lets people stop that and
// let it go on.
type Rollouts interface {
	// Rollouts returns those of app, of a channel and a platform unless those are
	// empty, newest counter first; KindNotFound if there is no such app. Those that
	// are over are among them with all only.
	Rollouts(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, all bool) ([]Rollout, error)
	// Rollout returns one, with its Story; KindNotFound if there is none.
	Rollout(ctx context.Context, app sealift.AppID, counter sealift.Counter) (Rollout, error)
	// PauseRollout takes a release out of the offer until somebody resumes it. What
	// is stopped already stays as it is. KindNotFound if there is no such roll-out,
	// KindConflict with reason "phase" if it is over.
	PauseRollout(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (Rollout, error)
	// WithdrawRelease takes a release out of the offer, whether its roll-out is over or
	// not, until somebody reinstates it. What is withdrawn already stays as it is.
	// KindNotFound if there is no such roll-out, KindConflict with reason "phase" if
	// nobody takes the release as it is.
	WithdrawRelease(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (Rollout, error)
	// SteerRollout does what else people do to a roll-out. KindNotFound if there is
	// none, KindConflict with reason "phase" if its phase does not allow it.
	SteerRollout(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, do Steer, reason string) (Rollout, error)
}

// Plans keeps with which plans the roll-outs of channels begin.
type Plans interface {
	// Plan returns that of a channel; KindNotFound if there is no such channel.
	Plan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (ChannelPlan, error)
	// SetPlan has the roll-outs of a channel begin with a plan from now on, or with
	// none if it is nil. Those that have begun keep theirs, and so does what was
	// submitted. KindNotFound if there is no such channel.
	SetPlan(ctx context.Context, by access.Caller, app sealift.AppID, channel sealift.Channel, plan *rollout.Plan) (ChannelPlan, error)
}

// ChannelPlan is the plan of a channel.
type ChannelPlan struct {
	App     sealift.AppID
	Channel sealift.Channel
	Plan    *rollout.Plan // nil for none: everybody may take a release at once
	Creator string        // who set it, or took it away; "" where there never was one, as Changed is zero
	Changed time.Time
}

// Steer is what people do to a roll-out, other than pausing it.
type Steer string

// All of it.
const (
	SteerResume  Steer = "resume"  // go on with what is paused or halted
	SteerApprove Steer = "approve" // let what waits into its next stage
	SteerFinish  Steer = "finish"  // let everybody take it now
	SteerAbort   Steer = "abort"   // nobody takes it any more

	SteerReinstate Steer = "reinstate" // offer again what was withdrawn
)

// Rollout is how one release reaches the devices of its channel and platform.
type Rollout struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
	Counter  sealift.Counter
	Release  sealift.Digest
	Plan     rollout.Plan
	Urgent   bool // it skips the stages of the channel's plan
	State    rollout.State
	Share    sealift.Share // who is offered the release now; 0 for nobody
	Capped   bool          // fewer than the stage is for: its app's blast radius holds it up
	Reissue  string        // the draft by which it goes on above a hotfix, while that waits for co-signers; "" for none
	Next     time.Time     // when the stage's time is over; zero where it waits for something else
	Creator  string
	Created  time.Time
	Changed  time.Time
	Story    *Story // of Rollouts.Rollout alone
}

// Story is how a roll-out came to be as it is, and what speaks for and against it.
type Story struct {
	Last     *RolloutChange     // by the log; nil where that does not say, as of rows of before
	Halt     *rollout.Evidence  // why it halted, as the log has it; nil where Last is no halt
	WayBack  string             // what became of the roll-back that the plan asks for on a halt; "" where it asks for none
	Evidence []rollout.Evidence // by now, one a kind of failure; nil of what is over
	Known    rollout.Known      // by now, but for the verdict; zero of what is over
	Backs    []DraftDetail      // roll-backs from the release that wait for people
}

// RolloutChange is what was done to a roll-out last.
type RolloutChange struct {
	Entry  int64       // of the log
	Time   time.Time   // by the vault's clock
	Action string      // of the entry
	Actor  audit.Actor // whose ID is "rollout" for what roll-outs do by themselves
	Name   string      // the login or label of Actor.ID; "" for none
	Reason string      // in a person's words
	Warns  bool        // it waits since a kind of failure is worth a look, not since its plan says so
}
