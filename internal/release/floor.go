package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Floor implements service.Denials.
func (s *Service) Floor(ctx context.Context, app sealift.AppID, asked trust.Floor) (service.AppFloor, error) {
	return view(ctx, s.store, func(tx store.Tx) (out service.AppFloor, err error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return out, err
		}
		if out, err = floorOf(ctx, tx, app); err != nil {
			return out, err
		}
		out.Floor = out.Floor.Or(asked)
		if out.Unserved, err = unserved(ctx, tx, app, out.Floor); err != nil {
			return out, err
		}
		by, err := tx.CountDevices(ctx, app)
		if err != nil {
			return out, err
		}
		out.Active = by[store.DeviceActive]
		all, err := tx.DeviceVersions(ctx, app, "", "", sealift.MaxVersionsCounted)
		for _, v := range all {
			if !out.Floor.Holds(v.Counter, v.Version) {
				out.Under += v.Devices
				out.Versions = append(out.Versions, v)
			}
		}
		out.Versions = out.Versions[:min(len(out.Versions), sealift.MaxStatsVersions)]
		return out, err
	})
}

// floorOf returns the floor that devices of app go by, and where it stands.
func floorOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID) (service.AppFloor, error) {
	out := service.AppFloor{App: app}
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return out, err
	}
	deny, err := denyOf(ctx, tx)
	if err != nil {
		return out, err
	}
	rules, err := trust.NewRules(anchors, deny, app)
	if err != nil {
		return out, err
	}
	out.Trust, out.Deny, out.Floor = anchors.Of(app).Floor, deny.Floors[app], rules.Floor()
	return out, nil
}

// unserved returns where something is offered, and nothing that holds a floor.
func unserved(ctx context.Context, tx store.Tx, app sealift.AppID, floor trust.Floor) (places []service.Place, err error) {
	rows, err := tx.Rollouts(ctx, app, "", "")
	if err != nil {
		return nil, err
	}
	seen := map[service.Place]bool{}
	for _, row := range rows {
		place := service.Place{Channel: row.Channel, Platform: row.Platform}
		if seen[place] {
			continue
		}
		seen[place] = true
		offered, err := offerOf(ctx, tx, app, place.Channel, place.Platform)
		if err != nil {
			return nil, err
		}
		holds := func(c trust.Candidate) bool { return floor.Holds(c.Counter, c.Version) }
		if len(offered) > 0 && !slices.ContainsFunc(offered, holds) {
			places = append(places, place)
		}
	}
	slices.SortFunc(places, func(a, b service.Place) int { return strings.Compare(placeText(a), placeText(b)) })
	return places, nil
}

func placeText(p service.Place) string { return fmt.Sprintf("%s/%s", p.Channel, p.Platform) }

// checkServed refuses a floor that leaves devices somewhere with nothing of what is
// offered there, where the floor of now leaves them something.
func checkServed(ctx context.Context, tx store.Tx, app sealift.AppID, more trust.Floor) error {
	is, err := floorOf(ctx, tx, app)
	if err != nil {
		return err
	}
	before, err := unserved(ctx, tx, app, is.Floor)
	if err != nil {
		return err
	}
	after, err := unserved(ctx, tx, app, is.Floor.Or(more))
	if err != nil {
		return err
	}
	var left []string
	for _, place := range after {
		if !slices.Contains(before, place) {
			left = append(left, placeText(place))
		}
	}
	if len(left) == 0 {
		return nil
	}
	return sealift.Errorf(sealift.KindConflict, "raising the floor", "nothing that is offered on %s is at or above it: devices there would run nothing", strings.Join(left, ", ")).
		WithReason("unserved").WithHint("publish there first what is above it; or, if running nothing is better than what they run: sealift floor set --app %s --force …", app)
}
