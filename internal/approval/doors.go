package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// doors returns by what devices of an app come to a channel that asks less than another
// one, without that anybody was asked: as it stood before there was the policy. To open
// one is an act that is gated; see moves.
func (b *Board) doors(ctx context.Context, tx store.Tx, app sealift.AppID, channels []store.Channel) (open []service.Door, err error) {
	for _, c := range channels {
		rules, err := b.rulesOf(ctx, tx, app, c.Name)
		if err != nil {
			return nil, err
		}
		for _, d := range []struct {
			is   bool
			by   service.DoorKind
			flag string
		}{{rules.Default, service.DoorDefault, "default"}, {rules.SelfAssign, service.DoorSelfAssign, "self-assign"}} {
			if !d.is {
				continue
			}
			said, err := b.approvedMoves(ctx, tx, changeSubject(app, c.Name), map[string]string{"operation": operationChange, d.flag: "true"})
			if err != nil {
				return nil, err
			}
			if len(said) == 0 {
				open = append(open, service.Door{By: d.by, Channel: c.Name})
			}
		}
	}
	labels, err := b.labelDoors(ctx, tx, app)
	if err != nil {
		return nil, err
	}
	return b.looserOnes(ctx, tx, app, append(open, labels...))
}

// labelDoors are the labels of an app that put devices somewhere of which nobody approved
// that they come there, neither by the label nor by themselves.
func (b *Board) labelDoors(ctx context.Context, tx store.Tx, app sealift.AppID) (open []service.Door, err error) {
	rows, err := tx.ChannelLabels(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := b.vault.CheckRow(ctx, tx, row); err != nil {
			return nil, err
		}
		if row.Channel == "" {
			continue
		}
		said, err := b.approvedMoves(ctx, tx, leadSubject(app, row.Label), map[string]string{"operation": operationLead, "to": string(row.Channel)})
		if err != nil {
			return nil, err
		}
		if len(said) > 0 {
			continue
		}
		each, err := b.approvedMoves(ctx, tx, string(app), map[string]string{"operation": operationLabel, "label": string(row.Label), "leads": string(row.Channel)})
		if err != nil {
			return nil, err
		}
		var approved []string
		for _, parameters := range each {
			approved = append(approved, strings.Fields(parameters["devices"])...)
		}
		slices.Sort(approved)
		unasked := int64(0)
		err = eachCarrier(ctx, tx, app, row.Label, func(id sealift.DeviceID) {
			if _, found := slices.BinarySearch(approved, string(id)); !found {
				unasked++
			}
		})
		if err != nil {
			return nil, err
		}
		if unasked > 0 { // to whom it is given from now on, people are asked
			open = append(open, service.Door{By: service.DoorLabel, Channel: row.Channel, Label: row.Label, Devices: unasked})
		}
	}
	return open, nil
}

// looserOnes returns the doors through which devices come to a channel that asks less.
func (b *Board) looserOnes(ctx context.Context, tx store.Tx, app sealift.AppID, doors []service.Door) (open []service.Door, err error) {
	around := map[sealift.Channel][]bypass{}
	for _, d := range doors {
		if _, looked := around[d.Channel]; !looked {
			if around[d.Channel], err = b.bypassed(ctx, tx, app, []move{{to: d.Channel}}); err != nil {
				return nil, err
			}
		}
		if found := around[d.Channel]; len(found) > 0 {
			d.Stricter, d.Because = found[0].from, found[0].because()
			open = append(open, d)
		}
	}
	return open, nil
}

// approvedMoves returns the parameters of acts on a subject that were done once people had
// approved them, and whose parameters are all that is wanted; of the newest
// sealift.MaxPage. A request that the vault did not write opens nothing.
func (b *Board) approvedMoves(ctx context.Context, tx store.Tx, subject string, want map[string]string) (all []map[string]string, err error) {
	rows, err := tx.ApprovalRequests(ctx, store.ApprovalFilter{State: store.ApprovalUsed, Action: actionMove, Subject: subject, Limit: sealift.MaxPage})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		parameters := proposalOf(r).Parameters
		other := false
		for name, value := range want {
			other = other || parameters[name] != value
		}
		if other {
			continue
		}
		switch err := b.vault.CheckRow(ctx, tx, r); {
		case sealift.KindOf(err) == sealift.KindDenied:
		case err != nil:
			return nil, err
		default:
			all = append(all, parameters)
		}
	}
	return all, nil
}

// The operations that an approved move may have been.
const (
	operationChange = "channel.change"
	operationLead   = "channel.label"
	operationLabel  = "device.label"
)

// changeSubject and leadSubject are what requests are about by which a channel is set to
// something, and a label leads somewhere.
func changeSubject(app sealift.AppID, name sealift.Channel) string {
	return fmt.Sprintf("%s/%s", app, name)
}

func leadSubject(app sealift.AppID, label sealift.Label) string {
	return fmt.Sprintf("%s %s", app, label)
}
