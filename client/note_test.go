package client

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// TestNote: a queue is bounded and counts what it dropped, nobody's words get into
// it, and what is told again is told once, until the day is over or a release
// changed.
func TestNote(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var s state
	s.note(now, trust.ReportStep{Step: trust.StepChecked})
	if len(s.Reports.Queue) != 0 {
		t.Error("noted without a channel")
	}
	s.Reports.Channel = "production"
	for i := range sealift.MaxReportQueue + 10 {
		i := Installed{Release: sealift.DigestOf([]byte{byte(i), byte(i >> 8)}), Version: "1.0.0", Counter: 1}
		s.note(now, i.step(trust.StepInstalled))
	}
	r := s.Reports
	if len(r.Queue) != sealift.MaxReportQueue || r.Lost != 10 || r.Queue[0].Sequence != 11 || r.Numbered != sealift.MaxReportQueue+10 {
		t.Errorf("%d queued from %d, %d lost", len(r.Queue), r.Queue[0].Sequence, r.Lost)
	}

	one := Installed{Release: sealift.DigestOf([]byte("one")), Version: "1.0.0", Counter: 1}
	refused := failed(one.step(trust.StepRefused), sealift.Errorf(sealift.KindDenied, "x", "y").WithReason("in words of somebody"))
	counted := func(after time.Duration, step trust.ReportStep) bool {
		before := s.Reports.Numbered
		s.note(now.Add(after), step)
		return s.Reports.Numbered > before
	}
	for i, c := range []struct {
		after time.Duration
		step  trust.ReportStep
		told  bool
	}{
		{0, one.step(trust.StepDownloading), true},
		{time.Second, refused, true},
		{time.Hour, one.step(trust.StepDownloading), false},
		{time.Hour, refused, false},
		{time.Hour, failed(one.step(trust.StepRefused), sealift.Errorf(sealift.KindIntegrity, "x", "y").WithReason("digest")), true},
		{sealift.ReportPeriod, one.step(trust.StepDownloading), true},
		{25 * time.Hour, one.step(trust.StepVerified), true},
		{25 * time.Hour, one.step(trust.StepInstalled), true},
		{25 * time.Hour, one.step(trust.StepRolledBack), true},
		{26 * time.Hour, one.step(trust.StepDownloading), true},
		{time.Hour, one.step(trust.StepDownloading), true}, // the clock was put back
	} {
		if counted(c.after, c.step) != c.told {
			t.Errorf("%d: told is not %v", i, c.told)
		}
	}
	for _, step := range s.Reports.Queue {
		if step.Step == trust.StepRolledBack { // no kind: not of its form, but never dropped
			continue
		}
		if err := step.Check(); err != nil {
			t.Errorf("%+v: %v", step, err)
		}
	}
	took := s.Reports.Queue[len(s.Reports.Queue)-5:]
	if took[0].Step != trust.StepVerified || took[0].Took != time.Hour.Milliseconds() || took[1].Took != 0 {
		t.Errorf("%+v", took)
	}
	if len(s.Reports.Recent) > maxRecent {
		t.Errorf("%d are remembered", len(s.Reports.Recent))
	}
}
