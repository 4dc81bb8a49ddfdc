package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// move is that devices come from channels of an app to another one. Where neither the
// vault nor a person said on which a device is, as of most, it may be on any.
type move struct {
	from []sealift.Channel // none for any
	to   sealift.Channel   // empty for any
}

// bypass is a policy that a move leads devices around: the channel that they come to
// asks less about action than the one that they leave.
type bypass struct {
	policy   store.Policy // of the channel that they leave
	action   string
	from, to sealift.Channel
	asks     string // of the channel that they come to, in words
}

// because says which channel asks less than which.
func (one bypass) because() string {
	return fmt.Sprintf("about %s, %s %s and %s %s", one.action, one.from, asks(one.policy), one.to, one.asks)
}

// bypassed returns the policies of an app that moves lead devices around, but for those
// whose people are asked by another of them.
func (b *Board) bypassed(ctx context.Context, tx store.Tx, app sealift.AppID, moves []move) ([]bypass, error) {
	rows, err := b.wholeRows(ctx, tx, func(p store.Policy) bool { return ofChannels(p.Action) && (p.App == "" || p.App == app) })
	if err != nil || len(rows) == 0 || len(moves) == 0 {
		return nil, err
	}
	all, err := channelsOf(ctx, tx, rows, app)
	if err != nil {
		return nil, err
	}
	var found []bypass
	seen := map[string]bool{} // of a hundred devices most make the same move
	for _, action := range steps() {
		for _, m := range moves {
			if key := fmt.Sprint(action, m); !seen[key] {
				seen[key] = true
				found = append(found, m.around(rows, action, app, all)...)
			}
		}
	}
	var kept []bypass
	for i, one := range found {
		covered := func(other bypass) bool { return AtLeastAsStrict(other.policy, one.policy) }
		later := func(other bypass) bool { return covered(other) && !AtLeastAsStrict(one.policy, other.policy) }
		if !slices.ContainsFunc(kept, covered) && !slices.ContainsFunc(found[i+1:], later) {
			kept = append(kept, one)
		}
	}
	return kept, nil
}

// around returns the policies about action that a move leads devices around, all being
// the channels of the app.
func (m move) around(rows []store.Policy, action string, app sealift.AppID, all []sealift.Channel) (found []bypass) {
	from, to := m.from, []sealift.Channel{m.to}
	if len(from) == 0 {
		from = all
	}
	if m.to == "" {
		to = all
	}
	for _, f := range from {
		left := effective(rows, action, scope{app, f})
		for _, t := range to {
			if there := effective(rows, action, scope{app, t}); !AtLeastAsStrict(there, left) {
				found = append(found, bypass{left, action, f, t, asks(there)})
			}
		}
	}
	return found
}

// proposals asks the people of each policy that moves lead devices around about the act
// by which they do; what of it counts is in its parameters.
func (b *Board) proposals(ctx context.Context, tx store.Tx, p Proposal, moves []move) (all []Proposal, err error) {
	around, err := b.bypassed(ctx, tx, p.App, moves)
	if err == nil && len(around) > 0 && p.carried != "" {
		p.Parameters["carried"], err = carriers(ctx, tx, p.App, p.carried)
	}
	if err != nil {
		return nil, err
	}
	for _, one := range around {
		next := p
		next.Action, next.Parameters = actionMove, map[string]string{
			"action": one.action, "channel": string(one.from), "looser": string(one.to),
			"because": one.because(),
		}
		for name, value := range p.Parameters {
			next.Parameters[name] = value
		}
		next.why = fmt.Sprintf("devices of channel %s could come to %s by it: %s; ", one.from, one.to, next.Parameters["because"])
		all = append(all, next)
	}
	return all, nil
}

// assigned returns by which moves a person puts a device on a channel, or takes it off
// its own.
func (b *Board) assigned(ctx context.Context, tx store.Tx, app sealift.AppID, id sealift.DeviceID, to sealift.Channel, until time.Time) ([]move, error) {
	if _, err := tx.Device(ctx, app, id); err != nil {
		if sealift.KindOf(err) == sealift.KindNotFound {
			err = sealift.Errorf(sealift.KindNotFound, "asking for approval", "%s has no device %s", app, id).
				WithReason("device").WithHint("see the devices there are with: sealift device list --app %s", app)
		}
		return nil, err
	}
	row, err := tx.Assignment(ctx, app, id)
	was, _, err := vault.CheckFound(ctx, b.vault, tx, store.Assignment{App: app, Device: id}, row, err)
	if err != nil {
		return nil, err
	}
	on := was.Holds(b.now())
	switch {
	case to == "" && (!on || was.Origin == store.ByLabel): // it stays where it is, or where its labels put it
		return nil, nil
	case to == "":
		return []move{{from: []sealift.Channel{was.Channel}}}, nil
	case !on || was.Origin != store.ByPerson:
		return []move{{to: to}}, nil // and is back where it was, when its time is over
	}
	next := move{from: []sealift.Channel{was.Channel}, to: to}
	switch {
	case ends(until, was.Until): // sooner than its time on the other is over
		return []move{next, {from: next.from}}, nil
	case ends(was.Until, until): // it would have been back on its own by then
		next.from = nil
	}
	return []move{next}, nil
}

// ends reports whether an assignment until one time ends before one until another; zero
// is never.
func ends(one, other time.Time) bool {
	return !one.IsZero() && (other.IsZero() || one.Before(other))
}

// labelOf returns what the vault has a label of an app come to.
func (b *Board) labelOf(ctx context.Context, tx store.Tx, app sealift.AppID, label sealift.Label) (store.ChannelLabel, error) {
	none := store.ChannelLabel{App: app, Label: label}
	rows, err := tx.ChannelLabels(ctx, app)
	if err != nil {
		return none, err
	}
	for _, row := range rows {
		if row.Label == label {
			return row, b.vault.CheckRow(ctx, tx, row)
		}
	}
	return none, b.vault.CheckGone(ctx, tx, none)
}

// ledTo reports whether a label leads to a channel.
func ledTo(ctx context.Context, tx store.Tx, app sealift.AppID, to sealift.Channel) (bool, error) {
	rows, err := tx.ChannelLabels(ctx, app)
	return slices.ContainsFunc(rows, func(l store.ChannelLabel) bool { return l.Channel == to }), err
}

// defaulted are the moves by which a channel becomes the default of its app.
func (b *Board) defaulted(ctx context.Context, tx store.Tx, app sealift.AppID, to sealift.Channel) ([]move, error) {
	all, err := tx.Channels(ctx, app)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		rules, err := b.rulesOf(ctx, tx, app, c.Name)
		if err != nil {
			return nil, err
		}
		if rules.Default {
			return []move{{from: []sealift.Channel{c.Name}, to: to}}, nil
		}
	}
	return []move{{to: to}}, nil // or else the default could be taken away first
}

// rulesOf returns what the vault set a channel to; the zero rules where it never did.
func (b *Board) rulesOf(ctx context.Context, tx store.Tx, app sealift.AppID, name sealift.Channel) (store.ChannelRules, error) {
	row, err := tx.ChannelRules(ctx, app, name)
	row, _, err = vault.CheckFound(ctx, b.vault, tx, store.ChannelRules{App: app, Channel: name}, row, err)
	return row, err
}

// carriers is the SHA-256 of the ids of the devices that carry a label, one a line, and
// how many those are: people approve where those go, and no others.
func carriers(ctx context.Context, tx store.Tx, app sealift.AppID, label sealift.Label) (string, error) {
	var ids strings.Builder
	n := 0
	err := eachCarrier(ctx, tx, app, label, func(id sealift.DeviceID) {
		ids.WriteString(string(id) + "\n")
		n++
	})
	return fmt.Sprintf("%d devices, SHA-256 of their ids %s", n, sealift.DigestOf([]byte(ids.String()))), err
}

// eachCarrier calls fn with the devices that carry a label, by id.
func eachCarrier(ctx context.Context, tx store.Tx, app sealift.AppID, label sealift.Label, fn func(sealift.DeviceID)) error {
	for behind := sealift.DeviceID(""); ; {
		rows, err := tx.LabelledDevices(ctx, app, label, behind, sealift.AssignmentBatch)
		if err != nil {
			return err
		}
		for _, row := range rows {
			behind = row.Device
			fn(behind)
		}
		if len(rows) < sealift.AssignmentBatch {
			return nil
		}
	}
}
