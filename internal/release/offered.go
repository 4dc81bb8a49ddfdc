package release

import (
	"context"
	"crypto"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Offered returns what devices of a channel and platform are offered now, as the
// director signed it; nothing before the first release. It is for whoever tells devices
// that verify nothing of it: so that what the director signed is current is verified
// here, with the vault's own keys. KindDenied where it is not.
func (s *Service) Offered(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	if err := s.checkCurrent(ctx, tx, trust.OfferPath(app, channel, platform)); err != nil {
		return nil, err
	}
	return signedOffer(ctx, tx, app, channel, platform)
}

// checkCurrent refuses rows that say something else of a path than what was signed last,
// as far as the signatures tell.
func (s *Service) checkCurrent(ctx context.Context, tx store.Tx, path string) error {
	var keys tufrepo.OnlineKeys
	for purpose, into := range map[vault.Purpose]*[]crypto.PublicKey{
		vault.PurposeDirector: &keys.Director, vault.PurposeSnapshot: &keys.Snapshot, vault.PurposeTimestamp: &keys.Timestamp,
	} {
		all, err := s.vault.List(ctx, tx, vault.Filter{Purpose: purpose})
		if err != nil {
			return err
		}
		for _, info := range all {
			if info.State == vault.Compromised || info.State == vault.Destroyed {
				continue
			}
			public, err := info.PublicKey()
			if err != nil {
				return err
			}
			*into = append(*into, public)
		}
	}
	current := func(role string) ([]byte, error) {
		m, err := tx.Metadata(ctx, role)
		return m.Content, err
	}
	if err := tufrepo.CheckBin(current, tufrepo.BinOf(path), keys, s.now()); err != nil {
		return sealift.Errorf(sealift.KindDenied, "reading what is offered", "%w", err).WithReason(vault.ReasonForged).
			WithHint("unless the server was stopped for days: somebody changed the database: look at who can write to it; the way back is a backup from before")
	}
	return nil
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
