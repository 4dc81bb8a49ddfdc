package storetest

import (
	"math"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

const absent sealift.AppID = "com.acme.absent"

func testApps(t *testing.T, s store.Store) {
	ctx := t.Context()
	full, empty := filled[store.App](0), store.App{ID: "com.acme.empty"}
	device, open := store.App{ID: "Com.acme.z", Device: true}, store.App{ID: "com.acme-z", OpenEnrolment: true}
	update(t, s, func(tx store.Tx) {
		gives(t, []store.App{})(tx.Apps(ctx))
		isAbsent(t)(tx.App(ctx, full.ID))
		for _, a := range []store.App{full, empty, device, open} {
			do(t, tx.InsertApp(ctx, a))
			gives(t, a)(tx.App(ctx, a.ID))
		}
		isConflict(t)(tx.InsertApp(ctx, store.App{ID: full.ID}))
		gives(t, full)(tx.App(ctx, full.ID))
		isAbsent(t)(tx.App(ctx, "COM.ACME.EMPTY"))

		gives(t, sealift.Counter(1))(tx.NextCounter(ctx, full.ID))
		old, changed := full.MAC, filled[store.App](7)
		changed.ID = full.ID
		isConflict(t)(tx.UpdateApp(ctx, changed, []byte("another")))
		gives(t, full)(tx.App(ctx, full.ID))
		do(t, tx.UpdateApp(ctx, changed, old))
		isConflict(t)(tx.UpdateApp(ctx, full, old))
		isAbsent(t)(tx.UpdateApp(ctx, store.App{ID: absent}, nil))
		full = changed
		gives(t, full)(tx.App(ctx, full.ID))
		gives(t, sealift.Counter(2))(tx.NextCounter(ctx, full.ID))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.App{device, open, empty, full})(tx.Apps(ctx))
	})
}

func testChannels(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertChannel(ctx, aChannel(app, channel)))
		addApp(t, tx)
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		gives(t, []store.Channel{})(tx.Channels(ctx, "com.acme.till"))
		isConflict(t)(tx.InsertChannel(ctx, aChannel(app, channel)))
		do(t, tx.InsertChannel(ctx, aChannel(app, "beta")))
		do(t, tx.InsertChannel(ctx, store.Channel{App: "com.acme.till", Name: channel}))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Channel{aChannel(app, "beta"), aChannel(app, channel)})(tx.Channels(ctx, app))
		gives(t, aChannel(app, "beta"))(tx.Channel(ctx, app, "beta"))
		gives(t, store.Channel{App: "com.acme.till", Name: channel})(tx.Channel(ctx, "com.acme.till", channel))
		isAbsent(t)(tx.Channel(ctx, "com.acme.till", "beta"))
		isAbsent(t)(tx.Channel(ctx, absent, channel))
		gives(t, []store.Channel{})(tx.Channels(ctx, absent))
	})
}

func testEpochs(t *testing.T, s store.Store) {
	ctx := t.Context()
	second := store.Epoch{App: app, Channel: channel, Number: 2}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertEpoch(ctx, anEpoch(1)))
		addApp(t, tx)
		isAbsent(t)(tx.Epoch(ctx, app, channel, 0))
		isAbsent(t)(tx.Epoch(ctx, app, channel, 1))
		isConflict(t)(tx.InsertEpoch(ctx, anEpoch(0)))
		isConflict(t)(tx.InsertEpoch(ctx, anEpoch(2)))
		do(t, tx.InsertEpoch(ctx, anEpoch(1)))
		gives(t, anEpoch(1))(tx.Epoch(ctx, app, channel, 0))
		isConflict(t)(tx.InsertEpoch(ctx, anEpoch(1)))
		isConflict(t)(tx.InsertEpoch(ctx, anEpoch(3)))
		isConflict(t)(tx.InsertEpoch(ctx, anEpoch(math.MaxUint64)))
		do(t, tx.InsertEpoch(ctx, second))
		// Channels count by themselves.
		do(t, tx.InsertChannel(ctx, aChannel(app, "beta")))
		beta := anEpoch(1)
		beta.Channel = "beta"
		do(t, tx.InsertEpoch(ctx, beta))
		gives(t, beta)(tx.Epoch(ctx, app, "beta", 0))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, second)(tx.Epoch(ctx, app, channel, 0))
		gives(t, second)(tx.Epoch(ctx, app, channel, 2))
		gives(t, anEpoch(1))(tx.Epoch(ctx, app, channel, 1))
		isAbsent(t)(tx.Epoch(ctx, app, channel, 3))
		isAbsent(t)(tx.Epoch(ctx, app, channel, math.MaxUint64))
		isAbsent(t)(tx.Epoch(ctx, absent, channel, 0))
	})
}

func testCounters(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.NextCounter(ctx, app))
		isAbsent(t)(tx.RaiseCounter(ctx, app, 1))
		do(t, tx.InsertApp(ctx, anApp(app)))
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		gives(t, sealift.Counter(1))(tx.NextCounter(ctx, app))
		gives(t, sealift.Counter(2))(tx.NextCounter(ctx, app))
		gives(t, sealift.Counter(1))(tx.NextCounter(ctx, "com.acme.till"))
	})
	update(t, s, func(tx store.Tx) {
		gives(t, sealift.Counter(3))(tx.NextCounter(ctx, app))
		do(t, tx.RaiseCounter(ctx, app, 2))
		do(t, tx.RaiseCounter(ctx, app, 3))
		gives(t, sealift.Counter(4))(tx.NextCounter(ctx, app))
		do(t, tx.RaiseCounter(ctx, app, 1000))
		gives(t, sealift.Counter(1001))(tx.NextCounter(ctx, app))
		gives(t, sealift.Counter(2))(tx.NextCounter(ctx, "com.acme.till"))
		gives(t, anApp(app))(tx.App(ctx, app))
		const last = math.MaxInt64 - 1
		do(t, tx.RaiseCounter(ctx, app, last-1))
		gives(t, sealift.Counter(last))(tx.NextCounter(ctx, app))
		refuses(t, sealift.KindExhausted, "counter")(tx.NextCounter(ctx, app))
	})
	for _, beyond := range []sealift.Counter{math.MaxInt64, math.MaxUint64} {
		if s.Update(ctx, func(tx store.Tx) error { return tx.RaiseCounter(ctx, app, beyond) }) == nil {
			t.Errorf("the counter was raised to %d", beyond)
		}
	}
}
