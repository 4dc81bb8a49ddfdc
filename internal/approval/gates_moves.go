package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

type (
	appsService      = service.Apps
	assigningService = service.Assigning
)

// Assigning is s with what policies of a channel ask people about: that devices which
// follow it, or may, come to one that asks less. A policy would else protect a name, and
// not the devices.
func (b *Board) Assigning(s service.Assigning) service.Assigning { return gatedAssigning{s, b} }

type gatedAssigning struct {
	assigningService
	board *Board
}

// Apps is s with the same, where devices come to another channel by what channels are
// set to; and it says of a channel which policies it goes by.
func (b *Board) Apps(s service.Apps) service.Apps { return gatedApps{s, b} }

type gatedApps struct {
	appsService
	board *Board
}

// moved does an act by which devices may come to another channel, of which the people
// of that are asked which they leave. One is looked at and done at a time: between the
// two another one could change what was seen, as where a label leads.
func moved[R any](ctx context.Context, b *Board, by access.Caller, p Proposal, look func(store.Tx, *Proposal) ([]move, error), do func() (R, error)) (out R, err error) {
	b.moving.Lock()
	defer b.moving.Unlock()
	proposals, err := view(ctx, b, func(tx store.Tx) ([]Proposal, error) {
		moves, err := look(tx, &p)
		if err != nil {
			return nil, err
		}
		return b.proposals(ctx, tx, p, moves)
	})
	if err == nil && len(proposals) > 0 {
		err = p.refusal // nobody is asked about what is refused in the end
	}
	if err != nil {
		e := audit.Entry{Time: b.now().UTC(), Actor: by.Actor(), Action: p.Parameters["operation"], Subject: p.Subject}
		return out, b.vault.Refuse(ctx, e, err)
	}
	return gatedAll(ctx, b, by, proposals, do)
}

// AssignDevices implements service.Assigning.
func (g gatedAssigning) AssignDevices(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewAssignment) ([]service.Assignment, error) {
	p := Proposal{App: app, Subject: string(app), Parameters: actParameters("device.unassign", want.DeviceAct)}
	if want.Channel != "" {
		p.Parameters["operation"], p.Parameters["to"] = "device.assign", string(want.Channel)
	}
	if !want.Until.IsZero() {
		until := want.Until.UTC().Format(time.RFC3339)
		p.Parameters["until"], p.again = until, " with --until "+until
	}
	return moved(ctx, g.board, by, p, func(tx store.Tx, p *Proposal) (all []move, err error) {
		for _, id := range want.Devices {
			moves, err := g.board.assigned(ctx, tx, app, id, want.Channel, want.Until)
			if err != nil {
				return nil, err
			}
			all = append(all, moves...)
		}
		p.refusal, err = g.board.mayJoin(ctx, tx, by, app, want.Channel)
		return all, err
	}, func() ([]service.Assignment, error) { return g.assigningService.AssignDevices(ctx, by, app, want) })
}

// actParameters are what every act on devices depends on.
func actParameters(operation string, act service.DeviceAct) map[string]string {
	ids := make([]string, len(act.Devices))
	for i, id := range act.Devices {
		ids[i] = string(id)
	}
	slices.Sort(ids)
	return map[string]string{"operation": operation, "devices": strings.Join(slices.Compact(ids), " "), "reason": act.Reason}
}

// mayJoin says whether somebody may put devices on a channel once others have approved.
func (b *Board) mayJoin(ctx context.Context, tx store.Tx, by access.Caller, app sealift.AppID, to sealift.Channel) (refusal, err error) {
	rules, err := b.rulesOf(ctx, tx, app, to)
	if err != nil || !rules.Private {
		return nil, err
	}
	return by.MayJoinPrivate(b.now()), nil
}

// LabelDevices implements service.Assigning.
func (g gatedAssigning) LabelDevices(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewLabel) (service.Labelled, error) {
	p := Proposal{App: app, Subject: string(app), Parameters: actParameters(operationLabel, want.DeviceAct)}
	p.Parameters["label"] = string(want.Label)
	if want.Remove {
		p.Parameters["operation"] = "device.unlabel"
	}
	return moved(ctx, g.board, by, p, func(tx store.Tx, p *Proposal) ([]move, error) {
		leads, err := g.board.labelOf(ctx, tx, app, want.Label)
		if err != nil || leads.Channel == "" {
			return nil, err
		}
		p.Parameters["leads"] = string(leads.Channel)
		if want.Remove {
			return []move{{from: []sealift.Channel{leads.Channel}}}, nil
		}
		p.refusal, err = g.board.mayJoin(ctx, tx, by, app, leads.Channel)
		return []move{{to: leads.Channel}}, err
	}, func() (service.Labelled, error) { return g.assigningService.LabelDevices(ctx, by, app, want) })
}

// SetChannelLabel implements service.Assigning.
func (g gatedAssigning) SetChannelLabel(ctx context.Context, by access.Caller, app sealift.AppID, want service.ChannelLabel) (service.ChannelLabel, error) {
	p := Proposal{App: app, Subject: leadSubject(app, want.Label), carried: want.Label, Parameters: map[string]string{
		"operation": operationLead, "label": string(want.Label), "to": string(want.Channel), "priority": fmt.Sprint(want.Priority),
	}}
	return moved(ctx, g.board, by, p, func(tx store.Tx, p *Proposal) (all []move, err error) {
		was, err := g.board.labelOf(ctx, tx, app, want.Label)
		if err != nil {
			return nil, err
		}
		if want.Channel != "" && (want.Channel != was.Channel || want.Priority > was.Priority) {
			all = append(all, move{to: want.Channel})
		}
		if was.Channel != "" && (want.Channel == "" || want.Priority < was.Priority) { // another label may count then, or none
			all = append(all, move{from: []sealift.Channel{was.Channel}})
		}
		p.refusal, err = g.board.mayJoin(ctx, tx, by, app, want.Channel)
		return all, err
	}, func() (service.ChannelLabel, error) { return g.assigningService.SetChannelLabel(ctx, by, app, want) })
}

// ChangeChannel implements service.Apps.
func (g gatedApps) ChangeChannel(ctx context.Context, by access.Caller, app sealift.AppID, name sealift.Channel, change service.ChannelChange) (service.Channel, error) {
	p := Proposal{App: app, Subject: changeSubject(app, name), Parameters: changeParameters(change)}
	p.Parameters["operation"], p.Parameters["set"] = operationChange, string(name)
	return moved(ctx, g.board, by, p, func(tx store.Tx, p *Proposal) (all []move, err error) {
		was, err := g.board.rulesOf(ctx, tx, app, name)
		if err != nil {
			return nil, err
		}
		if becomes(change.Default, was.Default) {
			if all, err = g.board.defaulted(ctx, tx, app, name); err != nil {
				return nil, err
			}
		}
		if becomes(change.SelfAssign, was.SelfAssign) {
			all = append(all, move{to: name})
			if was.Private {
				p.refusal = by.MayOpenPrivate(g.board.now())
			}
		}
		led, err := ledTo(ctx, tx, app, name)
		if led && becomes(change.Archived, was.Archived) { // devices that labels lead there come to where their other labels do
			all = append(all, move{from: []sealift.Channel{name}})
		}
		return all, err
	}, func() (service.Channel, error) { return g.appsService.ChangeChannel(ctx, by, app, name, change) })
}

// becomes reports whether a setting is set that was not.
func becomes(to *bool, was bool) bool { return to != nil && *to && !was }

// changeParameters are all that a channel is set to, by name.
func changeParameters(c service.ChannelChange) map[string]string {
	p := map[string]string{}
	for name, flag := range map[string]*bool{"archived": c.Archived, "default": c.Default, "private": c.Private, "self-assign": c.SelfAssign, "emulators": c.Emulators} {
		if flag != nil {
			p[name] = fmt.Sprint(*flag)
		}
	}
	if c.Platforms != nil {
		p["platforms"] = store.JoinWords(*c.Platforms)
	}
	if c.Builds != nil {
		p["builds"] = store.JoinWords(*c.Builds)
	}
	if c.Runtime != nil {
		p["runtime"] = string(*c.Runtime)
	}
	if c.EpochDays != nil {
		p["epoch-days"] = fmt.Sprint(*c.EpochDays)
	}
	return p
}
