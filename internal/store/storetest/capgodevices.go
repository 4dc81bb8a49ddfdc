package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func aCapgoDevice(id sealift.DeviceID) store.CapgoDevice {
	d := filled[store.CapgoDevice](0)
	d.App, d.ID, d.Production, d.Emulator = app, id, true, true
	d.Began, d.Seen = someTime, someTime.Add(time.Hour)
	return d
}

func aCapgoEvent(device sealift.DeviceID, n int) store.CapgoEvent {
	e := filled[store.CapgoEvent](n)
	e.App, e.Device = app, device
	e.Received = someTime.Add(time.Duration(n) * time.Minute)
	return e
}

func testCapgoDevices(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, two, three := aCapgoDevice("d1"), aCapgoDevice("d2"), aCapgoDevice("e3")
	two.Channel, two.Platform, two.Version, two.Chosen, two.Production, two.Seen = "beta", "ios", "", "", false, someTime.Add(48*time.Hour)
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertCapgoDevice(ctx, one))
		addApp(t, tx)
		isAbsent(t)(tx.UpdateCapgoDevice(ctx, one))
		for _, d := range []store.CapgoDevice{three, one, two} {
			isAbsent(t)(tx.CapgoDevice(ctx, app, d.ID))
			do(t, tx.InsertCapgoDevice(ctx, d))
		}
		isConflict(t)(tx.InsertCapgoDevice(ctx, one))
		changed := filled[store.CapgoDevice](7)
		changed.App, changed.ID = app, "e3"
		do(t, tx.UpdateCapgoDevice(ctx, changed))
		changed.Began = three.Began
		three = changed
		gives(t, three)(tx.CapgoDevice(ctx, app, "e3"))
	})
	testCapgoBatch(t, s)
	list := func(f store.CapgoFilter, want ...store.CapgoDevice) {
		t.Helper()
		view(t, s, func(tx store.Tx) {
			t.Helper()
			if f.Limit == 0 {
				f.Limit = 9
			}
			gives(t, slices.Concat([]store.CapgoDevice{}, want))(tx.CapgoDevices(ctx, app, f))
		})
	}
	list(store.CapgoFilter{}, one, two, three)
	list(store.CapgoFilter{Limit: 2}, one, two)
	list(store.CapgoFilter{Behind: "d1"}, two, three)
	list(store.CapgoFilter{Prefix: "d"}, one, two)
	list(store.CapgoFilter{Channel: "beta"}, two)
	list(store.CapgoFilter{Platform: "ios"}, two)
	list(store.CapgoFilter{Version: one.Version}, one)
	list(store.CapgoFilter{Prefix: "d", Since: two.Seen}, two)
	list(store.CapgoFilter{Prefix: "d", Until: two.Seen}, one)
	view(t, s, func(tx store.Tx) {
		gives(t, []store.CapgoDevice{one, three})(tx.CapgoChosen(ctx, app, 9))
		gives(t, []store.CapgoDevice{one})(tx.CapgoChosen(ctx, app, 1))
		gives(t, store.Seen{Devices: 1, Day: 1})(tx.CountCapgoDevices(ctx, app, "beta", "ios", two.Seen, two.Seen.Add(time.Hour)))
		gives(t, store.Seen{Devices: 3, Day: 1, Week: 3})(tx.CountCapgoDevices(ctx, app, "", "", two.Seen, someTime))
		gives(t, []sealift.AppID{})(tx.CapgoApps(ctx))
		gives(t, []sealift.Digest{})(tx.CapgoReleases(ctx, app))
	})
	testCapgoOutcomes(t, s)
	update(t, s, func(tx store.Tx) {
		gives(t, int64(0))(tx.PruneCapgoDevices(ctx, app, "f", two.Seen))
		gives(t, int64(1))(tx.PruneCapgoDevices(ctx, app, "d", two.Seen))
		isAbsent(t)(tx.CapgoDevice(ctx, app, "d1"))
		gives(t, two)(tx.CapgoDevice(ctx, app, "d2"))
	})
}

// testCapgoBatch writes and reads more devices than one statement takes.
func testCapgoBatch(t *testing.T, s store.Store) {
	ctx := t.Context()
	many := func(bend func(*store.CapgoDevice)) (all []store.CapgoDevice, ids []sealift.DeviceID) {
		for i := range 103 {
			d := aCapgoDevice(sealift.DeviceID(fmt.Sprintf("a%03d", i)))
			bend(&d)
			all, ids = append(all, d), append(ids, d.ID)
		}
		return all, ids
	}
	before, ids := many(func(d *store.CapgoDevice) { d.Chosen = "beta" })
	after, _ := many(func(d *store.CapgoDevice) {
		d.Version, d.Channel, d.Platform, d.Build, d.Plugin, d.Production, d.Emulator = "9.9.9", "vip", "web", "8", "7", false, false
		d.Seen = d.Seen.Add(time.Hour)
	})
	update(t, s, func(tx store.Tx) {
		gives(t, map[sealift.DeviceID]store.CapgoDevice{})(tx.CapgoDevicesOf(ctx, app, ids))
		do(t, tx.PutCapgoDevices(ctx, before))
		for i := range after {
			after[i].Chosen, after[i].Began = "", someTime.Add(99*time.Hour)
		}
		do(t, tx.PutCapgoDevices(ctx, after))
		want := map[sealift.DeviceID]store.CapgoDevice{}
		for i := range after {
			after[i].Chosen, after[i].Began = "beta", someTime
			want[after[i].ID] = after[i]
		}
		gives(t, want)(tx.CapgoDevicesOf(ctx, app, append(ids, "none")))
		gives(t, map[sealift.DeviceID]store.CapgoDevice{})(tx.CapgoDevicesOf(ctx, "com.acme.till", ids))
		gives(t, int64(103))(tx.PruneCapgoDevices(ctx, app, "a", someTime.AddDate(1, 0, 0)))
		other := before[0]
		other.App = "com.acme.none"
		isAbsent(t)(tx.PutCapgoDevices(ctx, []store.CapgoDevice{other}))
	})
}

func testCapgoOutcomes(t *testing.T, s store.Store) {
	ctx := t.Context()
	one := anOutcome("d1", 1)
	failed, back, other := one, one, one
	failed.Device, failed.Outcome = "d2", "refused"
	back.Device, back.Outcome, back.Evidence = "d3", "rolled-back", false
	other.Device, other.Network = "d4", ""
	update(t, s, func(tx store.Tx) {
		for _, o := range []store.DeviceOutcome{back, failed, one, other} {
			isAbsent(t)(tx.CapgoOutcome(ctx, app, o.Device, o.Release))
			do(t, tx.PutCapgoOutcome(ctx, o))
			gives(t, o)(tx.CapgoOutcome(ctx, app, o.Device, o.Release))
		}
		gives(t, int64(2))(tx.CountCapgoNetwork(ctx, app, one.Release, one.Hour, one.Network))
		gives(t, int64(0))(tx.CountCapgoNetwork(ctx, app, one.Release, one.Hour, ""))
		gives(t, int64(0))(tx.CountNetwork(ctx, app, one.Release, one.Hour, one.Network))
		gives(t, []sealift.DeviceID{"d2", "d3"})(tx.CapgoFailed(ctx, app, one.Release, "", 9))
		gives(t, []sealift.DeviceID{"d2"})(tx.CapgoFailed(ctx, app, one.Release, "", 1))
		gives(t, []sealift.DeviceID{"d3"})(tx.CapgoFailed(ctx, app, one.Release, "d2", 9))
		one.Outcome = "confirmed"
		do(t, tx.PutCapgoOutcome(ctx, one))
		gives(t, one)(tx.CapgoOutcome(ctx, app, "d1", one.Release))
		do(t, tx.PruneStats(ctx, app, one.Hour.Add(time.Microsecond)))
		isAbsent(t)(tx.CapgoOutcome(ctx, app, "d1", one.Release))

		for n := range 4 {
			gives(t, true)(tx.AddCapgoEvent(ctx, aCapgoEvent("d2", n)))
		}
		gives(t, false)(tx.AddCapgoEvent(ctx, aCapgoEvent("d2", 1)))
		gives(t, true)(tx.AddCapgoEvent(ctx, aCapgoEvent("d1", 0)))
		do(t, tx.PruneCapgoEvents(ctx, app, "d2", 2))
		gives(t, []store.CapgoEvent{aCapgoEvent("d2", 3), aCapgoEvent("d2", 2)})(tx.CapgoEvents(ctx, app, "d2", 9))
		gives(t, []store.CapgoEvent{aCapgoEvent("d2", 3)})(tx.CapgoEvents(ctx, app, "d2", 1))
		gives(t, []store.CapgoEvent{aCapgoEvent("d1", 0)})(tx.CapgoEvents(ctx, app, "d1", 9))
	})
}
