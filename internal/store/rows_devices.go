package store

import (
	"time"

	"github.com/sealift/sealift"
)

// DeviceErased is the state of a device of which nothing is kept but its id, so
// that its key does not enrol again.
const DeviceErased DeviceState = "erased"

// DeviceFilter picks devices; a zero field matches all, but for State: without
// one, those that were erased do not.
type DeviceFilter struct {
	Prefix   string           // of the id
	Behind   sealift.DeviceID // only ids behind this one
	Channel  sealift.Channel  // that it last reported to follow
	Version  sealift.Version  // that it last reported to have installed
	Platform sealift.Platform
	State    DeviceState
	Label    sealift.Label   // that it carries
	Since    time.Time       // seen then or later; one without a report was seen when it enrolled
	Until    time.Time       // seen before
	Among    []DeviceVersion // that it last reported to have one of these installed; nil for any
	Limit    int
}

// DeviceVersion is a release that devices say they have installed.
type DeviceVersion struct {
	Version sealift.Version
	Counter sealift.Counter
	Devices int64 // how many; filters do not look at it
}

// DeviceStep is a step that a device reported.
type DeviceStep struct {
	App      sealift.AppID
	Device   sealift.DeviceID
	Sequence uint64
	Received time.Time
	At       time.Time // by the device's clock
	Step     string
	Release  sealift.Digest // of release.json; zero for none
	Version  sealift.Version
	Counter  sealift.Counter
	Channel  sealift.Channel
	Kind     string // of the error, where it failed
	Reason   string
	Took     int64  // milliseconds since the step before it; 0 for unknown
	Patch    string // SHA-256 of the patch that it speaks of, in hex; "" for none
}
