package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
)

// ChannelsPath returns the target path of an app's channels.json.
func ChannelsPath(app sealift.AppID) string { return fmt.Sprintf("%s/channels.json", app) }

// AssignPath returns the target path of a device's assignment. Who reads the bins
// learns no device's id from it.
func AssignPath(device sealift.DeviceID) string {
	return fmt.Sprintf("assign/%s.json", sealift.DigestOf([]byte(device)))
}

// Build is how a host says that it was built.
type Build string

// The builds.
const (
	BuildProduction  Build = "production"
	BuildDevelopment Build = "development"
)

// ParseBuild accepts the two builds.
func ParseBuild(s string) (Build, error) {
	switch b := Build(s); b {
	case BuildProduction, BuildDevelopment:
		return b, nil
	}
	return "", sealift.Errorf(sealift.KindInvalid, "parsing build", "%.40q is not a build", s).
		WithHint("a build is production or development")
}

// Channels is channels.json: which channels of an app are for whom. Devices apply
// it to what they say of themselves, so it keeps order and not secrets: what a
// private channel hides is its epochs' keys, which the vault gives out.
type Channels struct {
	App sealift.AppID `json:"app"`
	// Default is the channel of devices that have none of their own; empty for none.
	Default sealift.Channel `json:"default,omitempty"`
	// Channels are those that are not for every device of the app.
	Channels map[sealift.Channel]ChannelRules `json:"channels"` // at most sealift.MaxChannelRules
	Critical []string                         `json:"critical,omitempty"`
}

// ChannelRules say which devices may follow a channel. The zero value is for all.
type ChannelRules struct {
	Private     bool                 `json:"private,omitempty"`     // only for those that are assigned to it
	Platforms   []sealift.Platform   `json:"platforms,omitempty"`   // empty for all
	Runtime     sealift.RuntimeRange `json:"runtime,omitempty"`     // of the native host; empty for all
	Builds      []Build              `json:"builds,omitempty"`      // empty for both
	NoEmulators bool                 `json:"noEmulators,omitempty"` // not for emulators
}

// IsZero reports whether the rules are for every device.
func (r *ChannelRules) IsZero() bool {
	return !r.Private && len(r.Platforms) == 0 && r.Runtime == "" && len(r.Builds) == 0 && !r.NoEmulators
}

// ChannelDevice is what rules look at. All but Assigned is the device's own word.
type ChannelDevice struct {
	Platform sealift.Platform
	Runtime  sealift.Version
	Build    Build
	Emulator bool
	Assigned bool // to this very channel
}

// Excludes returns why a device may not follow the channel: "private", "platform",
// "runtime", "build" or "emulator"; "" if it may.
func (r *ChannelRules) Excludes(d ChannelDevice) (reason string) {
	switch {
	case r.Private && !d.Assigned:
		return "private"
	case len(r.Platforms) > 0 && !slices.Contains(r.Platforms, d.Platform):
		return "platform"
	case r.Runtime != "" && !r.Runtime.Contains(d.Runtime):
		return "runtime"
	case len(r.Builds) > 0 && !slices.Contains(r.Builds, d.Build):
		return "build"
	case r.NoEmulators && d.Emulator:
		return "emulator"
	}
	return ""
}

// Check refuses rules that are not of their form.
func (r *ChannelRules) Check() error {
	if len(r.Platforms) > sealift.MaxRulePlatforms {
		return fmt.Errorf("%d platforms, at most %d are allowed", len(r.Platforms), sealift.MaxRulePlatforms)
	}
	for _, p := range r.Platforms {
		if _, err := sealift.ParsePlatform(string(p)); err != nil {
			return err
		}
	}
	if r.Runtime != "" {
		if _, err := sealift.ParseRuntimeRange(string(r.Runtime)); err != nil {
			return err
		}
	}
	if len(r.Builds) > 2 {
		return fmt.Errorf("%d builds, there are two", len(r.Builds))
	}
	for _, b := range r.Builds {
		if _, err := ParseBuild(string(b)); err != nil {
			return err
		}
	}
	return nil
}

// ParseChannels reads the channels.json of one app, and refuses one that speaks of
// another.
func ParseChannels(data []byte, app sealift.AppID) (*Channels, error) {
	var c Channels
	err := decode(data, sealift.MaxTarget, &c)
	if err == nil {
		err = c.check(app)
	}
	if err != nil {
		return nil, malformed(sealift.KindMetadata, "reading channels.json", err)
	}
	return &c, nil
}

func (c *Channels) check(app sealift.AppID) error {
	if c.App != app {
		return fmt.Errorf("it is for %s, not for %s", c.App, app)
	}
	if c.Default != "" {
		if _, err := sealift.ParseChannel(string(c.Default)); err != nil {
			return err
		}
	}
	if len(c.Channels) > sealift.MaxChannelRules {
		return fmt.Errorf("rules of %d channels, at most %d are allowed", len(c.Channels), sealift.MaxChannelRules)
	}
	for name, rules := range c.Channels {
		if _, err := sealift.ParseChannel(string(name)); err != nil {
			return err
		}
		if err := rules.Check(); err != nil {
			return fmt.Errorf("channel %s: %w", name, err)
		}
	}
	return nil
}

// Encode returns the bytes that are signed as channels.json, or an error if they
// would be refused.
func (c *Channels) Encode() ([]byte, error) {
	if err := c.check(c.App); err != nil {
		return nil, malformed(sealift.KindInvalid, "writing channels.json", err)
	}
	return encode(c)
}

// Assignment is the document at AssignPath: the channel that the vault put a device
// on. A device keeps the one of the highest sequence that it saw until that expires,
// so that hiding it changes nothing at once.
type Assignment struct {
	App      sealift.AppID    `json:"app"`
	Device   sealift.DeviceID `json:"device"`
	Channel  sealift.Channel  `json:"channel,omitempty"` // empty: it is on none any more
	Sequence uint64           `json:"sequence"`          // grows with each one of the device; see CheckSequence
	Expires  Time             `json:"expires"`
	Critical []string         `json:"critical,omitempty"`
}

// ParseAssignment reads the assignment of one device of an app, and refuses that of
// another.
func ParseAssignment(data []byte, app sealift.AppID, device sealift.DeviceID) (*Assignment, error) {
	var a Assignment
	err := decode(data, sealift.MaxTarget, &a)
	if err == nil {
		err = a.check(app, device)
	}
	if err != nil {
		return nil, malformed(sealift.KindMetadata, "reading the device's assignment", err)
	}
	return &a, nil
}

// CheckSequence refuses a sequence that is more than sealift.MaxSequenceAhead ahead
// of now, with KindMetadata and reason "sequence". It is the time in seconds since
// 1970, or one above the last: so a vault that lost what it said goes on above it, and
// a thief of the director's key who numbers far ahead has nothing followed that is
// signed when the key is replaced.
func (a *Assignment) CheckSequence(now time.Time) error {
	if limit := now.Add(sealift.MaxSequenceAhead).Unix(); limit < 0 || a.Sequence > uint64(limit) {
		return sealift.Errorf(sealift.KindMetadata, "reading the device's assignment", "its sequence is %d, at %d", a.Sequence, now.Unix()).WithReason("sequence").
			WithHint("the director numbered it ahead of time: tell the vault's owner")
	}
	return nil
}

func (a *Assignment) check(app sealift.AppID, device sealift.DeviceID) error {
	switch {
	case a.App != app || a.Device != device:
		return fmt.Errorf("it is for device %.80s of %.80s, not for %s of %s", a.Device, a.App, device, app)
	case a.Sequence == 0:
		return fmt.Errorf("assignments are numbered from 1")
	case a.Expires.IsZero():
		return fmt.Errorf("it does not say when it expires")
	case a.Channel == "":
		return nil
	}
	_, err := sealift.ParseChannel(string(a.Channel))
	return err
}

// Encode returns the bytes that are signed, or an error if they would be refused.
func (a *Assignment) Encode() ([]byte, error) {
	if err := a.check(a.App, a.Device); err != nil {
		return nil, malformed(sealift.KindInvalid, "writing the device's assignment", err)
	}
	return encode(a)
}
