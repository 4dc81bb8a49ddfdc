package sealift

import "time"

// Whoever makes others refuse things makes entries in the log, which is kept for
// good. A flood makes few, and each says how many it stands for.
const (
	// MaxUnsealEntries is how many failures of an hour have an entry in the log
	// each; the others share one.
	MaxUnsealEntries = 20
	// MaxFailureEntries is how many entries failed sign-ins may make in an hour,
	// of all people together: whoever has more to tell of has a flood, and its
	// number is in the last of them.
	MaxFailureEntries = 60
	// MaxRefusalEntries is how many entries an hour may tell of callers whom the API
	// knows and refuses, and MaxCallerRefusals how many of one of them: of ten
	// thousand refusals for one reason 15 are entries. So whoever stole one token
	// cannot keep another's refusals out of the log, and all of them together write
	// 4 MiB a day at most.
	MaxRefusalEntries = 300
	MaxCallerRefusals = 32
	// MaxEndedSessions is how many sessions that were ended are remembered, some 200
	// bytes each, to tell when somebody uses one all the same.
	MaxEndedSessions = 10_000
)

// A refusal does not wait for the log for longer than somebody waits for an answer.
const (
	// RefusalTime is how long the answer to somebody whom the API refuses waits for
	// the entry that tells of it: ten commits on a slow disk.
	RefusalTime = 2 * time.Second
)
