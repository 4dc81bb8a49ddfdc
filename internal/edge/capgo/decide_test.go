package capgo

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

func TestDecide(t *testing.T) {
	phone := Info{App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Build: "1.0.0", Plugin: "8.51.23", Production: true}
	running := func(v sealift.Version) func(*Info) { return func(i *Info) { i.Running = v } }
	built := func(v sealift.Version) func(*Info) { return func(i *Info) { i.Build = v } }
	is := func(bend func(*Channel)) func(*Channel) { return bend }
	// A canary for nobody yet, a release for newer builds, and two for everybody.
	offers := func() []*Candidate {
		return []*Candidate{
			candidateOf(t, "3.0.0", 30, func(c *rollout.Candidate) { c.Share = 0 }),
			candidateOf(t, "2.2.0", 22, func(c *rollout.Candidate) { c.Runtime = ">=1.5.0" }),
			candidateOf(t, "2.1.0", 21, nil),
			candidateOf(t, "1.4.2", 14, nil),
		}
	}
	for name, test := range map[string]struct {
		in       func(*Info)
		channel  func(*Channel)
		failed   []sealift.Digest
		chosen   sealift.Channel
		offer    sealift.Version
		code     string
		breaking bool
		back     bool
		on       sealift.Channel
	}{
		"from the store's build":                 {offer: "2.1.0"},
		"a newer build":                          {in: built("1.5.0"), offer: "2.2.0"},
		"an older bundle":                        {in: running("1.4.2"), offer: "2.1.0"},
		"up to date, for this build":             {in: running("2.1.0"), code: codeMetadata, breaking: true},
		"newer than what is offered":             {in: running("2.5.0")},
		"failed on it":                           {failed: []sealift.Digest{digestOf("2.1.0", 21)}, offer: "1.4.2"},
		"failed on all":                          {failed: []sealift.Digest{digestOf("2.1.0", 21), digestOf("1.4.2", 14)}, code: codeMetadata, breaking: true},
		"no new major":                           {channel: is(func(c *Channel) { c.RefuseNew = "major" }), offer: "1.4.2"},
		"no new minor":                           {channel: is(func(c *Channel) { c.RefuseNew = "minor" }), code: "disable_auto_update_to_major", breaking: true},
		"no new minor, of the same major":        {in: built("1.3.9"), channel: is(func(c *Channel) { c.RefuseNew = "minor" }), failed: []sealift.Digest{digestOf("2.2.0", 22), digestOf("2.1.0", 21)}, code: "disable_auto_update_to_minor"},
		"no new patch":                           {in: built("1.4.1"), channel: is(func(c *Channel) { c.RefuseNew = "patch" }), failed: []sealift.Digest{digestOf("2.2.0", 22), digestOf("2.1.0", 21)}, code: "disable_auto_update_to_patch"},
		"a new patch is no new minor":            {in: built("1.4.1"), channel: is(func(c *Channel) { c.RefuseNew = "minor" }), offer: "1.4.2"},
		"below the store's build":                {in: func(i *Info) { i.Build, i.Running = "4.0.0", "1.0.0" }, code: "disable_auto_update_under_native"},
		"below the store's build, and allowed":   {in: func(i *Info) { i.Build, i.Running = "4.0.0", "1.0.0" }, channel: is(func(c *Channel) { c.UnderNative = true }), offer: "2.2.0"},
		"another key":                            {in: func(i *Info) { i.KeyID = "MIIBCgKCAQEA00000000" }, code: "key_id_mismatch"},
		"the key":                                {in: func(i *Info) { i.KeyID = bundleOf("1.0.0").KeyID }, offer: "2.1.0"},
		"no bundle for the platform":             {in: func(i *Info) { i.Platform = "windows" }},
		"not for the platform":                   {channel: is(func(c *Channel) { c.Rules.Platforms = []sealift.Platform{"ios"} }), code: "disabled_platform_android"},
		"not for the runtime":                    {channel: is(func(c *Channel) { c.Rules.Runtime = ">=1.1.0" }), code: codeMetadata, breaking: true},
		"not for production":                     {channel: is(func(c *Channel) { c.Rules.Builds = []trust.Build{trust.BuildDevelopment} }), code: "disable_prod_build"},
		"not for development":                    {in: func(i *Info) { i.Production = false }, channel: is(func(c *Channel) { c.Rules.Builds = []trust.Build{trust.BuildProduction} }), code: "disable_dev_build"},
		"not for emulators":                      {in: func(i *Info) { i.Emulator = true }, channel: is(func(c *Channel) { c.Rules.NoEmulators = true }), code: "disable_emulator"},
		"a private channel":                      {in: func(i *Info) { i.Channel = "vip" }, code: "cannot_update_via_private_channel", on: "vip"},
		"its own choice before its app's":        {chosen: "beta", in: func(i *Info) { i.Channel = "production" }, on: "beta"},
		"a choice that is not to be":             {chosen: "vip", offer: "2.1.0"},
		"the app's word":                         {in: func(i *Info) { i.Channel = "beta" }, on: "beta"},
		"a channel that is none":                 {in: func(i *Info) { i.Channel = "none-such" }, offer: "2.1.0"},
		"an archived channel":                    {in: func(i *Info) { i.Channel = "old" }, offer: "2.1.0"},
		"revoked, and nothing newer":             {in: running("9.9.0"), back: true},
		"revoked, under an old plugin":           {in: func(i *Info) { i.Running, i.Plugin = "9.9.0", "6.1.9" }},
		"revoked, but something newer":           {in: running("1.1.0"), offer: "2.1.0"},
		"revoked, and the store's build as well": {in: func(i *Info) { i.Running, i.Build = "9.9.0", "0.9.0" }},
	} {
		t.Run(name, func(t *testing.T) {
			production, vip, beta, old := channelWith("production", offers()...), channelWith("vip", candidateOf(t, "9.0.0", 90, nil)), channelWith("beta"), channelWith("old")
			vip.Rules.Private, beta.SelfAssign, old.Archived = true, true, true
			runs := production.Lines["android"].Runs
			runs["9.9.0"], runs["1.1.0"] = Run{Release: digestOf("9.9.0", 99), Counter: 99, Refused: true}, Run{Release: digestOf("1.1.0", 11), Counter: 11, Refused: true}
			if test.channel != nil {
				test.channel(production)
			}
			app := appWith(production, vip, beta, old)
			app.Floor = "1.0.0"
			in := phone
			if test.in != nil {
				test.in(&in)
			}
			d := app.Decide(&in, test.chosen, func(release sealift.Digest) bool {
				for _, f := range test.failed {
					if f == release {
						return true
					}
				}
				return false
			})
			var offer sealift.Version
			if d.Offer != nil {
				offer = d.Offer.Version
			}
			on := test.on
			if on == "" {
				on = "production"
			}
			if offer != test.offer || d.Blocked != test.code || d.Breaking != test.breaking || d.Back != test.back || d.Channel != on {
				t.Errorf("offer %q, blocked %q (%s), breaking %t, back %t, on %q; want %q, %q, %t, %t, %q", offer, d.Blocked, d.Message, d.Breaking, d.Back, d.Channel,
					test.offer, test.code, test.breaking, test.back, on)
			}
			if d.Breaking && d.Message != storeUpdate {
				t.Errorf("it is not told to look in the store: %q", d.Message)
			}
		})
	}
}

// TestNoDefault: without a default channel, and a word of the app, there is nothing.
func TestNoDefault(t *testing.T) {
	app := appWith(channelWith("production", candidateOf(t, "2.0.0", 2, nil)))
	app.Default = ""
	in := Info{App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Build: "1.0.0", Plugin: "8.51.23"}
	if d := app.Decide(&in, "", nothingFailed); d.Blocked != codeNoChannel {
		t.Errorf("%+v", d)
	}
}

func nothingFailed(sealift.Digest) bool { return false }

// TestSameBuckets: of a share, those devices take a release that would if they were
// Sealift's own.
func TestSameBuckets(t *testing.T) {
	c := candidateOf(t, "2.0.0", 2, func(c *rollout.Candidate) { c.Share = 2500 })
	app := appWith(channelWith("production", c))
	taken := 0
	for i := range 2000 {
		id, _ := deviceOf(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
		in := Info{App: shop, Device: id, Platform: "android", Build: "1.0.0", Plugin: "8.51.23"}
		got := app.Decide(&in, "", nothingFailed).Offer != nil
		if want := rollout.Bucket("salt", id) < 2500; got != want {
			t.Fatalf("%s: %t", id, got)
		}
		if got {
			taken++
		}
	}
	if taken < 400 || taken > 600 {
		t.Errorf("%d of 2000 are in a quarter", taken)
	}
}

// TestRollback: who runs what was taken back is led back, and nobody else.
func TestRollback(t *testing.T) {
	bad := candidateOf(t, "2.0.0", 20, nil)
	app := appWith(channelWith("production", candidateOf(t, "1.9.0", 21, func(c *rollout.Candidate) { c.From = []sealift.Digest{bad.Release} })))
	app.Channels["production"].Lines["android"].Runs["2.0.0"] = Run{Release: bad.Release, Counter: 20}
	in := Info{App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Build: "1.0.0", Plugin: "8.51.23", Running: "2.0.0"}
	if d := app.Decide(&in, "", nothingFailed); d.Offer == nil || d.Offer.Version != "1.9.0" {
		t.Errorf("%+v", d)
	}
	for _, other := range []sealift.Version{"", "1.8.0", "2.0.1"} {
		in.Running = other
		if d := app.Decide(&in, "", nothingFailed); d.Offer != nil {
			t.Errorf("%q takes it", other)
		}
	}
}

func TestPluginCan(t *testing.T) {
	for plugin, want := range map[sealift.Version][3]bool{ // V3, delta, kind
		"5.0.0": {}, "5.29.9": {}, "5.30.0": {true}, "6.24.9": {}, "6.25.0": {false, true}, "6.30.0": {true, true}, "7.0.34": {}, "7.0.35": {false, true},
		"7.27.8": {false, true}, "7.36.1": {true, true}, "8.0.0": {true, true}, "8.0.0-rc.1": {}, "8.45.9": {true, true}, "8.46.0": {true, true, true}, "9.0.0": {true, true, true}, "10.1.0": {true, true, true},
	} {
		if got := [3]bool{readsV3.can(plugin), readsDelta.can(plugin), readsKind.can(plugin)}; got != want {
			t.Errorf("%s: %v, want %v", plugin, got, want)
		}
	}
}
