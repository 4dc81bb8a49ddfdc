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
	one.Until, two.Until = one.Ends.Add(time.Hour), time.Time{}
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
		tick := time.Microsecond
		now := one.Ends.Add(-tick)
		gives(t, []store.Assignment{one, two})(tx.DueAssignments(ctx, now, two.Ends.Add(tick), 5))
		gives(t, []store.Assignment{one})(tx.DueAssignments(ctx, now, two.Ends, 5))
		gives(t, []store.Assignment{one})(tx.DueAssignments(ctx, now, two.Ends.Add(tick), 1))
		gives(t, []store.Assignment{})(tx.DueAssignments(ctx, now, one.Ends, 5))
		gives(t, []store.Assignment{one})(tx.DueAssignments(ctx, one.Ends, one.Ends, 5)) // it ended
		gives(t, int64(2))(tx.CountAssignments(ctx, ""))
		gives(t, int64(2))(tx.CountAssignments(ctx, one.Origin))
		gives(t, int64(0))(tx.CountAssignments(ctx, "other"))
	})
	update(t, s, func(tx store.Tx) {
		one.Until = one.Ends // nothing to renew
		one.Sequence = 5
		do(t, tx.PutAssignment(ctx, one))
		gives(t, []store.Assignment{})(tx.DueAssignments(ctx, one.Ends.Add(-1000), two.Ends, 5))
		one.Channel, one.Until, one.Sequence = "", time.Time{}, 7
		do(t, tx.PutAssignment(ctx, one))
		gives(t, []store.Assignment{})(tx.DueAssignments(ctx, one.Ends.Add(-1000), two.Ends, 5)) // nor of one that is off
		gives(t, []store.Assignment{one})(tx.DueAssignments(ctx, one.Ends, two.Ends, 5))
		older := anAssignment("d1", 6)
		isConflict(t)(tx.PutAssignment(ctx, older))
		gives(t, one)(tx.Assignment(ctx, app, "d1"))
		gives(t, int64(1))(tx.CountAssignments(ctx, ""))
	})
}
