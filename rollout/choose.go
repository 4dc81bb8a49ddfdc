package rollout

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/sealift/sealift"
)

// buckets is how many there are: sealift.Everybody is all of them.
const buckets = uint64(sealift.Everybody)

// Bucket returns where a device stands for a salt, 0 to 9,999. Salts are at
// most 64 bytes, and longer ones cost an allocation.
func Bucket(salt string, id sealift.DeviceID) int {
	text := make([]byte, 0, 128)
	text = append(text, salt...)
	text = append(text, id...)
	sum := sha256.Sum256(text)
	return int(binary.BigEndian.Uint64(sum[:8]) % buckets)
}

// Candidate is what an offer says of a release that a device may take.
type Candidate struct {
	Release sealift.Digest // of release.json
	Runtime sealift.RuntimeRange
	Share   sealift.Share
	Salt    string
}

// Device is what a device is to an offer.
type Device struct {
	ID      sealift.DeviceID
	Runtime sealift.Version
	Failed  []sealift.Digest // releases that failed on it, which it never takes again
}

// Takes reports whether the device may take a candidate: its runtime is in the
// candidate's range, its bucket in the share, and the release never failed on
// it.
func (d *Device) Takes(c *Candidate) bool {
	in := c.Share >= sealift.Everybody || c.Share > 0 && Bucket(c.Salt, d.ID) < int(c.Share)
	return in && c.Runtime.Contains(d.Runtime) && !slices.Contains(d.Failed, c.Release)
}

// Choose returns the index of the first candidate that the device may take, or
// -1.
func (d *Device) Choose(candidates []Candidate) int {
	for i := range candidates {
		if d.Takes(&candidates[i]) {
			return i
		}
	}
	return -1
}
