package store

import (
	"time"

	"github.com/sealift/sealift"
)

// ChannelRules are what a channel was set to. A channel without a row is open to
// every device of its app, and not the default.
type ChannelRules struct {
	App        sealift.AppID
	Channel    sealift.Channel
	Archived   bool                 // takes no release
	Default    bool                 // is the one for devices that have none of their own
	Private    bool                 // only for devices that are assigned to it
	Platforms  string               // the only ones, space-separated and sorted; empty for all
	Runtime    sealift.RuntimeRange // of the native host; empty for all
	Builds     string               // "production", "development", or empty for both
	Emulators  bool                 // emulators may follow it
	SelfAssign bool                 // devices may ask to be put on it
	EpochDays  int64                // after how many days its epoch turns; 0 for when its key ends
	// What Capgo devices alone go by, beside all of the above.
	RefuseNew   string // "major", "minor" or "patch": versions in which this number is above that of the store's build; or empty
	UnderNative bool   // versions below that of the store's build are offered
	Changed     time.Time
	MAC         []byte // see Authentic
}

// Assignment is the channel that the vault put a device on.
type Assignment struct {
	App      sealift.AppID
	Device   sealift.DeviceID
	Channel  sealift.Channel // empty for none: it was taken off
	Sequence uint64          // grows with every change and renewal
	Until    time.Time       // when it is over; zero for never
	Ends     time.Time       // when the document that tells the device does; zero where there is none
	Origin   Origin          // who put it there, or took it off
	Changed  time.Time
	MAC      []byte // see Authentic
}

// Holds reports whether the device is on a channel by it at now.
func (a Assignment) Holds(now time.Time) bool {
	return a.Channel != "" && (a.Until.IsZero() || now.Before(a.Until))
}

// Origin is who puts a device on a channel.
type Origin string

// The origins.
const (
	ByPerson Origin = "person" // by name, and it wins over those below
	ByDevice Origin = "device" // it asked for it itself
	ByLabel  Origin = "label"  // by a label that the device carries
)
