package client

import (
	"errors"
	"time"

	"github.com/sealift/sealift"
)

// watch is how this process measures the wait of one pending release.
type watch struct {
	release sealift.Digest
	began   time.Time // with its monotonic reading
	left    time.Duration
	whole   bool // left is all of the wait, none of which went by a clock alone
}

// wait writes down when a wait of that length begins and ends by the clock.
func (p *Pending) wait(now time.Time, length time.Duration) {
	from := now.Round(0).UTC()
	by := from.Add(length)
	p.ConfirmFrom, p.ConfirmBy = &from, &by
}

// await sees whether the time of the release that waits for Confirm is over.
func (d *Device) await(s *state) (Result, error) {
	if d.watch.release != s.Pending.Release {
		if err := d.takeUp(s); err != nil {
			return d.failed(Result{}, err)
		}
		if s.Pending == nil { // confirmed meanwhile
			return s.result(OutcomeUpdated), nil
		}
	}
	if time.Since(d.watch.began) < d.watch.left {
		return s.result(OutcomePending), nil
	}
	if d.watch.whole {
		return d.takeBack(s.Pending.Release, errUnconfirmed, (*state).revert)
	}
	return d.takeBack(s.Pending.Release, errUnconfirmed, (*state).lapse)
}

// errUnconfirmed is why a release is taken back that waited for Confirm.
var errUnconfirmed = errors.New("nobody confirmed it in time")

// takeUp begins to watch a wait that another process began. More than the whole
// of it cannot be left: then the clock was put back, and the wait begins anew.
func (d *Device) takeUp(s *state) error {
	now, p := d.cfg.Host.Now().Round(0), s.Pending
	next := watch{p.Release, time.Now(), p.ConfirmBy.Sub(now), false}
	length := d.cfg.ConfirmWithin
	if p.ConfirmFrom != nil {
		length = p.ConfirmBy.Sub(*p.ConfirmFrom)
	}
	if length <= 0 || next.left <= length {
		d.watch = next
		return nil
	}
	changed, err := d.store.change(func(s *state) error {
		if s.Pending != nil && s.Pending.Release == p.Release {
			again := *s.Pending
			again.wait(now, length)
			s.Pending = &again
		}
		return nil
	})
	if err != nil {
		return err
	}
	*s = changed
	next.left, next.whole = length, true
	d.watch = next
	return nil
}
