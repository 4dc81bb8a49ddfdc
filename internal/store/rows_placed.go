package store

import "github.com/sealift/sealift"

// Placed counts active devices of a channel that are alike in all that rules of
// channels look at.
type Placed struct {
	Channel   sealift.Channel // where an assignment puts them, else what they last reported to follow
	Origin    Origin          // of the assignment; "" for none
	Platform  sealift.Platform
	Runtime   sealift.Version // that they last reported, else with which they enrolled
	Build     string          // a trust.Build; "" where it is not known
	Emulator  bool
	Devices   int64
	Following int64 // of them, those that last reported to follow it
}
