package simulate

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
)

// Model is a fleet and what it makes of a release.
type Model struct {
	Devices int // 1 to sealift.MaxSimulated
	Plan    rollout.Plan
	// FailureRate is the part of the devices on which the release fails, 0 to 1,
	// and Failure how; rollout.Silent: they take it and are not heard of again.
	FailureRate float64
	Failure     rollout.Failure
	// Offline is the part of the other devices that is switched off right after
	// they took it, 0 to 1.
	Offline float64
	// Check is the mean time between two checks of a device, and Report the mean
	// time from taking a release to saying how it went: 1 minute to 30 days.
	Check, Report time.Duration
	// Look is after how many devices that said how it went the server looks.
	Look int
	// Cap is the greatest number of devices that may have been offered the release
	// and not confirmed it; zero for none.
	Cap  int
	Seed uint64
}

// ReasonModel is the reason of a KindInvalid error about a number of a Model, or a kind of
// failure, that is none.
const ReasonModel = "model"

// check refuses, with KindInvalid and ReasonModel, a model that is none.
func (m *Model) check() error {
	refuse := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, "simulating", format, args...).WithReason(ReasonModel)
	}
	part := func(x float64) bool { return x >= 0 && x <= 1 }
	span := func(d time.Duration) bool { return d >= time.Minute && d <= 30*24*time.Hour }
	switch {
	case m.Devices < 1 || m.Devices > sealift.MaxSimulated:
		return refuse("a fleet of %d devices, 1 to %d are allowed", m.Devices, sealift.MaxSimulated)
	case !part(m.FailureRate):
		return refuse("a failure rate of %v, 0 to 1 are allowed: 0.3 is three of ten devices", m.FailureRate)
	case !part(m.Offline):
		return refuse("%v of the devices offline, 0 to 1 are allowed", m.Offline)
	case m.Failure.Kind() < 0:
		return refuse("%q is no kind of failure, use one of %v", m.Failure, rollout.Kinds)
	case !span(m.Check):
		return refuse("a check every %s, 1m to 720h are allowed", m.Check)
	case !span(m.Report):
		return refuse("a report after %s, 1m to 720h are allowed", m.Report)
	case m.Look < 1:
		return refuse("a look after every %d devices, at least 1 is allowed", m.Look)
	case m.Cap < 0:
		return refuse("a cap of %d devices, at least 0 is allowed, which is none", m.Cap)
	}
	return nil
}

// Point is how things stood at a time.
type Point struct {
	At        time.Duration `json:"-"`
	Seconds   int64         `json:"seconds"` // since the start
	Share     sealift.Share `json:"percent"` // who may take the release
	Taken     int           `json:"taken"`
	Confirmed int           `json:"confirmed"`
	Failed    int           `json:"failed"` // known to have failed
	Phase     rollout.Phase `json:"phase"`
	Stage     int           `json:"stage"` // from 0
}

// same reports whether nothing happened between two points.
func (p Point) same(q Point) bool {
	p.At, p.Seconds = q.At, q.Seconds
	return p == q
}

// Result is how one roll-out went.
type Result struct {
	Phase   rollout.Phase   `json:"phase"` // at the end
	Took    time.Duration   `json:"-"`
	Seconds int64           `json:"seconds"`       // from the start to that end
	Exposed int             `json:"exposed"`       // devices that took the release
	Broken  int             `json:"broken"`        // of them those on which it fails, known or not
	Why     string          `json:"why,omitempty"` // it halted, or was warned of
	Verdict rollout.Verdict `json:"evidence"`
	Course  []Point         `json:"course"`
}
