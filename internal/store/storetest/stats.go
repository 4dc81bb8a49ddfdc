package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func anOutcome(id sealift.DeviceID, n int) store.DeviceOutcome {
	o := filled[store.DeviceOutcome](n)
	o.App, o.Device, o.Hour, o.Evidence = app, id, someTime, true
	return o
}

// anHour is some hours after someTime.
func anHour(hours int) store.ReleaseHour {
	h := filled[store.ReleaseHour](0)
	h.App, h.Hour = app, someTime.Add(time.Duration(hours)*time.Hour)
	return h
}

func testStats(t *testing.T, s store.Store) {
	ctx := t.Context()
	one := anOutcome("d1", 1)
	release := one.Release
	from := func(id sealift.DeviceID, bend func(*store.DeviceOutcome)) store.DeviceOutcome {
		o := one
		o.Device = id
		bend(&o)
		return o
	}
	total := func(h store.ReleaseHour) func(tx store.Tx, want int64) {
		return func(tx store.Tx, want int64) {
			t.Helper()
			gives(t, want)(tx.AddReleaseHour(ctx, h))
		}
	}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutDeviceOutcome(ctx, one))
		isAbsent(t)(tx.AddReleaseHour(ctx, anHour(0)))
		addApp(t, tx)
		for _, id := range []sealift.DeviceID{"d1", "d2", "d3", "d4", "d5"} {
			do(t, tx.PutDevice(ctx, aDevice(id)))
		}
		isAbsent(t)(tx.DeviceOutcome(ctx, app, "d1", release))
		for _, o := range []store.DeviceOutcome{
			one, from("d2", func(o *store.DeviceOutcome) { o.Evidence = false }), from("d3", func(o *store.DeviceOutcome) { o.Hour = o.Hour.Add(time.Hour) }),
			from("d4", func(o *store.DeviceOutcome) { o.Network = "other" }), from("d5", func(o *store.DeviceOutcome) { o.Network = "" }),
			from("d5", func(o *store.DeviceOutcome) { o.Release = sealift.DigestOf(nil) }),
		} {
			do(t, tx.PutDeviceOutcome(ctx, o))
			gives(t, o)(tx.DeviceOutcome(ctx, app, o.Device, o.Release))
		}
		both, err := tx.DeviceOutcomes(ctx, app, "d5")
		if do(t, err); len(both) != 2 {
			t.Errorf("of one device: %+v", both)
		}
		gives(t, []store.DeviceOutcome{one})(tx.DeviceOutcomes(ctx, app, "d1"))
		gives(t, []store.DeviceOutcome{})(tx.DeviceOutcomes(ctx, app, "none"))
		gives(t, int64(1))(tx.CountNetwork(ctx, app, release, one.Hour, one.Network))
		gives(t, int64(0))(tx.CountNetwork(ctx, app, release, one.Hour, ""))
		changed := filled[store.DeviceOutcome](9)
		changed.App, changed.Device, changed.Release = app, "d1", release
		do(t, tx.PutDeviceOutcome(ctx, changed))
		gives(t, changed)(tx.DeviceOutcome(ctx, app, "d1", release))
		gives(t, int64(0))(tx.CountNetwork(ctx, app, release, one.Hour, one.Network))
	})
	update(t, s, func(tx store.Tx) {
		seen := func(id sealift.DeviceID, days int) {
			r := aReport(id)
			r.Seen = someTime.AddDate(0, 0, -days)
			do(t, tx.PutDeviceReport(ctx, r))
		}
		seen("d1", 0)
		seen("d2", 1)
		seen("d3", 8)
		revoked := aDevice("d4")
		revoked.State = store.DeviceRevoked
		do(t, tx.PutDevice(ctx, revoked))
		seen("d4", 0)
		elsewhere := aDevice("d5")
		elsewhere.Platform = "ios"
		do(t, tx.PutDevice(ctx, elsewhere))
		seen("d5", 0)
		of := func(want store.Seen, channel sealift.Channel, platform sealift.Platform) {
			t.Helper()
			gives(t, want)(tx.CountSeen(ctx, app, channel, platform, someTime.Add(-time.Hour), someTime.AddDate(0, 0, -7)))
		}
		of(store.Seen{Devices: 4, Day: 2, Week: 3}, "", "")
		of(store.Seen{Devices: 3, Day: 1, Week: 2}, channel, aDevice("d1").Platform)
		of(store.Seen{Devices: 1, Day: 1, Week: 1}, "", "ios")
		of(store.Seen{}, "beta", "")
	})
	first, later := anHour(0), anHour(5)
	fewer, another := first, later
	fewer.Evidence, fewer.Unvouched = -first.Evidence, 1
	another.Reason = "another"
	rest := another
	rest.Reason = "other"
	update(t, s, func(tx store.Tx) {
		total(later)(tx, later.Evidence+later.Unvouched)
		total(first)(tx, first.Evidence+first.Unvouched)
		total(fewer)(tx, first.Unvouched+1)
		total(another)(tx, later.Evidence+later.Unvouched)
		total(rest)(tx, later.Evidence+later.Unvouched)
		gives(t, int64(1))(tx.CountOtherReasons(ctx, later))
		gives(t, int64(0))(tx.CountOtherReasons(ctx, first))
		gives(t, []store.ReleaseHour{})(tx.ReleaseHours(ctx, app, sealift.DigestOf(nil), first.Hour))
		gives(t, []store.ReleaseHour{another, rest, later})(tx.ReleaseHours(ctx, app, first.Release, first.Hour.Add(time.Microsecond)))
		sum := func(n int64) store.ReleaseHour {
			return store.ReleaseHour{App: app, Release: first.Release, Outcome: first.Outcome, Evidence: n * later.Evidence, Unvouched: first.Unvouched + 1 + n*later.Unvouched}
		}
		gives(t, []store.ReleaseHour{sum(3)})(tx.ReleaseTotals(ctx, app, first.Release))
		gives(t, []store.ReleaseHour{})(tx.ReleaseTotals(ctx, app, sealift.DigestOf(nil)))
		do(t, tx.PruneStats(ctx, app, later.Hour))
		gives(t, []store.ReleaseHour{another, rest, later})(tx.ReleaseHours(ctx, app, first.Release, first.Hour))
		isAbsent(t)(tx.DeviceOutcome(ctx, app, "d3", release))
	})
}
