package store

import (
	"context"
	"time"

	"github.com/sealift/sealift"
)

// PlacedTx counts which devices channels have.
type PlacedTx interface {
	// DevicesPlaced counts the active devices of app by where they are at a time and by
	// what rules look at, on one channel unless that is empty, the most frequent first;
	// at most limit kinds of them. Those that never reported and are assigned nowhere
	// are on none.
	DevicesPlaced(ctx context.Context, app sealift.AppID, channel sealift.Channel, now time.Time, limit int) ([]Placed, error)
}
