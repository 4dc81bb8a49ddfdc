package sqlstore

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutDeviceLabels implements store.LabelTx.
func (t *tx) PutDeviceLabels(ctx context.Context, l store.DeviceLabels) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutDeviceLabels(ctx, sqlcgen.PutDeviceLabelsParams{
			App: string(l.App), Device: string(l.Device), Labels: l.Labels, Changed: micros(l.Changed), Mac: some(l.MAC),
		})
	})
	return t.fail(ctx, fmt.Sprintf("storing the labels of device %s of %s", l.Device, l.App), err)
}

// DeviceLabels implements store.LabelTx.
func (t *tx) DeviceLabels(ctx context.Context, app sealift.AppID, device sealift.DeviceID) (store.DeviceLabels, error) {
	row, err := t.q.DeviceLabels(ctx, sqlcgen.DeviceLabelsParams{App: string(app), Device: string(device)})
	if err != nil {
		return store.DeviceLabels{}, t.fail(ctx, fmt.Sprintf("reading the labels of device %s of %s", device, app), err)
	}
	return deviceLabelsOf(row), nil
}

// LabelledDevices implements store.LabelTx.
func (t *tx) LabelledDevices(ctx context.Context, app sealift.AppID, label sealift.Label, behind sealift.DeviceID, limit int) ([]store.DeviceLabels, error) {
	rows, err := t.q.LabelledDevices(ctx, sqlcgen.LabelledDevicesParams{App: string(app), Behind: string(behind), Label: string(label), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing devices of "+string(app)+" by label", err), deviceLabelsOf)
}

// CountLabelledDevices implements store.LabelTx.
func (t *tx) CountLabelledDevices(ctx context.Context, app sealift.AppID, label sealift.Label) (int64, error) {
	n, err := t.q.CountLabelledDevices(ctx, sqlcgen.CountLabelledDevicesParams{App: string(app), Label: string(label)})
	return n, t.fail(ctx, "counting devices of "+string(app)+" by label", err)
}

// PutChannelLabel implements store.LabelTx.
func (t *tx) PutChannelLabel(ctx context.Context, l store.ChannelLabel) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutChannelLabel(ctx, sqlcgen.PutChannelLabelParams{
			App: string(l.App), Label: string(l.Label), Channel: string(l.Channel), Priority: l.Priority, Settled: flag(l.Settled),
			Changed: micros(l.Changed), Mac: some(l.MAC),
		})
	})
	return t.fail(ctx, fmt.Sprintf("storing label %s of %s", l.Label, l.App), err)
}

// ChannelLabels implements store.LabelTx.
func (t *tx) ChannelLabels(ctx context.Context, app sealift.AppID) ([]store.ChannelLabel, error) {
	rows, err := t.q.ChannelLabels(ctx, string(app))
	return collect(rows, t.fail(ctx, "listing labels of "+string(app), err), channelLabelOf)
}

// UnsettledLabels implements store.LabelTx.
func (t *tx) UnsettledLabels(ctx context.Context) ([]store.ChannelLabel, error) {
	rows, err := t.q.UnsettledLabels(ctx)
	return collect(rows, t.fail(ctx, "listing labels that are not settled", err), channelLabelOf)
}

func deviceLabelsOf(r sqlcgen.DeviceLabel) store.DeviceLabels {
	return store.DeviceLabels{App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), Labels: r.Labels, Changed: moment(r.Changed), MAC: bare(r.Mac)}
}

func channelLabelOf(r sqlcgen.ChannelLabel) store.ChannelLabel {
	return store.ChannelLabel{
		App: sealift.AppID(r.App), Label: sealift.Label(r.Label), Channel: sealift.Channel(r.Channel), Priority: r.Priority, Settled: r.Settled != 0,
		Changed: moment(r.Changed), MAC: bare(r.Mac),
	}
}
