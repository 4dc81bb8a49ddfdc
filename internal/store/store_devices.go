package store

import (
	"context"

	"github.com/sealift/sealift"
)

// FleetTx looks through the devices of an app, and forgets what they said.
type FleetTx interface {
	// Devices returns the devices of app that match every non-zero field of filter,
	// by id.
	Devices(ctx context.Context, app sealift.AppID, filter DeviceFilter) ([]Device, error)
	// DeviceVersions counts the active devices of app, of a channel and a platform
	// unless these are empty, by what they last reported to have installed, the
	// commonest first, at most limit of these.
	DeviceVersions(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, limit int) ([]DeviceVersion, error)
	// ForgetDevice removes what a device reported, its steps and what came of releases
	// on it; that there is nothing is no error. Its row stays, and so does what was
	// counted.
	ForgetDevice(ctx context.Context, app sealift.AppID, id sealift.DeviceID) error
}
