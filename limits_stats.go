package sealift

import "time"

// What is counted of what devices report.
const (
	// UnvouchedPerHour is how many devices that nobody vouches for, of one network,
	// count as evidence for or against one release in one hour: enough for a
	// household, and too few for one that makes up devices at one address to halt
	// what others run. Others are counted beside.
	UnvouchedPerHour = 3
	// MaxOutcomeReasons is how many reasons of one kind of failure are told apart in
	// one hour of a release; Sealift's own are fewer, and a device may make up as many
	// as it likes. The rest counts as "other".
	MaxOutcomeReasons = 32
	// MaxStatsAge is how long it is counted what devices took: a year, so that it can
	// be compared with the same month of the year before.
	MaxStatsAge = 400 * 24 * time.Hour
	// MaxCauses is how many reasons for which a release failed are told, and
	// MaxStatsVersions how many versions that devices say they run: devices may make
	// up any number of both.
	MaxCauses        = 50
	MaxStatsVersions = 50
	// MaxStatsReleases is how many releases one answer of statistics tells of, each
	// with up to 400 points of 200 bytes.
	MaxStatsReleases = 20
)
