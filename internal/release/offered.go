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

// Offered returns what devices of a channel and platform are offered now and do not
// refuse; nothing before the first release. It is for whoever tells devices that verify
// nothing of it. So that what the director signed is current is verified here, with the
// vault's own keys; and what was revoked, or is under the floor, which stays in an offer
// until that is made anew, is left out. KindDenied where something is not what was signed.
func (s *Service) Offered(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	if err := s.checkCurrent(ctx, tx, trust.OfferPath(app, channel, platform), trust.DenyPath); err != nil {
		return nil, err
	}
	all, err := signedOffer(ctx, tx, app, channel, platform)
	if err != nil {
		return nil, err
	}
	rules, err := signedRules(ctx, tx, app)
	if err != nil {
		return nil, err
	}
	var out []trust.Candidate
	for _, c := range all {
		refused, err := refuses(ctx, tx, rules, app, &c)
		if err != nil {
			return nil, err
		}
		if !refused {
			out = append(out, c)
		}
	}
	return out, nil
}

// refuses reports whether devices refuse a candidate, by the file that the offer names.
func refuses(ctx context.Context, tx store.Tx, rules *trust.Rules, app sealift.AppID, c *trust.Candidate) (bool, error) {
	row, err := tx.Release(ctx, app, c.Release.Digest)
	if err != nil {
		return false, err
	}
	file, _, err := fileIn(row)
	if err != nil {
		return false, err
	}
	leaf, err := rules.LeafOf(file)
	if sealift.KindOf(err) == sealift.KindChain { // of a CA that devices trust no more
		return true, nil
	}
	return rules.Refuses(leaf, c.Counter, c.Version) != "", err
}

// signedRules is rulesOf where deny.json is the one that the director signed.
func signedRules(ctx context.Context, tx store.Tx, app sealift.AppID) (*trust.Rules, error) {
	deny, err := tx.Document(ctx, trust.DenyPath)
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return nil, err
	}
	signed, err := isSigned(ctx, tx, trust.DenyPath, deny)
	if err == nil && !signed {
		err = sealift.Errorf(sealift.KindDenied, "reading what is revoked", "%s in the database is not the one that the director signed", trust.DenyPath).WithReason(vault.ReasonForged).
			WithHint("somebody changed the database: look at who can write to it; the way back is a backup from before")
	}
	if err != nil {
		return nil, err
	}
	return rulesOf(ctx, tx, app)
}

// checkCurrent refuses rows that say something else of paths than what was signed last,
// as far as the signatures tell.
func (s *Service) checkCurrent(ctx context.Context, tx store.Tx, paths ...string) error {
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
	for _, path := range paths {
		if err := tufrepo.CheckBin(current, tufrepo.BinOf(path), keys, s.now()); err != nil {
			return sealift.Errorf(sealift.KindDenied, "reading what is offered", "%w", err).WithReason(vault.ReasonForged).
				WithHint("unless the server was stopped for days: somebody changed the database: look at who can write to it; the way back is a backup from before")
		}
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
