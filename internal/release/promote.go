package release

import (
	"cmp"
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

const promoteOp = "promoting the release"

// Promote implements service.Promotions: all of it happens, or nothing.
func (s *Service) Promote(ctx context.Context, by access.Caller, app sealift.AppID, want service.Promotion) (service.Promoted, error) {
	if err := s.admit(by, app, promoteOp); err != nil {
		return service.Promoted{}, err
	}
	var plan []byte
	if want.Plan != nil {
		var err error
		if plan, err = want.Plan.Encode(); err != nil {
			return service.Promoted{}, err
		}
	}
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (out service.Promoted, err error) {
		sources, err := s.promotable(ctx, tx, app, want)
		if err != nil {
			return out, err
		}
		for _, source := range sources {
			of := source.Coordinates
			of.Channel = want.To
			there, err := publishedAt(ctx, tx, of)
			if err != nil {
				return out, err
			}
			if there != nil {
				out.Already = append(out.Already, releaseOf(*there))
				continue
			}
			d, err := s.promote(ctx, tx, by, source, store.Draft{Coordinates: of, Plan: plan, Hold: want.Hold})
			if err != nil {
				return out, err
			}
			out.Drafts = append(out.Drafts, d)
		}
		if len(out.Drafts) == 0 {
			return out, sealift.Errorf(sealift.KindConflict, promoteOp, "version %s is in channel %s already, as counter %d", want.Version, want.To, out.Already[0].Counter).
				WithReason("version").WithHint("see how it reaches its devices: sealift rollout list --app %s --channel %s --all", app, want.To)
		}
		return out, nil
	})
	if err != nil {
		details := map[string]string{"from": string(want.From), "to": string(want.To), "version": string(want.Version)}
		return service.Promoted{}, s.refuse(ctx, by, "release.promote", string(app), details, err)
	}
	return out, s.Flush(ctx)
}

// promotable returns the releases that a promotion is about, oldest counter first:
// of each platform and runtime the newest of the version, since the vault may have
// issued one anew.
func (s *Service) promotable(ctx context.Context, tx *vault.Tx, app sealift.AppID, want service.Promotion) ([]store.Release, error) {
	for _, channel := range []sealift.Channel{want.From, want.To} {
		if _, err := s.findChannel(ctx, tx, app, channel); err != nil {
			return nil, err
		}
	}
	if want.From == want.To {
		return nil, sealift.Errorf(sealift.KindInvalid, promoteOp, "it is in channel %s already", want.To).
			WithReason("channel").WithHint("name another channel; see those there are with: sealift channel list --app %s", app)
	}
	rules, err := s.ChannelRules(ctx, tx, app, want.From)
	if err != nil {
		return nil, err
	}
	if rules.Archived {
		return nil, sealift.Errorf(sealift.KindConflict, promoteOp, "channel %s is archived: what is in it was given up", want.From).
			WithReason("archived").WithHint("take it back into use with: sealift channel unarchive %s --app %s", want.From, app)
	}
	rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: want.From, Platform: want.Platform, Version: want.Version, Limit: sealift.MaxPromotions + 1})
	if err != nil {
		return nil, err
	}
	many := len(rows) > sealift.MaxPromotions
	// A roll-back is made of one of the others, and ends.
	rows = slices.DeleteFunc(rows, func(r store.Release) bool { return r.Act == sealift.ActRollback })
	switch {
	case len(rows) == 0:
		return nil, sealift.Errorf(sealift.KindNotFound, promoteOp, "no version %s is published in channel %s", want.Version, want.From).
			WithReason("release").WithHint("see what is with: sealift release list --app %s --channel %s", app, want.From)
	case many:
		return nil, sealift.Errorf(sealift.KindInvalid, promoteOp, "version %s has more than %d releases in channel %s", want.Version, sealift.MaxPromotions, want.From).
			WithReason("too-many").WithHint("promote one platform after the other, with --platform")
	}
	seen := map[store.Coordinates]bool{}
	rows = slices.DeleteFunc(rows, func(r store.Release) bool {
		again := seen[r.Coordinates]
		seen[r.Coordinates] = true
		return again
	})
	slices.SortFunc(rows, func(a, b store.Release) int { return cmp.Compare(a.Counter, b.Counter) })
	return rows, nil
}

// promote makes the draft of one release in its new channel. An urgent release is
// promoted as one that is not: that was said of the other channel's devices.
func (s *Service) promote(ctx context.Context, tx *vault.Tx, by access.Caller, source store.Release, d store.Draft) (out service.DraftDetail, err error) {
	if err := s.demandOffered(ctx, tx, promoteOp, source); err != nil {
		return out, err
	}
	next, err := s.derivable(ctx, tx, source)
	if err != nil {
		return out, err
	}
	if err := s.abandonOpen(ctx, tx, by, d.Coordinates); err != nil {
		return out, err
	}
	if err := s.reseal(ctx, tx, by, "release.promote", next, d.Channel); err != nil {
		return out, err
	}
	next.Act, next.Urgent = sealift.ActPromotion, nil
	out, err = s.authorAs(ctx, tx, by, d, source, next)
	if sealift.KindOf(err) == sealift.KindVersion {
		err = sealift.Errorf(sealift.KindVersion, promoteOp, "%w", err).WithReason(sealift.ReasonOf(err)).
			WithHint("everybody in channel %s may take something newer: see sealift rollout list --app %s --channel %s --all", d.Channel, d.App, d.Channel)
	}
	return out, err
}

// demandOffered refuses a release whose roll-out is stopped: somebody, or the halt
// rule, had a reason. One from before there were roll-outs has none.
func (s *Service) demandOffered(ctx context.Context, tx store.Tx, op string, r store.Release) error {
	row, err := tx.Rollout(ctx, r.App, r.Counter)
	row, found, err := vault.CheckFound(ctx, s.vault, tx, store.Rollout{Coordinates: r.Coordinates, Counter: r.Counter}, row, err)
	if err != nil || !found {
		return err
	}
	return checkOffered(op, row)
}

func checkOffered(op string, r store.Rollout) error {
	if rollout.Phase(r.Phase).Offered() {
		return nil
	}
	return sealift.Errorf(sealift.KindConflict, op, "the roll-out of %s is %s", subjectOf(r.Coordinates), r.Phase).
		WithReason("phase").WithHint("see why, and what lets it go on: sealift rollout show %d --app %s", r.Counter, r.App)
}

// checkPromoted refuses a promotion of what was stopped in its own channel, or is
// refused by devices there, while people were asked about it. What was issued anew
// there meanwhile goes on.
func (s *Service) checkPromoted(ctx context.Context, tx store.Tx, d store.Draft) error {
	if d.Act != sealift.ActPromotion {
		return nil
	}
	source, err := tx.Release(ctx, d.App, d.Source)
	if err != nil {
		return err
	}
	if _, err := s.derivable(ctx, tx, source); err != nil {
		return err
	}
	row, err := s.findRollout(ctx, tx, d.App, source.Counter)
	if sealift.KindOf(err) == sealift.KindNotFound { // of before there were roll-outs
		return nil
	}
	if err == nil {
		row, err = s.goneOn(ctx, tx, row)
	}
	if err != nil {
		return err
	}
	return checkOffered(promoteOp, row)
}
