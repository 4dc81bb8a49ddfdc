package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/simulate"
	"github.com/sealift/sealift/rollout"
)

// The fleet and the looks at which the promises about the halt rule are measured.
const (
	haltRuns    = 2_000
	haltDevices = 20_000
	haltEvery   = 10
)

// measureRollout measures what the halt rule costs and spares, and how long a
// device's choice takes.
func measureRollout(b *testing.B, r *report) {
	s := r.section("Roll-outs")
	rule := rollout.DefaultRule()
	limit := rule.Limits[rollout.RolledBack]

	say("%d roll-outs to %d devices that fail at the limit, with a look after every %d", haltRuns, haltDevices, haltEvery)
	threshold, interval := 0, 0
	halted := 0
	for seed := range uint64(haltRuns) {
		c := playOut(rule, limit, rand.New(rand.NewPCG(1, seed)))
		halted += c.rule
		threshold += c.threshold
		interval += c.interval
	}
	percent := func(n int) float64 { return 100 * float64(n) / haltRuns }
	s.target(fmt.Sprintf("halted, of roll-outs that fail at the limit of %g %%", 100*limit), percent(halted), 1, "%", "")
	s.add("of the same, halted by a rate above the limit after 100 devices", percent(threshold), "%", "no rule: for comparison")
	s.add("of the same, halted by a Wilson interval of 99 % above the limit", percent(interval), "%", "which here only warns")

	say("%d roll-outs that fail on three of ten devices", haltRuns)
	var exposed []float64
	for seed := range uint64(haltRuns) {
		exposed = append(exposed, float64(playOut(rule, 0.3, rand.New(rand.NewPCG(2, seed))).devices))
	}
	slices.Sort(exposed)
	s.target("devices that took a release which fails on 30 %, until it halts: median", median(exposed), 20, "", "each says how it went before the next takes it")
	s.add("the same, 99 of 100 roll-outs", exposed[len(exposed)*99/100], "", "")

	for _, limit := range []int{0, 20} {
		m := simulate.Model{
			Devices: haltDevices, Plan: rollout.DefaultPlan(), FailureRate: 0.3, Failure: rollout.RolledBack, Offline: 0.01,
			Check: time.Hour, Report: 10 * time.Minute, Look: haltEvery, Cap: limit, Seed: 1,
		}
		sum, err := simulate.Many(b.Context(), m, 200, func() {})
		check(b, err)
		what := "the same in a fleet that checks hourly and reports after ten minutes, first stage 1 %: median"
		if limit > 0 {
			what = fmt.Sprintf("and with a cap of %d devices that have not confirmed", limit)
		}
		s.add(what, float64(sum.Exposed.Median), "", fmt.Sprintf("%d of 200 halted, most %d devices", sum.Phases[rollout.Halted], sum.Exposed.Most))
	}

	say("a device's choice")
	ns := goBench(b, "./rollout", "BenchmarkChoose/2_candidates", "1000000x", "GOMAXPROCS=1")
	s.target("decide for a device, of two candidates", ns["ns/op"]/1000, 1, "µs", fmt.Sprintf("%.0f allocations", ns["allocs/op"]))
}

// outcome is what one roll-out came to: whether each of three rules halted it (0
// or 1), and after how many devices the real one did.
type outcome struct {
	rule, threshold, interval int
	devices                   int
}

// playOut lets device after device take a release, and looks after every tenth,
// until the rule halts it or all have it.
func playOut(rule rollout.Rule, rate float64, r *rand.Rand) (c outcome) {
	kind := rollout.RolledBack.Kind()
	limit := rule.Limits[rollout.RolledBack]
	past := make([]rollout.Slice, 1)
	for n := 1; n <= haltDevices; n++ {
		past[0].New.Taken++
		if r.Float64() < rate {
			past[0].New.Failed[kind]++
		}
		if n%haltEvery != 0 {
			continue
		}
		v := rule.Judge(past)
		if n >= 100 && v[kind].Rate > limit {
			c.threshold = 1
		}
		if v[kind].Warning {
			c.interval = 1
		}
		if v.Halts() != nil {
			c.rule, c.devices = 1, n
			return c
		}
	}
	c.devices = haltDevices
	return c
}

// A comparison that cannot go wrong would be none.
func TestPlayOut(t *testing.T) {
	if c := playOut(rollout.DefaultRule(), 0.5, rand.New(rand.NewPCG(1, 1))); c.rule != 1 || c.devices > 100 {
		t.Errorf("half of the devices fail: %+v", c)
	}
	if c := playOut(rollout.DefaultRule(), 0, rand.New(rand.NewPCG(1, 1))); c != (outcome{devices: haltDevices}) {
		t.Errorf("no device fails: %+v", c)
	}
}
