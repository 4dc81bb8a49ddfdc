package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

func releaseOf(r store.Release) service.Release {
	state := service.ReleasePublished
	if r.Withdrawn {
		state = service.ReleaseWithdrawn
	}
	return service.Release{
		App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime,
		Version: r.Version, Counter: r.Counter, Act: r.Act, State: state, Digest: r.Digest,
		Archive:  service.Content{Digest: r.Archive, Length: r.ArchiveSize},
		Blob:     service.Content{Digest: r.Blob, Length: r.BlobSize},
		SignedAt: r.SignedAt, Published: r.Created,
	}
}

// Releases returns at most page.Limit releases of app, newest counter first.
func (s *Service) Releases(ctx context.Context, app sealift.AppID, page service.Page) ([]service.Release, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.Release, error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return nil, err
		}
		rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: page.Channel, Platform: page.Platform, Before: page.Before, Limit: page.Limit})
		out := make([]service.Release, len(rows))
		for i, row := range rows {
			out[i] = releaseOf(row)
		}
		return out, err
	})
}

// Release returns the one release of app that which names, and its
// release.json.
func (s *Service) Release(ctx context.Context, app sealift.AppID, which service.Which) (service.Release, []byte, error) {
	row, err := view(ctx, s.store, func(tx store.Tx) (store.Release, error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return store.Release{}, err
		}
		if !which.Digest.IsZero() {
			r, err := tx.Release(ctx, app, which.Digest)
			if sealift.KindOf(err) == sealift.KindNotFound {
				err = errNoRelease(app)
			}
			return r, err
		}
		return oneRelease(ctx, tx, app, which)
	})
	if err != nil {
		return service.Release{}, nil, err
	}
	return releaseOf(row), row.File, nil
}

func oneRelease(ctx context.Context, tx store.ReleaseTx, app sealift.AppID, which service.Which) (store.Release, error) {
	found, err := tx.Releases(ctx, app, store.ReleaseFilter{
		Counter: which.Counter, Version: which.Version, Channel: which.Channel, Platform: which.Platform, Limit: 2,
	})
	switch {
	case err != nil:
		return store.Release{}, err
	case len(found) == 0:
		return store.Release{}, errNoRelease(app)
	case len(found) > 1:
		return store.Release{}, sealift.Errorf(sealift.KindConflict, "looking up the release", "version %s of %s was published more than once", which.Version, app).
			WithReason("ambiguous").WithHint("add --channel and --platform, or name it by its counter or digest")
	}
	return found[0], nil
}

func errNoRelease(app sealift.AppID) error {
	return sealift.Errorf(sealift.KindNotFound, "looking up the release", "there is no such release of %s", app).
		WithReason("release").WithHint("see what there is with: sealift release list --app %s", app)
}
