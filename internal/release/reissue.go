package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

const reissueOp = "issuing the release anew"

// reissueOvertaken issues anew what a hotfix has overtaken: a release whose roll-out is
// under way and whose version is higher, but whose counter is lower than that of a
// release which devices take beside it. Who took the hotfix has confirmed a counter
// above it, and would never take it. It says nothing new, so people are not asked;
// co-signers are, where the app has them.
func (s *Service) reissueOvertaken(ctx context.Context, tx *vault.Tx, of store.Coordinates) error {
	done := map[sealift.Counter]bool{}
	for range sealift.MaxReissues {
		row, err := s.overtaken(ctx, tx, of, done)
		if err != nil || row == nil {
			return err
		}
		done[row.Counter] = true // it may have to wait, or be impossible
		if err := s.reissue(ctx, tx, *row); err != nil {
			return err
		}
	}
	return nil
}

// overtaken returns the release of the lowest version that is to be issued anew; nil
// for none. The lowest comes first, since its new counter overtakes higher ones.
func (s *Service) overtaken(ctx context.Context, tx *vault.Tx, of store.Coordinates, done map[sealift.Counter]bool) (*store.Rollout, error) {
	rows, err := s.rollouts(ctx, tx, of.App, of.Channel, of.Platform, nil)
	if err != nil {
		return nil, err
	}
	for _, row := range slices.Backward(rows) {
		phase := rollout.Phase(row.Phase)
		if done[row.Counter] || phase != rollout.Running && phase != rollout.Waiting {
			continue
		}
		if yes, err := isOvertaken(ctx, tx, rows, row); err != nil || yes {
			return &row, err
		}
	}
	return nil, nil
}

// isOvertaken reports whether a release has a successor by counter that is not its
// successor by version. Roll-backs neither overtake, since who goes back is not to be
// led on, nor are they overtaken: whom they name has not taken the hotfix.
func isOvertaken(ctx context.Context, tx store.Tx, rows []store.Rollout, row store.Rollout) (bool, error) {
	for _, other := range rows {
		beside := rollout.Phase(other.Phase).Offered() && other.Counter > row.Counter && other.Version.Compare(row.Version) < 0 && other.Runtime.Overlaps(row.Runtime)
		if !beside {
			continue
		}
		back, err := leadsBack(ctx, tx, other.App, other.Release)
		if err == nil && !back {
			back, err = leadsBack(ctx, tx, row.App, row.Release)
		}
		if err != nil || !back {
			return err == nil, err
		}
	}
	return false, nil
}

// reissue issues one release anew. One that devices refuse by now, or that the vault
// cannot open any more, stays as it is, and the log says why: a hotfix does not wait
// for it.
func (s *Service) reissue(ctx context.Context, tx *vault.Tx, row store.Rollout) error {
	source, err := tx.Release(ctx, row.App, row.Release)
	if err != nil {
		return err
	}
	next, err := s.derivable(ctx, tx, source)
	if err == nil {
		err = s.reseal(ctx, tx, machine, "release.reissue", next, row.Channel)
	}
	if err != nil {
		_, err = audit.Append(ctx, tx, audit.Entry{
			Time: s.now(), Actor: machine.Actor(), Action: "release.reissue", Subject: subjectOf(row.Coordinates), Result: audit.Refused,
			Details: map[string]string{"counter": fmt.Sprint(row.Counter), "reason": sealift.ReasonOf(err), "error": clip(err.Error())},
		})
		return err
	}
	open, err := tx.OpenDrafts(ctx, row.Coordinates)
	if err != nil {
		return err
	}
	for _, d := range open { // one that waited for co-signers is overtaken, too
		if err := s.giveUp(ctx, tx, machine.Actor(), d, "release.abandon"); err != nil {
			return err
		}
	}
	next.Act = sealift.ActReissue
	_, err = s.author(ctx, tx, machine, row.Coordinates, source, next)
	return err
}

// waitingReissues returns the drafts of re-issues that wait for co-signers.
func (s *Service) waitingReissues(ctx context.Context, tx store.Tx, app sealift.AppID) (map[store.Coordinates]string, error) {
	drafts, err := tx.SubmittedDrafts(ctx, app)
	waiting := map[store.Coordinates]string{}
	for _, d := range drafts {
		if d.Act == sealift.ActReissue && !s.now().After(d.Expires) {
			waiting[d.Coordinates] = d.ID
		}
	}
	return waiting, err
}

// overtakenBy returns the roll-out that a re-issue takes over, and refuses one of what
// is over by now, or of another archive.
func (s *Service) overtakenBy(ctx context.Context, tx store.Tx, r *trust.Release) (row store.Rollout, err error) {
	rows, err := tx.Rollouts(ctx, r.App, r.Channel, r.Platform)
	if err != nil {
		return row, err
	}
	for _, row := range rows { // newest counter first
		if row.Runtime != r.Runtime || row.Version != r.Version || row.Counter >= r.Counter {
			continue
		}
		if err := s.vault.CheckRow(ctx, tx, row); err != nil {
			return row, err
		}
		source, err := tx.Release(ctx, r.App, row.Release)
		if err != nil {
			return row, err
		}
		if source.Act == sealift.ActRollback {
			continue
		}
		signed, err := s.derivable(ctx, tx, source)
		if err == nil && signed.Archive != r.Archive {
			err = sealift.Errorf(sealift.KindIntegrity, reissueOp, "version %s is another archive", r.Version).WithReason("archive")
		}
		if err == nil && rollout.Phase(row.Phase).Over() {
			err = sealift.Errorf(sealift.KindConflict, reissueOp, "the roll-out of %s is %s", subjectOf(row.Coordinates), row.Phase).WithReason("phase").
				WithHint("nothing of it is under way any more: see sealift rollout list --app %s --all", r.App)
		}
		return row, err
	}
	return row, errNoRelease(r.App)
}

// takeOver has the roll-out of a re-issue go on where that of the release before it stands:
// in its stage, for its share, with its salt.
func (s *Service) takeOver(ctx context.Context, tx *vault.Tx, actor audit.Actor, r store.Release, signed *trust.Release) error {
	before, err := s.overtakenBy(ctx, tx, signed)
	if err != nil {
		return err
	}
	of, err := rolloutOf(before)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	next, err := of.State.Reissue(now)
	if err != nil {
		return err
	}
	row := before
	row.Counter, row.Release, row.Changed = r.Counter, r.Digest, now
	if err := s.putRollout(ctx, tx, actor, &before, of.Plan, next, "rollout.reissue", map[string]string{"by": fmt.Sprint(r.Counter)}); err != nil {
		return err
	}
	if row.Entry, err = tx.AuditSize(ctx); err != nil { // that of recordAs, below
		return err
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	if err := tx.InsertRollout(ctx, row); err != nil {
		return err
	}
	return recordAs(ctx, tx, now, actor, "rollout.start", subjectOf(r.Coordinates), map[string]string{
		"release": "sha256:" + r.Digest.String(), "phase": row.Phase, "percent": row.Share.String(), "plan": of.Plan.String(),
		"instead-of": fmt.Sprint(before.Counter), vault.RowDetail: vault.RowTag(row.MAC),
	})
}

// catchUp issues anew what was overtaken while a roll-out was stopped, and returns the
// roll-out as it is now, which may have another counter: it keeps its salt.
func (s *Service) catchUp(ctx context.Context, tx *vault.Tx, row store.Rollout) (store.Rollout, error) {
	if err := s.reissueOvertaken(ctx, tx, row.Coordinates); err != nil {
		return row, err
	}
	return s.goneOn(ctx, tx, row)
}

// goneOn returns the roll-out as which one goes on that may have been issued anew:
// they have their salt in common.
func (s *Service) goneOn(ctx context.Context, tx store.Tx, row store.Rollout) (store.Rollout, error) {
	rows, err := tx.Rollouts(ctx, row.App, row.Channel, row.Platform)
	for _, r := range rows { // newest counter first
		if r.Salt == row.Salt {
			return r, s.vault.CheckRow(ctx, tx, r)
		}
	}
	return row, err
}

// together counts what came of a release together with what came of those that it was
// issued in the place of.
type together struct {
	store.Tx
	release sealift.Digest
	before  []sealift.Digest
}

// togetherOf returns the counts by which a roll-out is judged.
func togetherOf(ctx context.Context, tx store.Tx, row store.Rollout) (together, error) {
	rows, err := tx.Rollouts(ctx, row.App, row.Channel, row.Platform)
	t := together{Tx: tx, release: row.Release}
	for _, r := range rows {
		if r.Salt == row.Salt && r.Counter < row.Counter {
			t.before = append(t.before, r.Release)
		}
	}
	return t, err
}

// ReleaseHours implements stats.Hours.
func (t together) ReleaseHours(ctx context.Context, app sealift.AppID, release sealift.Digest, since time.Time) ([]store.ReleaseHour, error) {
	rows, err := t.all(release, func(release sealift.Digest) ([]store.ReleaseHour, error) {
		return t.Tx.ReleaseHours(ctx, app, release, since)
	})
	slices.SortStableFunc(rows, func(a, b store.ReleaseHour) int { return a.Hour.Compare(b.Hour) })
	return rows, err
}

// ReleaseTotals implements stats.Totals.
func (t together) ReleaseTotals(ctx context.Context, app sealift.AppID, release sealift.Digest) ([]store.ReleaseHour, error) {
	return t.all(release, func(release sealift.Digest) ([]store.ReleaseHour, error) {
		return t.Tx.ReleaseTotals(ctx, app, release)
	})
}

// all reads the rows of a release, and of those before it where it is the one that is
// judged.
func (t together) all(release sealift.Digest, read func(sealift.Digest) ([]store.ReleaseHour, error)) ([]store.ReleaseHour, error) {
	rows, err := read(release)
	if err != nil || release != t.release {
		return rows, err
	}
	for _, before := range t.before {
		more, err := read(before)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
