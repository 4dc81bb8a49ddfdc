package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Assigning puts devices on channels, whatever their own configuration says.
type Assigning interface {
	// AssignDevices puts devices of app on a channel, or takes them off theirs, all
	// or nothing, and returns what changed; those that are so already are passed
	// over. Taking devices off a private channel turns its epoch. KindNotFound if
	// there is no such app, device or channel; KindConflict with reason "archived"
	// for a channel that takes nobody, "device-state" if one is not active, and
	// "assigned" if all are so already; KindDenied if by may not put devices on a
	// private channel; KindExhausted beyond sealift.MaxAssignments.
	AssignDevices(ctx context.Context, by access.Caller, app sealift.AppID, want NewAssignment) ([]Assignment, error)
	// LabelDevices gives devices of app a label, or takes it off them, all or nothing,
	// and returns what changed. Errors are those of AssignDevices, with reason
	// "labelled" if all are so already, and KindExhausted beyond
	// sealift.MaxDeviceLabels.
	LabelDevices(ctx context.Context, by access.Caller, app sealift.AppID, want NewLabel) (Labelled, error)
	// ChannelLabels returns the labels that put devices of app on channels, the
	// highest priority first, or KindNotFound.
	ChannelLabels(ctx context.Context, app sealift.AppID) ([]ChannelLabel, error)
	// SetChannelLabel says where a label puts devices from now on, an empty channel
	// being nowhere. What follows for a few devices follows at once, for more within
	// the minute. Errors are those of AssignDevices; KindNotFound with reason "label"
	// where a label is to put devices nowhere and does so already.
	SetChannelLabel(ctx context.Context, by access.Caller, app sealift.AppID, want ChannelLabel) (ChannelLabel, error)
}

// NewLabel says what devices are to be labelled with.
type NewLabel struct {
	DeviceAct
	Label  sealift.Label
	Remove bool // it is to be taken off them
}

// Labelled is what became of it.
type Labelled struct {
	Devices     []sealift.DeviceID // whose labels changed
	Assignments []Assignment       // that followed
}

// ChannelLabel says on which channel a label puts devices that carry it.
type ChannelLabel struct {
	Label    sealift.Label
	Channel  sealift.Channel
	Priority int64 // the highest of a device's labels counts; at most sealift.MaxLabelPriority either way
	Settling bool  // not all devices that carry it are where it puts them yet
	Changed  time.Time
}

// NewAssignment says where devices are to be.
type NewAssignment struct {
	DeviceAct
	Channel sealift.Channel // empty to take them off theirs
	Until   time.Time       // when it is over; zero for never
}

// Assignment is where a device is, and who put it there.
type Assignment struct {
	Device   sealift.DeviceID
	Channel  sealift.Channel // empty for none
	Until    time.Time       // when it is over; zero for never
	Origin   string          // person, device or label
	Sequence uint64          // of the document that tells the device
	Changed  time.Time       // when it was made, or renewed last
}
