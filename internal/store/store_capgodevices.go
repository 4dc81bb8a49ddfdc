package store

import (
	"context"
	"time"

	"github.com/sealift/sealift"
)

// CapgoDeviceTx keeps what devices that speak Capgo's protocol say of themselves.
type CapgoDeviceTx interface {
	// CapgoApps returns the apps that have a release for them, by id.
	CapgoApps(ctx context.Context) ([]sealift.AppID, error)
	// CapgoReleases returns those of an app's releases that are for them, by digest.
	CapgoReleases(ctx context.Context, app sealift.AppID) ([]sealift.Digest, error)
	// InsertCapgoDevice writes one that was not seen before; KindConflict if it was,
	// KindNotFound if there is no such app.
	InsertCapgoDevice(ctx context.Context, d CapgoDevice) error
	// UpdateCapgoDevice writes how one is now, but for when it began; KindNotFound if
	// it was never seen.
	UpdateCapgoDevice(ctx context.Context, d CapgoDevice) error
	CapgoDevice(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (CapgoDevice, error)
	// CapgoDevicesOf returns those of app that have one of the ids.
	CapgoDevicesOf(ctx context.Context, app sealift.AppID, ids []sealift.DeviceID) (map[sealift.DeviceID]CapgoDevice, error)
	// PutCapgoDevices writes how devices are now, each once: one that was seen before
	// keeps when it began, and the channel that it chose. KindNotFound if there is no
	// such app.
	PutCapgoDevices(ctx context.Context, devices []CapgoDevice) error
	// CapgoDevices returns those of app that match every non-zero field of filter, by
	// id.
	CapgoDevices(ctx context.Context, app sealift.AppID, filter CapgoFilter) ([]CapgoDevice, error)
	// CapgoChosen returns those of app that asked to be on a channel, by id, at most
	// limit.
	CapgoChosen(ctx context.Context, app sealift.AppID, limit int) ([]CapgoDevice, error)
	// CountCapgoDevices counts those of app, of a channel and a platform unless these
	// are empty, and which of them were seen since day and since week.
	CountCapgoDevices(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, day, week time.Time) (Seen, error)
	// PruneCapgoDevices forgets those of app whose id begins with prefix and which were
	// not seen since before, and events older than that. It returns how many devices.
	PruneCapgoDevices(ctx context.Context, app sealift.AppID, prefix string, before time.Time) (int64, error)

	// PutCapgoOutcome writes what came of a release on a device, over what it was;
	// KindNotFound if there is no such app.
	PutCapgoOutcome(ctx context.Context, o DeviceOutcome) error
	// CapgoOutcome returns it, or KindNotFound where the device did not take the
	// release.
	CapgoOutcome(ctx context.Context, app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (DeviceOutcome, error)
	// CapgoFailed returns on which devices a release was refused or rolled back, whose
	// id is behind the given one, at most limit, by id.
	CapgoFailed(ctx context.Context, app sealift.AppID, release sealift.Digest, behind sealift.DeviceID, limit int) ([]sealift.DeviceID, error)
	// CountCapgoNetwork is CountNetwork of Capgo devices.
	CountCapgoNetwork(ctx context.Context, app sealift.AppID, release sealift.Digest, hour time.Time, network string) (int64, error)

	// AddCapgoEvent keeps an event, and reports whether it is new: one of the same
	// device, time, action and version is there once. KindNotFound if there is no such
	// app.
	AddCapgoEvent(ctx context.Context, e CapgoEvent) (added bool, err error)
	// CapgoEvents returns those of a device, the last received first, at most limit.
	CapgoEvents(ctx context.Context, app sealift.AppID, device sealift.DeviceID, limit int) ([]CapgoEvent, error)
	// PruneCapgoEvents forgets those of a device but the keep that were received last.
	PruneCapgoEvents(ctx context.Context, app sealift.AppID, device sealift.DeviceID, keep int) error
}
