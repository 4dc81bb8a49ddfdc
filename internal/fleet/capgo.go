package fleet

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// CapgoDevices implements service.Devices.
func (d *Desk) CapgoDevices(ctx context.Context, app sealift.AppID, page service.CapgoPage) (out []service.CapgoDevice, counts service.CapgoCounts, err error) {
	const day = 24 * time.Hour
	now := d.now().UTC()
	err = d.store.View(ctx, func(tx store.Tx) error {
		if _, err := d.app(ctx, tx, app); err != nil {
			return err
		}
		seen, err := tx.CountCapgoDevices(ctx, app, "", "", now.Add(-day), now.Add(-7*day))
		if err != nil {
			return err
		}
		counts = service.CapgoCounts{Known: seen.Devices, Day: seen.Day, Week: seen.Week}
		rows, err := tx.CapgoDevices(ctx, app, store.CapgoFilter{
			Prefix: page.Prefix, Behind: page.Behind, Channel: page.Channel, Version: string(page.Version), Platform: page.Platform, Limit: page.Limit,
		})
		if err != nil {
			return err
		}
		out = nil
		for _, r := range rows {
			out = append(out, service.CapgoDevice{
				ID: r.ID, Platform: r.Platform, Version: r.Version, Build: r.Build, Plugin: r.Plugin, Channel: r.Channel, Chosen: r.Chosen,
				Production: r.Production, Emulator: r.Emulator, Began: r.Began, Seen: r.Seen,
			})
		}
		if len(out) != 1 || page.Prefix != string(out[0].ID) {
			return nil
		}
		events, err := tx.CapgoEvents(ctx, app, out[0].ID, sealift.CapgoEventsKept)
		for _, e := range events {
			out[0].Events = append(out[0].Events, service.CapgoEvent{At: e.At, Received: e.Received, Action: e.Action, Version: e.Version, Old: e.Old, Detail: e.Detail})
		}
		return err
	})
	return out, counts, err
}
