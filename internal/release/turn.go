package release

import (
	"context"

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

// RulesOf returns what devices of app go by.
func (s *Service) RulesOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID) (*trust.Rules, error) {
	return rulesOf(ctx, tx, app)
}
