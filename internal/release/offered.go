package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Offered returns what devices of a channel and platform are offered now, as the
// director signed it; nothing before the first release.
func (s *Service) Offered(ctx context.Context, tx store.DocumentTx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	return signedOffer(ctx, tx, app, channel, platform)
}

// CapgoBundle returns what devices that have Capgo's plugin are told of a release, as
// the vault kept it; false where it has nothing for them.
func (s *Service) CapgoBundle(ctx context.Context, tx store.Tx, app sealift.AppID, release sealift.Digest) (b capgo.Bundle, some bool, err error) {
	row, some, err := s.capgoBundle(ctx, tx, store.Release{Coordinates: store.Coordinates{App: app}, Digest: release})
	if err != nil || !some {
		return b, false, err
	}
	b, err = capgo.ParseBundle(row.Document)
	return b, err == nil, err
}
