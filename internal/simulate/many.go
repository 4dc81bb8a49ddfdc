package simulate

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift/rollout"
)

// Summary is how many roll-outs of one model went, with a seed each.
type Summary struct {
	Runs     int                   `json:"runs"`
	Phases   map[rollout.Phase]int `json:"phases"`  // how they ended
	Exposed  Spread                `json:"exposed"` // devices that took the release
	Broken   Spread                `json:"broken"`
	HaltedAt *Spread               `json:"haltedAtSeconds,omitempty"` // of those that halted
	First    Result                `json:"first"`                     // the one with the model's seed
}

// Spread is how something spreads over the runs.
type Spread struct {
	Median int64 `json:"median"`
	P90    int64 `json:"p90"`
	Most   int64 `json:"most"`
}

func spread(values []int64) Spread {
	slices.Sort(values)
	at := func(percent int) int64 { return values[min(len(values)-1, len(values)*percent/100)] }
	return Spread{Median: at(50), P90: at(90), Most: values[len(values)-1]}
}

// Many plays runs roll-outs with the seeds m.Seed, m.Seed+1, …; runs is at least
// one. after is told of each.
func Many(ctx context.Context, m Model, runs int, after func()) (Summary, error) {
	s := Summary{Runs: runs, Phases: map[rollout.Phase]int{}}
	var exposed, broken, halted []int64
	for n := range runs {
		r, err := Run(ctx, m)
		if err != nil {
			return Summary{}, err
		}
		if n == 0 {
			s.First = r
		}
		s.Phases[r.Phase]++
		exposed, broken = append(exposed, int64(r.Exposed)), append(broken, int64(r.Broken))
		if r.Phase == rollout.Halted {
			halted = append(halted, int64(r.Took/time.Second))
		}
		m.Seed++
		after()
	}
	s.Exposed, s.Broken = spread(exposed), spread(broken)
	if len(halted) > 0 {
		h := spread(halted)
		s.HaltedAt = &h
	}
	return s, nil
}
