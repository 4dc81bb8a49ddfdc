package fleet

import (
	"context"
	"encoding/json"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Devices implements service.Devices.
func (d *Desk) Devices(ctx context.Context, app sealift.AppID, page service.DevicePage) (out []service.Device, err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		if _, err := d.app(ctx, tx, app); err != nil {
			return err
		}
		var among []store.DeviceVersion
		if page.Outdated {
			if among, err = d.outdated(ctx, tx, app); err != nil {
				return err
			}
			page.State = string(store.DeviceActive) // what the others run is nobody's concern any more
		}
		rows, err := tx.Devices(ctx, app, store.DeviceFilter{
			Among:  among,
			Prefix: page.Prefix, Behind: page.Behind, Channel: page.Channel, Version: page.Version, Platform: page.Platform, Label: page.Label,
			State: store.DeviceState(page.State), Since: page.Since, Until: page.Until, Limit: page.Limit,
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			shown, err := d.shown(ctx, tx, row)
			if err != nil {
				return err
			}
			out = append(out, shown)
		}
		return nil
	})
	return out, err
}

// CountDevices implements service.Devices.
func (d *Desk) CountDevices(ctx context.Context, app sealift.AppID) (counts service.DeviceCounts, err error) {
	err = d.store.Read(ctx, func(tx store.Tx) error {
		by, err := tx.CountDevices(ctx, app)
		if err != nil {
			return err
		}
		counts = service.DeviceCounts{Active: by[store.DeviceActive], Revoked: by[store.DeviceRevoked], Erased: by[store.DeviceErased]}
		under, err := d.outdated(ctx, tx, app)
		for _, v := range under {
			counts.Outdated += v.Devices
		}
		return err
	})
	return counts, err
}

// outdated returns what active devices say they have installed that is under the
// app's floor, with how many they are; never nil.
func (d *Desk) outdated(ctx context.Context, tx store.Tx, app sealift.AppID) ([]store.DeviceVersion, error) {
	rules, err := d.online.RulesOf(ctx, tx, app)
	if err != nil {
		return nil, err
	}
	all, err := tx.DeviceVersions(ctx, app, "", "", sealift.MaxVersionsCounted)
	under := []store.DeviceVersion{}
	for _, v := range all {
		if rules.Under(v.Counter, v.Version) {
			under = append(under, v)
		}
	}
	return under, err
}

// Device implements service.Devices.
func (d *Desk) Device(ctx context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) (out service.Device, steps []service.DeviceStep, err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		if _, err := d.app(ctx, tx, app); err != nil {
			return err
		}
		row, err := tx.Device(ctx, app, id)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return noDevice(app, id)
		}
		if err != nil {
			return err
		}
		if out, err = d.shown(ctx, tx, row); err != nil {
			return err
		}
		rows, err := tx.DeviceSteps(ctx, app, id, before, limit)
		for _, s := range rows {
			steps = append(steps, service.DeviceStep{Received: s.Received, ReportStep: trust.ReportStep{
				Sequence: s.Sequence, Time: trust.At(s.At), Step: trust.Step(s.Step), Release: s.Release, Version: s.Version, Counter: s.Counter,
				Channel: s.Channel, Kind: sealift.Kind(s.Kind), Reason: s.Reason, Took: s.Took, Patch: patchOf(s.Patch),
			}})
		}
		return err
	})
	return out, steps, err
}

// shown is a device's row with what it last said.
func (d *Desk) shown(ctx context.Context, tx store.Tx, row store.Device) (service.Device, error) {
	out := service.Device{
		App: row.App, ID: row.ID, State: string(row.State), Token: row.Token, Platform: row.Platform, Runtime: row.Runtime, Enrolled: row.Enrolled, Seen: row.Enrolled,
	}
	switch err := d.vault.CheckRow(ctx, tx, row); sealift.KindOf(err) {
	case "":
	case sealift.KindDenied:
		out.Forged = true
	default:
		return out, err
	}
	switch a, err := d.assignment(ctx, tx, row.App, row.ID); {
	case sealift.KindOf(err) == sealift.KindDenied:
		out.Forged = true
	case err != nil:
		return out, err
	case a.Sequence > 0:
		assigned := assignmentOut(a)
		out.Assigned = &assigned
	}
	switch labels, err := d.labelsOf(ctx, tx, row.App, row.ID); {
	case sealift.KindOf(err) == sealift.KindDenied:
		out.Forged = true
	case err != nil:
		return out, err
	default:
		out.Labels = store.SplitWords[sealift.Label](labels.Labels)
	}
	said, err := tx.DeviceReport(ctx, row.App, row.ID)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Seen, out.Reported, out.Lost = said.Seen, said.Reported, said.Lost
	if len(said.State) > 0 {
		out.Report = &trust.DeviceState{}
		if err := json.Unmarshal(said.State, out.Report); err != nil {
			return out, sealift.Errorf(sealift.KindInternal, "reading what device "+string(row.ID)+" reported", "%w", err)
		}
	}
	return out, nil
}
