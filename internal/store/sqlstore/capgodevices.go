package sqlstore

import (
	"context"
	"math"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// CapgoApps implements store.CapgoDeviceTx.
func (t *tx) CapgoApps(ctx context.Context) ([]sealift.AppID, error) {
	rows, err := t.q.CapgoApps(ctx)
	return collect(rows, t.fail(ctx, "listing apps with releases for Capgo devices", err), func(id string) sealift.AppID { return sealift.AppID(id) })
}

// CapgoReleases implements store.CapgoDeviceTx.
func (t *tx) CapgoReleases(ctx context.Context, app sealift.AppID) ([]sealift.Digest, error) {
	rows, err := t.q.CapgoReleases(ctx, string(app))
	return collect(rows, t.fail(ctx, "looking for releases of "+string(app)+" for Capgo's plugin", err), digest)
}

// InsertCapgoDevice implements store.CapgoDeviceTx.
func (t *tx) InsertCapgoDevice(ctx context.Context, d store.CapgoDevice) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertCapgoDevice(ctx, sqlcgen.InsertCapgoDeviceParams{
			App: string(d.App), Device: string(d.ID), Platform: string(d.Platform), Version: d.Version, Build: d.Build, Plugin: d.Plugin,
			Channel: string(d.Channel), Chosen: string(d.Chosen), Production: flag(d.Production), Emulator: flag(d.Emulator),
			Began: micros(d.Began), Seen: micros(d.Seen),
		})
	})
	return t.added(ctx, "storing Capgo device "+string(d.ID), rows, err)
}

// UpdateCapgoDevice implements store.CapgoDeviceTx.
func (t *tx) UpdateCapgoDevice(ctx context.Context, d store.CapgoDevice) error {
	rows, err := t.q.UpdateCapgoDevice(ctx, sqlcgen.UpdateCapgoDeviceParams{
		App: string(d.App), Device: string(d.ID), Platform: string(d.Platform), Version: d.Version, Build: d.Build, Plugin: d.Plugin,
		Channel: string(d.Channel), Chosen: string(d.Chosen), Production: flag(d.Production), Emulator: flag(d.Emulator), Seen: micros(d.Seen),
	})
	return t.changed(ctx, "storing Capgo device "+string(d.ID), rows, err)
}

// CapgoDevice implements store.CapgoDeviceTx.
func (t *tx) CapgoDevice(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (store.CapgoDevice, error) {
	row, err := t.q.CapgoDevice(ctx, sqlcgen.CapgoDeviceParams{App: string(app), Device: string(id)})
	if err != nil {
		return store.CapgoDevice{}, t.fail(ctx, "reading Capgo device "+string(id), err)
	}
	return capgoDeviceOf(row), nil
}

// CapgoDevices implements store.CapgoDeviceTx.
func (t *tx) CapgoDevices(ctx context.Context, app sealift.AppID, f store.CapgoFilter) ([]store.CapgoDevice, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = micros(f.Since)
	}
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	rows, err := t.q.CapgoDevices(ctx, sqlcgen.CapgoDevicesParams{
		App: string(app), Behind: string(f.Behind), Least: f.Prefix, Beyond: f.Prefix + "g", // ids are hex
		Channel: string(f.Channel), Version: f.Version, Platform: string(f.Platform), Since: since, Until: until, Most: most(f.Limit),
	})
	return collect(rows, t.fail(ctx, "listing Capgo devices of "+string(app), err), capgoDeviceOf)
}

// CapgoChosen implements store.CapgoDeviceTx.
func (t *tx) CapgoChosen(ctx context.Context, app sealift.AppID, limit int) ([]store.CapgoDevice, error) {
	rows, err := t.q.CapgoChosen(ctx, sqlcgen.CapgoChosenParams{App: string(app), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing Capgo devices of "+string(app)+" that chose a channel", err), capgoDeviceOf)
}

// CountCapgoDevices implements store.CapgoDeviceTx.
func (t *tx) CountCapgoDevices(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, day, week time.Time) (store.Seen, error) {
	r, err := t.q.CountCapgoDevices(ctx, sqlcgen.CountCapgoDevicesParams{
		App: string(app), Channel: string(channel), Platform: string(platform), Day: micros(day), Week: micros(week),
	})
	return store.Seen(r), t.fail(ctx, "counting Capgo devices of "+string(app), err)
}

// PruneCapgoDevices implements store.CapgoDeviceTx.
func (t *tx) PruneCapgoDevices(ctx context.Context, app sealift.AppID, prefix string, before time.Time) (int64, error) {
	n, err := t.q.PruneCapgoDevices(ctx, sqlcgen.PruneCapgoDevicesParams{App: string(app), Least: prefix, Beyond: prefix + "g", Before: micros(before)})
	if err == nil {
		err = t.q.PruneCapgoEventsOf(ctx, sqlcgen.PruneCapgoEventsOfParams{App: string(app), Least: prefix, Beyond: prefix + "g", Before: micros(before)})
	}
	return n, t.fail(ctx, "forgetting Capgo devices of "+string(app), err)
}

// PutCapgoOutcome implements store.CapgoDeviceTx.
func (t *tx) PutCapgoOutcome(ctx context.Context, o store.DeviceOutcome) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return none(t.q.PutCapgoOutcome(ctx, sqlcgen.PutCapgoOutcomeParams{
			App: string(o.App), Device: string(o.Device), Release: o.Release[:], Hour: micros(o.Hour), Outcome: o.Outcome,
			Kind: o.Kind, Reason: o.Reason, Network: o.Network, Evidence: flag(o.Evidence), Via: o.Via,
		}))
	})
	return t.fail(ctx, "storing what came of a release on Capgo device "+string(o.Device), err)
}

// CapgoOutcome implements store.CapgoDeviceTx.
func (t *tx) CapgoOutcome(ctx context.Context, app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (store.DeviceOutcome, error) {
	r, err := t.q.CapgoOutcome(ctx, sqlcgen.CapgoOutcomeParams{App: string(app), Device: string(device), Release: release[:]})
	if err != nil {
		return store.DeviceOutcome{}, t.fail(ctx, "reading what came of a release on Capgo device "+string(device), err)
	}
	return outcomeOf(sqlcgen.DeviceOutcome(r)), nil
}

// CapgoFailed implements store.CapgoDeviceTx.
func (t *tx) CapgoFailed(ctx context.Context, app sealift.AppID, release sealift.Digest, behind sealift.DeviceID, limit int) ([]sealift.DeviceID, error) {
	rows, err := t.q.CapgoFailed(ctx, sqlcgen.CapgoFailedParams{App: string(app), Release: release[:], Behind: string(behind), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing on which Capgo devices of "+string(app)+" a release failed", err), func(id string) sealift.DeviceID { return sealift.DeviceID(id) })
}

// CountCapgoNetwork implements store.CapgoDeviceTx.
func (t *tx) CountCapgoNetwork(ctx context.Context, app sealift.AppID, release sealift.Digest, hour time.Time, network string) (int64, error) {
	n, err := t.q.CountCapgoNetwork(ctx, sqlcgen.CountCapgoNetworkParams{App: string(app), Release: release[:], Hour: micros(hour), Network: network})
	return n, t.fail(ctx, "counting Capgo devices of a network", err)
}

// AddCapgoEvent implements store.CapgoDeviceTx.
func (t *tx) AddCapgoEvent(ctx context.Context, e store.CapgoEvent) (bool, error) {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.AddCapgoEvent(ctx, sqlcgen.AddCapgoEventParams{
			App: string(e.App), Device: string(e.Device), At: micros(e.At), Action: e.Action, Version: e.Version, Old: e.Old, Detail: e.Detail, Received: micros(e.Received),
		})
	})
	return rows > 0, t.fail(ctx, "storing an event of Capgo device "+string(e.Device), err)
}

// CapgoEvents implements store.CapgoDeviceTx.
func (t *tx) CapgoEvents(ctx context.Context, app sealift.AppID, device sealift.DeviceID, limit int) ([]store.CapgoEvent, error) {
	rows, err := t.q.CapgoEvents(ctx, sqlcgen.CapgoEventsParams{App: string(app), Device: string(device), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing events of Capgo device "+string(device), err), func(r sqlcgen.CapgoEvent) store.CapgoEvent {
		return store.CapgoEvent{
			App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), At: moment(r.At), Action: r.Action, Version: r.Version, Old: r.Old,
			Detail: r.Detail, Received: moment(r.Received),
		}
	})
}

// PruneCapgoEvents implements store.CapgoDeviceTx.
func (t *tx) PruneCapgoEvents(ctx context.Context, app sealift.AppID, device sealift.DeviceID, keep int) error {
	if keep < 1 {
		return sealift.Errorf(sealift.KindInvalid, "forgetting events of Capgo device "+string(device), "at least one is kept")
	}
	err := t.q.PruneCapgoEvents(ctx, sqlcgen.PruneCapgoEventsParams{App: string(app), Device: string(device), Keep: most(keep - 1)})
	return t.fail(ctx, "forgetting events of Capgo device "+string(device), err)
}

func capgoDeviceOf(r sqlcgen.CapgoDevice) store.CapgoDevice {
	return store.CapgoDevice{
		App: sealift.AppID(r.App), ID: sealift.DeviceID(r.Device), Platform: sealift.Platform(r.Platform), Version: r.Version, Build: r.Build, Plugin: r.Plugin,
		Channel: sealift.Channel(r.Channel), Chosen: sealift.Channel(r.Chosen), Production: r.Production != 0, Emulator: r.Emulator != 0,
		Began: moment(r.Began), Seen: moment(r.Seen),
	}
}
