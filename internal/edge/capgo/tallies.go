package capgo

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// Tally is how many calls came to the same end since the server started.
type Tally struct {
	Call   string // "update", "manifest_size", "stats", "channel", or "check-in" for what is kept of update checks
	Answer string // what was answered; one of few words
	N      int64
}

// tallies counts. The zero value counts from 0; it is safe for concurrent use.
type tallies struct{ counts sync.Map } // Tally without N → *atomic.Int64

func (t *tallies) add(call, answer string, n int64) {
	key := Tally{Call: call, Answer: answer}
	count, ok := t.counts.Load(key)
	if !ok {
		count, _ = t.counts.LoadOrStore(key, new(atomic.Int64))
	}
	count.(*atomic.Int64).Add(n)
}

// Tallies returns what was answered so far, by call and answer.
func (e *Edge) Tallies() (out []Tally) {
	e.tallies.counts.Range(func(key, count any) bool {
		t := key.(Tally)
		t.N = count.(*atomic.Int64).Load()
		out = append(out, t)
		return true
	})
	slices.SortFunc(out, func(a, b Tally) int { return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Answer, b.Answer)) })
	return out
}

// Whats are all that What returns.
func Whats() []string { return []string{callUpdate, callSize, callStats, callChannel, callOther} }

// What says what a request is for by the path of its URL, whether or not it is there.
func What(path string) string {
	switch path {
	case Prefix + "updates":
		return callUpdate
	case Prefix + "updates/manifest_size":
		return callSize
	case Prefix + "stats":
		return callStats
	case Prefix + "channel_self":
		return callChannel
	}
	return callOther
}
