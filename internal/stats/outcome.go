package stats

import (
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// Outcome is what store.ReleaseHour counts: devices that took a release, those of
// them that confirmed it, and those that failed, by rollout.Failure.
type Outcome string

// The outcomes, beside those that are a rollout.Failure.
const (
	Taken     Outcome = "taken"
	Confirmed Outcome = "confirmed"
	Unknown   Outcome = "unknown" // steps that name a release which the app does not have
)

// What is counted beside. These are no outcomes, and nothing is judged by them.
const (
	// whole and patched are how the bundle came to devices that verified it: whole, or
	// from the patch whose SHA-256 in hex is the reason.
	whole   Outcome = "whole"
	patched Outcome = "patched"
	// running is by how many more devices say in an hour that they run the release,
	// which is below zero where more left it than came.
	running Outcome = "running"
)

// other stands for reasons beyond sealift.MaxOutcomeReasons, and kinds that are none.
const other = "other"

// ranks are the outcomes of a device, each above those before it; "" is none yet.
var ranks = []Outcome{"", Outcome(rollout.NotStored), Outcome(rollout.Refused), Confirmed, Outcome(rollout.RolledBack)}

func (o Outcome) rank() int { return slices.Index(ranks, o) }

// word is what one step says of its release.
type word struct {
	outcome      Outcome // "" for none yet
	kind, reason string  // of the error, where it failed
	via          string  // store.DeviceOutcome.Via
}

// wordOf returns what a step says of its release; false for nothing.
func wordOf(s *trust.ReportStep) (word, bool) {
	failed := func(f rollout.Failure, kind sealift.Kind) (word, bool) {
		return word{outcome: Outcome(f), kind: string(kind), reason: s.Reason}, true
	}
	switch s.Step {
	case trust.StepVerified:
		if !s.Patch.IsZero() {
			return word{via: s.Patch.String()}, true
		}
		return word{via: string(whole)}, true
	case trust.StepDownloading, trust.StepInstalled:
		return word{}, true
	case trust.StepConfirmed:
		return word{outcome: Confirmed}, true
	case trust.StepRolledBack:
		if s.Kind != sealift.KindRollback {
			return failed(rollout.RolledBack, other)
		}
		return failed(rollout.RolledBack, s.Kind)
	case trust.StepRefused:
		switch s.Kind {
		case sealift.KindChain, sealift.KindSignature, sealift.KindVersion, sealift.KindIntegrity, sealift.KindInvalid:
			return failed(rollout.Refused, s.Kind)
		case sealift.KindExhausted, sealift.KindInternal:
			return failed(rollout.NotStored, s.Kind)
		}
	}
	return word{}, false
}
