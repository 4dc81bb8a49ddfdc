package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// testSearch: each field of a filter leaves out what it should, and what was
// forgotten is.
func testSearch(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := func(hours int) time.Time { return someTime.Add(time.Duration(hours) * time.Hour) }
	add := func(tx store.Tx, id sealift.DeviceID, state store.DeviceState, platform sealift.Platform, r *store.DeviceReport) {
		do(t, tx.PutDevice(ctx, store.Device{App: app, ID: id, State: state, Platform: platform, Enrolled: at(1)}))
		if r != nil {
			r.App, r.Device = app, id
			do(t, tx.PutDeviceReport(ctx, *r))
		}
	}
	said := func(v sealift.Version, c sealift.Counter, hours int) *store.DeviceReport {
		return &store.DeviceReport{Channel: channel, Version: v, Counter: c, Seen: at(hours)}
	}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		add(tx, "a1", store.DeviceActive, "web", said("1.0.0", 1, 5))
		add(tx, "a2", store.DeviceActive, "ios", said("1.0.0", 12, 6))
		add(tx, "b1", store.DeviceRevoked, "web", said("1.0.0", 1, 7))
		add(tx, "b2", store.DeviceErased, "", nil)
		add(tx, "c1", store.DeviceActive, "web", nil)
		add(tx, "c2", store.DeviceActive, "web", said("1.1.0", 2, 9))
		for _, test := range []struct {
			filter store.DeviceFilter
			want   []sealift.DeviceID
		}{
			{store.DeviceFilter{}, []sealift.DeviceID{"a1", "a2", "b1", "c1", "c2"}},
			{store.DeviceFilter{Behind: "a1", Limit: 2}, []sealift.DeviceID{"a2", "b1"}},
			{store.DeviceFilter{Prefix: "c"}, []sealift.DeviceID{"c1", "c2"}},
			{store.DeviceFilter{Prefix: "c2"}, []sealift.DeviceID{"c2"}},
			{store.DeviceFilter{Prefix: "a", Behind: "a1"}, []sealift.DeviceID{"a2"}},
			{store.DeviceFilter{Channel: channel}, []sealift.DeviceID{"a1", "a2", "b1", "c2"}},
			{store.DeviceFilter{Version: "1.0.0"}, []sealift.DeviceID{"a1", "a2", "b1"}},
			{store.DeviceFilter{Platform: "ios"}, []sealift.DeviceID{"a2"}},
			{store.DeviceFilter{State: store.DeviceRevoked}, []sealift.DeviceID{"b1"}},
			{store.DeviceFilter{State: store.DeviceErased}, []sealift.DeviceID{"b2"}},
			{store.DeviceFilter{Since: at(7)}, []sealift.DeviceID{"b1", "c2"}},
			{store.DeviceFilter{Until: at(6)}, []sealift.DeviceID{"a1", "c1"}},
			{store.DeviceFilter{Among: []store.DeviceVersion{{Version: "1.0.0", Counter: 1}}}, []sealift.DeviceID{"a1", "b1"}},
			{store.DeviceFilter{Among: []store.DeviceVersion{{Version: "1.0.0", Counter: 2}, {Version: "1.1.0", Counter: 2}}}, []sealift.DeviceID{"c2"}},
			{store.DeviceFilter{Among: []store.DeviceVersion{}}, nil},
		} {
			if test.filter.Limit == 0 {
				test.filter.Limit = 9
			}
			found, err := tx.Devices(ctx, app, test.filter)
			do(t, err)
			var ids []sealift.DeviceID
			for _, d := range found {
				ids = append(ids, d.ID)
			}
			gives(t, test.want)(ids, nil)
		}
		gives(t, []store.Device{})(tx.Devices(ctx, absent, store.DeviceFilter{Limit: 9}))
		gives(t, []store.DeviceVersion{{Version: "1.0.0", Counter: 1, Devices: 1}, {Version: "1.1.0", Counter: 2, Devices: 1}, {Version: "1.0.0", Counter: 12, Devices: 1}})(tx.DeviceVersions(ctx, app, "", "", 9))
		gives(t, []store.DeviceVersion{{Version: "1.0.0", Counter: 12, Devices: 1}})(tx.DeviceVersions(ctx, app, "", "ios", 9))
		gives(t, []store.DeviceVersion{{Version: "1.0.0", Counter: 1, Devices: 1}, {Version: "1.1.0", Counter: 2, Devices: 1}})(tx.DeviceVersions(ctx, app, channel, "web", 9))
		gives(t, []store.DeviceVersion{})(tx.DeviceVersions(ctx, app, "beta", "", 9))
		add(tx, "d1", store.DeviceActive, "web", said("1.1.0", 2, 9))
		gives(t, []store.DeviceVersion{{Version: "1.1.0", Counter: 2, Devices: 2}})(tx.DeviceVersions(ctx, app, "", "", 1))
		do(t, tx.InsertDeviceStep(ctx, aStep("d1", 1)))
		do(t, tx.InsertDeviceStep(ctx, aStep("c2", 1)))
		do(t, tx.ForgetDevice(ctx, app, "d1"))
		do(t, tx.ForgetDevice(ctx, app, "d1"))
		isAbsent(t)(tx.DeviceReport(ctx, app, "d1"))
		gives(t, []store.DeviceStep{})(tx.DeviceSteps(ctx, app, "d1", 0, 9))
		gives(t, []store.DeviceStep{aStep("c2", 1)})(tx.DeviceSteps(ctx, app, "c2", 0, 9))
	})
}
