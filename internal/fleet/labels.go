package fleet

import (
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

const labelOp = "labelling devices"

// LabelDevices implements service.Assigning.
func (d *Desk) LabelDevices(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewLabel) (service.Labelled, error) {
	action := "device.label"
	if want.Remove {
		action = "device.unlabel"
	}
	out, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) (out service.Labelled, err error) {
		if _, err := d.app(ctx, tx, app); err != nil {
			return out, err
		}
		a := d.assigningBy(tx, by, want.Reason)
		ids := slices.Clone(want.Devices)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			changed, err := a.label(ctx, app, id, want, action)
			if err != nil {
				return out, err
			}
			if changed {
				out.Devices = append(out.Devices, id)
			}
		}
		if len(out.Devices) == 0 {
			return out, sealift.Errorf(sealift.KindConflict, labelOp, "they are so already").WithReason("labelled").
				WithHint("see what carries a label with: sealift device list --app %s --label %s", app, want.Label)
		}
		out.Assignments = a.made
		return out, a.finish(ctx)
	})
	if err != nil {
		return service.Labelled{}, d.vault.Refuse(ctx, audit.Entry{
			Time: d.now().UTC(), Actor: by.Actor(), Action: action, Subject: string(app),
			Details: map[string]string{"label": string(want.Label), "reason-given": want.Reason},
		}, err)
	}
	return out, d.online.Flush(ctx)
}

// label changes the labels of one device, and where they put it.
func (a *assigning) label(ctx context.Context, app sealift.AppID, id sealift.DeviceID, want service.NewLabel, action string) (changed bool, err error) {
	device, err := a.desk.device(ctx, a.tx, app, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return false, noDevice(app, id)
	}
	if err != nil {
		return false, err
	}
	if device.State != store.DeviceActive && !want.Remove {
		return false, sealift.Errorf(sealift.KindConflict, labelOp, "device %s was %s", id, device.State).WithReason("device-state").
			WithHint("leave it out: it is given nothing any more")
	}
	row, err := a.desk.labelsOf(ctx, a.tx, app, id)
	if err != nil {
		return false, err
	}
	list := store.SplitWords[sealift.Label](row.Labels)
	if slices.Contains(list, want.Label) != want.Remove {
		return false, nil
	}
	if want.Remove {
		list = slices.DeleteFunc(list, func(l sealift.Label) bool { return l == want.Label })
	} else if list = append(list, want.Label); len(list) > sealift.MaxDeviceLabels {
		return false, sealift.Errorf(sealift.KindExhausted, labelOp, "device %s would carry %d labels, at most %d are allowed", id, len(list), sealift.MaxDeviceLabels).
			WithReason("labels").WithHint("take one off it with: sealift device label remove %s --app %s --label LABEL --reason TEXT", id, app)
	}
	if !want.Remove {
		if err := a.mayLabel(ctx, app, want.Label); err != nil {
			return false, err
		}
	}
	if row, err = a.desk.putLabels(ctx, a.tx, app, id, list); err != nil {
		return false, err
	}
	_, err = audit.Append(ctx, a.tx, audit.Entry{
		Time: a.now, Actor: a.actor, Action: action, Subject: string(id), Result: audit.OK, Details: map[string]string{
			"app": string(app), "label": string(want.Label), "labels": row.Labels, "reason-given": a.reason, vault.RowDetail: vault.RowTag(row.MAC),
		},
	})
	if err != nil {
		return false, err
	}
	return true, a.byLabels(ctx, device)
}

// mayLabel refuses a label that puts devices on a private channel to whoever may not
// do that, also where it puts this one there later: what is in its way may end by
// itself.
func (a *assigning) mayLabel(ctx context.Context, app sealift.AppID, label sealift.Label) error {
	known, err := a.channelLabels(ctx, app)
	if err != nil || known[label].Channel == "" {
		return err
	}
	return a.mayOpen(ctx, store.Assignment{App: app, Channel: known[label].Channel})
}

// putLabels writes what a device is labelled with from now on.
func (d *Desk) putLabels(ctx context.Context, tx *vault.Tx, app sealift.AppID, id sealift.DeviceID, list []sealift.Label) (store.DeviceLabels, error) {
	row := store.DeviceLabels{App: app, Device: id, Labels: store.JoinWords(list), Changed: d.now().UTC()}
	var err error
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	return row, tx.PutDeviceLabels(ctx, row)
}

// forgetLabels takes all labels off a device that is erased.
func (d *Desk) forgetLabels(ctx context.Context, tx *vault.Tx, app sealift.AppID, id sealift.DeviceID) error {
	row, err := d.labelsOf(ctx, tx, app, id)
	if err != nil || row.Labels == "" {
		return err
	}
	_, err = d.putLabels(ctx, tx, app, id, nil)
	return err
}

// labelsOf returns what the vault labelled a device with.
func (d *Desk) labelsOf(ctx context.Context, tx store.Tx, app sealift.AppID, id sealift.DeviceID) (store.DeviceLabels, error) {
	row, err := tx.DeviceLabels(ctx, app, id)
	row, _, err = vault.CheckFound(ctx, d.vault, tx, store.DeviceLabels{App: app, Device: id}, row, err)
	return row, err
}

// byLabels puts a device where its labels do, unless a person, or the device itself,
// put it somewhere.
func (a *assigning) byLabels(ctx context.Context, device store.Device) error {
	was, err := a.desk.assignment(ctx, a.tx, device.App, device.ID)
	if err != nil || was.Origin != store.ByLabel && assigned(was, was.Channel, a.now) {
		return err
	}
	next, err := a.fallback(ctx, was, device, store.ByLabel)
	if err != nil || next.Channel == was.Channel {
		return err
	}
	return a.put(ctx, was, next)
}

// fallback is where a device is that nobody puts anywhere by name: where the label of
// the highest priority does, of those that it carries, and of several the first by
// name. Otherwise it is nowhere, as the origin wants. A channel that is archived keeps
// the devices it has, and takes no others.
func (a *assigning) fallback(ctx context.Context, was store.Assignment, device store.Device, origin store.Origin) (store.Assignment, error) {
	next := store.Assignment{App: device.App, Device: device.ID, Origin: origin}
	if device.State != store.DeviceActive {
		return next, nil
	}
	carried, err := a.desk.labelsOf(ctx, a.tx, device.App, device.ID)
	if err != nil || carried.Labels == "" {
		return next, err
	}
	known, err := a.channelLabels(ctx, device.App)
	if err != nil {
		return next, err
	}
	var best store.ChannelLabel
	for _, label := range store.SplitWords[sealift.Label](carried.Labels) {
		l, ok := known[label]
		if !ok {
			if err := a.desk.vault.CheckGone(ctx, a.tx, store.ChannelLabel{App: device.App, Label: label}); err != nil {
				return next, err
			}
		}
		if l.Channel == "" || best.Channel != "" && l.Priority <= best.Priority {
			continue
		}
		rules, err := a.rules(ctx, device.App, l.Channel)
		if err != nil {
			return next, err
		}
		if !rules.Archived || was.Channel == l.Channel {
			best = l
		}
	}
	if best.Channel != "" {
		next.Channel, next.Origin = best.Channel, store.ByLabel
	}
	return next, nil
}

// channelLabels returns where labels of an app put devices.
func (a *assigning) channelLabels(ctx context.Context, app sealift.AppID) (map[sealift.Label]store.ChannelLabel, error) {
	if known, ok := a.labels[app]; ok {
		return known, nil
	}
	rows, err := a.desk.channelLabels(ctx, a.tx, app)
	if err != nil {
		return nil, err
	}
	known := make(map[sealift.Label]store.ChannelLabel, len(rows))
	for _, row := range rows {
		known[row.Label] = row
	}
	a.labels[app] = known
	return known, nil
}
