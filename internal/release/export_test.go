package release

import (
	"context"

	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Offer has the director sign what the roll-outs of a channel and platform say.
func (s *Service) Offer(ctx context.Context, tx *vault.Tx, of store.Coordinates) error {
	offer, err := s.compose(ctx, tx, of.App, of.Channel, of.Platform)
	if err != nil {
		return err
	}
	return s.direct(ctx, tx, System("test"), []tufrepo.Target{offer})
}

// PlanFor is planFor.
var PlanFor = planFor
