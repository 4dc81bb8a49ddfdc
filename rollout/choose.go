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
	Version sealift.Version
	Counter sealift.Counter
	From    []sealift.Digest // of a roll-back: the releases that it takes devices back from
	Runtime sealift.RuntimeRange
	Share   sealift.Share
	Salt    string
}

// Device is what a device is to an offer.
type Device struct {
	ID        sealift.DeviceID
	Runtime   sealift.Version
	Installed sealift.Digest   // of the release.json of what it runs; zero for nothing
	Version   sealift.Version  // of that; "" where any is newer
	Confirmed sealift.Counter  // the highest that it ever confirmed
	Failed    []sealift.Digest // releases that failed on it, which it never takes again
}

// Takes reports whether the device may take a candidate: it leads forward, or
// back from what is installed; its bucket is in the share, its runtime in the
// range; and the release never failed on it.
func (d *Device) Takes(c *Candidate) bool {
	return d.leads(c) && d.in(c) && c.Runtime.Contains(d.Runtime) && !slices.Contains(d.Failed, c.Release)
}

func (d *Device) in(c *Candidate) bool {
	return c.Share >= sealift.Everybody || c.Share > 0 && Bucket(c.Salt, d.ID) < int(c.Share)
}

// leads reports whether the candidate is for a device that stands where this one
// does. What it is not for it passes over, and that is no error: who took a
// canary that is stopped sees offers of the releases before it.
func (d *Device) leads(c *Candidate) bool {
	switch {
	case c.Counter <= d.Confirmed:
		return false
	case len(c.From) > 0:
		return slices.Contains(c.From, d.Installed)
	}
	return d.Version == "" || c.Version.Compare(d.Version) > 0
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
