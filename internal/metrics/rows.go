package metrics

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// rows is what was read from rows at one moment.
type rows struct {
	outbox          int64
	issued, expires time.Time
	apps            []app
	leftOut         int // apps
}

type app struct {
	id        sealift.AppID
	seen      store.Seen
	installed []store.DeviceVersion // of the releases below
	releases  []release             // the newest
}

type release struct {
	store.Coordinates
	counter sealift.Counter
	sums    stats.Sums
	phase   rollout.Phase // "" for none
	share   sealift.Share // who is offered it now
}

func readRows(ctx context.Context, s *Source, now time.Time) (*rows, error) {
	var r rows
	var err error
	if r.issued, r.expires, err = s.Timestamp(ctx); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if r.outbox, err = tx.CountOutbox(ctx); err != nil {
			return err
		}
		all, err := tx.Apps(ctx)
		if err != nil {
			return err
		}
		r.apps = make([]app, min(len(all), sealift.MaxMetricsApps))
		r.leftOut = len(all) - len(r.apps)
		for i := range r.apps {
			r.apps[i].id = all[i].ID
			if err := r.apps[i].read(ctx, tx, now); err != nil {
				return err
			}
		}
		return nil
	})
	return &r, err
}

// read fills a in.
func (a *app) read(ctx context.Context, tx store.Tx, now time.Time) (err error) {
	const day = 24 * time.Hour
	if a.seen, err = tx.CountSeen(ctx, a.id, "", "", now.Add(-day), now.Add(-7*day)); err != nil {
		return err
	}
	newest, err := tx.Releases(ctx, a.id, store.ReleaseFilter{Limit: sealift.MaxMetricsReleases})
	if err != nil {
		return err
	}
	for i := range newest {
		r := release{Coordinates: newest[i].Coordinates, counter: newest[i].Counter}
		if r.sums, err = stats.Total(ctx, tx, a.id, newest[i].Digest); err != nil {
			return err
		}
		if err := r.readRollout(ctx, tx); err != nil {
			return err
		}
		a.releases = append(a.releases, r)
	}
	versions, err := tx.DeviceVersions(ctx, a.id, "", "", sealift.MaxStatsVersions)
	for _, v := range versions {
		if a.has(v) {
			a.installed = append(a.installed, v)
		}
	}
	return err
}

func (r *release) readRollout(ctx context.Context, tx store.Tx) error {
	row, err := tx.Rollout(ctx, r.App, r.counter)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	r.phase = rollout.Phase(row.Phase)
	if r.phase.Offered() {
		r.share = row.Share
	}
	return err
}

// has reports whether what a device says that it runs is one of the releases: a
// device may say anything.
func (a *app) has(v store.DeviceVersion) bool {
	for i := range a.releases {
		if a.releases[i].counter == v.Counter && a.releases[i].Version == v.Version {
			return true
		}
	}
	return false
}

func (r *rows) emit(e emitter) {
	e.gauge(descs.outbox, float64(r.outbox))
	e.gauge(descs.issued, seconds(r.issued))
	e.gauge(descs.expires, seconds(r.expires))
	e.gauge(descs.leftOut, float64(r.leftOut))
	for i := range r.apps {
		r.apps[i].emit(e)
	}
}

func (a *app) emit(e emitter) {
	id := string(a.id)
	e.gauge(descs.active, float64(a.seen.Devices), id)
	e.gauge(descs.seenDay, float64(a.seen.Day), id)
	e.gauge(descs.seenWeek, float64(a.seen.Week), id)
	others := a.seen.Devices
	for _, v := range a.installed {
		e.gauge(descs.installed, float64(v.Devices), id, string(v.Version), strconv.FormatUint(uint64(v.Counter), 10))
		others -= v.Devices
	}
	e.gauge(descs.installed, float64(max(others, 0)), id, "other", "other")
	for i := range a.releases {
		a.releases[i].emit(e)
	}
}

func (r *release) emit(e emitter) {
	is := func(more ...string) []string {
		return append([]string{string(r.App), string(r.Channel), string(r.Platform), string(r.Version), strconv.FormatUint(uint64(r.counter), 10)}, more...)
	}
	counts := func(d *prometheus.Desc, c rollout.Counts) {
		e.gauge(d, float64(c.Taken), is(string(stats.Taken))...)
		e.gauge(d, float64(c.Confirmed), is(string(stats.Confirmed))...)
		for _, f := range []rollout.Failure{rollout.Refused, rollout.NotStored, rollout.RolledBack} {
			e.gauge(d, float64(c.Failed[f.Kind()]), is(string(f))...)
		}
	}
	counts(descs.release, r.sums.Evidence)
	counts(descs.unvouched, r.sums.Unvouched)
	e.gauge(descs.fetched, float64(r.sums.Whole), is("whole")...)
	e.gauge(descs.fetched, float64(r.sums.Patched), is("patch")...)
	if r.phase != "" {
		e.gauge(descs.phase, 1, is(string(r.phase))...)
		e.gauge(descs.share, float64(r.share)/float64(sealift.Everybody), is()...)
	}
}
