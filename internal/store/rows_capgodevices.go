package store

import (
	"time"

	"github.com/sealift/sealift"
)

// CapgoDevice is an installation that speaks Capgo's protocol. All of it is its own
// word, and anybody can say it: it gives nobody a right, and bears no MAC.
type CapgoDevice struct {
	App        sealift.AppID
	ID         sealift.DeviceID // of what it calls itself
	Platform   sealift.Platform
	Version    string          // of the bundle that it runs; empty for the one in the store's build
	Build      string          // version of the store's build
	Plugin     string          // version of the plugin
	Channel    sealift.Channel // that it was placed on when it asked last; empty for none
	Chosen     sealift.Channel // that it asked to be on; empty for none
	Production bool            // built for the store
	Emulator   bool
	Began      time.Time // when it was first seen
	Seen       time.Time // when it was last seen, to the hour
}

// CapgoFilter picks Capgo devices; a zero field matches all.
type CapgoFilter struct {
	Prefix   string           // of the id
	Behind   sealift.DeviceID // only ids behind this one
	Channel  sealift.Channel
	Version  string
	Platform sealift.Platform
	Since    time.Time // seen then or later
	Until    time.Time // seen before
	Limit    int
}

// CapgoEvent is something that a Capgo device says happened, in its own words.
type CapgoEvent struct {
	App      sealift.AppID
	Device   sealift.DeviceID
	At       time.Time // by the device's clock
	Action   string
	Version  string // of the bundle that it is about
	Old      string // of the one before
	Detail   string // what else it says
	Received time.Time
}
