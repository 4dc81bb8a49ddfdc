package stats

import (
	"maps"
	"slices"
	"time"

	"github.com/sealift/sealift/internal/store"
)

// Running is how many devices say by now that they run a release, and how that
// changed.
type Running struct {
	store.DeviceVersion
	Moves []Moved // Summary.Moves
}

// Moment is how many devices ran which releases at a time, the newest counter first.
type Moment struct {
	At       time.Time
	Versions []store.DeviceVersion
}

// History returns which releases devices ran from since until now: at since, at the
// end of each span in which that changed, and now; oldest first. It counts back from
// what they run by now, so that nothing depends on what was counted before since.
func History(all []Running, since, now time.Time, span time.Duration) []Moment {
	net := map[time.Time]map[int]int64{} // by the beginning of a span, and the place in all
	for i := range all {
		for _, m := range all[i].Moves {
			if net[m.From] == nil {
				net[m.From] = map[int]int64{}
			}
			net[m.From][i] += m.Net
		}
	}
	devices := make([]int64, len(all))
	for i := range all {
		devices[i] = all[i].Devices
	}
	moment := func(at time.Time) Moment {
		m := Moment{At: at}
		for i, n := range devices {
			if n > 0 {
				m.Versions = append(m.Versions, store.DeviceVersion{Version: all[i].Version, Counter: all[i].Counter, Devices: n})
			}
		}
		return m
	}
	out := []Moment{moment(now)}
	for _, from := range slices.Backward(slices.SortedFunc(maps.Keys(net), time.Time.Compare)) {
		if end := from.Add(span); end.Before(now) {
			out = append(out, moment(end))
		}
		for i, n := range net[from] {
			devices[i] -= n
		}
	}
	if since.Before(now) {
		out = append(out, moment(since))
	}
	slices.Reverse(out)
	return out
}
