package sealift

import "time"

// Roll-outs, and simulations of them.
const (
	// MaxPlan bounds the JSON of a plan, in bytes: a person writes it.
	MaxPlan = 16 << 10
	// MaxStages bounds the stages of a plan, and MaxStage how long one lasts at
	// least: a release that takes longer has been replaced by then.
	MaxStages = 32
	MaxStage  = 90 * 24 * time.Hour
	// MaxSimulated is how many devices a simulated fleet has: a hundred bytes
	// each, and some 20 µs of processor a device and a day of the plan.
	MaxSimulated = 100_000
	// MaxSimulations is how often one command plays a plan; 10,000 runs of 20,000
	// devices are an hour.
	MaxSimulations = 10_000
	// MaxBlastRadius bounds how many devices a cap names: more than there are phones
	// of one app, and a number that JSON keeps.
	MaxBlastRadius = 1_000_000_000
)
