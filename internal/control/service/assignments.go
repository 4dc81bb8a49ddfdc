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
