package release

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Rollouts implements service.Rollouts.
func (s *Service) Rollouts(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, all bool) ([]service.Rollout, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.Rollout, error) {
		if err := s.findPlaces(ctx, tx, app, channel); err != nil {
			return nil, err
		}
		rows, err := tx.Rollouts(ctx, app, channel, platform)
		if err != nil {
			return nil, err
		}
		waiting, err := s.waitingReissues(ctx, tx, app)
		if err != nil {
			return nil, err
		}
		out := []service.Rollout{}
		for _, row := range rows {
			if err := s.vault.CheckRow(ctx, tx, row); err != nil {
				return nil, err
			}
			if rollout.Phase(row.Phase).Over() && !all {
				continue
			}
			r, err := rolloutOf(row)
			if err != nil {
				return nil, err
			}
			if !r.State.Phase.Over() {
				r.Reissue = waiting[row.Coordinates]
			}
			out = append(out, r)
		}
		return out, nil
	})
}

// PauseRollout implements service.Rollouts.
func (s *Service) PauseRollout(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (service.Rollout, error) {
	return s.steer(ctx, by, app, counter, "rollout.pause", reason, func(_ *rollout.Plan, state rollout.State, now time.Time) (rollout.State, error) {
		return state.Pause(now)
	})
}

// SteerRollout implements service.Rollouts.
func (s *Service) SteerRollout(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, do service.Steer, reason string) (service.Rollout, error) {
	return s.steer(ctx, by, app, counter, "rollout."+string(do), reason, func(plan *rollout.Plan, state rollout.State, now time.Time) (rollout.State, error) {
		switch do {
		case service.SteerResume:
			return state.Resume(now)
		case service.SteerApprove:
			return plan.Approve(state, now)
		case service.SteerFinish:
			return plan.Finish(state, now)
		case service.SteerAbort:
			return state.Abort(now)
		case service.SteerReinstate:
			return state.Reinstate(now)
		}
		return state, sealift.Errorf(sealift.KindInvalid, "steering the roll-out", "%.40q is nothing to do to it", do).WithHint("use resume, approve, finish, abort or reinstate")
	})
}

// WithdrawRelease implements service.Rollouts.
func (s *Service) WithdrawRelease(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (service.Rollout, error) {
	return s.steer(ctx, by, app, counter, "rollout.withdraw", reason, func(_ *rollout.Plan, state rollout.State, now time.Time) (rollout.State, error) {
		return state.Withdraw(now)
	})
}

// steer changes a roll-out as somebody asks, and what is offered with it.
func (s *Service) steer(ctx context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, action, reason string,
	change func(*rollout.Plan, rollout.State, time.Time) (rollout.State, error),
) (service.Rollout, error) {
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.Rollout, error) {
		row, err := s.findRollout(ctx, tx, app, counter)
		if err != nil {
			return service.Rollout{}, err
		}
		before, err := rolloutOf(row)
		if err != nil {
			return service.Rollout{}, err
		}
		next, err := change(&before.Plan, before.State, s.now().UTC())
		if err != nil || next == before.State {
			return before, err
		}
		if before.State.Phase == rollout.Withdrawn {
			if err := s.demandKept(ctx, tx, row); err != nil {
				return before, err
			}
		}
		if err := s.setRollout(ctx, tx, by.Actor(), &row, before.Plan, next, action, map[string]string{detailReason: reason}); err != nil {
			return service.Rollout{}, err
		}
		if next.Phase == rollout.Running && !before.State.Phase.Offered() {
			if row, err = s.catchUp(ctx, tx, row); err != nil {
				return service.Rollout{}, err
			}
		}
		return rolloutOf(row)
	})
	if err != nil {
		return service.Rollout{}, s.refuse(ctx, by, action, fmt.Sprintf("%s/%d", app, counter), map[string]string{detailReason: reason}, err)
	}
	return out, s.Flush(ctx)
}

// findRollout returns a roll-out that the vault wrote.
func (s *Service) findRollout(ctx context.Context, tx store.Tx, app sealift.AppID, counter sealift.Counter) (store.Rollout, error) {
	if _, err := s.findApp(ctx, tx, app); err != nil {
		return store.Rollout{}, err
	}
	row, err := tx.Rollout(ctx, app, counter)
	row, found, err := vault.CheckFound(ctx, s.vault, tx, store.Rollout{Coordinates: store.Coordinates{App: app}, Counter: counter}, row, err)
	if err == nil && !found {
		return row, sealift.Errorf(sealift.KindNotFound, "looking up the roll-out", "app %s has no roll-out of a release of counter %d", app, counter).
			WithReason("rollout").WithHint("see those there are with: sealift rollout list --app %s --all", app)
	}
	return row, err
}

// setRollout is putRollout, and has the director offer what follows from it.
func (s *Service) setRollout(ctx context.Context, tx *vault.Tx, actor audit.Actor, row *store.Rollout, plan rollout.Plan, next rollout.State, action string, details map[string]string) error {
	if err := s.putRollout(ctx, tx, actor, row, plan, next, action, details); err != nil {
		return err
	}
	offer, err := s.compose(ctx, tx, row.App, row.Channel, row.Platform)
	if err != nil {
		return err
	}
	return s.direct(ctx, tx, actor, []tufrepo.Target{offer})
}

// putRollout moves a roll-out to a state, and says so in the log. row follows.
func (s *Service) putRollout(ctx context.Context, tx *vault.Tx, actor audit.Actor, row *store.Rollout, plan rollout.Plan, next rollout.State, action string, details map[string]string) error {
	old := row.MAC
	details["was"], details["phase"], details["stage"] = row.Phase, string(next.Phase), fmt.Sprint(next.Stage+1)
	row.Phase, row.Stage, row.Since, row.Spent, row.Cleared = string(next.Phase), int64(next.Stage), next.Since, time.Duration(next.Spent), next.Cleared
	var err error
	if next.Phase.Offered() {
		if row.Share, err = s.shareOf(ctx, tx, *row, &plan, next); err != nil {
			return err
		}
	}
	row.Changed = s.now().UTC()
	if row.Entry, err = tx.AuditSize(ctx); err != nil { // that of recordAs, below
		return err
	}
	if row.MAC, err = tx.Authenticate(*row); err != nil {
		return err
	}
	if err := tx.UpdateRollout(ctx, *row, old); err != nil {
		return err
	}
	details["release"], details["percent"], details[vault.RowDetail] = "sha256:"+row.Release.String(), offeredTo(*row).String(), vault.RowTag(row.MAC)
	return recordAs(ctx, tx, s.now(), actor, action, subjectOf(row.Coordinates), details)
}

// stateOf returns the state that a row holds.
func stateOf(row store.Rollout) rollout.State {
	return rollout.State{
		Phase: rollout.Phase(row.Phase), Stage: int(row.Stage), Since: row.Since, Spent: rollout.Duration(row.Spent), Cleared: row.Cleared,
	}
}

func rolloutOf(row store.Rollout) (service.Rollout, error) {
	out := service.Rollout{
		App: row.App, Channel: row.Channel, Platform: row.Platform, Runtime: row.Runtime, Version: row.Version, Counter: row.Counter, Release: row.Release, Urgent: row.Urgent,
		State: stateOf(row), Creator: row.Creator, Created: row.Created, Changed: row.Changed,
	}
	plan, err := rollout.ParsePlan(row.Plan)
	if err == nil && (row.Stage < 0 || row.Stage >= int64(len(plan.Stages))) {
		err = fmt.Errorf("it has no stage %d", row.Stage)
	}
	if err != nil {
		return out, sealift.Errorf(sealift.KindInternal, "reading the roll-out of "+subjectOf(row.Coordinates), "%w", err)
	}
	out.Plan, out.Next, out.Share = plan, plan.Next(out.State), offeredTo(row)
	out.Capped = out.Share < plan.Share(out.State)
	return out, nil
}

// offeredTo returns who is offered the release of a roll-out now.
func offeredTo(row store.Rollout) sealift.Share {
	if !rollout.Phase(row.Phase).Offered() {
		return 0
	}
	return row.Share
}

// planFor is the plan of a release whose roll-out begins at a share: everybody may
// take it and it is watched for a day, or a person lets it go on to that.
func planFor(share sealift.Share) ([]byte, error) {
	plan := rollout.AtOnce()
	if share < sealift.Everybody {
		plan.Stages = append([]rollout.Stage{{Share: share, Gate: rollout.Approval}}, plan.Stages...)
	}
	return plan.Encode()
}
