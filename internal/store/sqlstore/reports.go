package sqlstore

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutDeviceReport implements store.DeviceTx.
func (t *tx) PutDeviceReport(ctx context.Context, s store.DeviceReport) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return none(t.q.PutDeviceReport(ctx, sqlcgen.PutDeviceReportParams{
			App: string(s.App), Device: string(s.Device), Seen: micros(s.Seen), Reported: micros(s.Reported),
			Through: number(s.Through), Lost: number(s.Lost), Root: s.Root, Targets: s.Targets, Channel: string(s.Channel),
			Version: string(s.Version), Counter: number(uint64(s.Counter)), State: some(s.State),
			Runtime: string(s.Runtime), Build: s.Build, Emulator: flag(s.Emulator),
		}))
	})
	return t.fail(ctx, "storing how device "+string(s.Device)+" is", err)
}

// DeviceReport implements store.DeviceTx.
func (t *tx) DeviceReport(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (store.DeviceReport, error) {
	r, err := t.q.DeviceReport(ctx, sqlcgen.DeviceReportParams{App: string(app), Device: string(id)})
	if err != nil {
		return store.DeviceReport{}, t.fail(ctx, "reading how device "+string(id)+" is", err)
	}
	return store.DeviceReport{
		App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), Seen: moment(r.Seen), Reported: moment(r.Reported),
		Through: uint64(r.Through), Lost: uint64(r.Lost), Root: r.Root, Targets: r.Targets, Channel: sealift.Channel(r.Channel),
		Version: sealift.Version(r.Version), Counter: sealift.Counter(r.Counter), State: bare(r.State),
		Runtime: sealift.Version(r.Runtime), Build: r.Build, Emulator: r.Emulator != 0,
	}, nil
}

// InsertDeviceStep implements store.DeviceTx.
func (t *tx) InsertDeviceStep(ctx context.Context, s store.DeviceStep) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertDeviceStep(ctx, sqlcgen.InsertDeviceStepParams{
			App: string(s.App), Device: string(s.Device), Sequence: number(s.Sequence), Received: micros(s.Received), At: micros(s.At),
			Step: s.Step, Release: s.Release[:], Version: string(s.Version), Counter: number(uint64(s.Counter)), Channel: string(s.Channel),
			Kind: s.Kind, Reason: s.Reason, Took: s.Took, Patch: s.Patch,
		})
	})
	return t.added(ctx, "storing a step of device "+string(s.Device), rows, err)
}

// PruneDeviceSteps implements store.DeviceTx.
func (t *tx) PruneDeviceSteps(ctx context.Context, app sealift.AppID, id sealift.DeviceID, keep int) error {
	err := t.q.PruneDeviceSteps(ctx, sqlcgen.PruneDeviceStepsParams{App: string(app), Device: string(id), Keep: most(keep)})
	return t.fail(ctx, "forgetting steps of device "+string(id), err)
}

// DeviceSteps implements store.DeviceTx.
func (t *tx) DeviceSteps(ctx context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) ([]store.DeviceStep, error) {
	rows, err := t.q.DeviceSteps(ctx, sqlcgen.DeviceStepsParams{App: string(app), Device: string(id), Before: number(before), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing steps of device "+string(id), err), func(r sqlcgen.DeviceStep) store.DeviceStep {
		return store.DeviceStep{
			App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), Sequence: uint64(r.Sequence), Received: moment(r.Received), At: moment(r.At),
			Step: r.Step, Release: digest(r.Release), Version: sealift.Version(r.Version), Counter: sealift.Counter(r.Counter), Channel: sealift.Channel(r.Channel),
			Kind: r.Kind, Reason: r.Reason, Took: r.Took, Patch: r.Patch,
		}
	})
}

// CountFleet implements store.DeviceTx.
func (t *tx) CountFleet(ctx context.Context, since time.Time, root, targets int64) (store.Fleet, error) {
	r, err := t.q.CountFleet(ctx, sqlcgen.CountFleetParams{Since: micros(since), Root: root, Targets: targets})
	if err != nil {
		return store.Fleet{}, t.fail(ctx, "counting the fleet", err)
	}
	fleet := store.Fleet{Devices: r.Devices, Behind: r.Behind}
	if r.Behind > 0 {
		fleet.Oldest = moment(r.Oldest)
	}
	return fleet, nil
}
