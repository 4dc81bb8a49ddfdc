package store

import (
	"time"

	"github.com/sealift/sealift"
)

// Rollout is how one release reaches the devices of its channel and platform. It
// is named by the release's counter.
type Rollout struct {
	Coordinates
	Counter sealift.Counter
	Release sealift.Digest // of release.json
	Plan    []byte         // JSON of a rollout.Plan
	Salt    string         // of the buckets, for as long as there is a roll-out
	Urgent  bool
	// Phase is a rollout.Phase. Stage, Since, Spent and Cleared are those of a
	// rollout.State.
	Phase   string
	Stage   int64
	Since   time.Time
	Spent   time.Duration
	Cleared time.Time
	Share   sealift.Share // who is offered the release now, if its phase lets anybody
	Creator string
	Created time.Time
	Changed time.Time
	Entry   int64  // index in the log of the entry that says how it came to be so; 0 for unknown
	MAC     []byte // see Authentic
}
