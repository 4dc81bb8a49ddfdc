package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// RevokeDevices implements service.Devices.
func (d *Desk) RevokeDevices(ctx context.Context, by access.Caller, app sealift.AppID, which service.DeviceAct) (service.Revoked, error) {
	var out service.Revoked
	entry := audit.Entry{Time: d.now().UTC(), Actor: by.Actor(), Action: "epoch.turn", Subject: string(app), Details: map[string]string{"reason-given": which.Reason}}
	err := d.vault.Act(ctx, entry, func(tx *vault.Tx, e *audit.Entry) error {
		out = service.Revoked{}
		changed, err := d.change(ctx, tx, by, app, which, "device.revoke", func(row *store.Device) bool {
			was := row.State
			row.State = store.DeviceRevoked
			return was == store.DeviceActive
		})
		if err != nil {
			return err
		}
		if err := d.forgetAssignments(ctx, tx, by, app, changed, which.Reason, true); err != nil {
			return err
		}
		turned, err := d.online.TurnEpochs(ctx, tx, by.Actor(), app, "devices were revoked: "+which.Reason)
		if err != nil {
			return err
		}
		out.Devices = changed
		for _, epoch := range turned {
			out.Epochs = append(out.Epochs, service.Channel{App: app, Name: epoch.Channel, Epoch: epoch.Number, Created: epoch.Created})
		}
		e.Details["channels"], e.Details["devices"] = fmt.Sprint(len(turned)), fmt.Sprint(len(changed))
		return nil
	})
	if err != nil {
		return service.Revoked{}, err
	}
	return out, d.online.Flush(ctx)
}

// EraseDevices implements service.Devices.
func (d *Desk) EraseDevices(ctx context.Context, by access.Caller, app sealift.AppID, which service.DeviceAct) ([]sealift.DeviceID, error) {
	changed, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) ([]sealift.DeviceID, error) {
		changed, err := d.change(ctx, tx, by, app, which, "device.erase", func(row *store.Device) bool {
			was := row.State
			*row = store.Device{App: row.App, ID: row.ID, State: store.DeviceErased}
			return was != store.DeviceErased
		})
		if err != nil {
			return nil, err
		}
		if err := d.forgetAssignments(ctx, tx, by, app, changed, which.Reason, false); err != nil {
			return nil, err
		}
		for _, id := range changed {
			if err := d.forgetLabels(ctx, tx, app, id); err != nil {
				return nil, err
			}
			if err := tx.ForgetDevice(ctx, app, id); err != nil {
				return nil, err
			}
		}
		return changed, nil
	})
	if err != nil {
		return nil, d.vault.Refuse(ctx, audit.Entry{
			Time: d.now().UTC(), Actor: by.Actor(), Action: "device.erase", Subject: string(app), Details: map[string]string{"reason-given": which.Reason},
		}, err)
	}
	return changed, d.online.Flush(ctx)
}

// change writes each of the devices as turn leaves its row, with an entry, and
// returns those of which turn says that it changed something. All must be there, and
// one must change.
func (d *Desk) change(ctx context.Context, tx *vault.Tx, by access.Caller, app sealift.AppID, which service.DeviceAct, action string, turn func(*store.Device) bool) (changed []sealift.DeviceID, err error) {
	if _, err := d.app(ctx, tx, app); err != nil {
		return nil, err
	}
	ids := slices.Clone(which.Devices)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		row, err := d.device(ctx, tx, app, id)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil, noDevice(app, id)
		}
		if err != nil {
			return nil, err
		}
		was := row.State
		if !turn(&row) {
			continue
		}
		if was == store.DeviceActive {
			if err := d.leave(ctx, tx, row); err != nil {
				return nil, err
			}
		}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return nil, err
		}
		if err := tx.PutDevice(ctx, row); err != nil {
			return nil, err
		}
		_, err = audit.Append(ctx, tx, audit.Entry{
			Time: d.now().UTC(), Actor: by.Actor(), Action: action, Subject: string(id), Result: audit.OK,
			Details: map[string]string{"app": string(app), "reason-given": which.Reason, vault.RowDetail: vault.RowTag(row.MAC)},
		})
		if err != nil {
			return nil, err
		}
		changed = append(changed, id)
	}
	if len(changed) == 0 {
		return nil, sealift.Errorf(sealift.KindConflict, "changing devices", "none of them is in a state in which this changes anything: revoked and erased is for good").WithReason("device-state").
			WithHint("see how a device is with: sealift device show ID --app %s; what is published from now on opens with a new key alone after: sealift key rotate epoch:%s/CHANNEL --reason TEXT", app, app)
	}
	return changed, nil
}

// leave has a device that is not active any more count for nothing from now on.
func (d *Desk) leave(ctx context.Context, tx *vault.Tx, row store.Device) error {
	if err := stats.Disown(ctx, tx, row); err != nil {
		return err
	}
	said, err := tx.DeviceReport(ctx, row.App, row.ID)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	ran, err := installedIn(said)
	if err != nil {
		return err
	}
	return stats.Move(ctx, tx, row.App, ran, sealift.Digest{}, d.now())
}

func noDevice(app sealift.AppID, id sealift.DeviceID) error {
	return sealift.Errorf(sealift.KindNotFound, "looking up the device", "there is no device %s of %s", id, app).WithReason("device").
		WithHint("see which there are with: sealift device list --app %s", app)
}
