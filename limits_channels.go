package sealift

// Channels.
const (
	// MaxChannelRules is of how many channels an app's channels.json holds rules:
	// at most 2 KiB each keep it within half of MaxTarget.
	MaxChannelRules = 256
	// MaxRulePlatforms is how many platforms the rules of a channel name: there are
	// not as many kinds of host.
	MaxRulePlatforms = 16
	// MaxEpochDays is the most days after which an epoch turns by the calendar: its
	// key is good for a year.
	MaxEpochDays = 365
	// MaxPlaced is how many kinds of devices of an app's channels are told apart to
	// count them, by all that rules look at: a few hundred in an honest fleet. Devices
	// may make up runtimes; the rarest are then left out.
	MaxPlaced = 10_000
)
