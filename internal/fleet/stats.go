package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// Stats implements service.Devices.
func (d *Desk) Stats(ctx context.Context, app sealift.AppID, f service.StatsFilter) (out service.AppStats, err error) {
	const day = 24 * time.Hour
	now := d.now().UTC()
	if f.Since.IsZero() {
		f.Since = now.Add(-14 * day)
	}
	if oldest := now.Add(-sealift.MaxStatsAge); f.Since.Before(oldest) {
		f.Since = oldest
	}
	out.Since, out.Span = f.Since.UTC().Truncate(time.Hour), stats.Span(f.Since, now)
	err = d.store.View(ctx, func(tx store.Tx) error {
		if _, err := d.app(ctx, tx, app); err != nil {
			return err
		}
		releases, err := wanted(ctx, tx, app, f)
		if err != nil {
			return err
		}
		live, err := tx.DeviceVersions(ctx, app, "", "", sealift.MaxVersionsCounted)
		if err != nil {
			return err
		}
		var ran []stats.Running
		for i := range releases {
			rows, err := tx.ReleaseHours(ctx, app, releases[i].Digest, out.Since)
			if err != nil {
				return err
			}
			withdrawn, err := d.withdrawn(ctx, tx, releases[i])
			if err != nil {
				return err
			}
			of := service.ReleaseStats{
				Coordinates: releases[i].Coordinates, Release: releases[i].Digest, Counter: releases[i].Counter, Withdrawn: withdrawn,
				Summary: stats.Summarize(rows, out.Span),
			}
			of.Saved = savedBy(releases[i], of.Patches)
			out.Releases = append(out.Releases, of)
			ran = append(ran, stats.Running{DeviceVersion: liveOf(live, releases[i]), Moves: of.Moves})
		}
		out.History = stats.History(ran, out.Since, now, out.Span)
		strange, err := tx.ReleaseHours(ctx, app, sealift.Digest{}, out.Since)
		if err != nil {
			return err
		}
		for i := range strange {
			out.Unknown += strange[i].Evidence + strange[i].Unvouched
		}
		if out.Seen, err = tx.CountSeen(ctx, app, f.Channel, f.Platform, now.Add(-day), now.Add(-7*day)); err != nil {
			return err
		}
		out.Versions, err = tx.DeviceVersions(ctx, app, f.Channel, f.Platform, sealift.MaxStatsVersions)
		return err
	})
	return out, err
}

// wanted returns the releases that a filter names. What it names must be there: sums of
// nothing would say that nobody took a release which is only misspelt.
func wanted(ctx context.Context, tx store.Tx, app sealift.AppID, f service.StatsFilter) ([]store.Release, error) {
	if f.Channel != "" {
		if _, err := tx.Channel(ctx, app, f.Channel); sealift.KindOf(err) == sealift.KindNotFound {
			return nil, service.NoChannel("looking up the channel", app, f.Channel)
		} else if err != nil {
			return nil, err
		}
	}
	releases, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: f.Channel, Platform: f.Platform, Version: f.Version, Limit: f.Limit})
	if err == nil && f.Version != "" && len(releases) == 0 {
		err = sealift.Errorf(sealift.KindNotFound, "counting what came of releases", "no version %s is published there", f.Version).
			WithReason("release").WithHint("see what is with: sealift release list --app %s", app)
	}
	return releases, err
}

// withdrawn reports whether a release was taken out of the offer by a person, or by
// a roll-back.
func (d *Desk) withdrawn(ctx context.Context, tx store.Tx, r store.Release) (bool, error) {
	row, err := tx.Rollout(ctx, r.App, r.Counter)
	if sealift.KindOf(err) == sealift.KindNotFound { // of before there were roll-outs
		return false, nil
	}
	if err == nil {
		err = d.vault.CheckRow(ctx, tx, row)
	}
	return rollout.Phase(row.Phase) == rollout.Withdrawn, err
}

// liveOf is how many devices say that they run a release.
func liveOf(live []store.DeviceVersion, r store.Release) store.DeviceVersion {
	is := func(v store.DeviceVersion) bool { return v.Version == r.Version && v.Counter == r.Counter }
	if i := slices.IndexFunc(live, is); i >= 0 {
		return live[i]
	}
	return store.DeviceVersion{Version: r.Version, Counter: r.Counter}
}

// savedBy returns how many bytes devices did not fetch that took patches of a
// release; of one that is none of its patches nothing is known.
func savedBy(r store.Release, patches map[string]int64) (saved int64) {
	if len(patches) == 0 {
		return 0
	}
	file, err := trust.ParseReleaseFile(r.File)
	if err != nil {
		return 0 // who serves it says so
	}
	signed, err := trust.ParseRelease(file.Payload())
	if err != nil {
		return 0
	}
	whole := signed.Full().Length
	for _, p := range signed.Patches() {
		saved += patches[p.Digest.String()] * max(whole-p.Length, 0)
	}
	return saved
}
