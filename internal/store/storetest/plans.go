package storetest

import (
	"testing"

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
