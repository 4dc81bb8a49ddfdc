package service

import (
	"time"

	"github.com/sealift/sealift"
)

// CapgoPage picks devices that have Capgo's plugin; a zero field matches all.
type CapgoPage struct {
	Limit    int
	Behind   sealift.DeviceID // only ids behind this one
	Prefix   string           // of the id
	Channel  sealift.Channel  // that they were placed on
	Platform sealift.Platform
	Version  sealift.Version // that they run
}

// CapgoDevice is a device that has Capgo's plugin, by its own word.
type CapgoDevice struct {
	ID         sealift.DeviceID
	Platform   sealift.Platform
	Version    string // of the bundle that it runs; empty for the one in the store's build
	Build      string // of the store
	Plugin     string
	Channel    sealift.Channel // that it was placed on when it asked last; empty for none
	Chosen     sealift.Channel // that it asked to be on; empty for none
	Production bool
	Emulator   bool
	Began      time.Time
	Seen       time.Time
	Events     []CapgoEvent // the last received first, where one device is asked for
}

// CapgoEvent is something that such a device says happened.
type CapgoEvent struct {
	At       time.Time // by the device's clock
	Received time.Time
	Action   string
	Version  string // of the bundle that it is about
	Old      string // of the one before
	Detail   string
}

// CapgoCounts counts such devices of an app.
type CapgoCounts struct {
	Known int64 // and not forgotten yet
	Day   int64 // seen in the last day
	Week  int64 // and in the last week
}
