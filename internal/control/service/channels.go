package service

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Channel is a channel of an app.
type Channel struct {
	App      sealift.AppID
	Name     sealift.Channel
	Epoch    uint64           // the present generation of its key, from 1
	Settings *ChannelSettings // nil where only the epoch is told
	Created  time.Time
	Devices  *ChannelDevices // nil where only the epoch is told
	Policies []ChannelPolicy // of one channel, not in lists: what it goes by, by action
}

// ChannelDevices counts the active devices of a channel, as far as they said where
// they are. Those that never reported and are assigned nowhere are on none.
type ChannelDevices struct {
	Placed    int64            // that are on it by an assignment, else by what they last reported
	Following int64            // of them, those that last reported to follow it
	Assigned  int64            // that a person put there by name
	Labelled  int64            // that a label put there
	Chosen    int64            // that asked to be put there
	Own       int64            // that follow it by their own configuration, or since it is the default
	Excluded  map[string]int64 // that its rules keep from taking anything of it, by trust.ChannelRules.Excludes
}

// NoApp is the KindNotFound error, with reason "app", of whoever does something with an
// app that is not there. op is what they did.
func NoApp(op string, app sealift.AppID) *sealift.Error {
	return sealift.Errorf(sealift.KindNotFound, op, "there is no app %s", app).
		WithReason("app").WithHint("create it with: sealift app create %s", app)
}

// NoChannel is the KindNotFound error, with reason "channel", of whoever does something
// with a channel that an app does not have. op is what they did.
func NoChannel(op string, app sealift.AppID, channel sealift.Channel) *sealift.Error {
	return sealift.Errorf(sealift.KindNotFound, op, "app %s has no channel %s", app, channel).
		WithReason("channel").WithHint("create it with: sealift channel create %s --app %s", channel, app)
}

// ChannelSettings are what a channel was set to.
type ChannelSettings struct {
	Archived   bool                 // takes no release; devices stay where they are
	Default    bool                 // is the one for devices that have none of their own
	Private    bool                 // only for devices that are assigned to it
	SelfAssign bool                 // devices may ask to be put on it
	Platforms  []sealift.Platform   // the only ones, sorted; empty for all
	Runtime    sealift.RuntimeRange // of the native host; empty for all
	Builds     []trust.Build        // empty for both
	Emulators  bool                 // emulators may follow it
	EpochDays  int                  // after how many days its epoch turns; 0 for when its key ends
	// What Capgo devices alone go by; see store.ChannelRules.
	RefuseNew   string
	UnderNative bool
	Changed     time.Time // zero for never
}

// ChannelChange says what to set of a channel; nil leaves it as it is.
type ChannelChange struct {
	Archived    *bool
	Default     *bool
	Private     *bool
	SelfAssign  *bool
	Platforms   *[]sealift.Platform
	Runtime     *sealift.RuntimeRange
	Builds      *[]trust.Build
	Emulators   *bool
	EpochDays   *int
	RefuseNew   *string // "" for none
	UnderNative *bool
}
