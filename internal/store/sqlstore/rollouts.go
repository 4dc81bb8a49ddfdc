package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertRollout implements store.RolloutTx.
func (t *tx) InsertRollout(ctx context.Context, r store.Rollout) error {
	rows, err := t.refusable(ctx, func() (int64, error) { return t.q.InsertRollout(ctx, sqlcgen.InsertRolloutParams(rolloutRow(r))) })
	return t.added(ctx, fmt.Sprintf("storing roll-out %d of %s", r.Counter, r.App), rows, err)
}

// Rollout implements store.RolloutTx.
func (t *tx) Rollout(ctx context.Context, app sealift.AppID, counter sealift.Counter) (store.Rollout, error) {
	row, err := t.q.Rollout(ctx, sqlcgen.RolloutParams{App: string(app), Counter: number(counter)})
	if err != nil {
		return store.Rollout{}, t.fail(ctx, fmt.Sprintf("reading roll-out %d of %s", counter, app), err)
	}
	return rolloutOf(row), nil
}

// UpdateRollout implements store.RolloutTx.
func (t *tx) UpdateRollout(ctx context.Context, r store.Rollout, oldMAC []byte) error {
	n := rolloutRow(r)
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.UpdateRollout(ctx, sqlcgen.UpdateRolloutParams{
			App: n.App, Counter: n.Counter, Channel: n.Channel, Platform: n.Platform, Runtime: n.Runtime, Version: n.Version,
			Release: n.Release, Plan: n.Plan, Salt: n.Salt, Urgent: n.Urgent, Phase: n.Phase, Stage: n.Stage, Since: n.Since,
			Spent: n.Spent, Cleared: n.Cleared, Share: n.Share, Creator: n.Creator, Created: n.Created, Changed: n.Changed,
			Mac: n.Mac, Entry: n.Entry, OldMac: some(oldMAC),
		})
	})
	return t.swapped(ctx, fmt.Sprintf("changing roll-out %d of %s", r.Counter, r.App), rows, err, func() error {
		_, err := t.Rollout(ctx, r.App, r.Counter)
		return err
	})
}

// Rollouts implements store.RolloutTx.
func (t *tx) Rollouts(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]store.Rollout, error) {
	rows, err := t.q.Rollouts(ctx, sqlcgen.RolloutsParams{App: string(app), Channel: string(channel), Platform: string(platform)})
	return collect(rows, t.fail(ctx, "listing roll-outs of "+string(app), err), rolloutOf)
}

// OpenRollouts implements store.RolloutTx.
func (t *tx) OpenRollouts(ctx context.Context) ([]store.Rollout, error) {
	rows, err := t.q.OpenRollouts(ctx)
	return collect(rows, t.fail(ctx, "listing open roll-outs", err), rolloutOf)
}

// OfferedRollbacks implements store.RolloutTx.
func (t *tx) OfferedRollbacks(ctx context.Context) ([]store.Rollout, error) {
	rows, err := t.q.OfferedRollbacks(ctx)
	return collect(rows, t.fail(ctx, "listing the roll-backs that are offered", err), rolloutOf)
}

func rolloutRow(r store.Rollout) sqlcgen.Rollout {
	return sqlcgen.Rollout{
		App: string(r.App), Counter: number(r.Counter), Channel: string(r.Channel), Platform: string(r.Platform), Runtime: string(r.Runtime),
		Version: string(r.Version), Release: r.Release[:], Plan: some(r.Plan), Salt: r.Salt, Urgent: flag(r.Urgent), Phase: r.Phase,
		Stage: r.Stage, Since: micros(r.Since), Spent: int64(r.Spent), Cleared: micros(r.Cleared), Share: int64(r.Share),
		Creator: r.Creator, Created: micros(r.Created), Changed: micros(r.Changed), Mac: some(r.MAC), Entry: r.Entry,
	}
}

func rolloutOf(r sqlcgen.Rollout) store.Rollout {
	return store.Rollout{
		Coordinates: coordinates(r.App, r.Channel, r.Platform, r.Runtime, r.Version),
		Counter:     sealift.Counter(r.Counter), Release: digest(r.Release), Plan: bare(r.Plan), Salt: r.Salt, Urgent: r.Urgent != 0,
		Phase: r.Phase, Stage: r.Stage, Since: moment(r.Since), Spent: time.Duration(r.Spent), Cleared: moment(r.Cleared),
		Share: sealift.Share(r.Share), Creator: r.Creator, Created: moment(r.Created), Changed: moment(r.Changed), MAC: bare(r.Mac), Entry: r.Entry,
	}
}
