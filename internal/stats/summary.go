package stats

import (
	"cmp"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// Summary is what came of one release.
type Summary struct {
	Evidence, Unvouched rollout.Counts // in sum
	Causes              []Cause        // why it failed, the most frequent first, at most sealift.MaxCauses
	Course              []Point        // oldest first; where nobody took the release there is none
	Ways
	Patches map[string]int64 // devices by the patch that they took: its SHA-256 in hex, "other" for rare ones
	Moves   []Moved          // oldest first; where there were none there is none
}

// Moved is by how many more devices ran a release at the end of a span of time than
// at its beginning.
type Moved struct {
	From time.Time
	Net  int64
}

// Cause is one way in which a release failed.
type Cause struct {
	Failure      rollout.Failure
	Kind, Reason string // of the error
	Evidence     int    // devices
	Unvouched    int
}

// Point is what became of the devices that took a release in one span of time. Only
// evidence is in it.
type Point struct {
	From time.Time
	rollout.Counts
}

// Span returns in which spans of time a course since then is told: hours of two
// weeks, else days.
func Span(since, now time.Time) time.Duration {
	if now.Sub(since) <= 14*24*time.Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// Summarize sums the rows of one release, which are in the order of time. span is
// at least an hour.
func Summarize(rows []store.ReleaseHour, span time.Duration) Summary {
	var s Summary
	type why struct {
		outcome      string
		kind, reason string
	}
	causes := map[why]*Cause{}
	for _, row := range rows {
		from := row.Hour.Truncate(span)
		if Outcome(row.Outcome) == running {
			if n := len(s.Moves); n == 0 || !s.Moves[n-1].From.Equal(from) {
				s.Moves = append(s.Moves, Moved{From: from})
			}
			s.Moves[len(s.Moves)-1].Net += row.Evidence
			continue
		}
		s.Ways.add(&row)
		if Outcome(row.Outcome) == patched {
			if s.Patches == nil {
				s.Patches = map[string]int64{}
			}
			s.Patches[row.Reason] += row.Evidence + row.Unvouched
		}
		add(&s.Evidence, row.Outcome, row.Evidence)
		add(&s.Unvouched, row.Outcome, row.Unvouched)
		if n := len(s.Course); n == 0 || !s.Course[n-1].From.Equal(from) {
			s.Course = append(s.Course, Point{From: from})
		}
		add(&s.Course[len(s.Course)-1].Counts, row.Outcome, row.Evidence)
		failure := rollout.Failure(row.Outcome)
		if failure.Kind() < 0 || row.Evidence == 0 && row.Unvouched == 0 {
			continue
		}
		key := why{row.Outcome, row.Kind, row.Reason}
		if causes[key] == nil {
			causes[key] = &Cause{Failure: failure, Kind: row.Kind, Reason: row.Reason}
		}
		causes[key].Evidence += int(row.Evidence)
		causes[key].Unvouched += int(row.Unvouched)
	}
	for _, c := range causes {
		s.Causes = append(s.Causes, *c)
	}
	slices.SortFunc(s.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Evidence, a.Evidence), cmp.Compare(b.Unvouched, a.Unvouched), cmp.Compare(a.Failure, b.Failure),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	s.Causes = s.Causes[:min(len(s.Causes), sealift.MaxCauses)]
	return s
}
