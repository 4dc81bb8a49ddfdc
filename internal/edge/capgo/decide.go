package capgo

import (
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// Decision is what a device is told that asks for updates. The zero value is that
// there is nothing new for it.
type Decision struct {
	Channel  sealift.Channel // that it is on; "" for none
	Runs     sealift.Digest  // the release that it runs and that is still on offer; zero for any other
	Offer    *Candidate      // to run next; nil for none
	Back     bool            // to the store's bundle
	Blocked  string          // why not, as a code of the plugin
	Message  string          // of that, for whoever reads the app's log
	Version  sealift.Version // that is kept from it; "" for none in particular
	Breaking bool            // it needs another build from the store
}

// storeUpdate is the message by which the plugin tells its app that a new build is
// wanted from the store.
const storeUpdate = "store_update_required"

// Decide says what a device is to run that asked to be on a channel, or on none.
// failed says whether a release failed on it. One that runs what it must not, and may
// have nothing else, goes back, whichever channel that came from.
func (a *App) Decide(in *Info, chosen sealift.Channel, failed func(release sealift.Digest) bool) Decision {
	d := a.follow(in, chosen, failed)
	if d.Offer == nil && a.refuses(in, a.Channels[d.Channel]) && a.mayGoBack(in) {
		return Decision{Channel: d.Channel, Runs: d.Runs, Back: true}
	}
	return d
}

// refuses reports whether what a device runs is refused: the release of that version on
// the channel that it is on; or else those of all channels, since it does not say which.
func (a *App) refuses(in *Info, on *Channel) (refused bool) {
	if on != nil && on.Lines[in.Platform] != nil {
		if run, known := on.Lines[in.Platform].Runs[in.Running]; known {
			return run.Refused
		}
	}
	for _, channel := range a.Channels {
		if line := channel.Lines[in.Platform]; line != nil {
			run, known := line.Runs[in.Running]
			if known && !run.Refused {
				return false
			}
			refused = refused || known
		}
	}
	return refused
}

// follow is Decide by the channel that the device is on.
func (a *App) follow(in *Info, chosen sealift.Channel, failed func(release sealift.Digest) bool) (d Decision) {
	channel, assigned := a.place(in, chosen)
	if channel == nil {
		d.Blocked, d.Message = codeNoChannel, "the app has no default channel, and the device is on no other"
		return d
	}
	d.Channel = channel.Name
	build := trust.BuildProduction
	if !in.Production {
		build = trust.BuildDevelopment
	}
	why := channel.Rules.Excludes(trust.ChannelDevice{Platform: in.Platform, Runtime: in.Build, Build: build, Emulator: in.Emulator, Assigned: assigned})
	if why != "" {
		d.block(excluded(why, in), "channel "+string(channel.Name)+" is not for this device", "")
		return d
	}
	line := channel.Lines[in.Platform]
	if line == nil {
		return d
	}
	run := line.Runs[in.Running]
	if run.Offered {
		d.Runs = run.Release
	}
	device := rollout.Device{ID: in.Device, Runtime: in.Build, Installed: run.Release, Version: in.Running, Confirmed: run.Counter}
	if in.Running == "" {
		device.Version = in.Build
	}
	for _, c := range line.Candidates {
		code, breaking := channel.keeps(in, c)
		if code == "" && !device.Takes(&c.Candidate) || failed(c.Release) {
			continue
		}
		if code != "" {
			right := device // but for the build that it has
			if sample, some := c.Runtime.Sample(); some {
				right.Runtime = sample
			}
			if d.Blocked == "" && right.Takes(&c.Candidate) {
				d.block(code, "channel "+string(channel.Name)+" keeps this version from builds such as this one", c.Version)
				d.Breaking = breaking
			}
			continue
		}
		return Decision{Channel: d.Channel, Runs: d.Runs, Offer: c}
	}
	if d.Breaking {
		d.Message = storeUpdate
	}
	return d
}

// mayGoBack reports whether a device that runs what it must not is better off with the
// bundle in its store's build.
func (a *App) mayGoBack(in *Info) bool {
	return goesBack.can(in.Plugin) && (a.Floor == "" || in.Build.Compare(a.Floor) >= 0)
}

// block notes why there is nothing for a device.
func (d *Decision) block(code, message string, version sealift.Version) {
	d.Blocked, d.Message, d.Version = code, message, version
	if code == codeMetadata {
		d.Message, d.Breaking = storeUpdate, true
	}
}

// codeMetadata is that the store's build is not one that the bundle is for.
const codeMetadata = "disable_auto_update_to_metadata"

// excluded is the plugin's word for why rules exclude a device.
func excluded(why string, in *Info) string {
	switch why {
	case "private":
		return "cannot_update_via_private_channel"
	case "platform":
		return "disabled_platform_" + platformWord(in.Platform)
	case "runtime":
		return codeMetadata
	case "emulator":
		return "disable_emulator"
	}
	if in.Production {
		return "disable_prod_build"
	}
	return "disable_dev_build"
}

// platformWord is a platform in a code: one of those that plugins know, since codes
// are counted by.
func platformWord(p sealift.Platform) string {
	switch p {
	case "ios", "android", "electron":
		return string(p)
	}
	return "electron"
}

// keeps returns the plugin's word for why a release is kept from a device on the
// channel that would take it otherwise, and whether another build from the store would
// help; "" if it is not.
func (c *Channel) keeps(in *Info, of *Candidate) (code string, breaking bool) {
	if in.KeyID != "" && of.Bundle.KeyID != in.KeyID { // it could not open any
		return "key_id_mismatch", false
	}
	have, want := numbersOf(in.Build), numbersOf(of.Version)
	level, known := levels[c.RefuseNew]
	for i, word := range words {
		if want[i] == have[i] {
			continue
		}
		if known && i <= level && longer(want[i], have[i]) {
			return "disable_auto_update_to_" + word, i == 0
		}
		break // lesser numbers begin anew
	}
	switch {
	case !of.Runtime.Contains(in.Build):
		return codeMetadata, true
	case !c.UnderNative && of.Version.Compare(in.Build) < 0:
		return "disable_auto_update_under_native", false
	}
	return "", false
}

// words are the numbers of a version, and levels their places.
var (
	words  = [3]string{"major", "minor", "patch"}
	levels = map[string]int{"major": 0, "minor": 1, "patch": 2}
)

// numbersOf returns the three numbers of a version.
func numbersOf(v sealift.Version) (n [3]string) {
	core, _, _ := strings.Cut(string(v), "-")
	copy(n[:], strings.SplitN(core, ".", 3))
	return n
}

// longer reports whether a is a greater number than b; both are without leading zeros,
// and of any length.
func longer(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }
