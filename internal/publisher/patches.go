package publisher

import (
	"context"
	"io"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/trust"
)

// worthwhile is the part of the full blob that a patch must stay under to be
// uploaded: a device that takes it needs more memory, and one that cannot has
// fetched it for nothing.
const worthwhile = 2

// formers returns the older builds from which there is to be a patch: those that
// the vault names, as far as they are at hand. What is published now is kept for
// the next time.
func (p *Publisher) formers(ctx context.Context, j job) ([]Former, error) {
	if p.Archives == nil && len(j.req.Bases) == 0 {
		return nil, nil
	}
	switch {
	case j.app.Patches == 0:
		p.note("no patches: %s has none (sealift app set %s --patches N)", j.req.App, j.req.App)
		return nil, nil
	case j.id.Length > j.app.PatchLimit:
		p.note("no patches: the archive has %d bytes, and %s patches up to %d (sealift app set %s --patch-limit SIZE)", j.id.Length, j.req.App, j.app.PatchLimit, j.req.App)
		return nil, nil
	}
	var have []sealift.Digest
	for _, f := range j.req.Bases {
		if !slices.Contains(have, f.Digest) {
			have = append(have, f.Digest)
		}
	}
	bases, err := p.API.PatchBases(ctx, j.req.App, j.req.Channel, j.req.Platform, have)
	if err != nil {
		return nil, err
	}
	var found []Former
	for _, base := range bases {
		digest, err := sealift.ParseDigest(base.Archive.SHA256)
		if err != nil {
			return nil, err
		}
		f, ok, err := p.find(j, bundle.Identity{Digest: digest, Length: base.Archive.Length})
		if err != nil {
			return nil, err
		}
		switch {
		case digest == j.id.Digest: // published before, elsewhere or as another version
		case ok:
			found = append(found, Former{base.Version, bundle.Base{Identity: f.Identity, Archiver: older{f.Archiver}}})
		case p.Archives != nil:
			p.note("no patch from %s: its archive is not at hand", base.Version)
		}
	}
	for _, f := range j.req.Bases {
		if !slices.ContainsFunc(bases, func(b api.PatchBase) bool { return b.Archive.SHA256 == f.Digest.String() }) {
			p.warn("no patch from %s: %s has no release with that content which the vault can open, or has enough others", f.Name, j.req.App)
		}
	}
	return found, p.keep(ctx, j)
}

// find looks for an archive among what was given, and what was kept.
func (p *Publisher) find(j job, id bundle.Identity) (Former, bool, error) {
	for _, f := range j.req.Bases {
		if f.Identity == id {
			return f, true, nil
		}
	}
	if p.Archives == nil {
		return Former{}, false, nil
	}
	folder := archivesOf(j.req.App, j.req.Platform)
	f, ok := p.Archives.find(folder, id)
	if !ok {
		return f, false, nil
	}
	return f, true, p.Archives.touch(archiveName(folder, id.Digest), p.Now())
}

// keep keeps the archive of what is published, and forgets the oldest.
func (p *Publisher) keep(ctx context.Context, j job) error {
	if p.Archives == nil {
		return nil
	}
	folder := archivesOf(j.req.App, j.req.Platform)
	if err := p.Archives.keep(ctx, folder, j.source, j.id, p.Now()); err != nil {
		return err
	}
	return p.Archives.prune(folder, int(j.app.Patches)+archivesBeyond)
}

// patches seals the patches that are worth it.
func (p *Publisher) patches(ctx context.Context, j job, key bundle.ContentKey, full int64) (out []*sealedFile, err error) {
	defer func() {
		if err != nil {
			discardAll(out)
			out = nil
		}
	}()
	for _, from := range j.from {
		progress, done := p.stage("patching from "+from.Name, j.source.Length())
		patch, err := p.sealed(func(w io.Writer) (bundle.Blob, error) {
			return bundle.SealPatch(ctx, w, from.Base, j.source, j.id, j.req.App, key, progress)
		})
		done()
		switch {
		case sealift.KindOf(err) == sealift.KindIntegrity:
			p.warn("no patch from %s: %v", from.Name, err) // what is at hand was changed since
			continue
		case err != nil:
			return out, err
		case patch.blob.Length > full/worthwhile:
			p.note("no patch from %s: it would have %d bytes of %d", from.Name, patch.blob.Length, full)
			patch.discard()
			continue
		}
		patch.blob.Kind, patch.blob.Base = trust.BlobPatch, &from.Digest
		out = append(out, patch)
	}
	return out, nil
}

func (p *Publisher) note(format string, args ...any) {
	if p.Note != nil {
		p.Note(format, args...)
	}
}

func (p *Publisher) warn(format string, args ...any) {
	if p.Warn != nil {
		p.Warn(format, args...)
	}
}
