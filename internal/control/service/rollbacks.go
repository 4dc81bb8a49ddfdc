package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Rollbacks takes devices back to what they had.
type Rollbacks interface {
	// RollBack makes a draft of an older release that is offered on a channel: the
	// same archive and blobs under the next counter, which devices take that run what
	// it names. It is published once whatever the policy asks for is there; in that
	// transaction what it leads away from is withdrawn. KindNotFound if there is no
	// such app, channel or version; KindConflict with reason "unapproved" for a
	// version that waits for approval, "phase" for one whose roll-out is stopped,
	// "newest" if nothing newer is published, "ambiguous" if the version is for
	// several platforms or runtimes, "waiting" if it was asked for already;
	// KindInvalid with reason "from" for a version that is not newer, "life"; and the
	// error of a device that would refuse it, such as KindVersion with "floor".
	RollBack(ctx context.Context, by access.Caller, app sealift.AppID, want NewRollback) (RolledBack, error)
}

// NewRollback says which devices are to go back, and to what.
type NewRollback struct {
	Channel  sealift.Channel
	Platform sealift.Platform     // "" for the one that the version is on
	Runtime  sealift.RuntimeRange // "" for the one that it has there
	To       sealift.Version
	From     []sealift.Version // nil for every newer one
	Life     time.Duration     // how long devices may go back, sealift.MinRollbackLife to MaxRollbackLife
	Reason   string            // for people, signed
}

// RolledBack is a roll-back, which may have yet to be approved.
type RolledBack struct {
	Draft DraftDetail
	From  []Release // newest first, sealift.MaxRollbackFrom at most
	Left  int       // older ones that there was no room for
}
