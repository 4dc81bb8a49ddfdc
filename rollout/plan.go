package rollout

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Duration is a time.Duration that documents write as Go does: "36h".
type Duration time.Duration

// MarshalText writes the duration: "36h0m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: use a number and a unit, such as 90m or 36h", text)
	}
	*d = Duration(parsed)
	return nil
}

// Gate says who lets a roll-out go on to the next stage.
type Gate string

// The gates.
const (
	Automatic Gate = "automatic" // nobody is asked
	Approval  Gate = "approval"  // a person, when the stage's time is over
)

// Stage is a part of a plan.
type Stage struct {
	// Share is who may take the release, counted among all devices of the channel
	// and platform; it is greater than that of the stage before.
	Share sealift.Share `json:"percent"`
	// Duration is how long the stage lasts at least, at most sealift.MaxStage. The time in
	// which the roll-out is paused or halted does not count.
	Duration Duration `json:"duration"`
	// Confirmed is how many devices must have confirmed the release before the
	// stage can end, and zero for none.
	Confirmed int `json:"confirmed,omitempty"`
	// Gate is who ends the stage; Automatic where it is empty.
	Gate Gate `json:"gate,omitempty"`
}

// Plan is how a release reaches everybody.
type Plan struct {
	// Stages come one after the other; the last is for everybody. When it ends,
	// the roll-out is finished.
	Stages []Stage `json:"stages"`
	// Halt says when it halts; a zero field of it is that of DefaultRule.
	Halt Rule `json:"halt"`
}

// DefaultPlan is 1 % for a day, 10 % for a day, half for a day, then everybody,
// for a day.
func DefaultPlan() Plan {
	day := Duration(24 * time.Hour)
	return Plan{Stages: []Stage{
		{Share: 100, Duration: day}, {Share: 1_000, Duration: day}, {Share: 5_000, Duration: day}, {Share: sealift.Everybody, Duration: day},
	}, Halt: DefaultRule()}
}

// AtOnce is the plan of a release that everybody may take now; it halts all
// the same.
func AtOnce() Plan {
	return Plan{Stages: []Stage{{Share: sealift.Everybody, Duration: Duration(24 * time.Hour)}}, Halt: DefaultRule()}
}

// ParsePlan reads a plan and fills in what it leaves out. It refuses, with
// KindInvalid, stages that do not grow, that overlap another (the same share
// twice), that end before everybody may take the release, that last for less
// than nothing or longer than sealift.MaxStage, or end as they begin though another
// follows, that want more confirmed devices than sealift.MaxBlastRadius, and limits
// that are none.
func ParsePlan(data []byte) (Plan, error) {
	var file struct {
		Stages []json.RawMessage `json:"stages"`
		Halt   Rule              `json:"halt"`
	}
	// A misspelt limit would otherwise be the default one.
	if err := strictjson.UnmarshalKnown(data, sealift.MaxPlan, &file); err != nil {
		return Plan{}, invalidPlan("%w", err)
	}
	p := Plan{Stages: make([]Stage, len(file.Stages)), Halt: file.Halt.orDefault()}
	for i, stage := range file.Stages {
		if err := strictjson.UnmarshalKnown(stage, sealift.MaxPlan, &p.Stages[i]); err != nil {
			return Plan{}, invalidPlan("stage %d: %w", i+1, withHint(err))
		}
	}
	if err := p.check(); err != nil {
		return Plan{}, invalidPlan("%w", err)
	}
	return p, nil
}

// withHint says of an error what is right too: its own hint gives way to that of the plan.
func withHint(err error) error {
	if hint := sealift.HintOf(err); hint != "" {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

func invalidPlan(format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindInvalid, "reading the plan", format, args...).WithReason("plan").
		WithHint(`stages grow to 100 percent: {"stages":[{"percent":1,"duration":"24h","gate":"approval"},{"percent":100,"duration":"24h"}]}; try it with: sealift simulate --plan FILE`)
}

func (p *Plan) check() error {
	if len(p.Stages) < 1 || len(p.Stages) > sealift.MaxStages {
		return fmt.Errorf("it has %d stages, 1 to %d are allowed", len(p.Stages), sealift.MaxStages)
	}
	last := sealift.Share(0)
	for i, s := range p.Stages {
		switch {
		case s.Share == last && i > 0:
			return fmt.Errorf("stages %d and %d overlap: both are at %s percent", i, i+1, s.Share)
		case s.Share < last:
			return fmt.Errorf("stage %d goes down, from %s to %s percent", i+1, last, s.Share)
		case s.Share < 1 || s.Share > sealift.Everybody:
			return fmt.Errorf("stage %d is at %s percent, 0.01 to 100 are allowed", i+1, s.Share)
		case s.Duration < 0 || s.Duration > Duration(sealift.MaxStage):
			return fmt.Errorf("stage %d lasts %s, 0s to %s are allowed", i+1, time.Duration(s.Duration), sealift.MaxStage)
		case s.Confirmed < 0 || s.Confirmed > sealift.MaxBlastRadius:
			return fmt.Errorf("stage %d wants %d confirmed devices, 0 to %d are allowed", i+1, s.Confirmed, sealift.MaxBlastRadius)
		case s.Gate != "" && s.Gate != Automatic && s.Gate != Approval:
			return fmt.Errorf("stage %d has the gate %q, %s and %s are allowed", i+1, s.Gate, Automatic, Approval)
		case s.Duration == 0 && s.Confirmed == 0 && s.Gate != Approval && i+1 < len(p.Stages):
			return fmt.Errorf("stage %d ends as it begins: give it a duration, a number of confirmed devices, or the gate %s", i+1, Approval)
		}
		last = s.Share
	}
	if last != sealift.Everybody {
		return fmt.Errorf("it ends at %s percent: the last stage is for everybody, at 100", last)
	}
	return p.Halt.check()
}
