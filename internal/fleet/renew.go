package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// KeepAssignments has the documents of assignments signed anew of whose life half
// is left, takes off their channel devices whose time there is over, and takes away
// documents that nobody needs any more, at most sealift.AssignmentBatch of them; and
// it goes on with what labels are to put on channels. It looks first and writes only
// where something is due. It returns how many it saw to; the error joins what went
// wrong with either.
func (d *Desk) KeepAssignments(ctx context.Context, actor audit.Actor) (int, error) {
	renewed, err := d.renew(ctx, actor)
	settled, labelErr := d.keepLabels(ctx, actor)
	return renewed + settled, errors.Join(err, labelErr)
}

func (d *Desk) renew(ctx context.Context, actor audit.Actor) (int, error) {
	due := func(tx store.Tx) ([]store.Assignment, error) {
		now := d.now().UTC()
		return tx.DueAssignments(ctx, now, now.Add(sealift.AssignmentLife/2), sealift.AssignmentBatch)
	}
	var rows []store.Assignment
	err := d.store.View(ctx, func(tx store.Tx) (err error) {
		rows, err = due(tx)
		return err
	})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	n, err := vault.Do(ctx, d.vault, func(tx *vault.Tx) (int, error) {
		rows, err := due(tx)
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		a := d.assigning(tx, actor, "its time is over")
		for _, row := range rows {
			if err := a.keep(ctx, row); err != nil {
				return 0, err
			}
		}
		return len(rows), a.finish(ctx)
	})
	if err != nil {
		return 0, err
	}
	return n, d.online.Flush(ctx)
}

// over reports whether a device is to be taken off the channel that it is on.
func (a *assigning) over(ctx context.Context, row store.Assignment) (bool, error) {
	if row.Channel == "" || !assigned(row, row.Channel, a.now) {
		return row.Channel != "", nil
	}
	rules, err := a.rules(ctx, row.App, row.Channel)
	return outgrown(row, rules), err
}

// keep does what is due for one assignment.
func (a *assigning) keep(ctx context.Context, row store.Assignment) error {
	if err := a.desk.vault.CheckRow(ctx, a.tx, row); err != nil {
		return err
	}
	over, err := a.over(ctx, row)
	if err != nil {
		return err
	}
	if over {
		device, err := a.desk.device(ctx, a.tx, row.App, row.Device)
		if err != nil {
			return err
		}
		next, err := a.fallback(ctx, row, device, row.Origin)
		if err != nil {
			return err
		}
		return a.put(ctx, row, next)
	}
	next := store.Assignment{App: row.App, Device: row.Device, Channel: row.Channel, Until: row.Until, Origin: row.Origin}
	written, err := a.write(ctx, row, next)
	if err != nil {
		return err
	}
	_, err = audit.Append(ctx, a.tx, audit.Entry{
		Time: a.now, Actor: a.actor, Action: actionRenew, Subject: string(row.Device), Result: audit.OK,
		Details: map[string]string{
			"app": string(row.App), "channel": string(row.Channel), "sequence": fmt.Sprint(written.Sequence), vault.RowDetail: vault.RowTag(written.MAC),
		},
	})
	return err
}

// forgetAssignments takes devices that are to be given nothing any more off their
// channels, and their documents away. Unless turned says that all epochs turn anyway,
// those of private channels do.
func (d *Desk) forgetAssignments(ctx context.Context, tx *vault.Tx, by access.Caller, app sealift.AppID, ids []sealift.DeviceID, reason string, turned bool) error {
	a := d.assigning(tx, by.Actor(), reason)
	for _, id := range ids {
		was, err := d.assignment(ctx, tx, app, id)
		if err != nil {
			return err
		}
		if was.Channel == "" && was.Ends.IsZero() {
			continue
		}
		was.Ends = a.now // it need not be told
		if err := a.put(ctx, was, store.Assignment{App: app, Device: id, Origin: store.ByPerson}); err != nil {
			return err
		}
	}
	if turned {
		a.left = nil
	}
	return a.finish(ctx)
}
