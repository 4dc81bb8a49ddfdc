package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// ChannelLabels implements service.Assigning.
func (d *Desk) ChannelLabels(ctx context.Context, app sealift.AppID) (out []service.ChannelLabel, err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		if _, err := d.app(ctx, tx, app); err != nil {
			return err
		}
		rows, err := d.channelLabels(ctx, tx, app)
		for _, row := range rows {
			if row.Channel != "" {
				out = append(out, channelLabelOut(row))
			}
		}
		return err
	})
	slices.SortStableFunc(out, func(x, y service.ChannelLabel) int { return cmp.Compare(y.Priority, x.Priority) })
	return out, err
}

// channelLabels returns the rows of app, by label, none of which something else wrote.
func (d *Desk) channelLabels(ctx context.Context, tx store.Tx, app sealift.AppID) ([]store.ChannelLabel, error) {
	rows, err := tx.ChannelLabels(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := d.vault.CheckRow(ctx, tx, row); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func channelLabelOut(l store.ChannelLabel) service.ChannelLabel {
	return service.ChannelLabel{Label: l.Label, Channel: l.Channel, Priority: l.Priority, Settling: !l.Settled, Changed: l.Changed}
}

// SetChannelLabel implements service.Assigning.
func (d *Desk) SetChannelLabel(ctx context.Context, by access.Caller, app sealift.AppID, want service.ChannelLabel) (service.ChannelLabel, error) {
	made, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) (store.ChannelLabel, error) { return d.setChannelLabel(ctx, tx, by, app, want) })
	if err != nil {
		return service.ChannelLabel{}, d.vault.Refuse(ctx, audit.Entry{
			Time: d.now().UTC(), Actor: by.Actor(), Action: "channel.label", Subject: string(app),
			Details: map[string]string{"label": string(want.Label), "channel": string(want.Channel)},
		}, err)
	}
	// What is left, or goes wrong from here on, is for KeepAssignments.
	made, _, err = d.settle(ctx, by.Actor(), made, "")
	return channelLabelOut(made), err
}

func (d *Desk) setChannelLabel(ctx context.Context, tx *vault.Tx, by access.Caller, app sealift.AppID, want service.ChannelLabel) (store.ChannelLabel, error) {
	row := store.ChannelLabel{App: app, Label: want.Label, Channel: want.Channel, Priority: want.Priority, Changed: d.now().UTC().Truncate(time.Microsecond)}
	if _, err := d.app(ctx, tx, app); err != nil {
		return row, err
	}
	a := d.assigningBy(tx, by, "")
	known, err := a.channelLabels(ctx, app)
	if err != nil {
		return row, err
	}
	was, ok := known[want.Label]
	if !ok {
		if err := d.vault.CheckGone(ctx, tx, row); err != nil {
			return row, err
		}
	}
	if want.Channel == "" && was.Channel == "" {
		return row, sealift.Errorf(sealift.KindNotFound, "changing a label", "label %s of %s puts devices on no channel", want.Label, app).WithReason("label").
			WithHint("see which do with: sealift channel label list --app %s", app)
	}
	if want.Channel != "" {
		if err := a.demandLabel(ctx, known, row, was); err != nil {
			return row, err
		}
	}
	if row, err = d.putChannelLabel(ctx, tx, row); err != nil {
		return row, err
	}
	_, err = audit.Append(ctx, tx, audit.Entry{
		Time: row.Changed, Actor: by.Actor(), Action: "channel.label", Subject: string(app), Result: audit.OK, Details: map[string]string{
			"label": string(row.Label), "channel": string(row.Channel), "from": string(was.Channel), "priority": fmt.Sprint(row.Priority), vault.RowDetail: vault.RowTag(row.MAC),
		},
	})
	return row, err
}

// demandLabel refuses a label that would put too many devices on a channel, or on
// one that does not take them.
func (a *assigning) demandLabel(ctx context.Context, known map[sealift.Label]store.ChannelLabel, row, was store.ChannelLabel) error {
	const op = "changing a label"
	if err := a.demandOpen(ctx, row.App, row.Channel); err != nil {
		return err
	}
	if err := a.mayOpen(ctx, store.Assignment{App: row.App, Channel: row.Channel}); err != nil {
		return err
	}
	inUse := 0
	for _, l := range known {
		if l.Channel != "" {
			inUse++
		}
	}
	if was.Channel == "" && inUse >= sealift.MaxChannelLabels {
		return sealift.Errorf(sealift.KindExhausted, op, "%d labels of %s put devices on channels, at most %d may", inUse, row.App, sealift.MaxChannelLabels).
			WithReason("labels").WithHint("remove one with: sealift channel label remove --app %s --label LABEL", row.App)
	}
	carry, err := a.tx.CountLabelledDevices(ctx, row.App, row.Label)
	if err != nil {
		return err
	}
	there, err := a.tx.CountAssignments(ctx, "")
	if err == nil && carry+there > sealift.MaxAssignments && was.Channel == "" {
		err = sealift.Errorf(sealift.KindExhausted, op, "%d devices carry label %s, and %d are on a channel by assignment, at most %d may be", carry, row.Label, there, sealift.MaxAssignments).
			WithReason("assignments").WithHint("let most devices follow a channel by their own configuration, and label the exceptions")
	}
	return err
}

func (d *Desk) putChannelLabel(ctx context.Context, tx *vault.Tx, row store.ChannelLabel) (_ store.ChannelLabel, err error) {
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	return row, tx.PutChannelLabel(ctx, row)
}

// settle puts the next devices that carry a label where it puts them by now, at most
// sealift.AssignmentBatch behind an id. It returns the id to go on behind, or the
// label as settled and "" where there are no more.
func (d *Desk) settle(ctx context.Context, actor audit.Actor, label store.ChannelLabel, behind sealift.DeviceID) (store.ChannelLabel, sealift.DeviceID, error) {
	var next sealift.DeviceID
	settled, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) (store.ChannelLabel, error) {
		next = ""
		rows, err := tx.LabelledDevices(ctx, label.App, label.Label, behind, sealift.AssignmentBatch)
		if err != nil {
			return label, err
		}
		a := d.assigning(tx, actor, "label "+string(label.Label))
		for _, row := range rows {
			device, err := d.device(ctx, tx, row.App, row.Device)
			if err != nil {
				return label, err
			}
			err = a.byLabels(ctx, device)
			if sealift.ReasonOf(err) == reasonOtherApp { // it is in nobody's way but its own
				err = a.passedOver(ctx, device, reasonOtherApp)
			}
			if err != nil {
				return label, err
			}
		}
		if err := a.finish(ctx); err != nil {
			return label, err
		}
		if len(rows) == sealift.AssignmentBatch {
			next = rows[len(rows)-1].Device
			return label, nil
		}
		return a.settled(ctx, label)
	})
	if err != nil {
		return label, "", err
	}
	return settled, next, d.online.Flush(ctx)
}

// settled notes that all devices are where a label puts them, unless it was changed
// meanwhile.
func (a *assigning) settled(ctx context.Context, label store.ChannelLabel) (store.ChannelLabel, error) {
	known, err := a.channelLabels(ctx, label.App)
	if err != nil {
		return label, err
	}
	row, ok := known[label.Label]
	if !ok || !row.Changed.Equal(label.Changed) || row.Settled {
		return row, nil
	}
	row.Settled = true
	if row, err = a.desk.putChannelLabel(ctx, a.tx, row); err != nil {
		return row, err
	}
	_, err = audit.Append(ctx, a.tx, audit.Entry{
		Time: a.now, Actor: a.actor, Action: "channel.label-settled", Subject: string(row.App), Result: audit.OK,
		Details: map[string]string{"label": string(row.Label), "channel": string(row.Channel), vault.RowDetail: vault.RowTag(row.MAC)},
	})
	return row, err
}

// keepLabels settles what labels put devices where, of which the server was stopped,
// or there were more than one transaction takes. It returns how many labels.
func (d *Desk) keepLabels(ctx context.Context, actor audit.Actor) (int, error) {
	var left []store.ChannelLabel
	err := d.store.View(ctx, func(tx store.Tx) (err error) {
		left, err = tx.UnsettledLabels(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, label := range left {
		for behind := sealift.DeviceID(""); ; {
			if _, behind, err = d.settle(ctx, actor, label, behind); err != nil || behind == "" {
				break
			}
		}
		if err != nil {
			failed = append(failed, sealift.Errorf(sealift.KindOf(err), "putting devices where label "+string(label.Label)+" of "+string(label.App)+" does", "%w", err))
		}
	}
	return len(left) - len(failed), errors.Join(failed...)
}
