package approval

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// The services that are gated, under names that are no method's.
type (
	keysService     = service.Keys
	denialsService  = service.Denials
	rolloutsService = service.Rollouts
	promoteService  = service.Promotions
	plansService    = service.Plans
	reserveService  = service.Publishing
	peopleService   = service.People
	tokensService   = service.Tokens
)

// Keys is s with what policies of ActionKey ask people about: every change of a
// key's state but its suspension, which is a brake and waits for nobody; its
// rotation, retirement and export; and keys that are brought from elsewhere.
func (b *Board) Keys(s service.Keys) service.Keys { return gatedKeys{s, b} }

type gatedKeys struct {
	keysService
	board *Board
}

func (g gatedKeys) SetKeyState(ctx context.Context, by access.Caller, want service.KeyChange) (service.Key, error) {
	do := func() (service.Key, error) { return g.keysService.SetKeyState(ctx, by, want) }
	if want.To == "suspended" {
		return do()
	}
	return Gated(ctx, g.board, by, Proposal{Action: ActionKey, Subject: want.ID, KeyVersion: want.Version, Parameters: map[string]string{
		"operation": "key.state", "key": want.ID, "version": fmt.Sprint(want.Version), "to": want.To, "reason": want.Reason,
	}}, do)
}

func (g gatedKeys) RotateKey(ctx context.Context, by access.Caller, want service.KeyRotation) (service.Rotated, error) {
	return Gated(ctx, g.board, by, Proposal{Action: ActionKey, Subject: want.ID, Parameters: map[string]string{
		"operation": "key.rotate", "key": want.ID, "reason": want.Reason,
	}}, func() (service.Rotated, error) { return g.keysService.RotateKey(ctx, by, want) })
}

func (g gatedKeys) RetireKey(ctx context.Context, by access.Caller, want service.KeyRetirement) (service.Key, error) {
	return Gated(ctx, g.board, by, Proposal{Action: ActionKey, Subject: want.ID, KeyVersion: want.Version, Parameters: map[string]string{
		"operation": "key.retire", "key": want.ID, "version": fmt.Sprint(want.Version), "after": want.After.String(), "seenWithin": want.SeenWithin.String(), "reason": want.Reason,
	}}, func() (service.Key, error) { return g.keysService.RetireKey(ctx, by, want) })
}

func (g gatedKeys) CreateKey(ctx context.Context, by access.Caller, want service.NewKey) (service.Key, error) {
	do := func() (service.Key, error) { return g.keysService.CreateKey(ctx, by, want) }
	if want.PEM == nil {
		return do()
	}
	return Gated(ctx, g.board, by, Proposal{Action: ActionKey, Subject: want.ID, Parameters: map[string]string{
		"operation": "key.import", "key": want.ID, "purpose": want.Purpose, "algorithm": want.Algorithm, "app": string(want.App),
		"owner": want.Owner, "label": want.Label, "period": want.Period.String(), "exportable": fmt.Sprint(want.Exportable),
		"pem": "sha256:" + sealift.DigestOf(want.PEM).String(),
	}}, do)
}

func (g gatedKeys) ExportKey(ctx context.Context, by access.Caller, want service.KeyExport) ([]byte, error) {
	return Gated(ctx, g.board, by, Proposal{Action: ActionKey, Subject: want.ID, KeyVersion: want.Version, Parameters: map[string]string{
		"operation": "key.export", "key": want.ID, "version": fmt.Sprint(want.Version), "reason": want.Reason,
	}}, func() ([]byte, error) { return g.keysService.ExportKey(ctx, by, want) })
}

// Denials is s with what policies of ActionDeny ask people about: floors, and to
// take a denial back. To refuse a release or what a CA certified is a brake, and
// waits for nobody.
func (b *Board) Denials(s service.Denials) service.Denials { return gatedDenials{s, b} }

type gatedDenials struct {
	denialsService
	board *Board
}

func (g gatedDenials) Deny(ctx context.Context, by access.Caller, want service.NewDenial) (service.Denial, error) {
	do := func() (service.Denial, error) { return g.denialsService.Deny(ctx, by, want) }
	if want.Kind != service.DenyFloor {
		return do()
	}
	return Gated(ctx, g.board, by, Proposal{Action: ActionDeny, App: want.App, Subject: string(want.App), Parameters: map[string]string{
		"operation": "deny.floor", "counter": fmt.Sprint(want.Counter), "version": string(want.Version), "force": fmt.Sprint(want.Force), "reason": want.Reason,
	}}, do)
}

func (g gatedDenials) LiftDenial(ctx context.Context, by access.Caller, id, reason string) (service.Denial, error) {
	all, err := g.denialsService.Denials(ctx)
	if err != nil {
		return service.Denial{}, err
	}
	var app sealift.AppID
	for _, d := range all {
		if d.ID == id {
			app = d.App
		}
	}
	return Gated(ctx, g.board, by, Proposal{Action: ActionDeny, App: app, Subject: id, Parameters: map[string]string{
		"operation": "deny.lift", "denial": id, "reason": reason,
	}}, func() (service.Denial, error) { return g.denialsService.LiftDenial(ctx, by, id, reason) })
}

// Rollouts is s with what policies of ActionRollout ask people about: that a roll-out
// goes on after it was stopped, past a stage that waits for somebody, or to everybody
// at once, and that what was withdrawn is offered again. To pause or abort one, or to
// withdraw a release, waits for nobody.
func (b *Board) Rollouts(s service.Rollouts) service.Rollouts { return gatedRollouts{s, b} }

type gatedRollouts struct {
	rolloutsService
	board *Board
}

func (g gatedRollouts) SteerRollout(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, do service.Steer, reason string) (service.Rollout, error) {
	steer := func() (service.Rollout, error) {
		return g.rolloutsService.SteerRollout(ctx, by, app, counter, do, reason)
	}
	if do == service.SteerAbort {
		return steer()
	}
	row, err := view(ctx, g.board, func(tx store.Tx) (store.Rollout, error) { return g.board.rolloutOf(ctx, tx, app, counter) })
	if err != nil {
		return service.Rollout{}, err
	}
	p := Proposal{Action: ActionRollout, App: app, Subject: fmt.Sprintf("%s/%d", app, counter), Parameters: map[string]string{
		"operation": "rollout." + string(do), "channel": string(row.Channel), "counter": fmt.Sprint(counter), "reason": reason,
	}}
	if do != service.SteerFinish {
		// Past this stop, or this stage, and no later one: a person's brake wins.
		p.Parameters["phase"], p.Parameters["stage"], p.Parameters["since"] = row.Phase, fmt.Sprint(row.Stage+1), row.Since.UTC().Format(time.RFC3339Nano)
	}
	return Gated(ctx, g.board, by, p, steer)
}

// Plans is s with what policies of ActionRollout ask people about: with which plan the
// roll-outs of a channel begin, or else whoever sets one could go around the stages
// that others are asked about.
func (b *Board) Plans(s service.Plans) service.Plans { return gatedPlans{s, b} }

type gatedPlans struct {
	plansService
	board *Board
}

func (g gatedPlans) SetPlan(ctx context.Context, by access.Caller, app sealift.AppID, channel sealift.Channel, plan *rollout.Plan) (service.ChannelPlan, error) {
	p := Proposal{Action: ActionRollout, App: app, Subject: fmt.Sprintf("%s/%s", app, channel), Parameters: map[string]string{
		"operation": "rollout.plan-clear", "channel": string(channel),
	}}
	if plan != nil {
		text, err := plan.Encode()
		if err == nil {
			err = p.addPlan(text)
		}
		if err != nil {
			return service.ChannelPlan{}, err
		}
		p.Parameters["operation"] = "rollout.plan-set"
	}
	return Gated(ctx, g.board, by, p, func() (service.ChannelPlan, error) { return g.plansService.SetPlan(ctx, by, app, channel, plan) })
}

// Publishing is s with what policies of ActionRollout ask people about: a release
// with a plan of its own. They are asked before its counter is reserved, and so
// before anything of it is signed; whoever publishes does the same again then.
func (b *Board) Publishing(s service.Publishing) service.Publishing { return gatedPublishing{s, b} }

type gatedPublishing struct {
	reserveService
	board *Board
}

func (g gatedPublishing) Reserve(ctx context.Context, by access.Caller, want service.Reservation) (service.Draft, error) {
	p := Proposal{App: want.App, Subject: fmt.Sprintf("%s/%s/%s %s", want.App, want.Channel, want.Platform, want.Version), Parameters: map[string]string{
		"channel": string(want.Channel), "platform": string(want.Platform), "runtime": string(want.Runtime), "version": string(want.Version),
	}}
	return planned(ctx, g.board, by, p, want.Plan, want.Hold, func() (service.Draft, error) { return g.reserveService.Reserve(ctx, by, want) })
}

// planned does what begins a roll-out, of which people are asked where it has a plan of
// its own.
func planned[T any](ctx context.Context, b *Board, by access.Caller, p Proposal, plan *rollout.Plan, hold bool, do func() (T, error)) (T, error) {
	if plan == nil {
		return do()
	}
	text, err := plan.Encode()
	if err == nil {
		err = p.addPlan(text)
	}
	if err != nil {
		var none T
		return none, err
	}
	p.Action, p.Parameters["operation"], p.Parameters["hold"] = ActionRollout, "release.plan", fmt.Sprint(hold)
	return Gated(ctx, b, by, p, do)
}

// Promotions is s with what policies of ActionRollout ask people about: a promotion
// with a plan of its own, as Publishing.
func (b *Board) Promotions(s service.Promotions) service.Promotions { return gatedPromotions{s, b} }

type gatedPromotions struct {
	promoteService
	board *Board
}

func (g gatedPromotions) Promote(ctx context.Context, by access.Caller, app sealift.AppID, want service.Promotion) (service.Promoted, error) {
	p := Proposal{App: app, Subject: fmt.Sprintf("%s/%s %s", app, want.To, want.Version), Parameters: map[string]string{
		"channel": string(want.To), "promoted-from": string(want.From), "platform": string(want.Platform), "version": string(want.Version),
	}}
	return planned(ctx, g.board, by, p, want.Plan, want.Hold, func() (service.Promoted, error) { return g.promoteService.Promote(ctx, by, app, want) })
}

// Tokens is s with what policies of ActionRole ask people about: new tokens.
func (b *Board) Tokens(s service.Tokens) service.Tokens { return gatedTokens{s, b} }

type gatedTokens struct {
	tokensService
	board *Board
}

func (g gatedTokens) CreateToken(ctx context.Context, by access.Caller, want service.NewToken) (service.MadeToken, error) {
	return Gated(ctx, g.board, by, Proposal{Action: ActionRole, Subject: "token", Parameters: map[string]string{
		"operation": "token.create", "role": string(want.Role), "app": string(want.App), "label": want.Label, "life": want.Life.String(),
		"actions": string(want.Actions),
	}}, func() (service.MadeToken, error) { return g.tokensService.CreateToken(ctx, by, want) })
}
