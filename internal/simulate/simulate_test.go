package simulate_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/simulate"
	"github.com/sealift/sealift/rollout"
)

func model(rate float64) simulate.Model {
	return simulate.Model{
		Devices: 2_000, Plan: rollout.DefaultPlan(), FailureRate: rate, Failure: rollout.RolledBack, Offline: 0.01,
		Check: time.Hour, Report: 10 * time.Minute, Look: 10, Seed: 1,
	}
}

func run(t *testing.T, m simulate.Model) simulate.Result {
	t.Helper()
	r, err := simulate.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range r.Course {
		if p.Confirmed+p.Failed > p.Taken || p.Taken > m.Devices || i > 0 && (p.At <= r.Course[i-1].At || p.Taken < r.Course[i-1].Taken) {
			t.Fatalf("point %d: %+v", i, p)
		}
	}
	return r
}

func TestHealthy(t *testing.T) {
	r := run(t, model(0))
	if r.Phase != rollout.Finished || r.Exposed != 2_000 || r.Broken != 0 || r.Took < 96*time.Hour || r.Took > 97*time.Hour {
		t.Errorf("%s after %s, %d exposed", r.Phase, r.Took, r.Exposed)
	}
}

func TestBroken(t *testing.T) {
	for _, kind := range rollout.Kinds {
		m := model(0.3)
		m.Devices, m.Failure = 20_000, kind
		r := run(t, m)
		e := r.Verdict.Halts()
		if r.Phase != rollout.Halted || e == nil || e.Kind != kind || r.Course[len(r.Course)-1].Stage != 0 || r.Exposed > 400 {
			t.Errorf("%s: %s after %s with %d devices exposed: %+v", kind, r.Phase, r.Took, r.Exposed, e)
		}
		if !strings.Contains(r.Why, string(kind)) {
			t.Errorf("%s: it halted since %q", kind, r.Why)
		}
	}
}

// The same seed gives the same result, another seed another one.
func TestSeed(t *testing.T) {
	a, b := run(t, model(0.05)), run(t, model(0.05))
	if !cmp.Equal(a, b) {
		t.Error("one seed gives two results")
	}
	m := model(0.05)
	m.Seed++
	if c := run(t, m); cmp.Equal(a, c) {
		t.Error("two seeds give one result")
	}
}

// With a cap there are never more devices that took the release and did not
// confirm it than the cap, by more than the coarseness of an offer.
func TestCap(t *testing.T) {
	m := model(0)
	m.Devices, m.Cap, m.Plan = 10_000, 50, rollout.AtOnce()
	r := run(t, m)
	for _, p := range r.Course {
		if open := p.Taken - p.Confirmed; open > 2*m.Cap {
			t.Fatalf("at %s %d devices had taken it and not confirmed it", p.At, open)
		}
	}
	if last := r.Course[len(r.Course)-1]; last.Taken <= m.Cap {
		t.Errorf("it never reached more than %d devices", last.Taken)
	}
}

func TestStageThatWantsDevices(t *testing.T) {
	m := model(0)
	m.Plan.Stages[0].Confirmed = 1_000 // of 1 % of 2,000
	if r := run(t, m); r.Phase != rollout.Running || r.Course[len(r.Course)-1].Stage != 0 {
		t.Errorf("%s in stage %d, with too few devices", r.Phase, r.Course[len(r.Course)-1].Stage)
	}
}

func TestMany(t *testing.T) {
	told, large := 0, model(0.3)
	large.Devices = 20_000
	s, err := simulate.Many(t.Context(), large, 20, func() { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if s.Phases[rollout.Halted] != 20 || told != 20 || s.HaltedAt == nil || s.Exposed.Median > s.Exposed.P90 || s.Exposed.P90 > s.Exposed.Most {
		t.Errorf("%v, exposed %+v, told %d times", s.Phases, s.Exposed, told)
	}
	healthy, err := simulate.Many(t.Context(), model(0.001), 20, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if healthy.Phases[rollout.Halted] != 0 || healthy.HaltedAt != nil {
		t.Errorf("of 20 healthy roll-outs: %v", healthy.Phases)
	}
}

func TestModelsRefused(t *testing.T) {
	for name, bend := range map[string]func(*simulate.Model){
		"no devices":       func(m *simulate.Model) { m.Devices = 0 },
		"too many":         func(m *simulate.Model) { m.Devices = sealift.MaxSimulated + 1 },
		"a rate above one": func(m *simulate.Model) { m.FailureRate = 1.01 },
		"no number":        func(m *simulate.Model) { m.FailureRate = math.NaN() },
		"no part":          func(m *simulate.Model) { m.Offline = math.NaN() },
		"without end":      func(m *simulate.Model) { m.FailureRate = math.Inf(1) },
		"a negative rate":  func(m *simulate.Model) { m.FailureRate = -0.1 },
		"offline":          func(m *simulate.Model) { m.Offline = 2 },
		"failure":          func(m *simulate.Model) { m.Failure = "melted" },
		"check":            func(m *simulate.Model) { m.Check = time.Second },
		"report":           func(m *simulate.Model) { m.Report = 1000 * time.Hour },
		"look":             func(m *simulate.Model) { m.Look = 0 },
		"cap":              func(m *simulate.Model) { m.Cap = -1 },
	} {
		m := model(0)
		bend(&m)
		if _, err := simulate.Run(t.Context(), m); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != simulate.ReasonModel {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := simulate.Run(ctx, model(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestChart(t *testing.T) {
	r := run(t, model(0))
	chart := simulate.Chart(r.Course, 2_000)
	lines := strings.Split(strings.TrimSuffix(chart, "\n"), "\n")
	if len(lines) != 13 || !strings.HasPrefix(lines[0], "   100 % |") || !strings.HasSuffix(lines[0], "#") || !strings.HasSuffix(lines[11], "4") || !strings.HasSuffix(lines[12], "4 d") {
		t.Errorf("\n%s", chart)
	}
	for _, line := range lines {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if simulate.Chart(nil, 1) != "" {
		t.Error("a chart of nothing")
	}
}
