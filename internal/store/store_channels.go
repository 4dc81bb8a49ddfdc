package store

import (
	"context"
	"strconv"
	"time"

	"github.com/sealift/sealift"
)

// ChannelTx keeps what channels were set to, and which devices were put on them.
// No row of either is ever removed: that one is gone would open what it closed.
type ChannelTx interface {
	// PutChannelRules writes them, over those before; KindNotFound if there is no
	// such channel.
	PutChannelRules(ctx context.Context, r ChannelRules) error
	ChannelRules(ctx context.Context, app sealift.AppID, channel sealift.Channel) (ChannelRules, error)
	// AllChannelRules returns those of every channel of app that has a row, by name.
	AllChannelRules(ctx context.Context, app sealift.AppID) ([]ChannelRules, error)

	// PutAssignment writes one whose sequence is above that of the one before;
	// KindConflict otherwise, KindNotFound if there is no such device.
	PutAssignment(ctx context.Context, a Assignment) error
	Assignment(ctx context.Context, app sealift.AppID, device sealift.DeviceID) (Assignment, error)
	// DueAssignments returns those, of all apps, whose document has ended by now or,
	// where it could be renewed, ends before renew; at most limit, by Ends, app and
	// device.
	DueAssignments(ctx context.Context, now, renew time.Time, limit int) ([]Assignment, error)
	// CountAssignments returns how many devices of all apps are on a channel so, or
	// were put there by one origin alone; "" is all.
	CountAssignments(ctx context.Context, by Origin) (int64, error)
}

// Columns implements Authentic.
func (r ChannelRules) Columns() (kind string, columns []string) {
	return "channel-rules", []string{
		string(r.App), string(r.Channel), strconv.FormatBool(r.Archived), strconv.FormatBool(r.Default), strconv.FormatBool(r.Private),
		r.Platforms, string(r.Runtime), r.Builds, strconv.FormatBool(r.Emulators), strconv.FormatBool(r.SelfAssign), column(r.Changed),
		strconv.FormatInt(r.EpochDays, 10), r.RefuseNew, strconv.FormatBool(r.UnderNative),
	}
}

// Tag implements Authentic.
func (r ChannelRules) Tag() []byte { return r.MAC }

// RowName implements Authentic.
func (r ChannelRules) RowName() string { return named(string(r.App), string(r.Channel)) }

// Columns implements Authentic.
func (a Assignment) Columns() (kind string, columns []string) {
	return "assignment", []string{
		string(a.App), string(a.Device), string(a.Channel), counted(a.Sequence), column(a.Until), column(a.Ends), string(a.Origin), column(a.Changed),
	}
}

// Tag implements Authentic.
func (a Assignment) Tag() []byte { return a.MAC }

// RowName implements Authentic.
func (a Assignment) RowName() string { return named(string(a.App), string(a.Device)) }
