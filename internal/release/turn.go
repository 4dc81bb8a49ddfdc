package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// TurnEpochs turns the epoch of every channel of app, in the transaction tx, and
// returns the new ones by channel. It is for whoever finds that somebody who was
// given keys of the app should read nothing more: which keys they were given is in
// the log alone, where they could be of any channel. Flush afterwards.
func (s *Service) TurnEpochs(ctx context.Context, tx *vault.Tx, by audit.Actor, app sealift.AppID, reason string) ([]store.Epoch, error) {
	channels, err := tx.Channels(ctx, app)
	if err != nil {
		return nil, err
	}
	var turned []store.Epoch
	for _, channel := range channels {
		epoch, err := s.TurnEpoch(ctx, tx, by, app, channel.Name, reason)
		if err != nil {
			return nil, err
		}
		turned = append(turned, epoch)
	}
	return turned, nil
}

// TurnEpoch turns the epoch of one channel of app, in the transaction tx, and returns
// the new one. Flush afterwards.
func (s *Service) TurnEpoch(ctx context.Context, tx *vault.Tx, by audit.Actor, app sealift.AppID, channel sealift.Channel, reason string) (store.Epoch, error) {
	if _, err := s.Replace(ctx, tx, epochKeyID(app, channel), vault.Deactivated, by, reason, nil); err != nil {
		return store.Epoch{}, err
	}
	return s.epochOf(ctx, tx, app, channel, 0)
}

// TurnDue turns the epochs that are older than their channels want them, archived ones
// left out, and returns the channels. What cannot be done for one does not keep the
// others; the error joins all of it.
func (s *Service) TurnDue(ctx context.Context) (done []string, err error) {
	due, err := view(ctx, s.store, func(tx store.Tx) (due []store.ChannelRules, err error) {
		apps, err := tx.Apps(ctx)
		if err != nil {
			return nil, err
		}
		for _, app := range apps {
			all, err := tx.AllChannelRules(ctx, app.ID)
			if err != nil {
				return nil, err
			}
			for _, rules := range all {
				if old, err := s.epochDue(ctx, tx, rules); err != nil || old { // what is amiss is said where it would be turned
					due = append(due, rules)
				}
			}
		}
		return due, nil
	})
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, rules := range due {
		turned, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (bool, error) { return s.turnIfDue(ctx, tx, rules.App, rules.Channel) })
		subject := channelSubject(rules.App, rules.Channel)
		switch {
		case err != nil:
			failed = append(failed, sealift.Errorf(sealift.KindOf(err), "turning the epoch of "+subject, "%w", err).WithReason(sealift.ReasonOf(err)).WithHint("%s", sealift.HintOf(err)))
		case turned:
			done = append(done, subject)
		}
	}
	if len(due) > 0 {
		failed = append(failed, s.Flush(ctx))
	}
	return done, errors.Join(failed...)
}

func (s *Service) epochDue(ctx context.Context, tx store.Tx, rules store.ChannelRules) (bool, error) {
	if rules.EpochDays == 0 || rules.Archived {
		return false, nil
	}
	epoch, err := s.epochOf(ctx, tx, rules.App, rules.Channel, 0)
	return err == nil && s.now().Sub(epoch.Created) >= time.Duration(rules.EpochDays)*24*time.Hour, err
}

// turnIfDue looks once more, at rows that the vault wrote.
func (s *Service) turnIfDue(ctx context.Context, tx *vault.Tx, app sealift.AppID, channel sealift.Channel) (bool, error) {
	rules, err := s.ChannelRules(ctx, tx, app, channel)
	if err != nil {
		return false, err
	}
	due, err := s.epochDue(ctx, tx, rules)
	if err != nil || !due {
		return false, err
	}
	_, err = s.Replace(ctx, tx, epochKeyID(app, channel), vault.Deactivated, System("keeper"), fmt.Sprintf("every %d days", rules.EpochDays), nil)
	return err == nil, err
}

// RulesOf returns what devices of app go by.
func (s *Service) RulesOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID) (*trust.Rules, error) {
	return rulesOf(ctx, tx, app)
}
