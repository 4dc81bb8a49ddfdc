package sealift

import "time"

// Assignments of devices to channels.
const (
	// MaxAssignments is how many devices of all apps are on a channel by assignment
	// at a time. Each is an entry of 180 bytes in one of the 256 bins: with as many
	// as this, a bin, which devices read anew when anything in it changed, has
	// 14 KiB, and signing what one release changes takes 30 ms more.
	MaxAssignments = 20_000
	// AssignmentLife is how long an assignment's document is good for: as long as a
	// device that is shown none any more goes by the one it saw.
	AssignmentLife = 30 * 24 * time.Hour
	// AssignmentBatch is how many the server renews, or ends, in one transaction,
	// within which nobody else writes.
	AssignmentBatch = 500
	// MaxSequenceAhead is how far ahead of a device's time the sequence of its
	// assignment may be: it is a time in seconds, but where there were several in
	// one second.
	MaxSequenceAhead = 24 * time.Hour
)

// What devices choose by themselves.
const (
	// MaxChosen is how many devices of all apps are on a channel at their own request:
	// the other half of MaxAssignments is for people.
	MaxChosen = MaxAssignments / 2
	// ChoicesPerHour is how often a device may ask for a channel, and AppChoicesPerHour
	// all of an app: each that is granted is a signature of the director, of 35 ms.
	ChoicesPerHour    = 10
	AppChoicesPerHour = 2_000
)

// Labels.
const (
	// MaxDeviceLabels is how many labels a device carries.
	MaxDeviceLabels = 16
	// MaxChannelLabels is how many labels of an app put devices on channels: all are
	// looked at for each device.
	MaxChannelLabels = 64
	// MaxLabelPriority is how far a label's priority is from 0, both ways.
	MaxLabelPriority = 1_000_000
)
