package release

import (
	"cmp"
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// rollouts returns the roll-outs of a channel and platform that the vault wrote,
// newest version first, and of one version the newest counter. What is offered
// and has none, as after a restore of what was published since the backup, gets
// one that says so.
func (s *Service) rollouts(ctx context.Context, tx *vault.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, offered []trust.Candidate) ([]store.Rollout, error) {
	rows, err := tx.Rollouts(ctx, app, channel, platform)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := s.vault.CheckRow(ctx, tx, row); err != nil {
			return nil, err
		}
	}
	adopted, err := s.adopt(ctx, tx, app, rows, offered)
	if err != nil {
		return nil, err
	}
	rows = append(rows, adopted...)
	slices.SortFunc(rows, func(a, b store.Rollout) int {
		return cmp.Or(b.Version.Compare(a.Version), cmp.Compare(b.Counter, a.Counter))
	})
	return rows, nil
}

// adopt makes roll-outs for what is offered without one.
func (s *Service) adopt(ctx context.Context, tx *vault.Tx, app sealift.AppID, rows []store.Rollout, offered []trust.Candidate) (made []store.Rollout, err error) {
	for _, c := range offered {
		if slices.ContainsFunc(rows, func(r store.Rollout) bool { return r.Counter == c.Counter }) {
			continue
		}
		r, err := tx.Release(ctx, app, c.Release.Digest)
		if err != nil {
			return nil, err
		}
		plan, err := planFor(c.Share)
		if err != nil {
			return nil, err
		}
		row, err := s.begin(ctx, tx, System("director"), r, beginning{salt: c.Salt, share: c.Share, plan: plan})
		if err != nil {
			return nil, err
		}
		made = append(made, row)
	}
	return made, nil
}

// beginning is how a roll-out begins.
type beginning struct {
	salt   string
	plan   []byte        // JSON of a rollout.Plan
	share  sealift.Share // who is offered it already
	hold   bool          // it begins paused
	urgent bool
}

// begin starts the roll-out of a release.
func (s *Service) begin(ctx context.Context, tx *vault.Tx, actor audit.Actor, r store.Release, how beginning) (row store.Rollout, err error) {
	plan, err := rollout.ParsePlan(how.plan)
	if err != nil {
		return row, err
	}
	now := s.now().UTC()
	state := rollout.Start(now)
	row = store.Rollout{
		Coordinates: r.Coordinates, Counter: r.Counter, Release: r.Digest, Plan: how.plan, Salt: how.salt, Urgent: how.urgent,
		Since: state.Since, Share: how.share, Creator: actor.ID, Created: now, Changed: now,
	}
	if how.hold {
		if state, err = state.Pause(now); err != nil {
			return row, err
		}
	}
	row.Phase = string(state.Phase)
	if state.Phase.Offered() {
		if row.Share, err = s.shareOf(ctx, tx, row, &plan, state); err != nil {
			return row, err
		}
	}
	if row.Entry, err = tx.AuditSize(ctx); err != nil { // that of recordAs, below
		return row, err
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	if err := tx.InsertRollout(ctx, row); err != nil {
		return row, err
	}
	return row, recordAs(ctx, tx, now, actor, "rollout.start", subjectOf(r.Coordinates), map[string]string{
		"release": "sha256:" + r.Digest.String(), "phase": row.Phase, "percent": offeredTo(row).String(), "plan": plan.String(), vault.RowDetail: vault.RowTag(row.MAC),
	})
}
