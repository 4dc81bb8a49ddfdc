package release

import (
	"context"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// badTargets are the reasons for which a version is none that devices can go back to.
var badTargets = []string{"release", "unapproved", "phase", "revoked", "ca-suspended", "floor", "newest"}

// hintWaysBack names in the hint of a refused roll-back the versions that devices can
// go back to, where it was the version that was wrong.
func (s *Service) hintWaysBack(ctx context.Context, app sealift.AppID, want service.NewRollback, why error) error {
	if !slices.Contains(badTargets, sealift.ReasonOf(why)) {
		return why
	}
	ways, err := view(ctx, s.store, func(tx store.Tx) ([]string, error) { return s.waysBack(ctx, tx, app, want) })
	if err != nil {
		return why // what was wrong first
	}
	out := sealift.Errorf(sealift.KindOf(why), "", "%w", why).WithReason(sealift.ReasonOf(why))
	if len(ways) == 0 {
		return out.WithHint("there is no version that devices can go back to; publish a mended one: sealift publish DIR --app %s --channel %s --version V; %s", app, want.Channel, sealift.HintOf(why))
	}
	return out.WithHint("devices can go back to %s; %s", strings.Join(ways, ", "), sealift.HintOf(why))
}

// How many releases are looked at to find versions that devices can go back to, each of
// which costs the checks of a device, and how many are named: enough for a hint.
const (
	waysTried = 20
	waysNamed = 5
)

// waysBack returns the newest versions that devices of a channel can go back to: there
// is something newer than each, and everything that a roll-back wants of it holds.
func (s *Service) waysBack(ctx context.Context, tx store.Tx, app sealift.AppID, want service.NewRollback) (ways []string, err error) {
	rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: want.Channel, Platform: want.Platform, Runtime: want.Runtime, Limit: rollbackPage})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b store.Release) int { return b.Version.Compare(a.Version) })
	var seen []store.Coordinates
	for _, row := range rows {
		newer := func(r store.Release) bool {
			return r.Platform == row.Platform && r.Version.Compare(row.Version) > 0 && r.Runtime.Overlaps(row.Runtime)
		}
		if slices.Contains(seen, row.Coordinates) || slices.Contains(ways, string(row.Version)) || !slices.ContainsFunc(rows, newer) {
			continue
		}
		if seen = append(seen, row.Coordinates); len(seen) > waysTried || len(ways) == waysNamed {
			break
		}
		if _, _, err := s.approvedOf(ctx, tx, row.Coordinates); err == nil {
			ways = append(ways, string(row.Version))
		}
	}
	return ways, nil
}
