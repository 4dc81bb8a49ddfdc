package store

import (
	"time"

	"github.com/sealift/sealift"
)

// DeviceLabels are what a device is labelled with.
type DeviceLabels struct {
	App     sealift.AppID
	Device  sealift.DeviceID
	Labels  string // sorted, with spaces between
	Changed time.Time
	MAC     []byte // see Authentic
}

// ChannelLabel says on which channel a label puts the devices that carry it.
type ChannelLabel struct {
	App      sealift.AppID
	Label    sealift.Label
	Channel  sealift.Channel // empty for none any more
	Priority int64           // the highest of a device's labels counts
	Settled  bool            // all devices that carry it are where it puts them
	Changed  time.Time
	MAC      []byte // see Authentic
}
