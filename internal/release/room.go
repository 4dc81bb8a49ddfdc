package release

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// placed is a candidate of an offer, and what place it has a right to.
type placed struct {
	trust.Candidate
	rank  int // the lowest stay
	begun time.Time
}

// rankOf tells the candidates that an offer must not be without: the way back from
// what is bad, and what everybody may take.
func rankOf(c trust.Candidate) int {
	switch {
	case len(c.From) > 0:
		return 0
	case c.Share == sealift.Everybody:
		return 1
	}
	return 2
}

// fitting returns the candidates that an offer has room for, in their order. Of each
// rank those stay that began first, or else whoever publishes many, as canaries or each
// for another range of runtimes, would have the others' place.
func fitting(all []placed) []trust.Candidate {
	most := slices.Clone(all)
	slices.SortStableFunc(most, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.begun.Compare(b.begun), cmp.Compare(a.Counter, b.Counter))
	})
	most = most[:min(len(most), sealift.MaxCandidates)]
	fit := []trust.Candidate{}
	for _, p := range all {
		if slices.ContainsFunc(most, func(m placed) bool { return m.Counter == p.Counter }) {
			fit = append(fit, p.Candidate)
		}
	}
	return fit
}

// demandRoom refuses to publish what the new offer has no room for. A re-issue takes
// the place of the release before.
func demandRoom(ctx context.Context, tx store.Tx, r store.Release, offer tufrepo.Target) error {
	row, err := tx.Rollout(ctx, r.App, r.Counter)
	if err != nil || r.Act == sealift.ActReissue || !rollout.Phase(row.Phase).Offered() || row.Share == 0 {
		return err
	}
	fit, err := candidatesIn(offer.Content, r.App, r.Channel, r.Platform)
	if err != nil || slices.ContainsFunc(fit, func(c trust.Candidate) bool { return c.Counter == r.Counter }) {
		return err
	}
	return sealift.Errorf(sealift.KindExhausted, submitOp, "%d releases are offered on channel %s for %s, which is all that an offer has room for", len(fit), r.Channel, r.Platform).
		WithReason("room").WithHint("finish, abort or withdraw one of them first: sealift rollout list --app %s --channel %s", r.App, r.Channel)
}
