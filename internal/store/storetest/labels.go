package storetest

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func someLabels(device sealift.DeviceID, labels string) store.DeviceLabels {
	l := filled[store.DeviceLabels](0)
	l.App, l.Device, l.Labels = app, device, labels
	return l
}

func aLabel(label sealift.Label) store.ChannelLabel {
	l := filled[store.ChannelLabel](0)
	l.App, l.Label = app, label
	return l
}

func testLabels(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, two, three := someLabels("d1", "beta store-17"), someLabels("d2", "beta-2 store-1"), someLabels("d3", "beta")
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutChannelLabel(ctx, aLabel("beta")))
		addApp(t, tx)
		isAbsent(t)(tx.PutDeviceLabels(ctx, one)) // no such device
		for _, l := range []store.DeviceLabels{three, two, one} {
			do(t, tx.PutDevice(ctx, aDevice(l.Device)))
			isAbsent(t)(tx.DeviceLabels(ctx, app, l.Device))
			do(t, tx.PutDeviceLabels(ctx, l))
		}
	})
	view(t, s, func(tx store.Tx) {
		gives(t, one)(tx.DeviceLabels(ctx, app, "d1"))
		gives(t, []store.DeviceLabels{one, three})(tx.LabelledDevices(ctx, app, "beta", "", 9))
		gives(t, []store.DeviceLabels{one})(tx.LabelledDevices(ctx, app, "beta", "", 1))
		gives(t, []store.DeviceLabels{three})(tx.LabelledDevices(ctx, app, "beta", "d1", 9))
		gives(t, []store.DeviceLabels{two})(tx.LabelledDevices(ctx, app, "store-1", "", 9))
		gives(t, []store.DeviceLabels{})(tx.LabelledDevices(ctx, app, "store", "", 9))
		gives(t, []store.DeviceLabels{})(tx.LabelledDevices(ctx, "com.acme.till", "beta", "", 9))
		gives(t, int64(2))(tx.CountLabelledDevices(ctx, app, "beta"))
		gives(t, int64(0))(tx.CountLabelledDevices(ctx, app, "store"))
		found, err := tx.Devices(ctx, app, store.DeviceFilter{Label: "beta", Limit: 9})
		do(t, err)
		if len(found) != 2 || found[0].ID != "d1" || found[1].ID != "d3" {
			t.Errorf("devices by label: %+v", found)
		}
	})
	beta, alpha := aLabel("beta"), aLabel("alpha")
	beta.Settled, alpha.Settled = false, true
	update(t, s, func(tx store.Tx) {
		do(t, tx.PutChannelLabel(ctx, beta))
		do(t, tx.PutChannelLabel(ctx, alpha))
		gives(t, []store.ChannelLabel{alpha, beta})(tx.ChannelLabels(ctx, app))
		gives(t, []store.ChannelLabel{beta})(tx.UnsettledLabels(ctx))
		beta.Channel, beta.Settled, beta.Priority = "", true, -3
		do(t, tx.PutChannelLabel(ctx, beta))
		gives(t, []store.ChannelLabel{alpha, beta})(tx.ChannelLabels(ctx, app))
		gives(t, []store.ChannelLabel{})(tx.UnsettledLabels(ctx))
		one.Labels = ""
		do(t, tx.PutDeviceLabels(ctx, one))
		gives(t, []store.DeviceLabels{three})(tx.LabelledDevices(ctx, app, "beta", "", 9))
	})
}
