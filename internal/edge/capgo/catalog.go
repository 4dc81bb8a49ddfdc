package capgo

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// Catalog is all that decisions are made by, as of one moment. It is not changed once
// an edge has it.
type Catalog struct {
	Apps map[sealift.AppID]*App
}

// App is an app that has releases for Capgo devices.
type App struct {
	ID       sealift.AppID
	Stamp    sealift.Digest  // of what all below was made of
	Default  sealift.Channel // of devices that are on no other; "" for none
	Floor    sealift.Version // under which nothing is to run; "" for none
	Channels map[sealift.Channel]*Channel
	withheld bool // by Withheld
}

// Withheld is the app with nothing on offer, since nobody can tell what was stopped of
// it. Its stamp is that of no state, so that it is read anew.
func (a *App) Withheld() *App {
	if a.withheld {
		return a
	}
	out := *a
	out.withheld, out.Stamp, out.Channels = true, sealift.Digest{}, map[sealift.Channel]*Channel{}
	for name, c := range a.Channels {
		bare := *c
		bare.Lines = map[sealift.Platform]*Line{}
		for platform, line := range c.Lines {
			runs := maps.Clone(line.Runs)
			for version, run := range runs {
				run.Offered = false
				runs[version] = run
			}
			bare.Lines[platform] = &Line{Runs: runs}
		}
		out.Channels[name] = &bare
	}
	return &out
}

// Channel is a channel with its rules.
type Channel struct {
	Name        sealift.Channel
	Rules       trust.ChannelRules
	SelfAssign  bool // devices may ask to be on it
	Archived    bool
	RefuseNew   string // "major", "minor", "patch" or ""; see store.ChannelRules
	UnderNative bool
	Lines       map[sealift.Platform]*Line
}

// Line is what is offered on a channel for one platform, and what may be running there.
type Line struct {
	Candidates []*Candidate // in the order of the offer, those that have a bundle for Capgo
	Runs       map[sealift.Version]Run
}

// Offers reports whether a release is among the candidates.
func (l *Line) Offers(release sealift.Digest) bool {
	return slices.ContainsFunc(l.Candidates, func(c *Candidate) bool { return c.Release == release })
}

// Run is a release that devices may run.
type Run struct {
	Release sealift.Digest
	Counter sealift.Counter
	Refused bool // it was revoked, or is under the floor
	Offered bool // it is among the candidates
}

// Candidate is a release on offer with what devices are sent of it.
type Candidate struct {
	rollout.Candidate
	Bundle  *capgo.Bundle
	replies replies
}

// NewCandidate makes a candidate; base is the public URL of the edge, without a slash
// at its end.
func NewCandidate(c rollout.Candidate, b *capgo.Bundle, base string) (*Candidate, error) {
	ready, err := repliesOf(b, base)
	return &Candidate{Candidate: c, Bundle: b, replies: ready}, err
}

// Number is what stands for a channel where the plugin wants an integer.
func (c *Channel) Number(app sealift.AppID) int64 {
	sum := sha256.Sum256([]byte(string(app) + "/" + string(c.Name)))
	return int64(binary.BigEndian.Uint32(sum[:4]) >> 1)
}

// open reports whether devices may follow the channel at their own word, by what the
// app is configured with.
func (c *Channel) open() bool { return !c.Archived && (!c.Rules.Private || c.SelfAssign) }

// place returns the channel that a device is on, and whether it is there by more than
// its own configuration; nil for none.
func (a *App) place(in *Info, chosen sealift.Channel) (on *Channel, assigned bool) {
	if c := a.Channels[chosen]; c != nil && c.SelfAssign && !c.Archived {
		return c, true
	}
	if c := a.Channels[in.Channel]; c != nil && !c.Archived {
		return c, c.SelfAssign
	}
	return a.Channels[a.Default], false
}
