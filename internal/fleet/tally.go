package fleet

import (
	"cmp"
	"slices"
	"sync"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/trust"
)

// Unanswered is the result of a message that deserved no signed answer, beside
// audit.OK and audit.Refused.
const Unanswered audit.Result = "unanswered"

// Tally is how many messages of devices came to the same end since the server
// started.
type Tally struct {
	Kind   trust.RequestKind // "" for what cannot be read
	Result audit.Result
	Reason string // of a refusal; "other" beyond sealift.MaxTallies
	N      int64
}

// Tallies is what a desk has answered since the server started.
type Tallies struct {
	Messages []Tally // by kind, result and reason
	Kept     int64   // steps of reports
	Repeated int64   // and those that had been kept before
}

// tallies counts. It is safe for concurrent use.
type tallies struct {
	mu             sync.Mutex
	messages       map[Tally]int64 // by the others' fields
	kept, repeated int64
}

// note counts a message that has come to its end.
func (t *tallies) note(v *visit, err error) {
	key := Tally{Kind: v.kind, Result: audit.OK}
	switch {
	case err != nil:
		key.Result, key.Reason = Unanswered, cmp.Or(sealift.ReasonOf(err), string(sealift.KindOf(err)))
	case v.refused != nil:
		key.Result, key.Reason = audit.Refused, cmp.Or(v.refused.Reason, string(v.refused.Kind))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.messages[key]; !known && len(t.messages) >= sealift.MaxTallies {
		key.Kind, key.Reason = "", "other"
	}
	if t.messages == nil {
		t.messages = map[Tally]int64{}
	}
	t.messages[key]++
	if key.Result == audit.OK {
		t.kept += int64(v.kept)
		t.repeated += int64(v.repeated)
	}
}

// Tallies returns what was answered so far.
func (d *Desk) Tallies() Tallies {
	d.tallies.mu.Lock()
	defer d.tallies.mu.Unlock()
	out := Tallies{Kept: d.tallies.kept, Repeated: d.tallies.repeated}
	for key, n := range d.tallies.messages {
		key.N = n
		out.Messages = append(out.Messages, key)
	}
	slices.SortFunc(out.Messages, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Result, b.Result), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
