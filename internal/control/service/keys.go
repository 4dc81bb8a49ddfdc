package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Keys shows the vault's keys.
type Keys interface {
	// Keys returns every version of every key that matches, by id and version.
	Keys(ctx context.Context, want KeyFilter) ([]Key, error)
	// SetKeyState puts a version into another state, as SP 800-57 allows it. A
	// version of one of the vault's own keys that is in use and declared
	// compromised is replaced in the same act. KindNotFound if there is none,
	// KindConflict if it is in that state already, or with reason "standby" where
	// devices know no version to replace it by, or with reason "key-in-use" where
	// something depends on what is to be destroyed; KindDenied with reason
	// "key-state" where the change is not allowed.
	SetKeyState(ctx context.Context, by access.Caller, want KeyChange) (Key, error)
	// RotateKey puts the next version in the place of the one in use. Errors are
	// those of SetKeyState.
	RotateKey(ctx context.Context, by access.Caller, want KeyRotation) (Rotated, error)
	// RetireKey destroys a version that is deactivated or compromised, now or
	// later. Errors are those of SetKeyState.
	RetireKey(ctx context.Context, by access.Caller, want KeyRetirement) (Key, error)
}

// KeyFilter picks keys; an empty field matches all.
type KeyFilter struct {
	ID, Purpose, State string
}

// KeyChange puts one version of a key into another state.
type KeyChange struct {
	ID      string
	Version uint64
	To      string // one of the six states
	Reason  string // in a person's words, for the log; never empty
}

// KeyRotation asks for the next version of a key.
type KeyRotation struct {
	ID     string
	Reason string
}

// Rotated says what came of it.
type Rotated struct {
	Active  Key
	Before  Key
	Standby *Key // the new one, to be vouched for; nil where the key needs none
}

// KeyRetirement asks for a version's end.
type KeyRetirement struct {
	ID      string
	Version uint64
	After   time.Duration // from now on; 0 for now
	Reason  string
}

// Key is all that is public about one version of a key.
type Key struct {
	ID        string
	Version   uint64
	Purpose   string
	Algorithm string
	Provider  string
	Owner     string
	Label     string
	State     string // SP 800-57 part 1 rev. 5, section 7
	Public    sealift.Digest
	Created   time.Time
	Changed   time.Time // when the state was set
	NotBefore time.Time // the cryptoperiod
	NotAfter  time.Time
	Standby   bool      // devices must know such a key before it is used
	Vouched   string    // the newest signed document that lists it, "root 3"; "" for none
	RetireAt  time.Time // when it is to be destroyed; zero for no such time
}
