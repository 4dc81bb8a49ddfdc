package store

import (
	"time"

	"github.com/sealift/sealift"
)

// DeviceOutcome is what came of a release on a device, by its own account.
type DeviceOutcome struct {
	App      sealift.AppID
	Device   sealift.DeviceID
	Release  sealift.Digest // of release.json
	Hour     time.Time      // the one in which it took the release, by the vault's clock
	Outcome  string         // a stats.Outcome
	Kind     string         // of the error, where it failed
	Reason   string
	Network  string // where nobody vouches for the device: the one that it took the release from
	Evidence bool   // whether a halt may rest on it
	Via      string // how the bundle came: "whole", or the SHA-256 of the patch in hex; "" for unknown
}

// Seen counts active devices of an app.
type Seen struct {
	Devices int64
	Day     int64 // seen since a moment, such as a day ago
	Week    int64 // and since another
}

// ReleaseHour is how many devices took a release in an hour and had one outcome.
type ReleaseHour struct {
	App       sealift.AppID
	Release   sealift.Digest // of release.json; zero for any that the app does not have
	Hour      time.Time
	Outcome   string // a stats.Outcome
	Kind      string // of the error, where they failed
	Reason    string
	Evidence  int64 // devices on which a halt may rest
	Unvouched int64 // the others
}
