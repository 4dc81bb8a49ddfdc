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
	// FleetCounted is how old the count of a channel's devices may be by which the cap
	// of a roll-out is measured: a fleet does not grow faster than by so little.
	FleetCounted = 10 * time.Minute
	// MaxCounter bounds the counters of releases that the API takes: where readers of
	// JSON stop counting (2^53).
	MaxCounter = 1<<53 - 1
	// MaxBlastRadius bounds how many devices a cap names: more than there are phones
	// of one app, and a number that JSON keeps.
	MaxBlastRadius = 1_000_000_000
)
