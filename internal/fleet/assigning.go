package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// assigning is what one transaction changes of which devices are on which channels:
// put each, and then finish, which has all of it signed at once.
type assigning struct {
	desk   *Desk
	tx     *vault.Tx
	actor  audit.Actor
	by     *access.Caller // who wants it; nil for what follows by itself
	now    time.Time
	reason string // in words, for the log

	made   []service.Assignment
	signed []trust.Assignment // documents for devices
	gone   []sealift.DeviceID // whose document is over
	known  map[line]store.ChannelRules
	labels map[sealift.AppID]map[sealift.Label]store.ChannelLabel
	left   []line // of private channels, that a device was taken off which has their keys
	more   int64  // devices that are on a channel and were on none
}

// line is a channel of an app.
type line struct {
	app     sealift.AppID
	channel sealift.Channel
}

func (d *Desk) assigning(tx *vault.Tx, actor audit.Actor, reason string) *assigning {
	return &assigning{
		desk: d, tx: tx, actor: actor, now: d.now().UTC(), reason: reason,
		known: map[line]store.ChannelRules{}, labels: map[sealift.AppID]map[sealift.Label]store.ChannelLabel{},
	}
}

// assigningBy is assigning for a person, who must have proven themselves just now
// where it gives a device the keys of a private channel.
func (d *Desk) assigningBy(tx *vault.Tx, by access.Caller, reason string) *assigning {
	a := d.assigning(tx, by.Actor(), reason)
	a.by = &by
	return a
}

// rules returns what a channel is set to; KindNotFound if there is none.
func (a *assigning) rules(ctx context.Context, app sealift.AppID, channel sealift.Channel) (store.ChannelRules, error) {
	of := line{app, channel}
	if rules, ok := a.known[of]; ok {
		return rules, nil
	}
	_, err := a.tx.Channel(ctx, app, channel)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return store.ChannelRules{}, service.NoChannel("looking up the channel", app, channel)
	}
	if err != nil {
		return store.ChannelRules{}, err
	}
	rules, err := a.desk.online.ChannelRules(ctx, a.tx, app, channel)
	if err == nil {
		a.known[of] = rules
	}
	return rules, err
}

// put writes where a device is from now on, with an entry.
func (a *assigning) put(ctx context.Context, was, next store.Assignment) error {
	if err := a.demandOwn(ctx, next); err != nil {
		return err
	}
	if next.Channel != "" && next.Channel != was.Channel {
		if err := a.mayOpen(ctx, next); err != nil {
			return err
		}
	}
	if next.Channel != "" && was.Channel == "" {
		a.more++
	}
	if was.Channel != "" && was.Channel != next.Channel {
		if err := a.leave(ctx, was); err != nil {
			return err
		}
	}
	action := actionAssign
	if next.Channel == "" {
		action = actionUnassign
	}
	row, err := a.write(ctx, was, next)
	if err != nil {
		return err
	}
	a.made = append(a.made, assignmentOut(row))
	_, err = audit.Append(ctx, a.tx, audit.Entry{
		Time: a.now, Actor: a.actor, Action: action, Subject: string(next.Device), Result: audit.OK,
		Details: map[string]string{
			"app": string(next.App), "channel": string(next.Channel), "from": string(was.Channel), "until": untilText(next.Until),
			"origin": string(next.Origin), "reason-given": a.reason, vault.RowDetail: vault.RowTag(row.MAC),
		},
	})
	return err
}

// mayOpen refuses to give a device the keys of a private channel for whoever has not
// proven themselves just now.
func (a *assigning) mayOpen(ctx context.Context, next store.Assignment) error {
	if a.by == nil {
		return nil
	}
	rules, err := a.rules(ctx, next.App, next.Channel)
	if err != nil || !rules.Private {
		return err
	}
	return a.by.MayJoinPrivate(a.now)
}

// reasonOtherApp is that of a device that another app told where it is.
const reasonOtherApp = "other-app"

// demandOwn refuses where the document of a device's id is that of another app: a
// device that enrolled for two by one key made the one in the way of the other.
func (a *assigning) demandOwn(ctx context.Context, next store.Assignment) error {
	data, err := a.tx.Document(ctx, trust.AssignPath(next.Device))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := trust.ParseAssignment(data, next.App, next.Device); err != nil {
		return sealift.Errorf(sealift.KindConflict, assignOp, "device %s: %w", next.Device, err).WithReason(reasonOtherApp).
			WithHint("the same key enrolled for two apps: have the device enrol anew for this one, in a folder of its own")
	}
	return nil
}

// passedOver notes of a device that it stays where it is, and why.
func (a *assigning) passedOver(ctx context.Context, device store.Device, why string) error {
	_, err := audit.Append(ctx, a.tx, audit.Entry{
		Time: a.now, Actor: a.actor, Action: actionAssign, Subject: string(device.ID), Result: audit.Refused,
		Details: map[string]string{"app": string(device.App), "reason": why, "reason-given": a.reason},
	})
	return err
}

// write keeps the row, and notes its document to be signed. Of a device that is on
// no channel any more there is one as long as the one before may be shown to it.
func (a *assigning) write(ctx context.Context, was, next store.Assignment) (store.Assignment, error) {
	// A time, so that a vault that was restored goes on above what it said since.
	next.Sequence = max(was.Sequence+1, uint64(a.now.Unix()))
	next.Changed, next.Ends = a.now, time.Time{}
	if next.Channel != "" || was.Channel != "" && was.Ends.After(a.now) {
		next.Ends = a.now.Add(sealift.AssignmentLife)
		if !next.Until.IsZero() && next.Until.Before(next.Ends) {
			next.Ends = next.Until
		}
		next.Ends = next.Ends.Truncate(time.Second) // as the document has it
	}
	var err error
	if next.MAC, err = a.tx.Authenticate(next); err != nil {
		return next, err
	}
	if err := a.tx.PutAssignment(ctx, next); err != nil {
		return next, err
	}
	if next.Ends.After(a.now) {
		a.signed = append(a.signed, trust.Assignment{
			App: next.App, Device: next.Device, Channel: next.Channel, Sequence: next.Sequence, Expires: trust.At(next.Ends),
		})
	} else {
		a.gone = append(a.gone, next.Device)
	}
	return next, nil
}

// finish has the director sign what changed, and turns the epochs of private
// channels that devices were taken off: they hold the keys of the present ones.
func (a *assigning) finish(ctx context.Context) error {
	if a.more > 0 {
		n, err := a.tx.CountAssignments(ctx, "")
		if err != nil {
			return err
		}
		if n > sealift.MaxAssignments {
			return sealift.Errorf(sealift.KindExhausted, assignOp, "%d devices would be on a channel by assignment, at most %d may", n, sealift.MaxAssignments).
				WithReason("assignments").WithHint("let most devices follow a channel by their own configuration, and assign the exceptions")
		}
	}
	if len(a.signed)+len(a.gone) > 0 {
		if err := a.desk.online.Assign(ctx, a.tx, a.actor, a.signed, a.gone); err != nil {
			return err
		}
	}
	slices.SortFunc(a.left, func(x, y line) int { return cmp.Or(cmp.Compare(x.app, y.app), cmp.Compare(x.channel, y.channel)) })
	for _, left := range slices.Compact(a.left) {
		if _, err := a.desk.online.TurnEpoch(ctx, a.tx, a.actor, left.app, left.channel, "devices were taken off the channel: "+a.reason); err != nil {
			return err
		}
	}
	return nil
}

// leave notes that a device is taken off a channel. One that is there by its own word
// alone, which counts no more, was given nothing since then.
func (a *assigning) leave(ctx context.Context, was store.Assignment) error {
	rules, err := a.rules(ctx, was.App, was.Channel)
	if err == nil && turnsWhenLeft(rules) && !outgrown(was, rules) {
		a.left = append(a.left, line{was.App, was.Channel})
	}
	return err
}

// turnsWhenLeft reports whether whoever leaves a channel is to open nothing more of it.
// Where devices put themselves on it, whoever left could come back.
func turnsWhenLeft(rules store.ChannelRules) bool { return rules.Private && !rules.SelfAssign }
