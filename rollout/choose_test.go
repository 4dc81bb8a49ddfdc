package rollout_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
)

func deviceID(n uint64) sealift.DeviceID {
	sum := sha256.Sum256(fmt.Append(nil, "device ", n))
	return sealift.DeviceID(hex.EncodeToString(sum[:16]))
}

// What docs/formats.md says, worked out with sha256sum.
func TestBucket(t *testing.T) {
	for _, c := range []struct {
		salt, id string
		want     int
	}{
		{"4f137c5258f31fa93ae12541adff797e", "b47d7717aebd8fca2f713d50a849cebd", 7715},
		{"", "b47d7717aebd8fca2f713d50a849cebd", 6205},
		{"4f137c5258f31fa93ae12541adff797e", "00000000000000000000000000000000", 491},
	} {
		if got := rollout.Bucket(c.salt, sealift.DeviceID(c.id)); got != c.want {
			t.Errorf("bucket of %s with salt %s is %d, want %d", c.id, c.salt, got, c.want)
		}
	}
}

// The share of devices that are in is the share asked for, and two salts choose
// independently.
func TestBucketsAreEven(t *testing.T) {
	const devices = 100_000
	in, both := 0, 0
	for n := range uint64(devices) {
		a, b := rollout.Bucket("one", deviceID(n)) < 1000, rollout.Bucket("two", deviceID(n)) < 1000
		if a {
			in++
		}
		if a && b {
			both++
		}
	}
	if in < 9_600 || in > 10_400 { // four standard deviations
		t.Errorf("%d of %d devices are in 10 %%", in, devices)
	}
	if both < 870 || both > 1_130 {
		t.Errorf("%d of %d devices are in 10 %% of both, as if one salt told of the other", both, devices)
	}
}

func TestChoose(t *testing.T) {
	canary, base, old := sealift.DigestOf([]byte("canary")), sealift.DigestOf([]byte("base")), sealift.DigestOf([]byte("old"))
	offer := []rollout.Candidate{
		{Release: canary, Version: "1.2.0", Counter: 4, Runtime: ">=2.0.0", Share: 5000, Salt: "salt"},
		{Release: base, Version: "1.1.0", Counter: 3, Runtime: ">=2.0.0", Share: sealift.Everybody, Salt: "other"},
		{Release: old, Version: "1.0.0", Counter: 1, Runtime: "*", Share: sealift.Everybody, Salt: "third"},
	}
	var in, out sealift.DeviceID
	for n := uint64(0); in == "" || out == ""; n++ {
		if id := deviceID(n); rollout.Bucket("salt", id) < 5000 {
			in = id
		} else {
			out = id
		}
	}
	for name, c := range map[string]struct {
		device rollout.Device
		want   int
	}{
		"in the share":          {rollout.Device{ID: in, Runtime: "2.1.0"}, 0},
		"not in the share":      {rollout.Device{ID: out, Runtime: "2.1.0"}, 1},
		"an older host":         {rollout.Device{ID: in, Runtime: "1.9.9"}, 2},
		"it failed before":      {rollout.Device{ID: in, Runtime: "2.1.0", Failed: []sealift.Digest{canary}}, 1},
		"all failed before":     {rollout.Device{ID: in, Runtime: "2.1.0", Failed: []sealift.Digest{canary, base, old}}, -1},
		"nothing was published": {rollout.Device{ID: in, Runtime: "2.1.0"}, -1},
	} {
		candidates := offer
		if name == "nothing was published" {
			candidates = nil
		}
		if got := c.device.Choose(candidates); got != c.want {
			t.Errorf("%s: candidate %d, want %d", name, got, c.want)
		}
	}
}

// Who is in stays in as the share grows, and everybody is in at the end.
func TestSharesOnlyGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rollout.Device{ID: deviceID(rapid.Uint64().Draw(t, "device")), Runtime: "1.0.0"}
		c := rollout.Candidate{Version: "1.0.0", Counter: 1, Runtime: "*", Salt: rapid.StringN(0, 64, 64).Draw(t, "salt")}
		was := false
		for c.Share = 0; c.Share <= sealift.Everybody; c.Share += sealift.Share(rapid.IntRange(1, 2000).Draw(t, "step")) {
			is := d.Takes(&c)
			if was && !is || c.Share == 0 && is {
				t.Fatalf("at %s percent: in is %v, before it was %v", c.Share, is, was)
			}
			was = is
		}
		if c.Share = sealift.Everybody; !d.Takes(&c) {
			t.Fatal("not in a share of everybody")
		}
	})
}

// A device passes over what does not lead it forward, and a roll-back that is
// not from what it runs.
func TestChooseByPlace(t *testing.T) {
	canary, base, back := sealift.DigestOf([]byte("canary")), sealift.DigestOf([]byte("base")), sealift.DigestOf([]byte("back"))
	offer := []rollout.Candidate{
		{Release: canary, Version: "1.2.0", Counter: 4, Runtime: "*", Share: sealift.Everybody},
		{Release: back, Version: "1.0.0", Counter: 5, From: []sealift.Digest{base}, Runtime: "*", Share: sealift.Everybody},
		{Release: base, Version: "1.1.0", Counter: 3, Runtime: "*", Share: sealift.Everybody},
	}
	for name, c := range map[string]struct {
		device rollout.Device
		offer  []rollout.Candidate
		want   int
	}{
		"nothing installed":           {rollout.Device{}, offer, 0},
		"an older one":                {rollout.Device{Installed: base, Version: "1.1.0", Confirmed: 3}, offer, 0},
		"the same":                    {rollout.Device{Installed: canary, Version: "1.2.0", Confirmed: 4}, offer, -1},
		"a newer one":                 {rollout.Device{Version: "1.10.0", Confirmed: 3}, offer, -1},
		"one of a higher counter":     {rollout.Device{Version: "1.0.0", Confirmed: 6}, offer, -1},
		"the same counter":            {rollout.Device{Version: "1.0.0", Confirmed: 4}, offer[:1], -1},
		"the canary was stopped":      {rollout.Device{Installed: canary, Version: "1.2.0", Confirmed: 4}, offer[1:], -1},
		"it is taken back":            {rollout.Device{Installed: base, Version: "1.1.0", Confirmed: 3}, offer[1:], 0},
		"it was taken back":           {rollout.Device{Installed: base, Version: "1.1.0", Confirmed: 5}, offer[1:], -1},
		"nothing to be taken back":    {rollout.Device{}, offer[1:], 1},
		"older than what goes back":   {rollout.Device{Installed: canary, Version: "0.9.0", Confirmed: 1}, offer[1:], 1},
		"a pre-release of the newest": {rollout.Device{Version: "1.2.0-rc.1", Confirmed: 3}, offer, 0},
	} {
		c.device.Runtime = "1.0.0"
		if got := c.device.Choose(c.offer); got != c.want {
			t.Errorf("%s: candidate %d, want %d", name, got, c.want)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	offer := make([]rollout.Candidate, sealift.MaxCandidates)
	for i := range offer {
		offer[i] = rollout.Candidate{Version: "1.4.0", Counter: 9, Runtime: ">=2.1.0 <3.0.0", Share: 1, Salt: "4f137c5258f31fa93ae12541adff797e"}
	}
	offer[len(offer)-1].Share = sealift.Everybody
	for _, n := range []int{2, len(offer)} {
		b.Run(fmt.Sprint(n, " candidates"), func(b *testing.B) {
			devices := make([]rollout.Device, 1024)
			for i := range devices {
				devices[i] = rollout.Device{ID: deviceID(rand.Uint64()), Runtime: "2.4.1", Version: "1.3.9", Confirmed: 8}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				devices[i%len(devices)].Choose(offer[len(offer)-n:])
				i++
			}
		})
	}
}
