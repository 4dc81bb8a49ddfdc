package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// compose returns the offer.json of a channel and platform as the roll-outs say:
// releases by version, newest first, each for the share that its roll-out has
// reached. Behind one that everybody may take nothing older is offered to the same
// runtimes, but roll-backs: these lead devices on from the releases that they name,
// so they stand beside everything else until they end. Of more than an offer has room
// for, fitting says which. What was withdrawn, what is stopped and what
// devices refuse is left out: who has it keeps it. Everything that changes one of these calls it, in
// its transaction.
func (s *Service) compose(ctx context.Context, tx *vault.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) (tufrepo.Target, error) {
	offered, err := signedOffer(ctx, tx, app, channel, platform)
	if err != nil {
		return tufrepo.Target{}, err
	}
	return s.composeAfter(ctx, tx, app, channel, platform, offered)
}

// composeAfter is compose where offered is what devices are offered until then.
func (s *Service) composeAfter(ctx context.Context, tx *vault.Tx, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, offered []trust.Candidate) (tufrepo.Target, error) {
	rows, err := s.rollouts(ctx, tx, app, channel, platform, offered)
	if err != nil {
		return tufrepo.Target{}, err
	}
	rules, err := rulesOf(ctx, tx, app)
	if err != nil {
		return tufrepo.Target{}, err
	}
	backs, err := s.rollbacks(ctx, tx, app, channel, platform)
	if err != nil {
		return tufrepo.Target{}, err
	}
	var all []placed
	everybody := map[sealift.RuntimeRange]bool{}
	for _, row := range rows {
		back := backs[row.Counter] != nil
		if everybody[row.Runtime] && !back || !rollout.Phase(row.Phase).Offered() || row.Share == 0 {
			continue
		}
		r, err := tx.Release(ctx, app, row.Release)
		if err != nil {
			return tufrepo.Target{}, err
		}
		signed, err := signedIn(r)
		if err != nil {
			return tufrepo.Target{}, err
		}
		refused := rules.Refuses(trust.Revocation{Issuer: r.Issuer, Serial: r.Serial}, r.Counter, r.Version) != ""
		if refused || signed.Rollback != nil && s.now().After(signed.Rollback.NotAfter.Time) {
			continue
		}
		c := signed.Candidate(r.File, r.Proof, row.Share, row.Salt)
		c.Stage = int(row.Stage)
		all = append(all, placed{c, rankOf(c), row.Created})
		if row.Share == sealift.Everybody && signed.Rollback == nil {
			everybody[row.Runtime] = true
		}
	}
	content, err := (&trust.Offer{App: app, Channel: channel, Platform: platform, Candidates: fitting(all)}).Encode()
	return tufrepo.Target{Path: trust.OfferPath(app, channel, platform), Content: content}, err
}

// signedIn returns what the file of a release signs. Rows of releases bear no MAC,
// but what is about them names them by digest: a file that SQL put in the place of
// another is refused.
func signedIn(r store.Release) (*trust.Release, error) {
	_, signed, err := fileIn(r)
	return signed, err
}

// fileIn is signedIn, with the file.
func fileIn(r store.Release) (*trust.ReleaseFile, *trust.Release, error) {
	file, err := trust.ParseReleaseFile(r.File)
	if err != nil {
		return nil, nil, err
	}
	signed, err := trust.ParseRelease(file.Payload())
	if err != nil {
		return nil, nil, err
	}
	named := store.Coordinates{App: signed.App, Channel: signed.Channel, Platform: signed.Platform, Runtime: signed.Runtime, Version: signed.Version}
	if named != r.Coordinates || signed.Counter != r.Counter || signed.Act != r.Act || file.Digest != r.Digest {
		return nil, nil, sealift.Errorf(sealift.KindDenied, "reading the release", "counter %d in the database is not what was signed", r.Counter).WithReason(vault.ReasonForged).
			WithHint("somebody changed the database: look at who can write to it; the way back is a backup from before")
	}
	return file, signed, nil
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
