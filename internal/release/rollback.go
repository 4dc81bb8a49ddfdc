package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

const rollbackOp = "rolling back"

// rollbackPage is how many releases are read at a time.
const rollbackPage = 200

// RollBack implements service.Rollbacks.
func (s *Service) RollBack(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewRollback) (service.RolledBack, error) {
	if err := s.admit(by, app, rollbackOp); err != nil {
		return service.RolledBack{}, err
	}
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.RolledBack, error) { return s.rollBack(ctx, tx, by, app, want) })
	if err != nil {
		err = s.hintWaysBack(ctx, app, want, err)
		details := map[string]string{"channel": string(want.Channel), "to": string(want.To), "reason-given": want.Reason}
		return service.RolledBack{}, s.refuse(ctx, by, "release.rollback", string(app), details, err)
	}
	return out, s.Flush(ctx)
}

// rollBack prepares a roll-back, which goes on by itself where nothing is missing.
func (s *Service) rollBack(ctx context.Context, tx *vault.Tx, by access.Caller, app sealift.AppID, want service.NewRollback) (out service.RolledBack, err error) {
	if want.Life < sealift.MinRollbackLife || want.Life > sealift.MaxRollbackLife {
		return out, sealift.Errorf(sealift.KindInvalid, rollbackOp, "devices are to go back for %s", want.Life).WithReason("life").
			WithHint("use %s to %s, such as 720h", sealift.MinRollbackLife, sealift.MaxRollbackLife)
	}
	if _, err := s.findChannel(ctx, tx, app, want.Channel); err != nil {
		return out, err
	}
	of, err := s.goesBackTo(ctx, tx, app, want)
	if err != nil {
		return out, err
	}
	source, next, err := s.approvedOf(ctx, tx, of)
	if err != nil {
		return out, err
	}
	if out.From, out.Left, err = s.goesBackFrom(ctx, tx, of, want.From); err != nil {
		return out, err
	}
	if err := s.abandonOpen(ctx, tx, by, of); err != nil {
		return out, err
	}
	if err := s.reseal(ctx, tx, by, "release.rollback", next, of.Channel); err != nil {
		return out, err
	}
	next.Act, next.Urgent = sealift.ActRollback, nil
	next.Rollback = &trust.Rollback{NotAfter: trust.At(s.now().Add(want.Life)), Reason: want.Reason}
	for _, r := range out.From {
		next.Rollback.From = append(next.Rollback.From, r.Digest)
	}
	out.Draft, err = s.author(ctx, tx, by, of, source, next)
	return out, err
}

// goesBackTo returns the one place, a platform and a range of runtimes, in which the
// version is that devices are to go back to.
func (s *Service) goesBackTo(ctx context.Context, tx store.Tx, app sealift.AppID, want service.NewRollback) (of store.Coordinates, err error) {
	rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: want.Channel, Platform: want.Platform, Runtime: want.Runtime, Version: want.To})
	if err != nil {
		return of, err
	}
	if len(rows) == 0 {
		return of, s.noTarget(ctx, tx, app, want)
	}
	of = rows[0].Coordinates
	for _, row := range rows {
		if row.Coordinates != of {
			return of, sealift.Errorf(sealift.KindConflict, rollbackOp, "version %s is for several platforms or runtimes: %s %s, and %s %s", want.To, of.Platform, of.Runtime, row.Platform, row.Runtime).
				WithReason("ambiguous").WithHint("roll back one after the other, with --platform and --runtime")
		}
	}
	return of, nil
}

// noTarget says why there is nothing to go back to.
func (s *Service) noTarget(ctx context.Context, tx store.Tx, app sealift.AppID, want service.NewRollback) error {
	drafts, err := tx.SubmittedDrafts(ctx, app)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.Channel == want.Channel && d.Version == want.To {
			return sealift.Errorf(sealift.KindConflict, rollbackOp, "version %s was submitted, and waits: nobody has approved it", want.To).WithReason("unapproved").
				WithHint("devices go back to nothing but what was approved; see for what it waits: sealift release pending --app %s", app)
		}
	}
	place := string(want.Channel)
	if want.Platform != "" {
		place += " for " + string(want.Platform)
	}
	elsewhere, err := tx.Releases(ctx, app, store.ReleaseFilter{Version: want.To, Limit: 1})
	if err != nil {
		return err
	}
	but := ""
	if len(elsewhere) > 0 {
		but = fmt.Sprintf(", though in channel %s for %s", elsewhere[0].Channel, elsewhere[0].Platform)
	}
	return sealift.Errorf(sealift.KindNotFound, rollbackOp, "no version %s is published in channel %s%s", want.To, place, but).WithReason("release").
		WithHint("see what is with: sealift release list --app %s --channel %s", app, want.Channel)
}

// approvedOf returns the newest release of coordinates that devices may be led to: it
// was approved and published, is offered, and is refused by none. What it signs is
// for the caller to change.
func (s *Service) approvedOf(ctx context.Context, tx store.Tx, of store.Coordinates) (found store.Release, signed *trust.Release, err error) {
	rows, err := tx.Releases(ctx, of.App, store.ReleaseFilter{Channel: of.Channel, Platform: of.Platform, Runtime: of.Runtime, Version: of.Version})
	if err != nil {
		return found, nil, err
	}
	err = errNoRelease(of.App)
	for _, row := range rows {
		if row.Act == sealift.ActRollback {
			continue // it is made of one of the others
		}
		refused := s.demandOffered(ctx, tx, rollbackOp, row)
		if refused == nil {
			signed, refused = s.derivable(ctx, tx, row)
		}
		if refused == nil {
			return row, signed, nil
		}
		if sealift.KindOf(err) == sealift.KindNotFound {
			err = refused // of the newest
		}
	}
	return found, nil, err
}

// goesBackFrom returns the releases from which devices go back to a place, newest
// first: all that are newer, or those of the versions that are named. Those that
// there is no room for are counted.
func (s *Service) goesBackFrom(ctx context.Context, tx store.Tx, to store.Coordinates, versions []sealift.Version) (from []service.Release, left int, err error) {
	seen := map[sealift.Version]bool{}
	before := sealift.Counter(0)
	for {
		rows, err := tx.Releases(ctx, to.App, store.ReleaseFilter{Channel: to.Channel, Platform: to.Platform, Before: before, Limit: rollbackPage})
		if err != nil {
			return nil, 0, err
		}
		for _, row := range rows {
			before = row.Counter
			newer := row.Version.Compare(to.Version) > 0 && row.Runtime.Overlaps(to.Runtime)
			if !newer || len(versions) > 0 && !slices.Contains(versions, row.Version) {
				continue
			}
			seen[row.Version] = true
			if len(from) == sealift.MaxRollbackFrom {
				left++
				continue
			}
			from = append(from, releaseOf(row))
		}
		if len(rows) < rollbackPage {
			break
		}
	}
	for _, v := range versions {
		if !seen[v] {
			return nil, 0, sealift.Errorf(sealift.KindInvalid, rollbackOp, "no version %s above %s is published there: nobody goes back from it", v, to.Version).WithReason("from").
				WithHint("see what is with: sealift release list --app %s --channel %s --platform %s", to.App, to.Channel, to.Platform)
		}
	}
	if len(from) == 0 {
		return nil, 0, sealift.Errorf(sealift.KindConflict, rollbackOp, "nothing newer than version %s is published there: nobody has to go back to it", to.Version).WithReason("newest").
			WithHint("see what is with: sealift release list --app %s --channel %s --platform %s", to.App, to.Channel, to.Platform)
	}
	return from, left, nil
}

// checkSource refuses a roll-back to what nobody may be led to any more: somebody
// withdrew or revoked it while people were asked.
func (s *Service) checkSource(ctx context.Context, tx store.Tx, r *trust.Release) error {
	of := store.Coordinates{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime, Version: r.Version}
	source, _, err := s.approvedOf(ctx, tx, of)
	if err == nil && source.Archive != r.Archive.Digest {
		err = sealift.Errorf(sealift.KindIntegrity, rollbackOp, "version %s is another archive", r.Version).WithReason("archive")
	}
	return err
}

// ranBefore returns devices that run what a roll-back takes them back from.
func ranBefore(ctx context.Context, tx store.Tx, r *trust.Release, fresh trust.Device) (devices []trust.Device, err error) {
	for _, digest := range r.Rollback.From {
		before, err := tx.Release(ctx, r.App, digest)
		if err != nil {
			return nil, err
		}
		if _, err := signedIn(before); err != nil { // people read its version in what they approve
			return nil, err
		}
		d := fresh
		d.Confirmed = before.Counter
		d.Installed = &trust.Installed{Release: before.Digest, Version: before.Version, Sound: true}
		devices = append(devices, d)
	}
	return devices, nil
}

// takeBack takes what a roll-back leads away from out of the offer, also what was
// issued anew while people were asked: its re-issue is the same archive.
func (s *Service) takeBack(ctx context.Context, tx *vault.Tx, actor audit.Actor, r *trust.Release) error {
	now := s.now().UTC()
	for _, digest := range r.Rollback.From {
		bad, err := tx.Release(ctx, r.App, digest)
		if err != nil {
			return err
		}
		row, err := s.findRollout(ctx, tx, r.App, bad.Counter)
		if sealift.KindOf(err) == sealift.KindNotFound { // of before there were roll-outs
			continue
		}
		if err == nil {
			row, err = s.goneOn(ctx, tx, row)
		}
		if err != nil {
			return err
		}
		before, err := rolloutOf(row)
		if err != nil {
			return err
		}
		next, err := before.State.Withdraw(now)
		if err != nil || next == before.State { // nobody takes it as it is
			continue
		}
		details := map[string]string{"rolled-back-to": string(r.Version), "reason-given": r.Rollback.Reason}
		if err := s.putRollout(ctx, tx, actor, &row, before.Plan, next, "rollout.withdraw", details); err != nil {
			return err
		}
	}
	return nil
}

// demandKept refuses to offer again what a roll-back leads away from: devices would
// go back and forth.
func (s *Service) demandKept(ctx context.Context, tx store.Tx, row store.Rollout) error {
	backs, err := s.rollbacks(ctx, tx, row.App, row.Channel, row.Platform)
	if err != nil {
		return err
	}
	of, err := togetherOf(ctx, tx, row)
	if err != nil {
		return err
	}
	led := func(from sealift.Digest) bool { return from == row.Release || slices.Contains(of.before, from) }
	for counter, back := range backs {
		own, err := s.findRollout(ctx, tx, row.App, counter)
		if err != nil {
			return err
		}
		if rollout.Phase(own.Phase).Offered() && slices.ContainsFunc(back.Rollback.From, led) {
			return sealift.Errorf(sealift.KindConflict, "offering the release again", "the roll-back to version %s, counter %d, takes devices back from it until %s", back.Version, counter, back.Rollback.NotAfter.UTC().Format(time.RFC3339)).
				WithReason("rolled-back").WithHint("take that out of the offer first: sealift withdraw %d --app %s --reason TEXT", counter, row.App)
		}
	}
	return nil
}

// rollbacks returns the newest roll-backs of a channel and platform that have not
// ended, by counter. Beside everything else no offer has room for more.
func (s *Service) rollbacks(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) (map[sealift.Counter]*trust.Release, error) {
	rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: channel, Platform: platform, Act: sealift.ActRollback, Limit: sealift.MaxCandidates})
	if err != nil {
		return nil, err
	}
	live := map[sealift.Counter]*trust.Release{}
	for _, row := range rows {
		signed, err := signedIn(row)
		if err != nil {
			return nil, err
		}
		if signed.Rollback != nil && !s.now().After(signed.Rollback.NotAfter.Time) {
			live[row.Counter] = signed
		}
	}
	return live, nil
}
