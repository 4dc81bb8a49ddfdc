package approval

import (
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// scope is what a policy may be about: one channel of an app, an app, or the
// installation where both are empty.
type scope struct {
	app     sealift.AppID
	channel sealift.Channel
}

func scopeOf(p store.Policy) scope { return scope{p.App, p.Channel} }

// within reports whether all that s is about is in outer as well.
func (s scope) within(outer scope) bool {
	return (outer.app == "" || outer.app == s.app) && (outer.channel == "" || outer.channel == s.channel)
}

// policyFor returns the policy that action in a scope goes by; see effective. A row that
// the vault did not write is an error, whatever it says, and so is one that somebody
// deleted.
func (b *Board) policyFor(ctx context.Context, tx store.Tx, action string, in scope) (store.Policy, error) {
	rows, err := b.wholeRows(ctx, tx, func(row store.Policy) bool { return concerns(row, action, in) })
	if err != nil {
		return store.Policy{Action: action}, err
	}
	return effective(rows, action, in), nil
}

// ofTheirOwn reports whether action is about releases of a kind that has policies of
// its own, and goes by those for releases where there is none.
func ofTheirOwn(action string) bool { return action == ActionUrgent || action == ActionRollback }

// inherits is the Needed of a row that stands for none: the log would miss one that is gone.
const inherits = -1

// concerns reports whether action in a scope may go by a policy: also by that of another
// channel.
func concerns(row store.Policy, action string, in scope) bool {
	around := in.within(scopeOf(row)) || in.channel != "" && row.App == in.app
	return around && speaksOf(row, action)
}

// speaksOf reports whether a policy says something about action, whatever its scope.
func speaksOf(row store.Policy, action string) bool {
	return row.Action == action || ofTheirOwn(action) && row.Action == ActionRelease
}

// rankOf orders the policies that concern action: the greatest counts, and 0 does not.
// For urgent releases and roll-backs one that is off is none, so that they are never
// asked less about than the policy for releases says.
func rankOf(row store.Policy, action string) int {
	if !speaksOf(row, action) {
		return 0
	}
	rank := 1
	switch {
	case row.Channel != "":
		rank = 5
	case row.App != "":
		rank = 3
	}
	own := ofTheirOwn(action) && row.Action == action
	switch {
	case row.Needed < 0, own && row.Needed == 0:
		return 0
	case own:
		return rank + 1
	}
	return rank
}

// rolloutOf returns a roll-out that the vault wrote: what SQL says of its channel would
// else choose the policy.
func (b *Board) rolloutOf(ctx context.Context, tx store.Tx, app sealift.AppID, counter sealift.Counter) (store.Rollout, error) {
	row, err := tx.Rollout(ctx, app, counter)
	if err == nil {
		err = b.vault.CheckRow(ctx, tx, row)
	}
	if sealift.KindOf(err) == sealift.KindNotFound {
		err = sealift.Errorf(sealift.KindNotFound, "looking up the roll-out", "app %s has no roll-out of a release of counter %d", app, counter).
			WithReason("rollout").WithHint("see those there are with: sealift rollout list --app %s --all", app)
	}
	return row, err
}

// demandScope refuses what a policy cannot be about: an app or channel that is not there.
func (b *Board) demandScope(ctx context.Context, tx store.Tx, in scope) error {
	if in.app == "" {
		return nil
	}
	if err := b.demandApp(ctx, tx, settingPolicy, in.app); err != nil || in.channel == "" {
		return err
	}
	_, err := tx.Channel(ctx, in.app, in.channel)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return service.NoChannel(settingPolicy, in.app, in.channel)
	}
	return err
}

// demandApp refuses an app that is not there. op is what was being done.
func (b *Board) demandApp(ctx context.Context, tx store.Tx, op string, id sealift.AppID) error {
	app, err := tx.App(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return sealift.Errorf(sealift.KindNotFound, op, "there is no app %s", id).WithReason("app").
			WithHint("see the apps there are with: sealift app list")
	}
	if err == nil {
		err = b.vault.CheckRow(ctx, tx, app)
	}
	return err
}

// demandOwn refuses to end the policy of a scope that has none of its own.
func demandOwn(ctx context.Context, tx store.Tx, in scope, action string) error {
	rows, err := tx.Policies(ctx)
	own := func(row store.Policy) bool { return row.Action == action && scopeOf(row) == in && row.Needed >= 0 }
	if err != nil || slices.ContainsFunc(rows, own) {
		return err
	}
	return sealift.Errorf(sealift.KindNotFound, settingPolicy, "there is none of its own to take back").
		WithReason("policy").WithHint("see those there are with: sealift policy show")
}

func aboutReleases(action string) bool { return action == ActionRelease || ofTheirOwn(action) }

// newestVersion returns the version that a new policy goes above: that of all by which
// something may have been asked that goes by the new one from now on, so that it is
// void; or the other way round, once another one counts again. That of a channel may
// come to stand for others of its app.
func newestVersion(ctx context.Context, tx store.Tx, in scope, action string) (newest uint64, err error) {
	rows, err := tx.Policies(ctx)
	for _, row := range rows {
		same := row.Action == action || aboutReleases(row.Action) && aboutReleases(action)
		if same && (in.app == "" || row.App == "" || row.App == in.app) {
			newest = max(newest, row.Version)
		}
	}
	return newest, err
}
