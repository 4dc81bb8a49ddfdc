package sqlstore

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// DevicesPlaced implements store.PlacedTx.
func (t *tx) DevicesPlaced(ctx context.Context, app sealift.AppID, channel sealift.Channel, now time.Time, limit int) ([]store.Placed, error) {
	rows, err := t.q.DevicesPlaced(ctx, sqlcgen.DevicesPlacedParams{App: string(app), Channel: string(channel), Now: micros(now), Most: most(limit)})
	return collect(rows, t.fail(ctx, "counting devices of the channels of "+string(app), err), func(r sqlcgen.DevicesPlacedRow) store.Placed {
		return store.Placed{
			Channel: sealift.Channel(r.Channel), Origin: store.Origin(r.Origin), Platform: sealift.Platform(r.Platform), Runtime: sealift.Version(r.Runtime),
			Build: r.Build, Emulator: r.Emulator != 0, Devices: r.Devices, Following: r.Following,
		}
	})
}
