package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func aReport(id sealift.DeviceID) store.DeviceReport {
	r := filled[store.DeviceReport](0)
	r.App, r.Device, r.Channel = app, id, channel
	return r
}

func aStep(id sealift.DeviceID, sequence uint64) store.DeviceStep {
	s := filled[store.DeviceStep](0)
	s.App, s.Device, s.Sequence = app, id, sequence
	return s
}

func testReports(t *testing.T, s store.Store) {
	ctx := t.Context()
	bare := store.DeviceReport{App: app, Device: "d2"}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutDeviceReport(ctx, aReport("d1")))
		isAbsent(t)(tx.InsertDeviceStep(ctx, aStep("d1", 1)))
		addApp(t, tx)
		for _, id := range []sealift.DeviceID{"d1", "d2", "d3"} {
			do(t, tx.PutDevice(ctx, aDevice(id)))
		}
		isAbsent(t)(tx.DeviceReport(ctx, app, "d1"))
		do(t, tx.PutDeviceReport(ctx, aReport("d1")))
		do(t, tx.PutDeviceReport(ctx, bare))
		gives(t, aReport("d1"))(tx.DeviceReport(ctx, app, "d1"))
		for _, sequence := range []uint64{7, 1, 3} {
			do(t, tx.InsertDeviceStep(ctx, aStep("d1", sequence)))
			isConflict(t)(tx.InsertDeviceStep(ctx, aStep("d1", sequence)))
		}
		do(t, tx.InsertDeviceStep(ctx, aStep("d2", 7)))
		isAbsent(t)(tx.InsertDeviceStep(ctx, aStep("d4", 1)))
	})
	update(t, s, func(tx store.Tx) {
		changed := filled[store.DeviceReport](50)
		changed.App, changed.Device = app, "d1"
		do(t, tx.PutDeviceReport(ctx, changed))
		gives(t, changed)(tx.DeviceReport(ctx, app, "d1"))
		gives(t, bare)(tx.DeviceReport(ctx, app, "d2"))
		gives(t, []store.DeviceStep{aStep("d1", 7), aStep("d1", 3)})(tx.DeviceSteps(ctx, app, "d1", 0, 2))
		gives(t, []store.DeviceStep{aStep("d1", 3), aStep("d1", 1)})(tx.DeviceSteps(ctx, app, "d1", 7, 9))
		gives(t, []store.DeviceStep{})(tx.DeviceSteps(ctx, app, "d1", 0, -1))
		do(t, tx.PruneDeviceSteps(ctx, app, "d1", 3))
		do(t, tx.PruneDeviceSteps(ctx, app, "d1", 2))
		gives(t, []store.DeviceStep{aStep("d1", 7), aStep("d1", 3)})(tx.DeviceSteps(ctx, app, "d1", 0, 9))
		gives(t, []store.DeviceStep{aStep("d2", 7)})(tx.DeviceSteps(ctx, app, "d2", 0, 9)) // another's stay
	})
}

// testFleet: who counts, who is behind, and which of these was silent longest.
func testFleet(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := func(hours int) time.Time { return someTime.Add(time.Duration(hours) * time.Hour) }
	device := func(id sealift.DeviceID, enrolled time.Time, bend func(*store.Device)) store.Device {
		d := store.Device{App: app, ID: id, Token: "t", State: store.DeviceActive, Enrolled: enrolled}
		if bend != nil {
			bend(&d)
		}
		return d
	}
	report := func(id sealift.DeviceID, seen time.Time, root, targets int64) store.DeviceReport {
		return store.DeviceReport{App: app, Device: id, Seen: seen, Root: root, Targets: targets}
	}
	update(t, s, func(tx store.Tx) {
		gives(t, store.Fleet{})(tx.CountFleet(ctx, at(0), 1, 1))
		addApp(t, tx)
		for _, d := range []store.Device{
			device("current", at(0), nil), device("old-root", at(0), nil), device("old-targets", at(0), nil),
			device("never-reported", at(5), nil), device("silent", at(0), nil), device("old-timer", at(-9), nil),
			device("revoked", at(5), func(d *store.Device) { d.State = store.DeviceRevoked }),
			device("open", at(5), func(d *store.Device) { d.Token = "" }),
		} {
			do(t, tx.PutDevice(ctx, d))
		}
		for _, r := range []store.DeviceReport{
			report("current", at(5), 3, 7), report("old-root", at(3), 2, 7), report("old-targets", at(4), 3, 6),
			report("silent", at(1), 1, 1), report("revoked", at(5), 1, 1), report("open", at(5), 1, 1),
		} {
			do(t, tx.PutDeviceReport(ctx, r))
		}
		gives(t, store.Fleet{Devices: 4, Behind: 3, Oldest: at(3)})(tx.CountFleet(ctx, at(2), 3, 7))
		gives(t, store.Fleet{Devices: 4, Behind: 2, Oldest: at(3)})(tx.CountFleet(ctx, at(2), 3, 0))
		gives(t, store.Fleet{Devices: 5, Behind: 4, Oldest: at(1)})(tx.CountFleet(ctx, at(1), 3, 7))
		gives(t, store.Fleet{Devices: 4, Behind: 1, Oldest: at(5)})(tx.CountFleet(ctx, at(2), 2, 6))
		gives(t, store.Fleet{Devices: 2, Behind: 1, Oldest: at(5)})(tx.CountFleet(ctx, at(5), 1, 1))
		gives(t, store.Fleet{})(tx.CountFleet(ctx, at(6), 9, 9))
	})
}
