package people

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// actionRefuse is the action of an entry about somebody whom the API refused.
const actionRefuse = "access.refuse"

// refusals decides which refusals of callers whom we know are entries of their own.
// Of each caller the first three for one reason in an hour are, and then those whose
// number is a power of two, at most sealift.MaxCallerRefusals; of all callers together
// at most sealift.MaxRefusalEntries. Each entry says how many were none. The zero
// value is ready.
type refusals struct {
	mu      sync.Mutex
	began   time.Time         // of the present hour
	callers map[string]*tally // by id; no more than there are entries
	made    int               // entries in it
	unmade  int               // refusals that are in no entry yet
}

// tally is what one caller was refused in an hour.
type tally struct {
	refused map[string]int // by reason, of which there are a dozen
	made    int            // entries
}

// due counts a refusal of a caller. It reports whether that is to be an entry, as
// which one of theirs for the reason in this hour, and how many before it, of all
// callers, were none.
func (r *refusals) due(caller, reason string, now time.Time) (n, unmade int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hourOver(r.began, now) {
		r.began, r.made, r.callers = now, 0, map[string]*tally{}
	}
	t := r.callers[caller]
	if t == nil {
		if r.made >= sealift.MaxRefusalEntries {
			r.unmade++
			return 0, 0, false
		}
		t = &tally{refused: map[string]int{}}
		r.callers[caller] = t
	}
	t.refused[reason]++
	n = t.refused[reason]
	if !isTold(n) || t.made >= sealift.MaxCallerRefusals || r.made >= sealift.MaxRefusalEntries {
		r.unmade++
		return n, 0, false
	}
	t.made++
	r.made++
	unmade, r.unmade = r.unmade, 0
	return n, unmade, true
}

// left returns how many are in no entry, once their hour is over.
func (r *refusals) left(now time.Time) (unmade int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hourOver(r.began, now) {
		unmade, r.unmade = r.unmade, 0
	}
	return unmade
}

// putBack counts again what did not get into the log.
func (r *refusals) putBack(unmade int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unmade += unmade
}

// Refused implements service.Refusals.
func (r *Registry) Refused(ctx context.Context, what service.Refusal) error {
	now := r.now().UTC()
	n, unmade, due := r.refusals.due(what.By.ID, what.Reason, now)
	if !due {
		return nil
	}
	details := map[string]string{
		"action": string(what.Action), "operation": what.Operation, "reason": what.Reason, "refusals": strconv.Itoa(n),
	}
	return r.enterRefusal(ctx, audit.Entry{
		Time: now, Actor: what.By.Actor(), Action: actionRefuse, Subject: string(what.App), Details: details, Result: audit.Refused,
	}, 1, unmade)
}

// enterRefusal enters e, which is about so many refusals and tells of unmade ones
// before. Whoever asked may have hung up, which must not keep it out of the log; and
// a log that hangs must not keep the answer, so it is waited for no longer than
// sealift.RefusalTime.
func (r *Registry) enterRefusal(ctx context.Context, e audit.Entry, about, unmade int) error {
	if unmade > 0 {
		e.Details["unrecorded"] = strconv.Itoa(unmade)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealift.RefusalTime)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		err := r.store.Update(ctx, func(tx store.Tx) error {
			_, err := audit.Append(ctx, tx, e)
			return err
		})
		if err != nil {
			r.refusals.putBack(about + unmade)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // which ends ctx, too
		return err
	default:
		return sealift.Errorf(sealift.KindExhausted, "entering a refusal", "the log did not take it within %s", sealift.RefusalTime).
			WithHint("look at the disk, or the database, of the server")
	}
}

// tellRefusals enters how many refusals of an hour that is over are in no entry: a
// flood that has ended is told of to its end.
func (r *Registry) tellRefusals(ctx context.Context) error {
	now := r.now().UTC()
	unmade := r.refusals.left(now)
	if unmade == 0 {
		return nil
	}
	return r.enterRefusal(ctx, audit.Entry{
		Time: now, Actor: audit.Actor{Kind: audit.System, ID: "people"}, Action: actionRefuse,
		Details: map[string]string{"reason": "rate"}, Result: audit.Refused,
	}, 0, unmade)
}
