package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// ReleasesOf implements store.PatchTx.
func (t *tx) ReleasesOf(ctx context.Context, app sealift.AppID, archive sealift.Digest) ([]store.Release, error) {
	rows, err := t.q.ReleasesOf(ctx, sqlcgen.ReleasesOfParams{App: string(app), Archive: archive[:]})
	return collect(rows, t.fail(ctx, fmt.Sprintf("listing releases of %s with archive %v", app, archive), err), releaseOf)
}

// Running implements store.PatchTx.
func (t *tx) Running(ctx context.Context, app sealift.AppID, platform sealift.Platform, since time.Time, limit int) ([]store.DeviceVersion, error) {
	rows, err := t.q.RunningReleases(ctx, sqlcgen.RunningReleasesParams{
		App: string(app), Since: micros(since), Platform: string(platform), Most: most(limit),
	})
	return collect(rows, t.fail(ctx, "counting what devices of "+string(app)+" run", err), func(r sqlcgen.RunningReleasesRow) store.DeviceVersion {
		return store.DeviceVersion{Version: sealift.Version(r.Version), Counter: sealift.Counter(r.Counter), Devices: r.Devices}
	})
}
