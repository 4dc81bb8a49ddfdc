package stats

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// Hours is where counts are read.
type Hours interface {
	ReleaseHours(ctx context.Context, app sealift.AppID, release sealift.Digest, since time.Time) ([]store.ReleaseHour, error)
}

// Totals is where sums of them are read.
type Totals interface {
	ReleaseTotals(ctx context.Context, app sealift.AppID, release sealift.Digest) ([]store.ReleaseHour, error)
}

// Slices returns how many devices ever confirmed a new release, and what its roll-out
// is judged by: hour by hour from since on, what came of the new release on the
// devices that took it in that hour, and of the old one, which is zero for none, on
// those that took that. Only evidence counts. A slice is due when silence has passed
// since its end; what is not heard of then failed by silence, and is no longer counted
// so once it speaks. Hours in which nobody took the new release are left out.
func Slices(ctx context.Context, tx Hours, app sealift.AppID, fresh, old sealift.Digest, since time.Time, silence time.Duration, now time.Time) (all []rollout.Slice, confirmed int, err error) {
	since = hourOf(since) // hours are not parted
	rows, err := tx.ReleaseHours(ctx, app, fresh, time.UnixMicro(0))
	if err != nil {
		return nil, 0, err
	}
	var before map[time.Time]*rollout.Counts
	if !old.IsZero() {
		olds, err := tx.ReleaseHours(ctx, app, old, since)
		if err != nil {
			return nil, 0, err
		}
		_, before = byHour(olds)
	}
	hours, counts := byHour(rows)
	for _, hour := range hours {
		confirmed += counts[hour].Confirmed
		if hour.Before(since) {
			continue
		}
		s := rollout.Slice{From: hour, New: *counts[hour], Due: !now.Before(hour.Add(time.Hour + silence))}
		if old := before[hour]; old != nil {
			s.Old = *old
		}
		if s.Due {
			fallSilent(&s.New)
			fallSilent(&s.Old)
		}
		all = append(all, s)
	}
	return all, confirmed, nil
}

// Sums are what is known of a release in all hours.
type Sums struct {
	Evidence, Unvouched rollout.Counts // of the devices that are evidence, and of the others
	Ways
}

// Ways is how a release's bundle came to devices, as far as they said.
type Ways struct{ Whole, Patched int64 }

func (w *Ways) add(row *store.ReleaseHour) {
	switch n := row.Evidence + row.Unvouched; Outcome(row.Outcome) {
	case whole:
		w.Whole += n
	case patched:
		w.Patched += n
	}
}

// Total returns what is known of a release in all hours.
func Total(ctx context.Context, tx Totals, app sealift.AppID, release sealift.Digest) (s Sums, err error) {
	rows, err := tx.ReleaseTotals(ctx, app, release)
	for i := range rows {
		add(&s.Evidence, rows[i].Outcome, rows[i].Evidence)
		add(&s.Unvouched, rows[i].Outcome, rows[i].Unvouched)
		s.add(&rows[i])
	}
	return s, err
}

// byHour sums the evidence of each hour, in the order of rows, which is that of time.
func byHour(rows []store.ReleaseHour) (hours []time.Time, counts map[time.Time]*rollout.Counts) {
	counts = map[time.Time]*rollout.Counts{}
	for i := range rows {
		if Outcome(rows[i].Outcome) == running {
			continue // whoever leaves a release does not take it
		}
		hour := rows[i].Hour
		if counts[hour] == nil {
			counts[hour] = &rollout.Counts{}
			hours = append(hours, hour)
		}
		add(counts[hour], rows[i].Outcome, rows[i].Evidence)
	}
	return hours, counts
}

func add(c *rollout.Counts, outcome string, n int64) {
	switch Outcome(outcome) {
	case Taken:
		c.Taken += int(n)
	case Confirmed:
		c.Confirmed += int(n)
	default:
		if kind := rollout.Failure(outcome).Kind(); kind >= 0 {
			c.Failed[kind] += int(n)
		}
	}
}

// fallSilent counts who was not heard of again as failed.
func fallSilent(c *rollout.Counts) {
	c.Failed[rollout.Silent.Kind()] += max(c.Taken-c.Confirmed-c.Failures(), 0)
}
