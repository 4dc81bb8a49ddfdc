package access

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Ended is a caller who brought the secret of a token or a session that counts no
// more. From outside it is refused like any other; inside it is known whose it
// was, and that somebody kept it.
type Ended struct {
	Principal        // whose it was: ID, Kind and Session alone
	Reason    string // one of those below, or what is wrong with the row, such as "row-put-back"
}

// Reasons why a secret counts no more. A person who may not sign in is named by
// their state: "disabled".
const (
	ReasonRevoked = "revoked" // the token was
	ReasonExpired = "expired" // token or session
	ReasonIdle    = "idle"    // the session was not used for sealift.SessionIdle
	ReasonEnded   = "ended"   // the session was, by its person, by others, or to make room
)

// Error is what the caller hears, who is told nothing of it.
func (e *Ended) Error() string { return refused().Error() }

// Unwrap returns the refusal.
func (e *Ended) Unwrap() error { return refused() }

// tokenEnd reports whether a token counts no more, and why.
func tokenEnd(found Found[store.Token], now time.Time) (reason string, over bool) {
	row := found.Row
	switch {
	case sealift.KindOf(found.Wrong) == sealift.KindDenied:
		return sealift.ReasonOf(found.Wrong), true
	case row.Revoked:
		return ReasonRevoked, true
	case !row.Expires.IsZero() && !now.Before(row.Expires):
		return ReasonExpired, true
	}
	return "", false
}

// sessionEnd is tokenEnd of a session and its person.
func sessionEnd(found Found[store.Session], who Found[store.Person], now time.Time) (reason string, over bool) {
	row := found.Row
	switch {
	case sealift.KindOf(found.Wrong) == sealift.KindDenied:
		return sealift.ReasonOf(found.Wrong), true
	case sealift.KindOf(who.Wrong) == sealift.KindDenied:
		return sealift.ReasonOf(who.Wrong), true
	case !MaySignIn(who.Row):
		return string(who.Row.State), true
	case !now.Before(row.Expires):
		return ReasonExpired, true
	case now.Sub(row.Seen) >= sealift.SessionIdle:
		return ReasonIdle, true
	}
	return "", false
}

// IsRefusal reports whether err says that somebody whom we know may not do what
// they asked for: for want of a role, a scope, a confirmation or a fresh proof.
func IsRefusal(err error) bool {
	if sealift.KindOf(err) != sealift.KindDenied {
		return false
	}
	switch sealift.ReasonOf(err) {
	case ReasonRole, ReasonScope, ReasonUnconfirmed, ReasonStepUp, ReasonPerson:
		return true
	}
	return false
}
