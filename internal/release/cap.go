package release

import (
	"context"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// fleets remembers how many devices channels have: to count them takes a while where
// they are many, and every look asks.
type fleets struct {
	mu      sync.Mutex
	counted map[fleet]counted
}

type fleet struct {
	app      sealift.AppID
	channel  sealift.Channel
	platform sealift.Platform
}

type counted struct {
	devices int64
	at      time.Time
}

// followers returns how many devices of a channel and platform were seen within
// sealift.FleetSilence, as it was sealift.FleetCounted ago at most.
func (s *Service) followers(ctx context.Context, tx store.Tx, of store.Coordinates) (int64, error) {
	key, now := fleet{of.App, of.Channel, of.Platform}, s.now()
	s.fleets.mu.Lock()
	known, ok := s.fleets.counted[key]
	s.fleets.mu.Unlock()
	if age := now.Sub(known.at); ok && age >= 0 && age < sealift.FleetCounted {
		return known.devices, nil
	}
	n, err := tx.CountFollowers(ctx, of.App, of.Channel, of.Platform, now.Add(-sealift.FleetSilence))
	if err != nil {
		return 0, err
	}
	s.fleets.mu.Lock()
	defer s.fleets.mu.Unlock()
	if s.fleets.counted == nil {
		s.fleets.counted = map[fleet]counted{}
	}
	s.fleets.counted[key] = counted{n, now}
	return n, nil
}

// capped adds to what is known of a release the cap of its app and the fleet that it
// is for. What takes devices back from what is bad is not held up by it.
func (s *Service) capped(ctx context.Context, tx store.Tx, of store.Coordinates, release sealift.Digest, known rollout.Known) (rollout.Known, error) {
	app, err := s.findApp(ctx, tx, of.App)
	if err != nil || app.BlastRadius == 0 {
		return known, err
	}
	back, err := leadsBack(ctx, tx, of.App, release)
	if err != nil || back {
		return known, err
	}
	devices, err := s.followers(ctx, tx, of)
	known.Fleet, known.Cap = int(devices), int(app.BlastRadius)
	return known, err
}

// leadsBack reports whether a release is a roll-back, by what was signed.
func leadsBack(ctx context.Context, tx store.Tx, app sealift.AppID, digest sealift.Digest) (bool, error) {
	r, err := tx.Release(ctx, app, digest)
	if err != nil {
		return false, err
	}
	signed, err := signedIn(r)
	return err == nil && signed.Rollback != nil, err
}

// shareOf returns who is offered a release in a state: those of the plan's stage, as
// far as the cap lets. Whoever was offered it before still is.
func (s *Service) shareOf(ctx context.Context, tx store.Tx, row store.Rollout, plan *rollout.Plan, state rollout.State) (sealift.Share, error) {
	counts, err := togetherOf(ctx, tx, row)
	if err != nil {
		return 0, err
	}
	total, err := stats.Total(ctx, counts, row.App, row.Release)
	if err != nil {
		return 0, err
	}
	known, err := s.capped(ctx, tx, row.Coordinates, row.Release, rollout.Known{Confirmed: total.Evidence.Confirmed})
	return reached(row.Share, plan, state, known), err
}

func reached(had sealift.Share, plan *rollout.Plan, state rollout.State, known rollout.Known) sealift.Share {
	return min(plan.Share(state), max(had, plan.Reached(state, known)))
}

// wider reports whether the cap lets so many more devices take a release that it is
// worth an offer: half of what it lets at once, or all that the stage is for.
func wider(had, share sealift.Share, plan *rollout.Plan, state rollout.State, known rollout.Known) bool {
	more := int64(share-had) * int64(known.Fleet) / int64(sealift.Everybody)
	return share > had && (share == plan.Share(state) || more >= int64(known.Cap)/2)
}
