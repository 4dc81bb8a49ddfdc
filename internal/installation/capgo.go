package installation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/edge/capgo"
	"github.com/sealift/sealift/internal/metrics"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// OpenCapgo lets the installation answer devices that have Capgo's plugin, under
// capgo.Prefix. base is the URL under which devices reach the server, without a slash
// at its end; address is as for Handler. Call it before Handler and Serve.
func (i *Installation) OpenCapgo(base string, address func(*http.Request) string) {
	i.capgo = capgo.New(capgo.Config{Source: capgoSource{i.Releases, i.store}, Store: i.store, Base: base, Log: i.log, Now: i.now, Address: address})
}

// pruneCapgo forgets devices that were not seen for long: each hour a part of them, by
// the first digits of their ids, since looking for them reads all.
func (i *Installation) pruneCapgo(ctx context.Context, now time.Time) error {
	const parts = 256
	part := now.Unix() / int64(time.Hour/time.Second) % parts
	return i.store.Update(ctx, func(tx store.Tx) error {
		apps, err := tx.CapgoApps(ctx)
		for _, app := range apps {
			if _, err := tx.PruneCapgoDevices(ctx, app, fmt.Sprintf("%02x", part), now.Add(-sealift.CapgoSilence)); err != nil {
				return err
			}
		}
		return err
	})
}

// capgoCalls is what they were answered.
func (i *Installation) capgoCalls() (out []metrics.Answered) {
	if i.capgo != nil {
		for _, t := range i.capgo.Tallies() {
			out = append(out, metrics.Answered(t))
		}
	}
	return out
}

// capgoSource reads what is offered to Capgo devices: what the director signed for all
// devices, of releases that have a bundle for them; and rows that the vault wrote. An
// app of which something was changed by others is as it was before, or left out.
type capgoSource struct {
	releases *release.Service
	store    store.Store
}

// Catalog implements capgo.Source.
func (s capgoSource) Catalog(ctx context.Context, before *capgo.Catalog, base string) (now *capgo.Catalog, err error) {
	var forged []error
	err = s.store.View(ctx, func(tx store.Tx) error {
		now, forged = &capgo.Catalog{Apps: map[sealift.AppID]*capgo.App{}}, nil
		apps, err := tx.CapgoApps(ctx)
		if err != nil {
			return err
		}
		for _, id := range apps {
			var was *capgo.App
			if before != nil {
				was = before.Apps[id]
			}
			app, err := s.app(ctx, tx, id, was, base)
			switch sealift.KindOf(err) {
			case "":
				now.Apps[id] = app
			case sealift.KindDenied:
				forged = append(forged, sealift.Errorf(sealift.KindDenied, "reading what Capgo devices of "+string(id)+" are offered", "%w", err))
				if was != nil {
					now.Apps[id] = was.Withheld()
				}
			default:
				return err
			}
		}
		return nil
	})
	switch {
	case sealift.KindOf(err) == sealift.KindSealed: // rows are as they were, until somebody can tell
		return before, nil
	case err != nil:
		return before, err
	}
	if before != nil && maps.Equal(before.Apps, now.Apps) {
		now = before
	}
	return now, errors.Join(forged...)
}

// app reads one app; was where nothing of it changed.
func (s capgoSource) app(ctx context.Context, tx store.Tx, id sealift.AppID, was *capgo.App, base string) (*capgo.App, error) {
	channels, err := tx.Channels(ctx, id)
	if err != nil {
		return nil, err
	}
	snapshot, err := tx.Metadata(ctx, "snapshot")
	if err != nil {
		return nil, err
	}
	app := &capgo.App{ID: id, Channels: map[sealift.Channel]*capgo.Channel{}}
	stamp := binary.BigEndian.AppendUint64(nil, uint64(snapshot.Version))
	for _, c := range channels {
		rules, err := s.releases.ChannelRules(ctx, tx, id, c.Name)
		if err != nil {
			return nil, err
		}
		stamp = append(append(stamp, c.Name...), rules.MAC...)
		app.Channels[c.Name] = channelOf(rules)
		if rules.Default {
			app.Default = c.Name
		}
	}
	app.Stamp = sealift.DigestOf(stamp)
	if was != nil && was.Stamp == app.Stamp {
		return was, nil
	}
	rules, err := s.releases.RulesOf(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	app.Floor = rules.Floor().Version
	ours, err := tx.CapgoReleases(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, channel := range app.Channels {
		if err := s.lines(ctx, tx, app, channel, rules, ours, base); err != nil {
			return nil, err
		}
	}
	return app, nil
}

func channelOf(r store.ChannelRules) *capgo.Channel {
	return &capgo.Channel{
		Name: r.Channel, SelfAssign: r.SelfAssign, Archived: r.Archived, RefuseNew: r.RefuseNew, UnderNative: r.UnderNative,
		Rules: release.DeviceRules(r), Lines: map[sealift.Platform]*capgo.Line{},
	}
}

// lines reads what a channel offers, and what may be running there: the newest
// releases, of those that are for such devices. What they say of others is of nothing
// that they can have.
func (s capgoSource) lines(ctx context.Context, tx store.Tx, app *capgo.App, channel *capgo.Channel, rules *trust.Rules, ours []sealift.Digest, base string) error {
	releases, err := tx.Releases(ctx, app.ID, store.ReleaseFilter{Channel: channel.Name, Limit: sealift.MaxCapgoRuns})
	if err != nil {
		return err
	}
	for _, r := range releases { // the newest counter first
		line := channel.Lines[r.Platform]
		if line == nil {
			line = &capgo.Line{Runs: map[sealift.Version]capgo.Run{}}
			if line.Candidates, err = s.candidates(ctx, tx, app.ID, channel.Name, r.Platform, base); err != nil {
				return err
			}
			channel.Lines[r.Platform] = line
		}
		if _, newer := line.Runs[r.Version]; newer || !slices.Contains(ours, r.Digest) {
			continue
		}
		why := rules.Refuses(trust.Revocation{Issuer: r.Issuer, Serial: r.Serial}, r.Counter, r.Version)
		line.Runs[r.Version] = capgo.Run{Release: r.Digest, Counter: r.Counter, Refused: why == "revoked" || why == "floor", Offered: line.Offers(r.Digest)}
	}
	return nil
}

// candidates reads what is offered that has a bundle for Capgo devices.
func (s capgoSource) candidates(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, base string) (out []*capgo.Candidate, err error) {
	offered, err := s.releases.Offered(ctx, tx, app, channel, platform)
	if err != nil {
		return nil, err
	}
	for _, c := range offered {
		bundle, some, err := s.releases.CapgoBundle(ctx, tx, app, c.Release.Digest)
		if err != nil {
			return nil, err
		}
		if !some {
			continue
		}
		made, err := capgo.NewCandidate(rollout.Candidate{
			Release: c.Release.Digest, Version: c.Version, Counter: c.Counter, From: c.From, Runtime: c.Runtime, Share: c.Share, Salt: c.Salt,
		}, &bundle, base)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}
