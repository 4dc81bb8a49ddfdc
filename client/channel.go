package client

import (
	"cmp"
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// channelsOf reads which channels of the app are for whom. That the director's
// metadata lists no such document says that there are no rules: no bin can be shown
// in the place of another, so nobody else can hide it.
func (d *Device) channelsOf(ctx context.Context) (*trust.Channels, error) {
	data, err := d.meta.Delegated(ctx, trust.ChannelsPath(d.cfg.App))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return &trust.Channels{App: d.cfg.App}, nil
	}
	if err != nil {
		return nil, err
	}
	return trust.ParseChannels(data, d.cfg.App)
}

// effectiveChannel returns the channel that the device is to follow: the one that
// the vault put it on, which is assigned, or else its own configuration's, or else the
// default of its app.
func (d *Device) effectiveChannel(ctx context.Context, s *state) (channel sealift.Channel, assigned bool, err error) {
	if channel, err = d.assignment(ctx, s.Assigned); err != nil || channel != "" {
		return channel, true, err
	}
	return cmp.Or(d.cfg.Channel, d.channels.Default), false, nil
}

// place decides which channel the device follows, and whether the channel is for
// it, and writes both down. What is installed stays when the channel changes: the
// next release of the new one replaces it that is newer, by version and counter.
func (d *Device) place(ctx context.Context) (channel sealift.Channel, excluded string, err error) {
	s, err := d.store.load()
	if err != nil {
		return "", "", err
	}
	channel, assigned, err := d.effectiveChannel(ctx, &s)
	if err != nil {
		return "", "", err
	}
	if channel == "" {
		return "", "", sealift.Errorf(sealift.KindNotFound, "choosing a channel", "neither this device nor app %s says which one to follow", d.cfg.App).WithReason("channel").
			WithHint("name one in the device's configuration, or make one the default: sealift channel set NAME --app %s --default", d.cfg.App)
	}
	rules := d.channels.Channels[channel]
	excluded = rules.Excludes(trust.ChannelDevice{
		Platform: d.cfg.Platform, Runtime: d.cfg.Runtime, Build: d.cfg.Build, Emulator: d.cfg.Emulator, Assigned: assigned,
	})
	if s.Reports.Channel == channel && s.Excluded == excluded {
		return channel, excluded, nil
	}
	_, err = d.conclude(func(s *state) error {
		s.Reports.Channel, s.Excluded = channel, excluded
		// What was said on the channel before is news again.
		s.Reports.Recent = nil
		return nil
	})
	return channel, excluded, err
}
