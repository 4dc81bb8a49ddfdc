package people

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// failures decides which failed sign-ins are entries of their own. The first
// three in a row are, and then those whose number is a power of two, at most
// sealift.MaxFailureEntries an hour of all people together; and each entry says
// how many were not. So the log tells of every flood and is not filled by any.
// The zero value is ready.
type failures struct {
	mu     sync.Mutex
	began  time.Time // of the present hour
	made   int       // entries in it
	unmade int       // attempts that are in no entry yet
}

// due reports whether the n-th failure in a row is to be an entry, and how many
// before it were none. n is 0 for an attempt that was refused unlooked at.
func (f *failures) due(n int, now time.Time) (unmade int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if hourOver(f.began, now) {
		f.began, f.made = now, 0
	}
	if n == 0 || !isTold(n) || f.made >= sealift.MaxFailureEntries {
		f.unmade++
		return 0, false
	}
	f.made++
	unmade, f.unmade = f.unmade, 0
	return unmade, true
}

// hourOver reports whether the hour that is counted since began has passed; also
// where the clock went back.
func hourOver(began, now time.Time) bool {
	passed := now.Sub(began)
	return passed < 0 || passed >= time.Hour
}

// isTold reports whether the n-th of a row is one of the first three, or n is a power
// of two.
func isTold(n int) bool { return n <= 3 || n&(n-1) == 0 }

// taken returns how many failures are in no entry, for one that is made anyway.
func (f *failures) taken() (unmade int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	unmade, f.unmade = f.unmade, 0
	return unmade
}

// failed enters the n-th failure in a row of an act into the log, if it is due.
// person is who it was to be, by id; empty for nobody whom we know. What was
// typed as a login is in no entry: it may be a password.
func (r *Registry) failed(ctx context.Context, action, person string, from source, n int, now time.Time) error {
	unmade, due := r.failures.due(n, now)
	if !due {
		return nil
	}
	details := map[string]string{"reason": access.ReasonUnauthenticated, "failures": strconv.Itoa(n)}
	if unmade > 0 {
		details["unrecorded"] = strconv.Itoa(unmade)
	}
	if from.cause != "" {
		details["cause"] = from.cause
	}
	return r.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, audit.Entry{
			Time: now, Actor: audit.Actor{Kind: audit.Person, ID: person, Session: from.session, Address: from.address},
			Action: action, Subject: person, Details: details, Result: audit.Refused,
		})
		return err
	})
}

// source is where a failed attempt came from.
type source struct {
	address, session string
	cause            string // what an issuer's word was refused for; empty for the rest
}

// tooMany refuses an attempt that came before its time, and counts it.
func (r *Registry) tooMany(op string, wait time.Duration, now time.Time) error {
	r.failures.due(0, now)
	wait = wait.Truncate(time.Second) + time.Second
	return sealift.Errorf(sealift.KindExhausted, op, "too many attempts have failed").WithReason("rate").
		WithHint("try again in %s", wait)
}
