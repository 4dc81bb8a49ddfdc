package release

import (
	"cmp"
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
		offered, err := offers(ctx, tx, app)
		if err != nil {
			return out, err
		}
		out.Unserved = unserved(offered, out.Floor)
		if err := s.countPlaces(ctx, tx, app, out.Unserved); err != nil {
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

// offers returns what is offered of an app, wherever something is.
func offers(ctx context.Context, tx store.Tx, app sealift.AppID) (map[service.Place][]trust.Candidate, error) {
	rows, err := tx.Rollouts(ctx, app, "", "")
	if err != nil {
		return nil, err
	}
	out := map[service.Place][]trust.Candidate{}
	for _, row := range rows {
		place := service.Place{Channel: row.Channel, Platform: row.Platform}
		if _, seen := out[place]; seen {
			continue
		}
		if out[place], err = offerOf(ctx, tx, app, place.Channel, place.Platform); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unserved returns where something is offered, and nothing that holds a floor.
func unserved(offers map[service.Place][]trust.Candidate, floor trust.Floor) (places []service.Place) {
	holds := func(c trust.Candidate) bool { return floor.Holds(c.Counter, c.Version) }
	for place, offered := range offers {
		if len(offered) > 0 && !slices.ContainsFunc(offered, holds) {
			places = append(places, place)
		}
	}
	slices.SortFunc(places, func(a, b service.Place) int { return strings.Compare(placeText(a), placeText(b)) })
	return places
}

func placeText(p service.Place) string { return fmt.Sprintf("%s/%s", p.Channel, p.Platform) }

// checkFloor refuses a floor that changes nothing; and, unless it is forced, one that
// leaves devices somewhere with nothing of what is offered there, where the floor of now
// leaves them something, and one at what is no release.
func checkFloor(ctx context.Context, tx store.Tx, app sealift.AppID, more trust.Floor, force bool) error {
	is, err := floorOf(ctx, tx, app)
	if err != nil {
		return err
	}
	if is.Floor.Or(more) == is.Floor {
		return sealift.Errorf(sealift.KindConflict, floorOp, "the floor of %s is at %s, and %s is not above that: it is only raised", app, floorText(is.Floor), floorText(more)).
			WithReason(reasonDenied).WithHint("see where it stands: sealift floor list --app %s; to take back one that was set by mistake: sealift deny list, and sealift deny lift", app)
	}
	if force {
		return nil
	}
	if err := checkServed(ctx, tx, app, is.Floor, more); err != nil {
		return err
	}
	return checkAtRelease(ctx, tx, app, more)
}

const floorOp = "raising the floor"

// floorText says a floor in words.
func floorText(f trust.Floor) string {
	var parts []string
	if f.Version != "" {
		parts = append(parts, fmt.Sprintf("version %s", f.Version))
	}
	if f.Counter > 0 {
		parts = append(parts, fmt.Sprintf("counter %d", f.Counter))
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}

// checkServed refuses a floor that leaves devices somewhere with nothing of what is
// offered there, where the floor of now leaves them something.
func checkServed(ctx context.Context, tx store.Tx, app sealift.AppID, is, more trust.Floor) error {
	offered, err := offers(ctx, tx, app)
	if err != nil {
		return err
	}
	before := unserved(offered, is)
	var left []string
	for _, place := range unserved(offered, is.Or(more)) {
		if !slices.Contains(before, place) {
			left = append(left, placeText(place))
		}
	}
	if len(left) == 0 {
		return nil
	}
	return sealift.Errorf(sealift.KindConflict, floorOp, "nothing that is offered on %s is at or above it: devices there would run nothing", strings.Join(left, ", ")).
		WithReason("unserved").WithHint("publish there first what is above it; or, if running nothing is better than what they run: sealift floor set --app %s --force …", app)
}

// checkAtRelease refuses a floor at a version that nobody published, or a counter above
// all that there are: most likely it is misspelt.
func checkAtRelease(ctx context.Context, tx store.Tx, app sealift.AppID, more trust.Floor) error {
	none := func(which string) error {
		return sealift.Errorf(sealift.KindNotFound, floorOp, "%s of %s is published", which, app).WithReason("release").
			WithHint("name one that is, of: sealift release list --app %s; or, if you mean it: sealift floor set --app %s --force …", app, app)
	}
	if more.Version != "" {
		rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Version: more.Version, Limit: 1})
		if err != nil || len(rows) == 0 {
			return cmp.Or(err, none(fmt.Sprintf("no version %s", more.Version)))
		}
	}
	if more.Counter > 0 {
		rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Limit: 1})
		if err != nil || len(rows) == 0 || rows[0].Counter < more.Counter {
			return cmp.Or(err, none(fmt.Sprintf("no counter of %d or more", more.Counter)))
		}
	}
	return nil
}
