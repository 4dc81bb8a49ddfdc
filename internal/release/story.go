package release

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

// Details of entries about roll-outs that are read again.
const (
	detailVerdict = "verdict"  // JSON of the rollout.Evidence that halts
	detailWayBack = "rollback" // what became of the roll-back that a halt asks for
	detailWarning = "warning"  // it waits for a warning
	detailReason  = "reason-given"
)

// Rollout implements service.Rollouts.
func (s *Service) Rollout(ctx context.Context, app sealift.AppID, counter sealift.Counter) (service.Rollout, error) {
	return view(ctx, s.store, func(tx store.Tx) (out service.Rollout, err error) {
		row, err := s.findRollout(ctx, tx, app, counter)
		if err != nil {
			return out, err
		}
		if out, err = rolloutOf(row); err != nil {
			return out, err
		}
		if !out.State.Phase.Over() {
			waiting, err := s.waitingReissues(ctx, tx, app)
			if err != nil {
				return out, err
			}
			out.Reissue = waiting[row.Coordinates]
		}
		out.Story, err = s.story(ctx, tx, row, &out)
		return out, err
	})
}

// story says of a roll-out what the log does, and what devices say by now.
func (s *Service) story(ctx context.Context, tx store.Tx, row store.Rollout, of *service.Rollout) (*service.Story, error) {
	var story service.Story
	if err := tellLast(ctx, tx, row, &story); err != nil {
		return nil, err
	}
	if !of.State.Phase.Over() {
		known, err := s.known(ctx, tx, row, &of.Plan, s.now().UTC())
		if err != nil {
			return nil, err
		}
		story.Evidence, story.Known = known.Verdict[:], known
	}
	var err error
	story.Backs, err = s.waitingBacks(ctx, tx, row)
	return &story, err
}

// tellLast says what the entry does that names the row as it is. One that names
// another, or that a restore lost, says nothing.
func tellLast(ctx context.Context, tx store.Tx, row store.Rollout, story *service.Story) error {
	if row.Entry == 0 {
		return nil
	}
	records, err := audit.Records(ctx, tx, row.Entry, 1)
	if err != nil || len(records) == 0 || records[0].Index != row.Entry {
		return err
	}
	e := records[0].Entry
	if e == nil || e.Details[vault.RowDetail] != vault.RowTag(row.MAC) {
		return nil
	}
	last := service.RolloutChange{
		Entry: row.Entry, Time: e.Time, Action: e.Action, Actor: e.Actor, Reason: e.Details[detailReason], Warns: e.Details[detailWarning] != "",
	}
	if last.Name, err = store.NameOf(ctx, tx, e.Actor.ID); err != nil {
		return err
	}
	story.Last, story.WayBack = &last, e.Details[detailWayBack]
	if said := e.Details[detailVerdict]; said != "" {
		story.Halt = &rollout.Evidence{}
		if err := json.Unmarshal([]byte(said), story.Halt); err != nil {
			return sealift.Errorf(sealift.KindInternal, "reading why "+subjectOf(row.Coordinates)+" halted", "%w", err)
		}
	}
	return nil
}

// waitingBacks returns the roll-backs from a release that wait for people.
func (s *Service) waitingBacks(ctx context.Context, tx store.Tx, row store.Rollout) (waiting []service.DraftDetail, err error) {
	drafts, err := tx.SubmittedDrafts(ctx, row.App)
	for _, d := range drafts {
		if d.Act != sealift.ActRollback || d.Channel != row.Channel || d.Platform != row.Platform || s.now().After(d.Expires) {
			continue
		}
		told, err := s.tell(ctx, tx, d)
		if err != nil {
			return nil, err
		}
		if told.Rollback != nil && slices.Contains(told.Rollback.From, row.Release) {
			waiting = append(waiting, told)
		}
	}
	return waiting, err
}
