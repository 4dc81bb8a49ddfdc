package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// testPatches: what devices run is found by what they said, held to what there is.
func testPatches(t *testing.T, s store.Store) {
	ctx := t.Context()
	first, second, again := aRelease(1), aRelease(2), aRelease(3)
	second.Version, again.Version, again.Archive = "1.1.0", "1.2.0", first.Archive
	at := func(hours int) time.Time { return someTime.Add(time.Duration(hours) * time.Hour) }
	run := func(tx store.Tx, id sealift.DeviceID, state store.DeviceState, platform sealift.Platform, r store.DeviceReport) {
		do(t, tx.PutDevice(ctx, store.Device{App: app, ID: id, State: state, Platform: platform}))
		r.App, r.Device = app, id
		do(t, tx.PutDeviceReport(ctx, r))
	}
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Release{})(tx.ReleasesOf(ctx, app, first.Archive))
		gives(t, []store.DeviceVersion{})(tx.Running(ctx, app, platform, time.Time{}, 9))
		addApp(t, tx)
		for _, r := range []store.Release{first, second, again} {
			do(t, tx.InsertRelease(ctx, r))
		}
		said := func(v sealift.Version, c sealift.Counter, hours int) store.DeviceReport {
			return store.DeviceReport{Channel: channel, Version: v, Counter: c, Seen: at(hours)}
		}
		run(tx, "a", store.DeviceActive, platform, said("1.0.0", 1, 5))
		run(tx, "b", store.DeviceActive, platform, said("1.0.0", 1, 6))
		run(tx, "c", store.DeviceActive, platform, said("1.1.0", 2, 6))
		run(tx, "d", store.DeviceActive, platform, said("1.2.0", 3, 4)) // too long ago
		run(tx, "e", store.DeviceRevoked, platform, said("1.2.0", 3, 6))
		run(tx, "f", store.DeviceActive, "ios", said("1.2.0", 3, 6))
		run(tx, "g", store.DeviceActive, platform, said("1.1.9", 3, 6)) // there is no such
		run(tx, "h", store.DeviceActive, platform, said("1.3.0", 4, 6))
		other := said("1.1.0", 2, 4)
		other.Channel = "beta"
		run(tx, "i", store.DeviceActive, platform, other)
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Release{again, first})(tx.ReleasesOf(ctx, app, first.Archive))
		gives(t, []store.Release{second})(tx.ReleasesOf(ctx, app, second.Archive))
		gives(t, []store.Release{})(tx.ReleasesOf(ctx, absent, first.Archive))
		running := func(hours, limit int) ([]store.DeviceVersion, error) {
			return tx.Running(ctx, app, platform, at(hours), limit)
		}
		one, two := store.DeviceVersion{Version: "1.0.0", Counter: 1}, store.DeviceVersion{Version: "1.1.0", Counter: 2}
		of := func(v store.DeviceVersion, devices int64) store.DeviceVersion { v.Devices = devices; return v }
		gives(t, []store.DeviceVersion{of(one, 2), of(two, 1)})(running(5, 9)) // the commonest
		gives(t, []store.DeviceVersion{of(one, 2)})(running(5, 1))
		gives(t, []store.DeviceVersion{of(two, 1), of(one, 1)})(running(6, 9))                                             // of these, the newest
		gives(t, []store.DeviceVersion{of(two, 2), of(one, 2), {Version: "1.2.0", Counter: 3, Devices: 1}})(running(0, 9)) // on whatever channel
	})
}
