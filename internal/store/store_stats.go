package store

import (
	"context"
	"time"

	"github.com/sealift/sealift"
)

// StatsTx keeps what came of releases.
type StatsTx interface {
	// PutDeviceOutcome writes what came of a release on a device, over what it was;
	// KindNotFound if there is no such device. It goes with the device.
	PutDeviceOutcome(ctx context.Context, o DeviceOutcome) error
	// DeviceOutcome returns it, or KindNotFound where the device did not take the
	// release.
	DeviceOutcome(ctx context.Context, app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (DeviceOutcome, error)
	// DeviceOutcomes returns all of them of a device, by hour.
	DeviceOutcomes(ctx context.Context, app sealift.AppID, device sealift.DeviceID) ([]DeviceOutcome, error)
	// CountNetwork returns how many devices of a network took a release in an hour
	// and are evidence; 0 for no network.
	CountNetwork(ctx context.Context, app sealift.AppID, release sealift.Digest, hour time.Time, network string) (int64, error)
	// AddReleaseHour adds h's numbers, which may be below zero, to those that are
	// there, and returns their sum; KindNotFound if there is no such app.
	AddReleaseHour(ctx context.Context, h ReleaseHour) (total int64, err error)
	// CountOtherReasons returns how many reasons but h's own and "other" there are for
	// h's release, hour, outcome and kind.
	CountOtherReasons(ctx context.Context, h ReleaseHour) (int64, error)
	// ReleaseHours returns those of a release from an hour on, by hour, outcome, kind
	// and reason.
	ReleaseHours(ctx context.Context, app sealift.AppID, release sealift.Digest, since time.Time) ([]ReleaseHour, error)
	// ReleaseTotals returns the sums of a release's ReleaseHours by outcome, without
	// hour, kind and reason.
	ReleaseTotals(ctx context.Context, app sealift.AppID, release sealift.Digest) ([]ReleaseHour, error)
	// CountSeen counts the active devices of app, of a channel and a platform unless
	// those are empty, and which of them were seen since day and since week.
	CountSeen(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, day, week time.Time) (Seen, error)
	// PruneStats forgets what an app's devices took before an hour.
	PruneStats(ctx context.Context, app sealift.AppID, before time.Time) error
}
