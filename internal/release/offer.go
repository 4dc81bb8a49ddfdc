package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// offer returns the new offer.json of the release's channel and platform: the
// release for everybody, and behind it what is offered to other runtimes.
func (s *Service) offer(ctx context.Context, tx store.DocumentTx, r store.Release) (tufrepo.Target, error) {
	path := trust.OfferPath(r.App, r.Channel, r.Platform)
	signed, err := signedIn(r)
	if err != nil {
		return tufrepo.Target{}, err
	}
	candidates := []trust.Candidate{signed.Candidate(r.File, r.Proof, sealift.Everybody, newDraftID())}
	offered, err := signedOffer(ctx, tx, r.App, r.Channel, r.Platform)
	if err != nil {
		return tufrepo.Target{}, err
	}
	for _, c := range offered {
		if c.Runtime != r.Runtime && len(candidates) < sealift.MaxCandidates {
			candidates = append(candidates, c)
		}
	}
	content, err := (&trust.Offer{App: r.App, Channel: r.Channel, Platform: r.Platform, Candidates: candidates}).Encode()
	return tufrepo.Target{Path: path, Content: content}, err
}

// signedIn returns what the file of a release signs.
func signedIn(r store.Release) (*trust.Release, error) {
	file, err := trust.ParseReleaseFile(r.File)
	if err != nil {
		return nil, err
	}
	return trust.ParseRelease(file.Payload())
}

// offerOf returns the candidates that are offered now; none before the first.
func offerOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	data, err := tx.Document(ctx, trust.OfferPath(app, channel, platform))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return candidatesIn(data, app, channel, platform)
}

// candidatesIn returns the candidates of an offer.json.
func candidatesIn(offer []byte, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	o, err := trust.ParseOffer(offer, app, channel, platform)
	if err != nil {
		return nil, err
	}
	return o.Candidates, nil
}

// signedOffer is offerOf for what the director signs next, which is made of it: what
// somebody wrote there by SQL would else be the director's word with the next release.
func signedOffer(ctx context.Context, tx store.DocumentTx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]trust.Candidate, error) {
	path := trust.OfferPath(app, channel, platform)
	have, err := tx.Document(ctx, path)
	none := sealift.KindOf(err) == sealift.KindNotFound
	if err != nil && !none {
		return nil, err
	}
	signed, err := isSigned(ctx, tx, path, have)
	if err != nil {
		return nil, err
	}
	if !signed {
		return nil, sealift.Errorf(sealift.KindDenied, "making the offer", "%s in the database is not the one that the director signed", path).WithReason(vault.ReasonForged).
			WithHint("somebody changed the database: look at who can write to it; the way back is a backup from before")
	}
	if none {
		return nil, nil
	}
	return candidatesIn(have, app, channel, platform)
}
