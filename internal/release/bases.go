package release

import (
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// PatchBases implements service.Publishing. First come those that the publisher
// has at hand and asks for; then the newest release, of which reports come late;
// then what most devices run, on whatever channel, since a release may be promoted
// with its patches; and where that is not enough, what was published, newest first.
func (s *Service) PatchBases(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, wanted []sealift.Digest) ([]service.PatchBase, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.PatchBase, error) {
		if _, err := s.findChannel(ctx, tx, app, channel); err != nil {
			return nil, err
		}
		row, err := s.findApp(ctx, tx, app)
		if err != nil {
			return nil, err
		}
		running, err := tx.Running(ctx, app, platform, s.now().Add(-sealift.FleetSilence), runningLooked)
		if err != nil {
			return nil, err
		}
		candidates, err := patchCandidates(ctx, tx, store.Coordinates{App: app, Channel: channel, Platform: platform}, wanted, running)
		if err != nil {
			return nil, err
		}
		devices := map[sealift.Counter]int64{}
		for _, r := range running {
			devices[r.Counter] = r.Devices
		}
		bases := []service.PatchBase{}
		for _, r := range candidates {
			if len(bases) == row.Patches {
				break
			}
			if slices.ContainsFunc(bases, func(b service.PatchBase) bool { return b.Archive.Digest == r.Archive }) {
				continue
			}
			_, ok, err := s.patchable(ctx, tx, row, r)
			if err != nil {
				return nil, err
			}
			if ok {
				bases = append(bases, service.PatchBase{
					Archive: service.Content{Digest: r.Archive, Length: r.ArchiveSize}, Version: r.Version, Counter: r.Counter, Devices: devices[r.Counter],
				})
			}
		}
		return bases, nil
	})
}

// runningLooked is at how many releases that devices run PatchBases looks, and at
// how many published ones: more than there may be patches, since some are too long
// or open no more.
const runningLooked = 4 * sealift.MaxPatches

// patchCandidates lists releases that may be patched from, the most wanted first.
func patchCandidates(ctx context.Context, tx store.Tx, of store.Coordinates, wanted []sealift.Digest, running []store.DeviceVersion) (out []store.Release, err error) {
	for _, archive := range wanted {
		rows, err := tx.ReleasesOf(ctx, of.App, archive)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	published, err := tx.Releases(ctx, of.App, store.ReleaseFilter{Channel: of.Channel, Platform: of.Platform, Limit: runningLooked})
	if err != nil {
		return nil, err
	}
	newest := min(1, len(published))
	out = append(out, published[:newest]...)
	for _, r := range running {
		rows, err := tx.Releases(ctx, of.App, store.ReleaseFilter{Counter: r.Counter})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return append(out, published[newest:]...), nil
}
