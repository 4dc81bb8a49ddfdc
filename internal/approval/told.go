package approval

import (
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Channel implements service.Apps: it says also which policies the channel goes by.
func (g gatedApps) Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	c, err := g.appsService.Channel(ctx, app, name)
	if err != nil {
		return c, err
	}
	c.Policies, err = view(ctx, g.board, func(tx store.Tx) ([]service.ChannelPolicy, error) {
		told, err := g.board.readAll(ctx, tx)
		return told.of(app, name), err
	})
	return c, err
}

// AppPolicies implements service.Approvals.
func (b *Board) AppPolicies(ctx context.Context, app sealift.AppID) (service.AppPolicies, error) {
	return view(ctx, b, func(tx store.Tx) (out service.AppPolicies, err error) {
		if err := b.demandApp(ctx, tx, "telling the policies", app); err != nil {
			return out, err
		}
		told, err := b.readAll(ctx, tx)
		if err != nil {
			return out, err
		}
		channels, err := tx.Channels(ctx, app)
		if err != nil {
			return out, err
		}
		for _, c := range channels {
			out.Policies = append(out.Policies, told.of(app, c.Name)...)
		}
		if told.forged == nil && !told.gone { // else nothing leads anywhere: it is refused
			out.Doors, err = b.doors(ctx, tx, app, channels)
		}
		return out, err
	})
}

// allPolicies are the policies there are, told apart by whether the vault wrote them.
type allPolicies struct {
	rows, forged []store.Policy
	gone         bool // one is missing, and it could have been about anything
}

// readAll reads the policies to tell of them. What decides goes by policyFor, which
// refuses where this says that it does.
func (b *Board) readAll(ctx context.Context, tx store.Tx) (all allPolicies, err error) {
	rows, err := tx.Policies(ctx)
	if err != nil {
		return all, err
	}
	if err := vault.CheckWhole(ctx, b.vault, tx, rows); err != nil {
		if sealift.KindOf(err) != sealift.KindDenied {
			return all, err
		}
		all.gone = true
	}
	for _, row := range rows {
		switch err := b.vault.CheckRow(ctx, tx, row); {
		case sealift.KindOf(err) == sealift.KindDenied:
			all.forged = append(all.forged, row)
		case err != nil:
			return all, err
		default:
			all.rows = append(all.rows, row)
		}
	}
	return all, nil
}

// of says what a channel goes by about each of steps.
func (all allPolicies) of(app sealift.AppID, channel sealift.Channel) (out []service.ChannelPolicy) {
	in := scope{app, channel}
	for _, action := range steps() {
		one := service.ChannelPolicy{Channel: channel, Action: action, From: service.FromForged}
		if !all.gone && !slices.ContainsFunc(all.forged, func(row store.Policy) bool { return concerns(row, action, in) }) {
			row := effective(all.rows, action, in)
			one.Policy, one.From = policyOf(row), sourceOf(row, in)
		}
		out = append(out, one)
	}
	return out
}

// sourceOf says whose the policy is that a channel goes by; see effective.
func sourceOf(row store.Policy, in scope) service.PolicySource {
	switch {
	case row.Version == 0:
		return service.FromNone
	case row.Channel == in.channel:
		return service.FromOwn
	case row.Channel != "":
		return service.FromStrictest
	case row.App != "":
		return service.FromApp
	}
	return service.FromInstallation
}
