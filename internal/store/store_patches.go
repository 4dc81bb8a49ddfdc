package store

import (
	"context"
	"time"

	"github.com/sealift/sealift"
)

// PatchTx finds what a release may be patched from.
type PatchTx interface {
	// ReleasesOf returns the releases of app that have an archive, newest counter
	// first.
	ReleasesOf(ctx context.Context, app sealift.AppID, archive sealift.Digest) ([]Release, error)
	// Running returns the releases that active devices of a platform, on whatever
	// channel, said they have installed when they were last seen, since a time; the
	// commonest first, and of these the newest, at most limit. They are claims: a
	// release that there is not is none.
	Running(ctx context.Context, app sealift.AppID, platform sealift.Platform, since time.Time, limit int) ([]DeviceVersion, error)
}
