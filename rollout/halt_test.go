package rollout_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealift/sealift/rollout"
)

// Wilson's interval of 99 %, computed with 50 digits elsewhere.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{8, 10, 0.400819, 0.959869}, {0, 10, 0, 0.398854}, {10, 10, 0.601146, 1}, {0, 0, 0, 1}, {2, 100, 0.003915, 0.095817}} {
		low, high := rollout.WilsonLower(c.k, c.n), rollout.WilsonUpper(c.k, c.n)
		if math.Abs(low-c.low) > 1e-6 || math.Abs(high-c.high) > 1e-6 {
			t.Errorf("%d of %d: %.6f to %.6f, want %.6f to %.6f", c.k, c.n, low, high, c.low, c.high)
		}
	}
	for n := range 1000 {
		if low, high := rollout.WilsonLower(0, n), rollout.WilsonUpper(n, n); low < 0 || high > 1 {
			t.Fatalf("of %d: %v, %v", n, low, high)
		}
	}
}

// look plays one release on a fleet, looking every ten devices, and returns after
// how many it was halted, or 0.
func look(rule rollout.Rule, rate float64, devices, every int, r *rand.Rand) int {
	var slice [1]rollout.Slice
	kind := rollout.RolledBack.Kind()
	for n := 1; n <= devices; n++ {
		slice[0].New.Taken++
		if r.Float64() < rate {
			slice[0].New.Failed[kind]++
		}
		if n%every == 0 {
			if v := rule.Judge(slice[:]); v.Halts() != nil {
				return n
			}
		}
	}
	return 0
}

// What the rule promises: at the limit at most 1 % of the roll-outs halt, and a
// release that fails on three of ten devices is halted after at most 20. Fewer
// runs than scripts/bench.sh rollout makes, with the same bounds and room for
// chance: 300 runs at 1 % are 3, and 12 would be a chance of one in 10,000.
func TestHaltRule(t *testing.T) {
	rule := rollout.DefaultRule()
	limit := rule.Limits[rollout.RolledBack]
	halts := 0
	for seed := range uint64(300) {
		if look(rule, limit, 5_000, 10, rand.New(rand.NewPCG(1, seed))) > 0 {
			halts++
		}
	}
	if halts > 12 {
		t.Errorf("%d of 300 roll-outs at the limit halted", halts)
	}
	var exposed []int
	for seed := range uint64(500) {
		n := look(rule, 0.3, 20_000, 10, rand.New(rand.NewPCG(2, seed)))
		if n == 0 {
			t.Fatal("a release that fails on three of ten devices reached 20,000")
		}
		exposed = append(exposed, n)
	}
	slices.Sort(exposed)
	if median := exposed[len(exposed)/2]; median > 20 {
		t.Errorf("half of the roll-outs were halted after more than 20 devices: %d", median)
	}
	t.Logf("at the limit %d of 300 halted; at 30 %% after %d devices (median), %d (99 of 100)", halts, exposed[len(exposed)/2], exposed[len(exposed)*99/100])
}

// More failures never speak less against a release, and devices that took it and
// said nothing never more.
func TestEvidenceIsMonotone(t *testing.T) {
	rule := rollout.DefaultRule()
	rapid.Check(t, func(t *rapid.T) {
		var past []rollout.Slice
		for range rapid.IntRange(0, 5).Draw(t, "slices") {
			n, old := rapid.IntRange(0, 500).Draw(t, "taken"), rapid.IntRange(0, 500).Draw(t, "old")
			past = append(past, rollout.Slice{New: failing(n, rapid.IntRange(0, n).Draw(t, "failed")), Old: failing(old, rapid.IntRange(0, old).Draw(t, "old failed"))})
		}
		n := rapid.IntRange(1, 500).Draw(t, "now")
		k := rapid.IntRange(0, n-1).Draw(t, "failed now")
		kind := rollout.RolledBack.Kind()
		weight := func(n, k int) float64 {
			return rule.Judge(append(slices.Clone(past), rollout.Slice{New: failing(n, k)}))[kind].Weight
		}
		is := weight(n, k)
		if more := weight(n, k+1); more < is {
			t.Fatalf("one more failure: %v after %v", more, is)
		}
		if silent := weight(n+1, k); silent > is {
			t.Fatalf("one more that said nothing: %v after %v", silent, is)
		}
		if math.IsNaN(is) || math.IsInf(is, 0) {
			t.Fatalf("the evidence is %v", is)
		}
	})
}

// An outage that hits the older release as well halts nothing; one that hits the
// new one alone does; and an older release on which nearly everything fails hides
// nothing beyond the ceiling.
func TestOlderRelease(t *testing.T) {
	rule := rollout.DefaultRule()
	for name, c := range map[string]struct {
		slice rollout.Slice
		halts bool
	}{
		"both fail alike":                {rollout.Slice{New: failing(200, 20), Old: failing(2000, 200)}, false},
		"the new one fails":              {rollout.Slice{New: failing(200, 20), Old: failing(2000, 10)}, true},
		"nobody took the older one":      {rollout.Slice{New: failing(200, 20)}, true},
		"too few took the older one":     {rollout.Slice{New: failing(200, 20), Old: failing(29, 29)}, true},
		"a few failures of the older":    {rollout.Slice{New: failing(200, 20), Old: failing(40, 2)}, true},
		"the older one hides everything": {rollout.Slice{New: failing(200, 100), Old: failing(200, 190)}, true},
		"all is well":                    {rollout.Slice{New: failing(200, 2), Old: failing(200, 2)}, false},
		"nobody took it":                 {rollout.Slice{Old: failing(200, 100)}, false},
	} {
		v := rule.Judge([]rollout.Slice{c.slice})
		if (v.Halts() != nil) != c.halts {
			t.Errorf("%s: %+v", name, v[rollout.RolledBack.Kind()])
		}
	}
}

// Each kind is judged by its own limit, and a kind without failures never halts.
func TestKindsApart(t *testing.T) {
	rule := rollout.DefaultRule()
	rule.Limits[rollout.Silent] = 0.2
	for i, kind := range rollout.Kinds {
		c := rollout.Counts{Taken: 100}
		c.Failed[i] = 15
		v := rule.Judge([]rollout.Slice{{New: c, Due: true}})
		if e := v.Halts(); (e != nil) != (kind != rollout.Silent) || e != nil && e.Kind != kind {
			t.Errorf("15 of 100 %s: %+v", kind, e)
		}
	}
}

// A warning comes before a halt, and says nothing of one failure.
func TestWarning(t *testing.T) {
	rule := rollout.DefaultRule()
	for _, c := range []struct {
		n, k         int
		warns, halts bool
	}{{1, 1, false, false}, {2, 2, true, true}, {100, 2, false, false}, {30, 4, true, false}, {30, 12, true, true}} {
		v := rule.Judge([]rollout.Slice{{New: failing(c.n, c.k)}})
		if v.Warns() != c.warns || (v.Halts() != nil) != c.halts {
			t.Errorf("%d of %d: warns %v, halts %v: %+v", c.k, c.n, v.Warns(), v.Halts() != nil, v[rollout.RolledBack.Kind()])
		}
	}
}

// Silence is judged of devices that had the time to speak, and of no others: those
// who took the release a moment ago neither speak for it nor against it.
func TestSilence(t *testing.T) {
	rule := rollout.DefaultRule()
	quiet := rollout.Counts{Taken: 200}
	quiet.Failed[rollout.Silent.Kind()] = 60
	fresh := rollout.Slice{New: rollout.Counts{Taken: 20_000}}
	if v := rule.Judge([]rollout.Slice{{New: quiet, Due: true}, fresh}); v.Halts() == nil || v.Halts().Kind != rollout.Silent || v.Halts().Taken != 200 {
		t.Errorf("60 of 200 that had the time are silent: %+v", v)
	}
	if v := rule.Judge([]rollout.Slice{{New: quiet}}); v.Halts() != nil || v.Warns() {
		t.Errorf("none had the time: %+v", v)
	}
}

// A warning says since when there has been one, and no longer than it lasts.
func TestWarningSince(t *testing.T) {
	rule := rollout.DefaultRule()
	hour := func(n int) time.Time { return time.Unix(int64(n)*3600, 0) }
	all := []rollout.Slice{
		{From: hour(1), New: failing(20, 2), Old: failing(9, 1)}, {From: hour(2), New: failing(400, 0)}, {From: hour(3), New: failing(100, 25)}, {From: hour(4), New: failing(10, 0)},
	}
	back := rollout.RolledBack.Kind()
	for n, want := range []time.Time{{}, {}, {}, hour(3), hour(3)} {
		v := rule.Judge(all[:n])
		if e := v[back]; !e.Since.Equal(want) || e.Warning != !want.IsZero() {
			t.Errorf("of %d: %+v", n, e)
		}
	}
	if e := rule.Judge(all)[back]; e.Low != rollout.WilsonLower(27, 530) || e.High != rollout.WilsonUpper(27, 530) || e.OldTaken != 9 || e.OldCount != 1 {
		t.Errorf("%+v", e)
	}
}
