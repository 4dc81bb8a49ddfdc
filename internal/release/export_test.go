package release

import (
	"context"

	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
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

// HoldPatching has no patch be opened until it is told to.
func (s *Service) HoldPatching() (release func()) {
	s.patching <- struct{}{}
	return func() { <-s.patching }
}

// PlanFor is planFor.
var PlanFor = planFor

// ContentKey is contentKey.
func (s *Service) ContentKey(ctx context.Context, by access.Caller, r *trust.Release) (bundle.ContentKey, error) {
	return s.contentKey(ctx, by, r)
}
