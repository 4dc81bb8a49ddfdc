package rollout

import (
	"fmt"
	"math"
	"time"

	"github.com/sealift/sealift"
)

// Failure is a way in which a device that took a release fails.
type Failure string

// The kinds of failure.
const (
	Refused    Failure = "refused"     // a check said no: chain, signature, version or integrity
	NotStored  Failure = "not-stored"  // it could not be written or swapped in
	RolledBack Failure = "rolled-back" // it ran, failed its health check, and was taken back
	Silent     Failure = "silent"      // it took the release and was not heard of again in time
)

// Kinds are all of them, in the order of Counts.Failed.
var Kinds = [...]Failure{Refused, NotStored, RolledBack, Silent}

// Kind returns the place of a kind among Kinds, or -1.
func (f Failure) Kind() int {
	for i, k := range Kinds {
		if f == k {
			return i
		}
	}
	return -1
}

// Counts is what is known of the devices that took one release in one slice of
// time.
type Counts struct {
	Taken     int             `json:"taken"`     // that began to download it, each counted once
	Confirmed int             `json:"confirmed"` // that run it and say that it works
	Failed    [len(Kinds)]int `json:"failed"`    // by kind, each device once; in the order of Kinds
}

// Failures is how many devices failed in any way.
func (c *Counts) Failures() (n int) {
	for _, k := range c.Failed {
		n += k
	}
	return n
}

// Slice is what happened in one slice of time, such as an hour, by when the
// devices took what they took: New is the release that is rolled out, Old the
// one before it.
type Slice struct {
	From time.Time `json:"from,omitzero"` // when it begins; zero where that is not known
	New  Counts    `json:"new"`
	Old  Counts    `json:"old"`
	// Due is whether Rule.Silence has passed since the slice's end, so that every
	// device in it that has not been heard of is counted as Silent. Before that, a
	// slice says nothing of silence.
	Due bool `json:"due"`
}

// Then is what happens when a roll-out halts.
type Then string

// What may happen. Both take the release out of the offer first.
const (
	Pause  Then = "pause"    // nothing else: people decide
	GoBack Then = "rollback" // a roll-back to the release before it is prepared, for people to approve
)

// Rule says when a roll-out halts.
type Rule struct {
	// Limits is how often a release may fail, by kind, as a part of the devices
	// that took it: above 0 and below 0.5.
	Limits map[Failure]float64 `json:"limits,omitempty"`
	// Silence is after how long a device that took it and says nothing counts as
	// failed: 1 minute to 30 days.
	Silence Duration `json:"silence,omitempty"`
	// Error is the probability with which a roll-out that stays within all limits
	// may be halted: 0.000001 to 0.1.
	Error float64 `json:"error,omitempty"`
	// Ceiling is the greatest limit that failures of the older release can give:
	// at least the limits, below 1.
	Ceiling float64 `json:"ceiling,omitempty"`
	Then    Then    `json:"then,omitempty"`
}

// DefaultRule allows 2 % of failures of each kind that a device reports, and 5 %
// of silence within half a day: people switch devices off.
func DefaultRule() Rule {
	return Rule{
		Limits:  map[Failure]float64{Refused: 0.02, NotStored: 0.02, RolledBack: 0.02, Silent: 0.05},
		Silence: Duration(12 * time.Hour), Error: 0.01, Ceiling: 0.2, Then: Pause,
	}
}

func (r Rule) orDefault() Rule {
	d := DefaultRule()
	limits := d.Limits
	for kind, limit := range r.Limits {
		limits[kind] = limit
	}
	r.Limits = limits
	if r.Silence == 0 {
		r.Silence = d.Silence
	}
	if r.Error == 0 {
		r.Error = d.Error
	}
	if r.Ceiling == 0 {
		r.Ceiling = d.Ceiling
	}
	if r.Then == "" {
		r.Then = d.Then
	}
	return r
}

func (r Rule) check() error {
	const most, least = Duration(30 * 24 * time.Hour), Duration(time.Minute)
	for kind, limit := range r.Limits {
		switch {
		case kind.Kind() < 0:
			return fmt.Errorf("it limits %q, which is no kind of failure: use %v", kind, Kinds)
		case !(limit > 0 && limit < 0.5):
			return fmt.Errorf("the limit of %s is %v, above 0 and below 0.5 are allowed: 0.02 is two of a hundred devices", kind, limit)
		case !(r.Ceiling >= limit && r.Ceiling < 1):
			return fmt.Errorf("the ceiling is %v, from the limit of %s, %v, to below 1 are allowed", r.Ceiling, kind, limit)
		}
	}
	switch {
	case r.Silence < least || r.Silence > most:
		return fmt.Errorf("silence counts after %s, %s to %s are allowed", time.Duration(r.Silence), time.Duration(least), time.Duration(most))
	case !(r.Error >= 1e-6 && r.Error <= 0.1):
		return fmt.Errorf("the error is %v, 0.000001 to 0.1 are allowed", r.Error)
	case r.Then != Pause && r.Then != GoBack:
		return fmt.Errorf("on halt it does %q, %s and %s are allowed", r.Then, Pause, GoBack)
	}
	return nil
}

// Evidence is what speaks against a release in one kind of failure.
type Evidence struct {
	Kind  Failure `json:"kind"`
	Taken int     `json:"taken"` // devices that took the release
	Count int     `json:"count"` // of them failed so
	Rate  float64 `json:"rate"`
	// Low and High are the ends of the Wilson score interval of 99 % of Rate.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// OldTaken and OldCount are Taken and Count of the older release in the same
	// slices.
	OldTaken int     `json:"oldTaken"`
	OldCount int     `json:"oldCount"`
	Limit    float64 `json:"limit"` // the plan's
	// Weight is log10 of E, and Needed log10 of what halts.
	Weight  float64 `json:"weight"`
	Needed  float64 `json:"needed"`
	Warning bool    `json:"warning"` // Low is above the limit, and more than one device failed
	// Since is from which slice on, all before it included, there has been a Warning;
	// zero for none, and where that is not known.
	Since time.Time `json:"since,omitzero"`
	Halts bool      `json:"halts"`
}

// Verdict is what a rule makes of what happened: one Evidence a kind.
type Verdict [len(Kinds)]Evidence

// Halts returns the evidence that halts the roll-out, or nil.
func (v *Verdict) Halts() *Evidence {
	for i := range v {
		if v[i].Halts {
			return &v[i]
		}
	}
	return nil
}

// Warns reports whether some kind of failure is worth a look.
func (v *Verdict) Warns() bool {
	for i := range v {
		if v[i].Warning {
			return true
		}
	}
	return false
}

// says reports whether a slice counts for a kind of failure.
func (s *Slice) says(kind int) bool { return s.Due || Kinds[kind] != Silent }

// Judge weighs what happened so far, all slices of the roll-out.
func (r Rule) Judge(slices []Slice) (v Verdict) {
	needed := math.Log(float64(len(Kinds)) / r.Error)
	for kind, name := range Kinds {
		limit := r.Limits[name]
		sum := Evidence{Kind: name, Limit: limit}
		for i := range slices {
			if slices[i].says(kind) {
				sum.take(&slices[i], kind)
			}
		}
		e := r.weight(slices, kind, limit)
		sum.Weight, sum.Needed, sum.Halts = e/math.Ln10, needed/math.Ln10, e >= needed
		sum.Low, sum.High = WilsonLower(sum.Count, sum.Taken), WilsonUpper(sum.Count, sum.Taken)
		if sum.Taken > 0 {
			sum.Rate = float64(sum.Count) / float64(sum.Taken)
		}
		v[kind] = sum
	}
	return v
}

// take adds a slice to what was before.
func (e *Evidence) take(s *Slice, kind int) {
	e.Taken += s.New.Taken
	e.Count += s.New.Failed[kind]
	e.OldTaken += s.Old.Taken
	e.OldCount += s.Old.Failed[kind]
	warned := e.Warning
	e.Warning = e.Count > 1 && WilsonLower(e.Count, e.Taken) > e.Limit
	switch {
	case !e.Warning:
		e.Since = time.Time{}
	case !warned:
		e.Since = s.From
	}
}

// grid is how many alternatives share the weight, and top the greatest of them.
const (
	grid = 16
	top  = 0.98
)

// weight returns ln E of one kind.
func (r Rule) weight(slices []Slice, kind int, limit float64) float64 {
	var logs [grid]float64
	low, high := logit(limit), logit(top)
	bet := func(n, k int, p float64) {
		for j := range logs {
			q := expit(low + (high-low)*float64(j+1)/grid)
			if n > 0 && q > p { // an alternative below the limit bets nothing
				logs[j] += float64(k)*math.Log(q/p) + float64(n-k)*math.Log((1-q)/(1-p))
			}
		}
	}
	n, k := 0, 0 // of the slices with the plan's limit, nearly always all
	for i := range slices {
		s := &slices[i]
		if !s.says(kind) {
			continue
		}
		if p := r.limitOf(&s.Old, kind, limit); p != limit {
			bet(s.New.Taken, s.New.Failed[kind], p)
			continue
		}
		n += s.New.Taken
		k += s.New.Failed[kind]
	}
	bet(n, k, limit)
	return logMean(logs[:])
}

// leastOld is how many devices must have taken the older release in a slice
// before their failures say anything of the newer one's.
const leastOld = 30

// limitOf returns the limit in a slice: the plan's, or what the older release's
// failures allow.
func (r Rule) limitOf(old *Counts, kind int, limit float64) float64 {
	k, n := old.Failed[kind], old.Taken
	if n < leastOld || WilsonLower(k, n) <= limit {
		return limit
	}
	return math.Min(WilsonUpper(k, n), r.Ceiling)
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// logMean returns ln of the mean of e^x, without overflow.
func logMean(xs []float64) float64 {
	most := math.Inf(-1)
	for _, x := range xs {
		most = math.Max(most, x)
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - most)
	}
	return most + math.Log(sum/float64(len(xs)))
}

// z99 is the 99.5th percentile of the standard normal distribution.
const z99 = 2.5758293035489004

// WilsonLower and WilsonUpper are the ends of the Wilson score interval of 99 %
// for k of n; 0 and 1 where n is 0.
func WilsonLower(k, n int) float64 { return wilson(k, n, -1) }

// WilsonUpper: see WilsonLower.
func WilsonUpper(k, n int) float64 { return wilson(k, n, +1) }

func wilson(k, n int, side float64) float64 {
	if n <= 0 {
		return (1 + side) / 2
	}
	p, m := float64(k)/float64(n), float64(n)
	z2 := z99 * z99
	end := (p + z2/(2*m) + side*z99*math.Sqrt(p*(1-p)/m+z2/(4*m*m))) / (1 + z2/m)
	return math.Min(math.Max(end, 0), 1) // rounding leads just beyond
}

// String says it in words: "7 of 20 devices rolled-back (35.0 %, the limit is 2 %)".
func (e *Evidence) String() string {
	return fmt.Sprintf("%d of %d devices %s (%.1f %%, the limit is %s %%)", e.Count, e.Taken, e.Kind, 100*e.Rate, sealift.Share(math.Round(e.Limit*10_000)))
}
