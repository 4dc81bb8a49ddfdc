package approval

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// ChangeApp implements service.Apps. That more devices of an app may have a release
// which none of them confirmed is what policies of ActionRollout ask people about: it
// goes past what holds a roll-out up, as to finish one does, and also an urgent one. To
// let fewer have it is a brake, and waits for nobody.
func (g gatedApps) ChangeApp(ctx context.Context, by access.Caller, id sealift.AppID, change service.AppChange) (service.App, error) {
	do := func() (service.App, error) { return g.appsService.ChangeApp(ctx, by, id, change) }
	if change.BlastRadius == nil {
		return do()
	}
	p := Proposal{Action: ActionRollout, App: id, Subject: string(id), Parameters: map[string]string{
		"operation": "app.change", "blast-radius": strconv.FormatInt(*change.BlastRadius, 10),
	}}
	if change.Patches != nil {
		p.Parameters["patches"] = strconv.Itoa(*change.Patches)
	}
	if change.PatchLimit != nil {
		p.Parameters["patch-limit"] = strconv.FormatInt(*change.PatchLimit, 10)
	}
	proposals, err := view(ctx, g.board, func(tx store.Tx) ([]Proposal, error) { return g.board.looserCap(ctx, tx, p, *change.BlastRadius) })
	if err != nil {
		return service.App{}, err
	}
	return gatedAll(ctx, g.board, by, proposals, do)
}

// looserCap asks the people of each channel about a cap that holds less than that of
// now, but for those whose policy is no stricter than another's. p is about it.
func (b *Board) looserCap(ctx context.Context, tx store.Tx, p Proposal, devices int64) (all []Proposal, err error) {
	row, err := tx.App(ctx, p.App)
	switch {
	case sealift.KindOf(err) == sealift.KindNotFound:
		return nil, nil // the service says so
	case err != nil:
		return nil, err
	}
	if err := b.vault.CheckRow(ctx, tx, row); err != nil {
		return nil, err
	}
	if row.BlastRadius == 0 || devices != 0 && devices <= row.BlastRadius {
		return nil, nil
	}
	p.Parameters["blast-radius-now"] = fmt.Sprint(row.BlastRadius)
	rows, err := b.wholeRows(ctx, tx, func(p store.Policy) bool { return p.Action == ActionRollout && (p.App == "" || p.App == row.ID) })
	if err != nil {
		return nil, err
	}
	channels, err := channelsOf(ctx, tx, rows, row.ID)
	if err != nil {
		return nil, err
	}
	var asked []store.Policy
	for _, channel := range channels {
		policy := effective(rows, ActionRollout, scope{row.ID, channel})
		if policy.Needed == 0 || slices.ContainsFunc(asked, func(other store.Policy) bool { return AtLeastAsStrict(other, policy) }) {
			continue
		}
		asked = append(asked, policy)
		next := p
		next.Parameters = map[string]string{"channel": string(channel)}
		for name, value := range p.Parameters {
			next.Parameters[name] = value
		}
		all = append(all, next)
	}
	return all, nil
}
