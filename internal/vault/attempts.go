package vault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

// attempts counts what did not open the vault, so that a flood of wrong secrets
// does not fill the log: of each hour, the first sealift.MaxUnsealEntries have an
// entry each, and all others together have one, which says how many they were.
// It is written when the hour is over, when something else comes of it, or when
// the server ends. A process that is killed takes with it the number of an hour.
type attempts struct {
	mu     sync.Mutex
	began  time.Time
	logged int
	others int64
	last   time.Time
}

// attemptsPeriod is the hour.
const attemptsPeriod = time.Hour

// note counts one attempt and reports whether it has an entry of its own. What is
// over of an hour before it returns as an event.
func (a *attempts) note(now time.Time, heard bool) (alone bool, before []event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before = a.over(now, false)
	if a.began.IsZero() {
		a.began = now
	}
	a.last = now
	if heard && a.logged < sealift.MaxUnsealEntries {
		a.logged++
		return true, before
	}
	a.others++
	return false, before
}

// over ends the hour if it is over, or if it is to be, and returns what there is
// to be told of it.
func (a *attempts) over(now time.Time, end bool) (told []event) {
	passed := now.Sub(a.began)
	if a.began.IsZero() || !end && passed >= 0 && passed < attemptsPeriod {
		return nil
	}
	if a.others > 0 {
		e := event{action: actionUnseal, actor: audit.Actor{Kind: audit.System, ID: "vault"}, at: now, result: audit.Refused}
		told = append(told, e.detail("reason", "repeated").detail("attempts", fmt.Sprint(a.others)).
			detail("since", a.began.UTC().Format(time.RFC3339)).detail("until", a.last.UTC().Format(time.RFC3339)))
	}
	if !end {
		a.began, a.logged = time.Time{}, 0
	}
	a.others = 0
	return told
}

// refuseAttempt records that an attempt to open the vault came to nothing because
// of err, by itself or with others, and returns err.
func (v *Vault) refuseAttempt(ctx context.Context, e event, err error) error {
	alone, events := v.failures.note(e.at, true)
	if alone {
		events = append(events, e.failed(err))
	}
	if len(events) == 0 {
		return err
	}
	return v.recordBeside(ctx, err, events)
}

// Unheard counts an attempt that was turned away before it was looked at, for the
// entry that tells how many there were.
func (v *Vault) Unheard(ctx context.Context, now time.Time) error {
	_, events := v.failures.note(now, false)
	if len(events) == 0 {
		return nil
	}
	return v.recordApart(ctx, events)
}

// Settle forgets shares that have lain too long, and records how many attempts
// there were in an hour that is over, or so far if all is true. A server calls
// it every now and then, and with all before it ends.
func (v *Vault) Settle(ctx context.Context, now time.Time, all bool) error {
	v.gathered.stale(now)
	v.failures.mu.Lock()
	events := v.failures.over(now, all)
	v.failures.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	return v.recordApart(ctx, events)
}
