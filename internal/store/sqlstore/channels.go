package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutChannelRules implements store.ChannelTx.
func (t *tx) PutChannelRules(ctx context.Context, r store.ChannelRules) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutChannelRules(ctx, sqlcgen.PutChannelRulesParams{
			App: string(r.App), Channel: string(r.Channel), Archived: flag(r.Archived), IsDefault: flag(r.Default), Private: flag(r.Private),
			Platforms: r.Platforms, Runtime: string(r.Runtime), Builds: r.Builds, Emulators: flag(r.Emulators), SelfAssign: flag(r.SelfAssign),
			Changed: micros(r.Changed), Mac: some(r.MAC), EpochDays: r.EpochDays, RefuseNew: r.RefuseNew, UnderNative: flag(r.UnderNative),
		})
	})
	return t.fail(ctx, fmt.Sprintf("storing the rules of channel %s/%s", r.App, r.Channel), err)
}

// ChannelRules implements store.ChannelTx.
func (t *tx) ChannelRules(ctx context.Context, app sealift.AppID, channel sealift.Channel) (store.ChannelRules, error) {
	row, err := t.q.ChannelRules(ctx, sqlcgen.ChannelRulesParams{App: string(app), Channel: string(channel)})
	if err != nil {
		return store.ChannelRules{}, t.fail(ctx, fmt.Sprintf("reading the rules of channel %s/%s", app, channel), err)
	}
	return channelRulesOf(row), nil
}

// AllChannelRules implements store.ChannelTx.
func (t *tx) AllChannelRules(ctx context.Context, app sealift.AppID) ([]store.ChannelRules, error) {
	rows, err := t.q.AllChannelRules(ctx, string(app))
	return collect(rows, t.fail(ctx, "listing the rules of the channels of "+string(app), err), channelRulesOf)
}

// PutAssignment implements store.ChannelTx.
func (t *tx) PutAssignment(ctx context.Context, a store.Assignment) error {
	op := fmt.Sprintf("storing the assignment of device %s of %s", a.Device, a.App)
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutAssignment(ctx, sqlcgen.PutAssignmentParams{
			App: string(a.App), Device: string(a.Device), Channel: string(a.Channel), Sequence: number(a.Sequence),
			Until: micros(a.Until), Ends: micros(a.Ends), Origin: string(a.Origin), Changed: micros(a.Changed), Mac: some(a.MAC),
		})
	})
	if err == nil && rows == 0 {
		return sealift.Errorf(sealift.KindConflict, op, "there is one of sequence %d or higher", a.Sequence)
	}
	return t.fail(ctx, op, err)
}

// Assignment implements store.ChannelTx.
func (t *tx) Assignment(ctx context.Context, app sealift.AppID, device sealift.DeviceID) (store.Assignment, error) {
	row, err := t.q.Assignment(ctx, sqlcgen.AssignmentParams{App: string(app), Device: string(device)})
	if err != nil {
		return store.Assignment{}, t.fail(ctx, fmt.Sprintf("reading the assignment of device %s of %s", device, app), err)
	}
	return assignmentOf(row), nil
}

// DueAssignments implements store.ChannelTx.
func (t *tx) DueAssignments(ctx context.Context, now, renew time.Time, limit int) ([]store.Assignment, error) {
	rows, err := t.q.DueAssignments(ctx, sqlcgen.DueAssignmentsParams{Now: micros(now), Renew: micros(renew), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing assignments that end", err), assignmentOf)
}

// CountAssignments implements store.ChannelTx.
func (t *tx) CountAssignments(ctx context.Context, by store.Origin) (int64, error) {
	n, err := t.q.CountAssignments(ctx, string(by))
	return n, t.fail(ctx, "counting assignments", err)
}

func channelRulesOf(r sqlcgen.ChannelRule) store.ChannelRules {
	return store.ChannelRules{
		App: sealift.AppID(r.App), Channel: sealift.Channel(r.Channel), Archived: r.Archived != 0, Default: r.IsDefault != 0, Private: r.Private != 0,
		Platforms: r.Platforms, Runtime: sealift.RuntimeRange(r.Runtime), Builds: r.Builds, Emulators: r.Emulators != 0, SelfAssign: r.SelfAssign != 0,
		Changed: moment(r.Changed), MAC: bare(r.Mac), EpochDays: r.EpochDays, RefuseNew: r.RefuseNew, UnderNative: r.UnderNative != 0,
	}
}

func assignmentOf(r sqlcgen.DeviceAssignment) store.Assignment {
	return store.Assignment{
		App: sealift.AppID(r.App), Device: sealift.DeviceID(r.Device), Channel: sealift.Channel(r.Channel), Sequence: uint64(r.Sequence),
		Until: moment(r.Until), Ends: moment(r.Ends), Origin: store.Origin(r.Origin), Changed: moment(r.Changed), MAC: bare(r.Mac),
	}
}
