package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// countDevices says of each of an app's channels which devices it has, and which of
// them its rules keep from taking anything.
func (s *Service) countDevices(ctx context.Context, tx store.Tx, app sealift.AppID, channels ...*service.Channel) error {
	only := sealift.Channel("")
	if len(channels) == 1 {
		only = channels[0].Name
	}
	rows, err := tx.DevicesPlaced(ctx, app, only, s.now(), sealift.MaxPlaced)
	if err != nil {
		return err
	}
	by := map[sealift.Channel][]store.Placed{}
	for _, row := range rows {
		by[row.Channel] = append(by[row.Channel], row)
	}
	for _, c := range channels {
		rules, err := s.ChannelRules(ctx, tx, app, c.Name)
		if err != nil {
			return err
		}
		counted := placedOn(rules, by[c.Name])
		c.Devices = &counted
	}
	return nil
}

// countPlaces says of channels and platforms how many devices are on them.
func (s *Service) countPlaces(ctx context.Context, tx store.Tx, app sealift.AppID, places []service.Place) error {
	if len(places) == 0 {
		return nil
	}
	rows, err := tx.DevicesPlaced(ctx, app, "", s.now(), sealift.MaxPlaced)
	for _, row := range rows {
		for i := range places {
			if places[i].Channel == row.Channel && places[i].Platform == row.Platform {
				places[i].Devices += row.Devices
			}
		}
	}
	return err
}

// placedOn counts the devices of one channel.
func placedOn(set store.ChannelRules, placed []store.Placed) (out service.ChannelDevices) {
	rules := DeviceRules(set)
	for _, p := range placed {
		out.Placed += p.Devices
		out.Following += p.Following
		switch p.Origin {
		case store.ByPerson:
			out.Assigned += p.Devices
		case store.ByLabel:
			out.Labelled += p.Devices
		case store.ByDevice:
			out.Chosen += p.Devices
		default:
			out.Own += p.Devices
		}
		// What a device asked for counts for a private channel while that takes it.
		assigned := p.Origin != "" && (p.Origin != store.ByDevice || set.SelfAssign)
		reason := rules.Excludes(trust.ChannelDevice{
			Platform: p.Platform, Runtime: p.Runtime, Build: trust.Build(p.Build), Emulator: p.Emulator, Assigned: assigned,
		})
		if reason == "" {
			continue
		}
		if out.Excluded == nil {
			out.Excluded = map[string]int64{}
		}
		out.Excluded[reason] += p.Devices
	}
	return out
}
