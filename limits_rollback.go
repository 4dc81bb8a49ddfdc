package sealift

import "time"

// How long a roll-back may take devices back, from when it is prepared; it may wait
// for people for a part of it. RollbackLife is enough for devices that are switched
// on once a month. Whoever checks less often is led on by the next release instead.
const (
	RollbackLife    = 30 * 24 * time.Hour
	MinRollbackLife = time.Hour
	MaxRollbackLife = 366 * 24 * time.Hour
)

// MaxRollbackFrom is from how many releases one roll-back takes devices back: as many
// as a release has blobs. Each is a digest in the offer, 67 bytes.
const MaxRollbackFrom = MaxBlobs

// MaxReissues is how many releases one hotfix has issued anew: as many as one offer
// has room for. Each is a counter, a certificate and 60 ms in which nobody else writes.
const MaxReissues = MaxCandidates
