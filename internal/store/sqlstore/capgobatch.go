package sqlstore

import (
	"context"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// How many Capgo devices one statement reads, and how many one writes. They come by
// hundreds, and a statement costs more than a row; but SQLite's driver looks for the
// name of each parameter among all of them.
const (
	capgoAtATime = 50
	capgoWritten = 8
)

const capgoColumns = "app, device, platform, version, build, plugin, channel, chosen, production, emulator, began, seen"

// capgoWidth is how many columns these are.
var capgoWidth = strings.Count(capgoColumns, ",") + 1

var (
	capgoDevicesOf = "SELECT " + capgoColumns + " FROM capgo_devices WHERE app = $1 AND device IN (" + placeholders(2, capgoAtATime) + ")"
	putCapgoOne    = putCapgo(1)
	putCapgoMany   = putCapgo(capgoWritten)
)

// putCapgo writes n devices, each over how it was, but for when it began and the
// channel that it chose.
func putCapgo(n int) string {
	return "INSERT INTO capgo_devices (" + capgoColumns + ") VALUES " + valueRows(n, capgoWidth) +
		" ON CONFLICT (app, device) DO UPDATE SET platform = excluded.platform, version = excluded.version, build = excluded.build, plugin = excluded.plugin," +
		" channel = excluded.channel, production = excluded.production, emulator = excluded.emulator, seen = excluded.seen"
}

// CapgoDevicesOf implements store.CapgoDeviceTx.
func (t *tx) CapgoDevicesOf(ctx context.Context, app sealift.AppID, ids []sealift.DeviceID) (map[sealift.DeviceID]store.CapgoDevice, error) {
	out := make(map[sealift.DeviceID]store.CapgoDevice, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), capgoAtATime)
		args := make([]any, 1, capgoAtATime+1)
		args[0] = string(app)
		for i := range capgoAtATime {
			args = append(args, string(ids[min(i, n-1)]))
		}
		if err := t.capgoDevicesOf(ctx, args, out); err != nil {
			return nil, t.fail(ctx, "reading Capgo devices of "+string(app), err)
		}
		ids = ids[n:]
	}
	return out, nil
}

func (t *tx) capgoDevicesOf(ctx context.Context, args []any, into map[sealift.DeviceID]store.CapgoDevice) error {
	rows, err := t.session.QueryContext(ctx, capgoDevicesOf, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r sqlcgen.CapgoDevice
		if err := rows.Scan(&r.App, &r.Device, &r.Platform, &r.Version, &r.Build, &r.Plugin, &r.Channel, &r.Chosen, &r.Production, &r.Emulator, &r.Began, &r.Seen); err != nil {
			return err
		}
		d := capgoDeviceOf(r)
		into[d.ID] = d
	}
	return rows.Err()
}

// PutCapgoDevices implements store.CapgoDeviceTx.
func (t *tx) PutCapgoDevices(ctx context.Context, devices []store.CapgoDevice) error {
	for len(devices) > 0 {
		n, text := 1, putCapgoOne
		if len(devices) >= capgoWritten {
			n, text = capgoWritten, putCapgoMany
		}
		args := make([]any, 0, n*capgoWidth)
		for _, d := range devices[:n] {
			args = append(args, string(d.App), string(d.ID), string(d.Platform), d.Version, d.Build, d.Plugin, string(d.Channel), string(d.Chosen),
				flag(d.Production), flag(d.Emulator), micros(d.Began), micros(d.Seen))
		}
		_, err := t.refusable(ctx, func() (int64, error) {
			_, err := t.session.ExecContext(ctx, text, args...)
			return 0, err
		})
		if err != nil {
			return t.fail(ctx, "storing Capgo devices", err)
		}
		devices = devices[n:]
	}
	return nil
}
