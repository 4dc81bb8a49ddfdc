package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

// noWayBack is why no roll-back was prepared from what was halted.
type noWayBack struct{ error }

// Unwrap returns what was wrong.
func (n noWayBack) Unwrap() error { return n.error }

// wayBack prepares the roll-back from a release that is being halted, to the newest
// before it that is offered, and says what it did. It waits for people always: what
// devices report is a claim, and nobody is to take a fleet back by claims. none is why
// it was not possible, where that was tried before.
func (s *Service) wayBack(ctx context.Context, tx *vault.Tx, row store.Rollout, why string, none error) (string, error) {
	if none != nil {
		return clip(fmt.Sprintf("no roll-back is prepared: %v; %s", none, sealift.HintOf(none))), nil
	}
	to, err := s.before(ctx, tx, row)
	if err != nil {
		return "", noWayBack{err}
	}
	out, err := s.rollBack(ctx, tx, machine, row.App, service.NewRollback{
		Channel: row.Channel, Platform: row.Platform, Runtime: row.Runtime, To: to, From: []sealift.Version{row.Version},
		Life: sealift.RollbackLife, Reason: clip("halted: " + why),
	})
	if err == nil && out.Draft.Release != nil {
		err = sealift.Errorf(sealift.KindConflict, "asking people", "nobody is asked about roll-backs of this app, and the halt rule does not decide alone").WithReason("policy").
			WithHint("take devices back yourself: sealift rollback --app %s --channel %s --to VERSION --reason TEXT; so that the next one is prepared: sealift policy set rollback --app %s --approvals N --roles ROLE", row.App, row.Channel, row.App)
	}
	if err != nil {
		return "", noWayBack{err}
	}
	return fmt.Sprintf("the roll-back to %s, draft %s, waits for people", to, out.Draft.ID), nil
}

// before returns the newest version below a release that everybody of the same runtimes
// may take: a canary beside has yet to show that it is any better.
func (s *Service) before(ctx context.Context, tx *vault.Tx, row store.Rollout) (sealift.Version, error) {
	rows, err := s.rollouts(ctx, tx, row.App, row.Channel, row.Platform, nil)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if r.Runtime != row.Runtime || r.Version.Compare(row.Version) >= 0 || !rollout.Phase(r.Phase).Offered() || r.Share < sealift.Everybody {
			continue
		}
		if _, _, err := s.approvedOf(ctx, tx, r.Coordinates); err == nil {
			return r.Version, nil
		}
	}
	return "", sealift.Errorf(sealift.KindNotFound, "looking for an older release", "nothing before %s is offered", subjectOf(row.Coordinates)).WithReason("release").
		WithHint("publish a mended version: sealift publish DIR --app %s --channel %s --version V", row.App, row.Channel)
}

// endRollbacks takes roll-backs out of the offer whose time is over: devices would
// fetch and refuse them. It goes on with the others where one cannot be ended.
func (s *Service) endRollbacks(ctx context.Context) error {
	due, err := view(ctx, s.store, func(tx store.Tx) ([]store.Rollout, error) { return s.endedRollbacks(ctx, tx) })
	failed := []error{err}
	for _, row := range due {
		failed = append(failed, s.vault.Update(ctx, func(tx *vault.Tx) error {
			row, err := s.findRollout(ctx, tx, row.App, row.Counter)
			if err != nil || !rollout.Phase(row.Phase).Offered() {
				return err
			}
			of, err := rolloutOf(row)
			if err != nil {
				return err
			}
			return s.setRollout(ctx, tx, machine.Actor(), &row, of.Plan, of.State.End(s.now().UTC()), "rollout.end", map[string]string{})
		}))
	}
	return errors.Join(failed...)
}

// endedRollbacks returns the roll-outs of roll-backs that are offered and whose time is
// over. It reads those alone that are offered, of which no offer has room for many.
func (s *Service) endedRollbacks(ctx context.Context, tx store.Tx) (due []store.Rollout, err error) {
	rows, err := tx.OfferedRollbacks(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		r, err := tx.Release(ctx, row.App, row.Release)
		if err != nil {
			return nil, err
		}
		signed, err := signedIn(r)
		if err == nil && signed.Rollback != nil && s.now().After(signed.Rollback.NotAfter.Time) {
			due = append(due, row) // what cannot be read is said where it would be offered
		}
	}
	return due, nil
}

// clip cuts what people read to what fits.
func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), sealift.MaxReason)], "")
}
