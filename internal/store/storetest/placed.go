package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func testPlaced(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		for _, id := range []sealift.DeviceID{"one", "two", "away", "new", "never", "over", "revoked"} {
			d := aDevice(id)
			d.Platform, d.Runtime = "web", "1.0.0"
			if id == "revoked" {
				d.State = store.DeviceRevoked
			}
			do(t, tx.PutDevice(ctx, d))
			if id == "new" || id == "never" {
				continue
			}
			r := aReport(id)
			r.Channel, r.Runtime, r.Build, r.Emulator = channel, "2.0.0", "development", true
			do(t, tx.PutDeviceReport(ctx, r))
		}
		assign := func(id sealift.DeviceID, to sealift.Channel, by store.Origin, until time.Time) {
			do(t, tx.PutAssignment(ctx, store.Assignment{App: app, Device: id, Channel: to, Origin: by, Until: until, Sequence: 1, MAC: []byte("m")}))
		}
		assign("away", "beta", store.ByPerson, time.Time{})
		assign("new", "beta", store.ByLabel, someTime.Add(time.Microsecond))
		assign("over", "beta", store.ByPerson, someTime)
		assign("one", "", store.ByPerson, time.Time{})
	})
	view(t, s, func(tx store.Tx) {
		here := store.Placed{Channel: channel, Platform: "web", Runtime: "2.0.0", Build: "development", Emulator: true, Devices: 3, Following: 3}
		away, fresh := here, store.Placed{Channel: "beta", Origin: store.ByLabel, Platform: "web", Runtime: "1.0.0", Devices: 1}
		away.Channel, away.Origin, away.Devices, away.Following = "beta", store.ByPerson, 1, 0
		gives(t, []store.Placed{here, fresh, away})(tx.DevicesPlaced(ctx, app, "", someTime, 10))
		gives(t, []store.Placed{here})(tx.DevicesPlaced(ctx, app, channel, someTime, 10))
		gives(t, []store.Placed{fresh, away})(tx.DevicesPlaced(ctx, app, "beta", someTime, 10))
		gives(t, []store.Placed{here})(tx.DevicesPlaced(ctx, app, "", someTime, 1))
		gives(t, []store.Placed{})(tx.DevicesPlaced(ctx, "com.acme.till", "", someTime, 10))
	})
}
