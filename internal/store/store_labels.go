package store

import (
	"context"
	"strconv"

	"github.com/sealift/sealift"
)

// LabelTx keeps the labels of devices, and what they come to. No row of either is
// ever removed: that one is gone would take what it says back.
type LabelTx interface {
	// PutDeviceLabels writes them, over those before; KindNotFound if there is no
	// such device.
	PutDeviceLabels(ctx context.Context, l DeviceLabels) error
	DeviceLabels(ctx context.Context, app sealift.AppID, device sealift.DeviceID) (DeviceLabels, error)
	// LabelledDevices returns the rows of devices of app that carry label and whose
	// id comes behind one, by id, at most limit.
	LabelledDevices(ctx context.Context, app sealift.AppID, label sealift.Label, behind sealift.DeviceID, limit int) ([]DeviceLabels, error)
	// CountLabelledDevices returns how many carry it.
	CountLabelledDevices(ctx context.Context, app sealift.AppID, label sealift.Label) (int64, error)

	// PutChannelLabel writes it, over the one before; KindNotFound if there is no
	// such app.
	PutChannelLabel(ctx context.Context, l ChannelLabel) error
	// ChannelLabels returns those of app, by label, and those that put nobody
	// anywhere any more as well.
	ChannelLabels(ctx context.Context, app sealift.AppID) ([]ChannelLabel, error)
	// UnsettledLabels returns those of all apps that are not settled, by app and label.
	UnsettledLabels(ctx context.Context) ([]ChannelLabel, error)
}

// Columns implements Authentic.
func (l DeviceLabels) Columns() (kind string, columns []string) {
	return "device-labels", []string{string(l.App), string(l.Device), l.Labels, column(l.Changed)}
}

// Tag implements Authentic.
func (l DeviceLabels) Tag() []byte { return l.MAC }

// RowName implements Authentic.
func (l DeviceLabels) RowName() string { return named(string(l.App), string(l.Device)) }

// Columns implements Authentic.
func (l ChannelLabel) Columns() (kind string, columns []string) {
	return "channel-label", []string{
		string(l.App), string(l.Label), string(l.Channel), strconv.FormatInt(l.Priority, 10), strconv.FormatBool(l.Settled), column(l.Changed),
	}
}

// Tag implements Authentic.
func (l ChannelLabel) Tag() []byte { return l.MAC }

// RowName implements Authentic.
func (l ChannelLabel) RowName() string { return named(string(l.App), string(l.Label)) }
