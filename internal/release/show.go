package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

func releaseOf(r store.Release) service.Release {
	out := service.Release{
		App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime,
		Version: r.Version, Counter: r.Counter, Act: r.Act, State: service.ReleasePublished, Digest: r.Digest,
		Archive: service.Content{Digest: r.Archive, Length: r.ArchiveSize},
		Blob:    service.Content{Digest: r.Blob, Length: r.BlobSize},
		Issuer:  r.Issuer, Serial: r.Serial,
		SignedAt: r.SignedAt, Published: r.Created,
	}
	// What cannot be read says nothing; devices refuse it.
	if signed, err := signedIn(r); err == nil {
		out.Urgent, out.Rollback, out.Patches = signed.Urgent, signed.Rollback, patchesIn(signed)
	}
	return out
}

func patchesIn(r *trust.Release) (patches []service.Patch) {
	for _, p := range r.Patches() {
		patches = append(patches, service.Patch{Base: *p.Base, Blob: service.Content{Digest: p.Digest, Length: p.Length}})
	}
	return patches
}

// tellRelease is releaseOf, with what became of the release since.
func (s *Service) tellRelease(ctx context.Context, tx store.Tx, r store.Release) (service.Release, error) {
	rules, err := rulesOf(ctx, tx, r.App)
	if err != nil {
		return service.Release{}, err
	}
	out, err := s.judged(ctx, tx, rules, r)
	if err != nil {
		return out, err
	}
	out.Capgo, err = s.capgoRelease(ctx, tx, r)
	return out, err
}

// judged is releaseOf, with whether the release is withdrawn, and what the rules of
// the app say of it.
func (s *Service) judged(ctx context.Context, tx store.Tx, rules *trust.Rules, r store.Release) (service.Release, error) {
	out := releaseOf(r)
	row, err := tx.Rollout(ctx, r.App, r.Counter)
	if err == nil {
		err = s.vault.CheckRow(ctx, tx, row)
	}
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound { // of before there were roll-outs
		return out, err
	}
	if rollout.Phase(row.Phase) == rollout.Withdrawn {
		out.State = service.ReleaseWithdrawn
	}
	switch rules.Refuses(trust.Revocation{Issuer: r.Issuer, Serial: r.Serial}, r.Counter, r.Version) {
	case "revoked":
		out.State = service.ReleaseRevoked
	case "ca-suspended":
		out.State = service.ReleaseSuspended
	case "floor":
		out.State = service.ReleaseBlocked
	}
	return out, nil
}

// Releases returns at most page.Limit releases of app, newest counter first.
func (s *Service) Releases(ctx context.Context, app sealift.AppID, page service.Page) ([]service.Release, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.Release, error) {
		if err := s.findPlaces(ctx, tx, app, page.Channel); err != nil {
			return nil, err
		}
		rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: page.Channel, Platform: page.Platform, Before: page.Before, Limit: page.Limit})
		if err != nil {
			return nil, err
		}
		rules, err := rulesOf(ctx, tx, app)
		if err != nil {
			return nil, err
		}
		out := make([]service.Release, len(rows))
		for i, row := range rows {
			if out[i], err = s.judged(ctx, tx, rules, row); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// Release returns the one release of app that which names.
func (s *Service) Release(ctx context.Context, app sealift.AppID, which service.Which) (service.ReleaseDetail, error) {
	return view(ctx, s.store, func(tx store.Tx) (out service.ReleaseDetail, err error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return out, err
		}
		row, err := findRelease(ctx, tx, app, which)
		if err != nil {
			return out, err
		}
		out.File = row.File
		if out.Release, err = s.tellRelease(ctx, tx, row); err != nil {
			return out, err
		}
		total, err := stats.Total(ctx, tx, app, row.Digest)
		out.Evidence, out.Unvouched = total.Evidence, total.Unvouched
		return out, err
	})
}

// findRelease returns the one release that which names.
func findRelease(ctx context.Context, tx store.ReleaseTx, app sealift.AppID, which service.Which) (store.Release, error) {
	if which.Digest.IsZero() {
		return oneRelease(ctx, tx, app, which)
	}
	r, err := tx.Release(ctx, app, which.Digest)
	if sealift.KindOf(err) == sealift.KindNotFound {
		err = errNoRelease(app)
	}
	return r, err
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
