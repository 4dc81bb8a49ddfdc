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
	// SetKeyState suspends an active key or restores a suspended one. KindNotFound
	// if there is none, KindConflict if it is in another state, KindDenied with
	// reason "key-state" for one that is never suspended.
	SetKeyState(ctx context.Context, by access.Caller, want KeyChange) (Key, error)
}

// KeyFilter picks keys; an empty field matches all.
type KeyFilter struct {
	ID, Purpose, State string
}

// KeyChange suspends one version of a key, or restores it.
type KeyChange struct {
	ID      string
	Version uint64
	Suspend bool   // else restore
	Reason  string // in a person's words, for the log; never empty
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
}
