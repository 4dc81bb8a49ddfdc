package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

// machine is the caller who does what roll-outs do by themselves.
var machine = access.Caller{Kind: access.CallerSystem, ID: access.Machine}

// Look moves every open roll-out on as its plan says of the time and of what
// devices reported: into its next stage, to wait for somebody, to its end, or to a
// halt; and has more devices take a release as those that did confirm it, where the
// app's blast radius is what held it up. What somebody stopped it leaves alone. It looks first and writes only where
// something follows, and what cannot be done for one roll-out does not keep the
// others; the error joins all of it. It returns what it did.
func (s *Service) Look(ctx context.Context) (done []Moved, err error) {
	open, err := view(ctx, s.store, func(tx store.Tx) (due []store.Rollout, err error) {
		rows, err := tx.OpenRollouts(ctx)
		if err != nil {
			return nil, err
		}
		once := &readOnce{Tx: tx}
		for _, row := range rows {
			l, err := s.look(ctx, once, row)
			if err != nil || !l.idle() { // what is amiss is said where it would be changed
				due = append(due, row)
			}
		}
		return due, nil
	})
	if err != nil || len(open) == 0 {
		return nil, err
	}
	var failed []error
	for _, row := range open {
		did, err := s.move(ctx, row)
		switch {
		case err != nil:
			failed = append(failed, sealift.Errorf(sealift.KindOf(err), "looking at the roll-out of "+subjectOf(row.Coordinates), "%w", err))
		case did.What != "":
			done = append(done, did)
		}
	}
	return done, errors.Join(append(failed, s.Flush(ctx))...)
}

// move has one roll-out move on. A halt stands whatever becomes of the way back that
// its plan asks for.
func (s *Service) move(ctx context.Context, row store.Rollout) (Moved, error) {
	var none error // why there is no way back
	advance := func(tx *vault.Tx) (Moved, error) { return s.advance(ctx, tx, row.App, row.Counter, none) }
	did, err := vault.Do(ctx, s.vault, advance)
	if errors.As(err, &noWayBack{}) {
		none = err
		did, err = vault.Do(ctx, s.vault, advance)
	}
	return did, err
}

// Moved is a roll-out that moved on.
type Moved struct {
	What  string // in words
	Phase rollout.Phase
}

// readOnce is a transaction in which the roll-outs of a channel and platform are read
// once, however many of them are open.
type readOnce struct {
	store.Tx
	read map[store.Coordinates][]store.Rollout
}

// Rollouts implements store.RolloutTx.
func (o *readOnce) Rollouts(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) (rows []store.Rollout, err error) {
	of := store.Coordinates{App: app, Channel: channel, Platform: platform}
	rows, known := o.read[of]
	if known {
		return rows, nil
	}
	if rows, err = o.Tx.Rollouts(ctx, app, channel, platform); err == nil {
		if o.read == nil {
			o.read = map[store.Coordinates][]store.Rollout{}
		}
		o.read[of] = rows
	}
	return rows, err
}

// looked is what there is to say of a roll-out now.
type looked struct {
	plan        rollout.Plan
	state, next rollout.State
	known       rollout.Known
	share       sealift.Share // who is to be offered it
	wider       bool          // which is more than before, by the cap
}

// idle reports that nothing is to be done.
func (l *looked) idle() bool { return l.next == l.state && !l.wider }

// look weighs what is known of a roll-out. It writes nothing.
func (s *Service) look(ctx context.Context, tx store.Tx, row store.Rollout) (l looked, err error) {
	of, err := rolloutOf(row)
	if err != nil {
		return l, err
	}
	l.plan, l.state = of.Plan, of.State
	now := s.now().UTC()
	if l.known, err = s.known(ctx, tx, row, &of.Plan, now); err != nil {
		return l, err
	}
	l.next = of.State
	for range len(of.Plan.Stages) + 2 { // each step leads on: through the stages, and to an end
		stepped := of.Plan.Advance(l.next, now, l.known)
		if stepped == l.next {
			break
		}
		l.next = stepped
	}
	l.share = reached(row.Share, &of.Plan, l.next, l.known)
	l.wider = wider(row.Share, l.share, &of.Plan, l.next, l.known)
	return l, nil
}

// known is what devices reported of a release.
func (s *Service) known(ctx context.Context, tx store.Tx, row store.Rollout, plan *rollout.Plan, now time.Time) (known rollout.Known, err error) {
	old, err := s.olderThan(ctx, tx, row)
	if err != nil {
		return known, err
	}
	since := row.Created
	if !row.Cleared.IsZero() {
		// Slices are hours: the one in which a person looked counts with what they saw.
		since = row.Cleared.Truncate(time.Hour).Add(time.Hour)
	}
	counts, err := togetherOf(ctx, tx, row)
	if err != nil {
		return known, err
	}
	slices, confirmed, err := stats.Slices(ctx, counts, row.App, row.Release, old, since, time.Duration(plan.Halt.Silence), now)
	if err != nil {
		return known, err
	}
	return s.capped(ctx, tx, row.Coordinates, row.Release, rollout.Known{Verdict: plan.Halt.Judge(slices), Confirmed: confirmed})
}

// olderThan returns the release that the same devices would have otherwise: the
// newest version below that everybody may take; zero for none.
func (s *Service) olderThan(ctx context.Context, tx store.Tx, row store.Rollout) (old sealift.Digest, err error) {
	rows, err := tx.Rollouts(ctx, row.App, row.Channel, row.Platform)
	var best sealift.Version
	for _, r := range rows {
		everybody := r.Share == sealift.Everybody && rollout.Phase(r.Phase).Offered()
		if everybody && r.Runtime == row.Runtime && r.Version.Compare(row.Version) < 0 && (best == "" || r.Version.Compare(best) > 0) {
			best, old = r.Version, r.Release
		}
	}
	return old, err
}

// advance is look, and does what follows. It says what it did; nothing where
// somebody was here meanwhile. none is why there is no way back, where that was tried;
// where it fails the error is a noWayBack.
func (s *Service) advance(ctx context.Context, tx *vault.Tx, app sealift.AppID, counter sealift.Counter, none error) (did Moved, err error) {
	if err := s.demandContinued(ctx, tx); err != nil {
		return did, err // what a restore pauses moves no further before
	}
	row, err := s.findRollout(ctx, tx, app, counter)
	if err != nil {
		return did, err
	}
	l, err := s.look(ctx, tx, row)
	if err != nil || l.idle() {
		return did, err
	}
	did = Moved{fmt.Sprintf("%s is %s in stage %d", subjectOf(row.Coordinates), l.next.Phase, l.next.Stage+1), l.next.Phase}
	action, details := "rollout.advance", map[string]string{"confirmed": fmt.Sprint(l.known.Confirmed)}
	switch {
	case l.next == l.state:
		action, did.What = "rollout.widen", fmt.Sprintf("%s reaches %s percent of the devices", subjectOf(row.Coordinates), l.share)
	case l.next.Phase == rollout.Halted:
		why := l.known.Verdict.Halts()
		action = "rollout.halt"
		details["why"], details["evidence"] = why.String(), fmt.Sprintf("10^%.2f of 10^%.2f", why.Weight, why.Needed)
		verdict, err := json.Marshal(why)
		if err != nil {
			return did, sealift.Errorf(sealift.KindInternal, "writing the verdict", "%w", err)
		}
		details[detailVerdict] = string(verdict)
		did.What += ": " + why.String()
		if l.plan.Halt.Then == rollout.GoBack {
			back, err := s.wayBack(ctx, tx, row, why.String(), none)
			if err != nil {
				return did, err
			}
			details[detailWayBack] = back
			did.What += "; " + back
		}
	case l.next.Phase == rollout.Waiting:
		action = "rollout.wait"
		if l.known.Verdict.Warns() {
			details[detailWarning] = "true"
		}
	case l.next.Phase == rollout.Finished:
		action = "rollout.finish"
	}
	return did, s.setRollout(ctx, tx, machine.Actor(), &row, l.plan, l.next, action, details)
}
