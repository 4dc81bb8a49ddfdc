package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func aPlan(name sealift.Channel) store.ChannelPlan {
	p := filled[store.ChannelPlan](0)
	p.App, p.Channel = app, name
	return p
}

func testChannelPlans(t *testing.T, s store.Store) {
	ctx := t.Context()
	plan, cleared := aPlan(channel), store.ChannelPlan{App: app, Channel: channel}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutChannelPlan(ctx, plan)) // no such channel
		addApp(t, tx)
		isAbsent(t)(tx.PutChannelPlan(ctx, aPlan("beta")))
		isAbsent(t)(tx.ChannelPlan(ctx, app, channel))
		do(t, tx.PutChannelPlan(ctx, plan))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, plan)(tx.ChannelPlan(ctx, app, channel))
		isAbsent(t)(tx.ChannelPlan(ctx, app, "beta"))
	})
	update(t, s, func(tx store.Tx) {
		do(t, tx.PutChannelPlan(ctx, cleared))
		gives(t, cleared)(tx.ChannelPlan(ctx, app, channel))
	})
}

func testFollowers(t *testing.T, s store.Store) {
	ctx := t.Context()
	seen := someTime.Add(time.Hour)
	count := func(tx store.Tx, want int64, since time.Time) {
		t.Helper()
		gives(t, want)(tx.CountFollowers(ctx, app, channel, "web", since))
	}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		count(tx, 0, time.Time{})
		for _, id := range []sealift.DeviceID{"here", "new", "silent", "elsewhere", "ios", "revoked"} {
			d := aDevice(id)
			d.Platform, d.Enrolled = "web", someTime
			switch id {
			case "ios":
				d.Platform = "ios"
			case "revoked":
				d.State = store.DeviceRevoked
			}
			do(t, tx.PutDevice(ctx, d))
			if id == "new" {
				continue
			}
			r := aReport(id)
			r.Seen = seen
			switch id {
			case "silent":
				r.Seen = someTime
			case "elsewhere":
				r.Channel = "beta"
			}
			do(t, tx.PutDeviceReport(ctx, r))
		}
		count(tx, 3, someTime) // here, new and silent
		count(tx, 1, seen)
		count(tx, 0, seen.Add(time.Microsecond))
	})
}
