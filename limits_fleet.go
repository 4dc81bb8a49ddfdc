package sealift

import "time"

// What devices may report.
const (
	// MaxReportSteps is how many steps one report of a device carries: with 410
	// bytes each at the most, and base64 around them, they fit in MaxMessage.
	MaxReportSteps = 48
	// MaxReportQueue is how many steps a device keeps until it is told that they
	// are kept: an update is five, so these are some fifty updates without a
	// network, and 100 KiB of MaxState. The oldest make room, and are counted.
	MaxReportQueue = 256
	// MaxReportSequence bounds what a device counts and numbers: where readers of
	// JSON stop counting (2^53).
	MaxReportSequence = 1<<53 - 1
	// ReportsPerHour is how many reports one device may send: a release that goes
	// well gives one, and a queue of MaxReportQueue is sent in six. Each costs the
	// vault a signature and a log entry.
	ReportsPerHour = 60
	// MaxReportMessages is how many reports a device sends at a time: six empty its
	// queue, and fourteen find a step among 48 that the vault cannot read and send the
	// others.
	MaxReportMessages = 20
	// MaxStepsKept is how many steps the vault keeps of one device: those of its
	// last two hundred updates. The oldest make room whenever StepsPruned more were
	// numbered, and not at each report, since looking for them reads all.
	MaxStepsKept = 1000
	StepsPruned  = 100
)

// When devices report, and when a fleet lets go of a key.
const (
	// MaxReportTook bounds how long a step may be said to have taken: a download at
	// MinRate takes weeks.
	MaxReportTook = 366 * 24 * time.Hour
	// ReportPeriod is how often a device reports that there is nothing new: once a
	// day, so that who was not heard of for some days is not there.
	ReportPeriod = 24 * time.Hour
	// ReportTimeout bounds the sending of one report. No update waits for it.
	ReportTimeout = 20 * time.Second
	// FleetSilence is after how long a device that says nothing is taken to be
	// gone, unless somebody says otherwise: a month off is a holiday. Between
	// MinFleetSilence, in which each device that is there reports several times,
	// and MaxRetirement.
	FleetSilence    = 30 * 24 * time.Hour
	MinFleetSilence = 7 * 24 * time.Hour
	// FleetPatience is how long after it was deactivated the least a key is kept
	// that the fleet's reports let retire: as long as the longest timestamp lives,
	// and time for people to notice what they did not mean.
	FleetPatience = 7 * 24 * time.Hour
)
