package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// unset is what a channel is that nobody set to anything.
func unset(app sealift.AppID, name sealift.Channel) store.ChannelRules {
	return store.ChannelRules{App: app, Channel: name, Emulators: true}
}

// ChannelRules returns what a channel was set to by the vault. One without a row is
// unset, as long as nobody deleted one.
func (s *Service) ChannelRules(ctx context.Context, tx store.Tx, app sealift.AppID, name sealift.Channel) (store.ChannelRules, error) {
	row, err := tx.ChannelRules(ctx, app, name)
	row, _, err = vault.CheckFound(ctx, s.vault, tx, unset(app, name), row, err)
	return row, err
}

// ChangeChannel implements service.Apps.
func (s *Service) ChangeChannel(ctx context.Context, by access.Caller, app sealift.AppID, name sealift.Channel, change service.ChannelChange) (service.Channel, error) {
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.Channel, error) {
		row, err := s.findChannel(ctx, tx, app, name)
		if err != nil {
			return service.Channel{}, err
		}
		before, err := s.ChannelRules(ctx, tx, app, name)
		if err != nil {
			return service.Channel{}, err
		}
		after := changed(before, change)
		if err := s.mayChange(by, before, after); err != nil {
			return service.Channel{}, err
		}
		if !sameRules(before, after) {
			if err := s.setRules(ctx, tx, by, after); err != nil {
				return service.Channel{}, err
			}
		}
		if closes(before, after) { // every device of the app may have the key of until now
			if _, err := s.TurnEpoch(ctx, tx, by.Actor(), app, name, "the channel was closed to devices that nobody put on it"); err != nil {
				return service.Channel{}, err
			}
		}
		return s.tellChannel(ctx, tx, row)
	})
	if err != nil {
		return service.Channel{}, s.refuse(ctx, by, "channel.change", channelSubject(app, name), nil, err)
	}
	if err := s.Flush(ctx); err != nil {
		return out, err
	}
	// Afterwards, since others wait for who writes.
	err = s.store.View(ctx, func(tx store.Tx) error { return s.countDevices(ctx, tx, app, &out) })
	return out, err
}

// closes reports whether a change leaves a channel to fewer devices than were given
// its key for the asking: it becomes private, or, private, takes no more whoever asks.
func closes(before, after store.ChannelRules) bool {
	return after.Private && (!before.Private || before.SelfAssign && !after.SelfAssign)
}

func channelSubject(app sealift.AppID, name sealift.Channel) string {
	return string(app) + "/" + string(name)
}

// changed is what rules are after a change.
func changed(r store.ChannelRules, c service.ChannelChange) store.ChannelRules {
	for _, flag := range []struct {
		now  *bool
		then *bool
	}{{&r.Archived, c.Archived}, {&r.Default, c.Default}, {&r.Private, c.Private}, {&r.SelfAssign, c.SelfAssign}, {&r.Emulators, c.Emulators}, {&r.UnderNative, c.UnderNative}} {
		if flag.then != nil {
			*flag.now = *flag.then
		}
	}
	if c.EpochDays != nil {
		r.EpochDays = int64(*c.EpochDays)
	}
	if c.RefuseNew != nil {
		r.RefuseNew = *c.RefuseNew
	}
	if c.Platforms != nil {
		r.Platforms = store.JoinWords(*c.Platforms)
	}
	if c.Builds != nil {
		r.Builds = store.JoinWords(*c.Builds)
		if len(strings.Fields(r.Builds)) == 2 { // both are all there are
			r.Builds = ""
		}
	}
	if c.Runtime != nil {
		if r.Runtime = *c.Runtime; r.Runtime == "*" {
			r.Runtime = ""
		}
	}
	return r
}

// sameRules compares what rules say, and not when they began to.
func sameRules(a, b store.ChannelRules) bool {
	a.Changed, a.MAC = b.Changed, nil
	_, as := a.Columns()
	_, bs := b.Columns()
	return slices.Equal(as, bs)
}

// mayChange refuses a default that is archived, and whoever opens a private channel
// without the right to.
func (s *Service) mayChange(by access.Caller, before, after store.ChannelRules) error {
	const op = "changing the channel"
	if before.Archived && after.Archived && after.Default {
		return sealift.Errorf(sealift.KindConflict, op, "%s is archived, and so cannot become the default", after.Channel).WithReason("default").
			WithHint("take it back into use first: sealift channel unarchive %s --app %s", after.Channel, after.App)
	}
	if after.Archived && after.Default {
		return sealift.Errorf(sealift.KindConflict, op, "the default of an app cannot be archived").WithReason("default").
			WithHint("make another one the default first: sealift channel set NAME --app %s --default", after.App)
	}
	if before.Private && (!after.Private || after.SelfAssign && !before.SelfAssign) {
		return by.MayOpenPrivate(s.now())
	}
	return nil
}

// setRules keeps what a channel is set to from now on, and has the director tell
// devices. A new default takes the place of the one before.
func (s *Service) setRules(ctx context.Context, tx *vault.Tx, by access.Caller, rules store.ChannelRules) error {
	all, err := s.allRules(ctx, tx, rules.App)
	if err != nil {
		return err
	}
	for i, other := range all {
		if other.Channel == rules.Channel {
			all[i] = rules
		} else if rules.Default && other.Default {
			other.Default = false
			if err := s.putRules(ctx, tx, by, other); err != nil {
				return err
			}
			all[i] = other
		}
	}
	if err := s.putRules(ctx, tx, by, rules); err != nil {
		return err
	}
	content, err := channelsFile(rules.App, all)
	if err != nil {
		return err
	}
	return s.direct(ctx, tx, by.Actor(), []tufrepo.Target{{Path: trust.ChannelsPath(rules.App), Content: content}})
}

func (s *Service) putRules(ctx context.Context, tx *vault.Tx, by access.Caller, r store.ChannelRules) (err error) {
	r.Changed = s.now().UTC()
	if r.MAC, err = tx.Authenticate(r); err != nil {
		return err
	}
	if err := tx.PutChannelRules(ctx, r); err != nil {
		return err
	}
	details := map[string]string{
		"archived": fmt.Sprint(r.Archived), "default": fmt.Sprint(r.Default), "private": fmt.Sprint(r.Private), "self-assign": fmt.Sprint(r.SelfAssign),
		"platforms": r.Platforms, "runtime": string(r.Runtime), "builds": r.Builds, "emulators": fmt.Sprint(r.Emulators), "epoch-days": fmt.Sprint(r.EpochDays),
		"capgo-refuse-new": r.RefuseNew, "capgo-under-native": fmt.Sprint(r.UnderNative), vault.RowDetail: vault.RowTag(r.MAC),
	}
	return record(ctx, tx, s.now(), by, "channel.change", channelSubject(r.App, r.Channel), details)
}

// allRules returns what each channel of app is set to, by name.
func (s *Service) allRules(ctx context.Context, tx store.Tx, app sealift.AppID) ([]store.ChannelRules, error) {
	channels, err := tx.Channels(ctx, app)
	if err != nil {
		return nil, err
	}
	all := make([]store.ChannelRules, len(channels))
	for i, channel := range channels {
		if all[i], err = s.ChannelRules(ctx, tx, app, channel.Name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// channelsFile is the channels.json of an app.
func channelsFile(app sealift.AppID, all []store.ChannelRules) ([]byte, error) {
	doc := &trust.Channels{App: app, Channels: map[sealift.Channel]trust.ChannelRules{}}
	for _, r := range all {
		if r.Default {
			doc.Default = r.Channel
		}
		if rules := DeviceRules(r); !rules.IsZero() {
			doc.Channels[r.Channel] = rules
		}
	}
	if len(doc.Channels) > sealift.MaxChannelRules {
		return nil, sealift.Errorf(sealift.KindExhausted, "changing the channel", "%d channels of %s have rules, at most %d may", len(doc.Channels), app, sealift.MaxChannelRules).
			WithReason("rules").WithHint("lift those of channels that are not needed: sealift channel set NAME --app %s --platforms all", app)
	}
	return doc.Encode()
}

// DeviceRules are the rules that devices go by.
func DeviceRules(r store.ChannelRules) trust.ChannelRules {
	return trust.ChannelRules{
		Private: r.Private, Platforms: store.SplitWords[sealift.Platform](r.Platforms), Runtime: r.Runtime, Builds: store.SplitWords[trust.Build](r.Builds), NoEmulators: !r.Emulators,
	}
}

func settingsOf(r store.ChannelRules) *service.ChannelSettings {
	return &service.ChannelSettings{
		Archived: r.Archived, Default: r.Default, Private: r.Private, SelfAssign: r.SelfAssign,
		Platforms: store.SplitWords[sealift.Platform](r.Platforms), Runtime: r.Runtime, Builds: store.SplitWords[trust.Build](r.Builds), Emulators: r.Emulators, EpochDays: int(r.EpochDays), RefuseNew: r.RefuseNew, UnderNative: r.UnderNative, Changed: r.Changed,
	}
}

// demandTakes refuses a release that a channel does not take, whoever it is by. A
// roll-back is taken by an archived one, too: it is the way out for who stayed.
func (s *Service) demandTakes(ctx context.Context, tx store.Tx, of store.Coordinates, act sealift.Act) error {
	const op = "checking the channel"
	app, name := of.App, of.Channel
	r, err := s.ChannelRules(ctx, tx, app, name)
	if err != nil {
		return err
	}
	if r.Archived && act != sealift.ActRollback {
		return sealift.Errorf(sealift.KindConflict, op, "%s of %s is archived and takes no release", name, app).WithReason("archived").
			WithHint("take it back into use with: sealift channel unarchive %s --app %s", name, app)
	}
	rules := DeviceRules(r)
	if len(rules.Platforms) > 0 && !slices.Contains(rules.Platforms, of.Platform) {
		return sealift.Errorf(sealift.KindConflict, op, "%s of %s is not for %s: no device would take the release", name, app, of.Platform).WithReason("platform").
			WithHint("publish to another channel, or add the platform with: sealift channel set %s --app %s --platforms %s", name, app, strings.ReplaceAll(r.Platforms+" "+string(of.Platform), " ", ","))
	}
	if rules.Runtime != "" && !rules.Runtime.Overlaps(of.Runtime) {
		return sealift.Errorf(sealift.KindConflict, op, "%s of %s is for the runtimes %s alone: no device would take the release", name, app, rules.Runtime).WithReason("runtime").
			WithHint("publish to another channel, or change it with: sealift channel set %s --app %s --runtime RANGE", name, app)
	}
	return nil
}
