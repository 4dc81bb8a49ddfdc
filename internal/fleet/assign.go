package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

const assignOp = "assigning devices"

// The actions of entries about assignments.
const (
	actionAssign   = "device.assign"
	actionUnassign = "device.unassign"
	actionRenew    = "device.renew" // of documents that end, with nothing else changed
)

// AssignDevices implements service.Assigning.
func (d *Desk) AssignDevices(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewAssignment) ([]service.Assignment, error) {
	action := actionAssign
	if want.Channel == "" {
		action = actionUnassign
	}
	made, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) ([]service.Assignment, error) {
		a := d.assigningBy(tx, by, want.Reason)
		if err := a.demandChannel(ctx, app, want); err != nil {
			return nil, err
		}
		ids := slices.Clone(want.Devices)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if err := a.byPerson(ctx, app, id, want); err != nil {
				return nil, err
			}
		}
		if len(a.made) == 0 {
			return nil, sealift.Errorf(sealift.KindConflict, assignOp, "they are so already").WithReason("assigned").
				WithHint("see on which channel a device is with: sealift device show ID --app %s", app)
		}
		return a.made, a.finish(ctx)
	})
	if err != nil {
		return nil, d.vault.Refuse(ctx, audit.Entry{
			Time: d.now().UTC(), Actor: by.Actor(), Action: action, Subject: string(app),
			Details: map[string]string{"channel": string(want.Channel), "reason-given": want.Reason},
		}, err)
	}
	return made, d.online.Flush(ctx)
}

// demandChannel refuses a channel that takes no devices.
func (a *assigning) demandChannel(ctx context.Context, app sealift.AppID, want service.NewAssignment) error {
	if _, err := a.desk.app(ctx, a.tx, app); err != nil || want.Channel == "" {
		return err
	}
	if !want.Until.IsZero() && !want.Until.After(a.now) {
		return sealift.Errorf(sealift.KindInvalid, assignOp, "%s is in the past", want.Until.UTC().Format(time.RFC3339)).WithReason("until").
			WithHint("say when it ends, or leave that out: sealift device assign ID --app %s --channel %s --until 72h --reason TEXT", app, want.Channel)
	}
	return a.demandOpen(ctx, app, want.Channel)
}

// demandOpen refuses a channel that is archived, or none.
func (a *assigning) demandOpen(ctx context.Context, app sealift.AppID, channel sealift.Channel) error {
	rules, err := a.rules(ctx, app, channel)
	if err == nil && rules.Archived {
		err = sealift.Errorf(sealift.KindConflict, assignOp, "channel %s of %s is archived and takes no more devices", channel, app).WithReason("archived").
			WithHint("take it back into use with: sealift channel unarchive %s --app %s", channel, app)
	}
	return err
}

// byPerson does what a person wants of one device.
func (a *assigning) byPerson(ctx context.Context, app sealift.AppID, id sealift.DeviceID, want service.NewAssignment) error {
	device, err := a.desk.device(ctx, a.tx, app, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return noDevice(app, id)
	}
	if err != nil {
		return err
	}
	if device.State != store.DeviceActive && want.Channel != "" {
		return sealift.Errorf(sealift.KindConflict, assignOp, "device %s was %s", id, device.State).WithReason("device-state").
			WithHint("leave it out: it is given nothing any more")
	}
	was, err := a.desk.assignment(ctx, a.tx, app, id)
	if err != nil {
		return err
	}
	next := store.Assignment{App: app, Device: id, Channel: want.Channel, Until: want.Until.UTC().Truncate(time.Second), Origin: store.ByPerson}
	if want.Channel == "" {
		if next, err = a.fallback(ctx, was, device, store.ByPerson); err != nil {
			return err
		}
		if next.Origin == store.ByLabel && was.Origin == store.ByLabel && next.Channel == was.Channel {
			return sealift.Errorf(sealift.KindConflict, assignOp, "device %s is on channel %s by a label that it carries", id, was.Channel).WithReason("label").
				WithHint("take the label off it with: sealift device label remove %s --app %s --label LABEL --reason TEXT", id, app)
		}
	}
	if was.Channel == next.Channel && was.Until.Equal(next.Until) && (was.Origin == next.Origin || next.Channel == "") {
		return nil
	}
	return a.put(ctx, was, next)
}

// assignment returns where a device was put by the vault; the zero channel for
// nowhere.
func (d *Desk) assignment(ctx context.Context, tx store.Tx, app sealift.AppID, id sealift.DeviceID) (store.Assignment, error) {
	row, err := tx.Assignment(ctx, app, id)
	row, _, err = vault.CheckFound(ctx, d.vault, tx, store.Assignment{App: app, Device: id}, row, err)
	return row, err
}

// assigned reports whether an assignment puts its device on a channel at now.
func assigned(a store.Assignment, channel sealift.Channel, now time.Time) bool {
	return a.Channel == channel && a.Holds(now)
}

// outgrown reports whether a device is on a channel by its own word alone, and that is
// private by now and takes nobody's: what it said before counts no more.
func outgrown(a store.Assignment, rules store.ChannelRules) bool {
	return a.Origin == store.ByDevice && rules.Private && !rules.SelfAssign
}

// demandAssigned refuses the keys of a private channel to a device that is not
// assigned to it.
func (v *visit) demandAssigned(ctx context.Context, channel sealift.Channel) error {
	rules, err := v.desk.online.ChannelRules(ctx, v.tx, v.req.App, channel)
	if err != nil || !rules.Private {
		return err
	}
	a, err := v.desk.assignment(ctx, v.tx, v.req.App, v.req.Device)
	if err != nil || assigned(a, channel, v.now) && !outgrown(a, rules) {
		return err
	}
	return sealift.Errorf(sealift.KindDenied, "granting an epoch", "channel %s is private, and device %s is not assigned to it", channel, v.req.Device).
		WithReason("private").WithHint("an operator assigns it with: sealift device assign %s --app %s --channel %s --reason TEXT", v.req.Device, v.req.App, channel)
}

func assignmentOut(r store.Assignment) service.Assignment {
	return service.Assignment{
		Device: r.Device, Channel: r.Channel, Until: r.Until, Origin: string(r.Origin), Sequence: r.Sequence, Changed: r.Changed,
	}
}

// untilText is the end of an assignment in an entry.
func untilText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
