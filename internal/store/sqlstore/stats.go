package sqlstore

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutDeviceOutcome implements store.StatsTx.
func (t *tx) PutDeviceOutcome(ctx context.Context, o store.DeviceOutcome) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return none(t.q.PutDeviceOutcome(ctx, sqlcgen.PutDeviceOutcomeParams{
			App: string(o.App), Device: string(o.Device), Release: o.Release[:], Hour: micros(o.Hour), Outcome: o.Outcome,
			Kind: o.Kind, Reason: o.Reason, Network: o.Network, Evidence: flag(o.Evidence), Via: o.Via,
		}))
	})
	return t.fail(ctx, "storing what came of a release on device "+string(o.Device), err)
}

// DeviceOutcome implements store.StatsTx.
func (t *tx) DeviceOutcome(ctx context.Context, app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (store.DeviceOutcome, error) {
	r, err := t.q.DeviceOutcome(ctx, sqlcgen.DeviceOutcomeParams{App: string(app), Device: string(device), Release: release[:]})
	if err != nil {
		return store.DeviceOutcome{}, t.fail(ctx, "reading what came of a release on device "+string(device), err)
	}
	return outcomeOf(r), nil
}

// DeviceOutcomes implements store.StatsTx.
func (t *tx) DeviceOutcomes(ctx context.Context, app sealift.AppID, device sealift.DeviceID) ([]store.DeviceOutcome, error) {
	rows, err := t.q.OutcomesOfDevice(ctx, sqlcgen.OutcomesOfDeviceParams{App: string(app), Device: string(device)})
	return collect(rows, t.fail(ctx, "reading what came of releases on device "+string(device), err), outcomeOf)
}

func outcomeOf(r sqlcgen.DeviceOutcome) store.DeviceOutcome {
	return store.DeviceOutcome{
		App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), Release: digest(r.Release), Hour: moment(r.Hour), Outcome: r.Outcome,
		Kind: r.Kind, Reason: r.Reason, Network: r.Network, Evidence: r.Evidence != 0, Via: r.Via,
	}
}

// CountNetwork implements store.StatsTx.
func (t *tx) CountNetwork(ctx context.Context, app sealift.AppID, release sealift.Digest, hour time.Time, network string) (int64, error) {
	n, err := t.q.CountNetwork(ctx, sqlcgen.CountNetworkParams{App: string(app), Release: release[:], Hour: micros(hour), Network: network})
	return n, t.fail(ctx, "counting devices of a network", err)
}

// AddReleaseHour implements store.StatsTx.
func (t *tx) AddReleaseHour(ctx context.Context, h store.ReleaseHour) (int64, error) {
	total, err := t.refusable(ctx, func() (int64, error) {
		return t.q.AddReleaseHour(ctx, sqlcgen.AddReleaseHourParams{
			App: string(h.App), Release: h.Release[:], Hour: micros(h.Hour), Outcome: h.Outcome, Kind: h.Kind, Reason: h.Reason,
			Evidence: h.Evidence, Unvouched: h.Unvouched,
		})
	})
	return total, t.fail(ctx, "counting devices of "+string(h.App), err)
}

// CountOtherReasons implements store.StatsTx.
func (t *tx) CountOtherReasons(ctx context.Context, h store.ReleaseHour) (int64, error) {
	n, err := t.q.CountOtherReasons(ctx, sqlcgen.CountOtherReasonsParams{
		App: string(h.App), Release: h.Release[:], Hour: micros(h.Hour), Outcome: h.Outcome, Kind: h.Kind, Reason: h.Reason,
	})
	return n, t.fail(ctx, "counting reasons of "+string(h.App), err)
}

// ReleaseHours implements store.StatsTx.
func (t *tx) ReleaseHours(ctx context.Context, app sealift.AppID, release sealift.Digest, since time.Time) ([]store.ReleaseHour, error) {
	rows, err := t.q.ReleaseHours(ctx, sqlcgen.ReleaseHoursParams{App: string(app), Release: release[:], Since: micros(since)})
	return collect(rows, t.fail(ctx, "reading what came of a release of "+string(app), err), func(r sqlcgen.ReleaseHour) store.ReleaseHour {
		return store.ReleaseHour{
			App: sealift.AppID(r.App), Release: digest(r.Release), Hour: moment(r.Hour), Outcome: r.Outcome, Kind: r.Kind, Reason: r.Reason,
			Evidence: r.Evidence, Unvouched: r.Unvouched,
		}
	})
}

// ReleaseTotals implements store.StatsTx.
func (t *tx) ReleaseTotals(ctx context.Context, app sealift.AppID, release sealift.Digest) ([]store.ReleaseHour, error) {
	rows, err := t.q.ReleaseTotals(ctx, sqlcgen.ReleaseTotalsParams{App: string(app), Release: release[:]})
	return collect(rows, t.fail(ctx, "summing up a release of "+string(app), err), func(r sqlcgen.ReleaseTotalsRow) store.ReleaseHour {
		return store.ReleaseHour{App: app, Release: release, Outcome: r.Outcome, Evidence: r.Evidence, Unvouched: r.Unvouched}
	})
}

// PruneStats implements store.StatsTx.
func (t *tx) PruneStats(ctx context.Context, app sealift.AppID, before time.Time) error {
	err := t.q.PruneDeviceOutcomes(ctx, sqlcgen.PruneDeviceOutcomesParams{App: string(app), Before: micros(before)})
	if err == nil {
		err = t.q.PruneCapgoOutcomes(ctx, sqlcgen.PruneCapgoOutcomesParams{App: string(app), Before: micros(before)})
	}
	if err == nil {
		err = t.q.PruneReleaseHours(ctx, sqlcgen.PruneReleaseHoursParams{App: string(app), Before: micros(before)})
	}
	return t.fail(ctx, "forgetting what came of old releases of "+string(app), err)
}

// CountSeen implements store.StatsTx.
func (t *tx) CountSeen(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, day, week time.Time) (store.Seen, error) {
	r, err := t.q.CountSeen(ctx, sqlcgen.CountSeenParams{App: string(app), Channel: string(channel), Platform: string(platform), Day: micros(day), Week: micros(week)})
	return store.Seen(r), t.fail(ctx, "counting devices of "+string(app), err)
}
