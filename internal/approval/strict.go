package approval

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// AtLeastAsStrict reports whether whatever p lets be done q would let be done as well: p
// asks at least as many people, and none but such as q asks. Policies of which that
// holds neither way round, as where each asks other roles, are both weaker than the
// other.
func AtLeastAsStrict(p, q store.Policy) bool {
	if q.Needed <= 0 {
		return true
	}
	return p.Needed >= q.Needed && !slices.ContainsFunc(strings.Fields(p.Roles), func(role string) bool { return !hasRole(q, role) })
}

// before orders policies that could stand for a channel which has none of its own. It
// puts the stricter one first of two that can be compared, and is total, so that of
// those that cannot it is always the same one.
func before(p, q store.Policy) bool {
	return cmp.Or(
		cmp.Compare(q.Needed, p.Needed),
		cmp.Compare(len(strings.Fields(p.Roles)), len(strings.Fields(q.Roles))),
		cmp.Compare(p.Roles, q.Roles), cmp.Compare(p.Channel, q.Channel), cmp.Compare(p.Action, q.Action),
	) < 0
}

// effective returns which of rows action in a scope goes by: the channel's own; of a
// channel that has none, the strictest of the app's, or else the installation's, and of
// those of the app's other channels; else one that asks nobody. So to make a channel is
// no way around the policies of the others.
func effective(rows []store.Policy, action string, in scope) store.Policy {
	found := narrowest(rows, action, in)
	if in.channel == "" || found.Channel != "" {
		return found
	}
	for _, row := range rows {
		if row.App != in.app || row.Channel == "" {
			continue
		}
		if other := narrowest(rows, action, scopeOf(row)); other.Channel != "" && other.Needed > 0 && before(other, found) {
			found = other
		}
	}
	return found
}

// narrowest returns the policy of the narrowest scope around one, or one that asks nobody.
func narrowest(rows []store.Policy, action string, in scope) store.Policy {
	found, best := store.Policy{Action: action}, 0
	for _, row := range rows {
		if rank := rankOf(row, action); in.within(scopeOf(row)) && rank > best {
			found, best = row, rank
		}
	}
	return found
}

// asks says in words what a policy asks.
func asks(p store.Policy) string {
	if p.Needed <= 0 {
		return "asks nobody"
	}
	return fmt.Sprintf("asks %d of %s", p.Needed, strings.ReplaceAll(p.Roles, " ", ", "))
}

// steps are the actions by which devices of a channel come to what they run.
func steps() []string { return []string{ActionRelease, ActionUrgent, ActionRollback, ActionRollout} }

// channelsOf returns the channels of an app that may go by different policies: those
// that have any of their own, and one of those that have none.
func channelsOf(ctx context.Context, tx store.Tx, rows []store.Policy, app sealift.AppID) (names []sealift.Channel, err error) {
	for _, row := range rows {
		if row.App == app && row.Channel != "" {
			names = append(names, row.Channel)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	all, err := tx.Channels(ctx, app)
	for _, c := range all {
		if _, found := slices.BinarySearch(names, c.Name); !found {
			return append(names, c.Name), err
		}
	}
	return names, err
}

// wholeRows returns all policies, none of which somebody deleted, and each of which the
// vault wrote that may be about what keep says.
func (b *Board) wholeRows(ctx context.Context, tx store.Tx, keep func(store.Policy) bool) (kept []store.Policy, err error) {
	rows, err := tx.Policies(ctx)
	if err != nil {
		return nil, err
	}
	if err := vault.CheckWhole(ctx, b.vault, tx, rows); err != nil {
		return nil, err // one that is gone asks nobody
	}
	for _, row := range rows {
		if !keep(row) {
			continue
		}
		if err := b.vault.CheckRow(ctx, tx, row); err != nil {
			return nil, err // also one that says that it does not count
		}
		kept = append(kept, row)
	}
	return kept, nil
}

// demandNoneLooser refuses a policy because of which a channel would be asked less
// about than before, unless whoever has to approve the change had to approve what it
// was asked about: by a policy of another action or channel, that of this one would
// else be weakened without its people.
func (b *Board) demandNoneLooser(ctx context.Context, tx store.Tx, row store.Policy) error {
	rows, err := b.wholeRows(ctx, tx, func(p store.Policy) bool {
		return ofChannels(p.Action) && (row.App == "" || p.App == "" || p.App == row.App)
	})
	if err != nil || !ofChannels(row.Action) {
		return err
	}
	asked := effective(rows, row.Action, scopeOf(row))
	then := slices.DeleteFunc(slices.Clone(rows), func(p store.Policy) bool { return p.Action == row.Action && scopeOf(p) == scopeOf(row) })
	then = append(then, row)
	apps := []sealift.AppID{row.App}
	if row.App == "" {
		all, err := tx.Apps(ctx)
		if err != nil {
			return err
		}
		apps = apps[:0]
		for _, a := range all {
			apps = append(apps, a.ID)
		}
	}
	for _, app := range apps {
		channels, err := channelsOf(ctx, tx, then, app)
		if err != nil {
			return err
		}
		for _, channel := range channels {
			if err := noneLooser(rows, then, asked, scope{app, channel}); err != nil {
				return err
			}
		}
	}
	return nil
}

func noneLooser(rows, then []store.Policy, asked store.Policy, in scope) error {
	for _, action := range steps() {
		was, is := effective(rows, action, in), effective(then, action, in)
		if AtLeastAsStrict(is, was) || AtLeastAsStrict(asked, was) {
			continue
		}
		return sealift.Errorf(sealift.KindConflict, settingPolicy, "it would weaken that of channel %s of %s about %s, which %s: from then on it %s, and whoever the change asks is not asked there",
			in.channel, in.app, action, asks(was), asks(is)).WithReason("looser").
			WithHint("give the channel one of its own first: sealift policy set %s --app %s --channel %s --approvals %d --roles %s", action, in.app, in.channel, was.Needed, strings.ReplaceAll(was.Roles, " ", ","))
	}
	return nil
}
