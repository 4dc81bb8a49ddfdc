package release

import (
	"context"
	"runtime"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// withoutPatches is how to publish where patches are what is wrong.
const withoutPatches = "publish again; where that does not help, without --archives and --base"

// checkPatches holds the patches of a release to what its app allows, before any
// of them is opened.
func checkPatches(app store.App, r *trust.Release) error {
	patches := r.Patches()
	refuse := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, submitOp, format, args...).WithReason("patches").WithHint(withoutPatches)
	}
	switch {
	case len(patches) > app.Patches:
		return refuse("%d patches, where %s may have %d", len(patches), app.ID, app.Patches)
	case len(patches) > 0 && r.Archive.Length > app.PatchLimit:
		return refuse("patches of an archive of %d bytes, where those of %s may have %d", r.Archive.Length, app.ID, app.PatchLimit)
	}
	for i, p := range patches {
		switch {
		case *p.Base == r.Archive.Digest:
			return refuse("a patch from the archive to itself")
		case slices.ContainsFunc(patches[:i], func(other trust.Blob) bool { return *other.Base == *p.Base }):
			return refuse("two patches from the archive %s", p.Base)
		case p.Length >= r.Full().Length:
			return refuse("the patch from the archive %s is no shorter than the full blob", p.Base)
		}
	}
	return nil
}

// inspectPatches is inspect of a release's patches, once the archive itself was
// inspected: each leads from an archive that the app has released to exactly this
// one.
func (s *Service) inspectPatches(ctx context.Context, by access.Caller, app store.App, r *trust.Release, key bundle.ContentKey) error {
	for _, p := range r.Patches() {
		base, err := s.baseOf(ctx, app, *p.Base)
		if err != nil {
			return err
		}
		baseKey, err := s.contentKey(ctx, by, base)
		if err != nil {
			return err
		}
		err = s.inspectPatch(ctx, r, p, key, base, baseKey)
		clear(baseKey[:])
		if err != nil {
			return sealift.Errorf(sealift.KindOf(err), submitOp, "the patch from %s: %w", base.Version, err).WithReason("patch").WithHint(withoutPatches)
		}
	}
	return nil
}

// inspectPatch opens one patch as a device would. That takes both archives' lengths
// of memory, so the vault opens one at a time.
func (s *Service) inspectPatch(ctx context.Context, r *trust.Release, patch trust.Blob, key bundle.ContentKey, base *trust.Release, baseKey bundle.ContentKey) error {
	select {
	case s.patching <- struct{}{}:
		// Two large buffers in one collector's cycle are in memory at once, so the next
		// patch waits for this one's to be gone: 20 ms.
		defer func() { runtime.GC(); <-s.patching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	older, err := s.published.Open(ctx, "blobs/"+base.Full().Digest.String())
	if err != nil {
		return err
	}
	defer older.Close()
	sealed, err := s.openBlob(ctx, patch)
	if err != nil {
		return err
	}
	defer sealed.Close()
	from := bundle.Identity{Digest: base.Archive.Digest, Length: base.Archive.Length}
	to := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	return bundle.OpenPatch(ctx, sealed, bundle.Base{Identity: from, Archiver: bundle.SealedArchive(older, from, base.App, baseKey)}, to, r.App, key, bundle.Discard, nil)
}

// baseOf returns the newest release of app with an archive that the vault can open
// and may patch from.
func (s *Service) baseOf(ctx context.Context, app store.App, archive sealift.Digest) (*trust.Release, error) {
	return view(ctx, s.store, func(tx store.Tx) (*trust.Release, error) {
		rows, err := tx.ReleasesOf(ctx, app.ID, archive)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			r, ok, err := s.patchable(ctx, tx, app, row)
			if err != nil {
				return nil, err
			}
			if ok && r.Archive.Digest == archive {
				return r, nil
			}
		}
		return nil, sealift.Errorf(sealift.KindNotFound, submitOp, "no release of %s that may be patched from has the archive %s", app.ID, archive).
			WithReason("base").WithHint("give with --base, or keep with --archives, what was released; where the key of its epoch is gone, publish without")
	})
}

// patchable reports whether a release may be the base of a patch: it is no longer
// than the app says, and the vault has the key with which it opens.
func (s *Service) patchable(ctx context.Context, tx store.Tx, app store.App, row store.Release) (*trust.Release, bool, error) {
	r, err := signedIn(row)
	if err != nil || r.Archive.Length > app.PatchLimit {
		return nil, false, err
	}
	epoch, err := s.epochOf(ctx, tx, r.App, r.Channel, r.Epoch.Number)
	if err != nil {
		return nil, false, err
	}
	key, err := s.vault.Lookup(ctx, tx, vault.Ref{ID: epoch.KeyID, Version: epoch.KeyVersion})
	return r, key.State == vault.Active || key.State == vault.Deactivated, err
}
