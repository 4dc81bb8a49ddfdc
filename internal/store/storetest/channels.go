package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func someRules(name sealift.Channel) store.ChannelRules {
	r := filled[store.ChannelRules](0)
	r.App, r.Channel = app, name
	return r
}

func anAssignment(device sealift.DeviceID, sequence uint64) store.Assignment {
	a := filled[store.Assignment](0)
	a.App, a.Device, a.Channel, a.Sequence = app, device, channel, sequence
	return a
}

func testChannelRules(t *testing.T, s store.Store) {
	ctx := t.Context()
	rules, beta, open := someRules(channel), someRules("beta"), store.ChannelRules{App: app, Channel: channel}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutChannelRules(ctx, rules))
		addApp(t, tx)
		isAbsent(t)(tx.PutChannelRules(ctx, beta))
		isAbsent(t)(tx.ChannelRules(ctx, app, channel))
		gives(t, []store.ChannelRules{})(tx.AllChannelRules(ctx, app))
		do(t, tx.InsertChannel(ctx, aChannel(app, "beta")))
		do(t, tx.PutChannelRules(ctx, rules))
		do(t, tx.PutChannelRules(ctx, beta))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, rules)(tx.ChannelRules(ctx, app, channel))
		gives(t, []store.ChannelRules{beta, rules})(tx.AllChannelRules(ctx, app))
		gives(t, []store.ChannelRules{})(tx.AllChannelRules(ctx, "com.acme.till"))
	})
	update(t, s, func(tx store.Tx) {
		do(t, tx.PutChannelRules(ctx, open))
		gives(t, open)(tx.ChannelRules(ctx, app, channel))
		gives(t, beta)(tx.ChannelRules(ctx, app, "beta"))
	})
}

func testAssignments(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, two, off := anAssignment("d1", 1), anAssignment("d2", 1), store.Assignment{App: app, Device: "d3", Sequence: 1}
	two.Ends = one.Ends.Add(time.Hour)
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		isAbsent(t)(tx.PutAssignment(ctx, one)) // no such device
		for _, a := range []store.Assignment{two, one, off} {
			do(t, tx.PutDevice(ctx, aDevice(a.Device)))
			isAbsent(t)(tx.Assignment(ctx, app, a.Device))
			do(t, tx.PutAssignment(ctx, a))
			isConflict(t)(tx.PutAssignment(ctx, a))
			gives(t, a)(tx.Assignment(ctx, app, a.Device))
		}
		isAbsent(t)(tx.Assignment(ctx, "com.acme.till", "d1"))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Assignment{one, two})(tx.EndingAssignments(ctx, two.Ends.Add(1000), 5))
		gives(t, []store.Assignment{one})(tx.EndingAssignments(ctx, two.Ends, 5))
		gives(t, []store.Assignment{one})(tx.EndingAssignments(ctx, two.Ends.Add(1000), 1))
		gives(t, []store.Assignment{})(tx.EndingAssignments(ctx, one.Ends, 5))
		gives(t, int64(2))(tx.CountAssignments(ctx))
	})
	update(t, s, func(tx store.Tx) {
		one.Channel, one.Sequence = "", 7
		do(t, tx.PutAssignment(ctx, one))
		older := anAssignment("d1", 6)
		isConflict(t)(tx.PutAssignment(ctx, older))
		gives(t, one)(tx.Assignment(ctx, app, "d1"))
		gives(t, int64(1))(tx.CountAssignments(ctx))
	})
}
