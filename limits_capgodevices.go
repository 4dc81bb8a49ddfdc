package sealift

import "time"

// What devices that speak Capgo's protocol may send. Nobody vouches for any of them.
const (
	// MaxCapgoBody is the largest body of an update check or of a question about
	// channels: the plugin's fourteen fields take 700 bytes.
	MaxCapgoBody = 16 << 10
	// MaxCapgoStats is the largest body of one report, and MaxCapgoReport how many
	// events it tells of: the plugin sends what it queued, some 500 bytes each.
	MaxCapgoStats  = 1 << 20
	MaxCapgoReport = 1000
	// MaxCapgoSizes is the largest body of a question how large files are: of all that
	// a bundle may have (MaxCapgoFiles), with 1 KiB each in V3.
	MaxCapgoSizes = 8 << 20
	// MaxCapgoText is how many bytes are kept of each text that a device sends: a
	// version has 64, a path on a device a few hundred.
	MaxCapgoText = 256
)

// What the edge that answers them keeps, and how long.
const (
	// CapgoRefresh is how often it looks whether something else is offered: as long as
	// a timestamp may be cached, devices see what was offered before.
	CapgoRefresh = 2 * time.Second
	// MaxCapgoWaiting is how many check-ins wait to be written, some 300 bytes each:
	// three seconds of what one server answers. Those beyond are counted, and the device
	// checks in again with its next one.
	MaxCapgoWaiting = 1 << 16
	// CapgoBatch is how many check-ins are written in one transaction, which takes some
	// 20 ms, and CapgoLag how long one waits for more: what a crash may lose.
	CapgoBatch = 500
	CapgoLag   = 500 * time.Millisecond
	// CapgoStaleness is how old the time may become that a device was last seen at,
	// while nothing else about it changes: a device that looks for updates all the time
	// is written once an hour.
	CapgoStaleness = time.Hour
	// CapgoNewPerHour is how many devices of one app that were never seen before are kept of one
	// network in an hour. It is more than a school has, and keeps whoever makes
	// up devices at one address to 12 MB a day. Others are answered, and kept once
	// there is room.
	CapgoNewPerHour = 2_000
	// CapgoReportsPerMinute is how many reports of one network are taken in a minute.
	// The rest are asked to come again, which the plugin does.
	CapgoReportsPerMinute = 600
	// MaxCapgoReporting is how many reports wait for the disk at a time, and
	// CapgoReportWait how long one waits for its turn: a device gives up after a minute.
	MaxCapgoReporting = 256
	CapgoReportWait   = 10 * time.Second
	// MaxCapgoSizing is how many questions how large files are are read and answered at a
	// time, each with a body of up to MaxCapgoSizes: whoever sends one slowly keeps others
	// from that answer alone, without which a plugin goes on.
	MaxCapgoSizing = 16
	// CapgoEventsPerHour is how many events of one network are kept in an hour: twenty-five
	// of each of its new devices. They take some five seconds of the disk's time. What is
	// sent beyond is asked to come again.
	CapgoEventsPerHour = 50_000
	// MaxCapgoKnown is of how many devices an edge remembers that one release failed on
	// them, 16 bytes each: a roll-out that failed on as many was halted long ago.
	MaxCapgoKnown = 200_000
	// MaxCapgoFailed is how many such devices and releases are remembered altogether, some
	// 40 MiB with what a map takes besides.
	MaxCapgoFailed = 1 << 20
	// MaxCapgoChosen is how many devices of one app are on a channel at their own request: as
	// many are kept in memory.
	MaxCapgoChosen = 100_000
	// CapgoChoicesPerHour is how often one network may change what is kept of such requests.
	CapgoChoicesPerHour = 600
	// MaxCapgoRuns is how many releases of a channel, the newest, a device may be known
	// to run. Of one that runs an older one, its version alone decides.
	MaxCapgoRuns = 500
	// CapgoEventsKept is how many events are kept of a device, the last received.
	CapgoEventsKept = 50
	// CapgoSilence is after how long a device that was not seen is forgotten.
	CapgoSilence = 180 * 24 * time.Hour
)
