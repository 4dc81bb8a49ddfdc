package trust_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

var testAssigned = sealift.DeviceIDOf([]byte("the device's key"))

func goodChannels() *trust.Channels {
	return &trust.Channels{App: testApp, Default: "production", Channels: map[sealift.Channel]trust.ChannelRules{
		"beta": {Private: true, Platforms: []sealift.Platform{"ios", "web"}, Runtime: ">=2.0.0", Builds: []trust.Build{trust.BuildDevelopment}, NoEmulators: true},
	}}
}

func goodAssignment() *trust.Assignment {
	return &trust.Assignment{App: testApp, Device: testAssigned, Channel: "beta", Sequence: 3, Expires: trust.At(start.Add(time.Hour))}
}

// Each rule excludes the device that it is about, and the others let it in.
func TestChannelRulesExclude(t *testing.T) {
	fits := trust.ChannelDevice{Platform: "web", Runtime: "2.1.0", Build: trust.BuildDevelopment, Assigned: true}
	strict := goodChannels().Channels["beta"]
	for _, test := range []struct {
		want string
		bend func(*trust.ChannelDevice)
		open func(*trust.ChannelRules)
	}{
		{"", func(*trust.ChannelDevice) {}, func(*trust.ChannelRules) {}},
		{"private", func(d *trust.ChannelDevice) { d.Assigned = false }, func(r *trust.ChannelRules) { r.Private = false }},
		{"platform", func(d *trust.ChannelDevice) { d.Platform = "android" }, func(r *trust.ChannelRules) { r.Platforms = nil }},
		{"runtime", func(d *trust.ChannelDevice) { d.Runtime = "1.9.9" }, func(r *trust.ChannelRules) { r.Runtime = "" }},
		{"build", func(d *trust.ChannelDevice) { d.Build = trust.BuildProduction }, func(r *trust.ChannelRules) { r.Builds = nil }},
		{"emulator", func(d *trust.ChannelDevice) { d.Emulator = true }, func(r *trust.ChannelRules) { r.NoEmulators = false }},
	} {
		device, rules := fits, strict
		test.bend(&device)
		if got := rules.Excludes(device); got != test.want {
			t.Errorf("%+v is excluded for %q, want %q", device, got, test.want)
		}
		test.open(&rules)
		if got := rules.Excludes(device); got != "" {
			t.Errorf("without the rule %+v is excluded for %q", device, got)
		}
		if got := (&trust.ChannelRules{}).Excludes(device); got != "" {
			t.Errorf("no rules exclude %+v for %q", device, got)
		}
	}
}

func TestChannelsForm(t *testing.T) {
	many := map[sealift.Channel]trust.ChannelRules{}
	for i := range sealift.MaxChannelRules {
		many[sealift.Channel(fmt.Sprintf("c%d", i))] = trust.ChannelRules{Private: true}
	}
	good := &trust.Channels{App: testApp, Channels: many}
	if _, err := trust.ParseChannels(mustEncode(t, good), testApp); err != nil {
		t.Errorf("as many rules as there may be: %v", err)
	}
	rule := func(r trust.ChannelRules) func(*trust.Channels) {
		return func(c *trust.Channels) { c.Channels["beta"] = r }
	}
	for name, bend := range map[string]func(*trust.Channels){
		"default":   func(c *trust.Channels) { c.Default = "No" },
		"channel":   func(c *trust.Channels) { c.Channels["No"] = trust.ChannelRules{} },
		"platform":  rule(trust.ChannelRules{Platforms: []sealift.Platform{"No"}}),
		"runtime":   rule(trust.ChannelRules{Runtime: "new"}),
		"build":     rule(trust.ChannelRules{Builds: []trust.Build{"nightly"}}),
		"builds":    rule(trust.ChannelRules{Builds: []trust.Build{"production", "development", "production"}}),
		"platforms": rule(trust.ChannelRules{Platforms: make([]sealift.Platform, sealift.MaxRulePlatforms+1)}),
		"too many":  func(c *trust.Channels) { many["beta"] = trust.ChannelRules{}; c.Channels = many },
	} {
		c := goodChannels()
		bend(c)
		if _, err := c.Encode(); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := trust.ParseChannels(mustEncode(t, goodChannels()), "com.acme.till"); sealift.KindOf(err) != sealift.KindMetadata {
		t.Errorf("another app's: %v", err)
	}
}

func TestAssignmentForm(t *testing.T) {
	for name, bend := range map[string]func(*trust.Assignment){
		"channel":  func(a *trust.Assignment) { a.Channel = "No" },
		"sequence": func(a *trust.Assignment) { a.Sequence = 0 },
		"expires":  func(a *trust.Assignment) { a.Expires = trust.Time{} },
	} {
		a := goodAssignment()
		bend(a)
		if _, err := a.Encode(); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	off := goodAssignment()
	off.Channel = ""
	data := mustEncode(t, off)
	if _, err := trust.ParseAssignment(data, testApp, testAssigned); err != nil {
		t.Errorf("one to no channel: %v", err)
	}
	if _, err := trust.ParseAssignment(data, "com.acme.till", testAssigned); sealift.KindOf(err) != sealift.KindMetadata {
		t.Errorf("another app's: %v", err)
	}
	if _, err := trust.ParseAssignment(data, testApp, sealift.DeviceIDOf([]byte("another"))); sealift.KindOf(err) != sealift.KindMetadata {
		t.Errorf("another device's: %v", err)
	}
	if path := trust.AssignPath(testAssigned); strings.Contains(path, string(testAssigned)) || !strings.HasPrefix(path, "assign/") {
		t.Error(path)
	}
}

// TestAssignmentSequence: a sequence may be a day ahead of the device's time.
func TestAssignmentSequence(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ahead := uint64(now.Add(sealift.MaxSequenceAhead).Unix())
	for sequence, good := range map[uint64]bool{1: true, uint64(now.Unix()): true, ahead: true, ahead + 1: false, 1 << 63: false} {
		a := goodAssignment()
		a.Sequence = sequence
		if err := a.CheckSequence(now); (err == nil) != good || !good && (sealift.KindOf(err) != sealift.KindMetadata || sealift.ReasonOf(err) != "sequence") {
			t.Errorf("%d: %v", sequence, err)
		}
	}
	if a := goodAssignment(); a.CheckSequence(time.Time{}) == nil {
		t.Error("at no time at all")
	}
}
