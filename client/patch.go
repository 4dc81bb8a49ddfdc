package client

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

const patchOp = "applying the patch"

// patchFor returns the shortest patch of a release against exactly what is
// installed, if this device has the memory for it: the lengths are signed, so
// nothing need be fetched to know.
func (d *Device) patchFor(s *state, p *plan) (trust.Blob, bool) {
	r := p.verified.Release
	most := min(cmp.Or(d.cfg.PatchLimit, sealift.MaxPatchArchive), sealift.MaxPatchArchive)
	if s.Installed == nil || max(s.Installed.Archive.Length, r.Archive.Length) > most {
		return trust.Blob{}, false
	}
	return r.Patch(s.Installed.Archive.Digest)
}

// bringPatch fetches a patch and opens it into the folder of a slot. The older
// archive is made anew from what is installed: what no longer is what it was, as
// far as names and sizes say, is found out before anything is fetched, and the
// rest before a byte of the patch is decrypted.
func (d *Device) bringPatch(ctx context.Context, s *state, p *plan, patch trust.Blob, key bundle.ContentKey, slot string, came *Delivery) error {
	if d.exists(tried(patch)) {
		return sealift.Errorf(sealift.KindInternal, patchOp, "it was tried before and did not come to an end").WithReason("tried").
			WithHint("the machine may have too little memory for it: see PatchLimit")
	}
	base, err := d.base(s)
	if err != nil {
		return err
	}
	if err := d.stage(ctx, patch, came); err != nil {
		return err
	}
	// Who has too little memory may be ended by the machine, and would be at every
	// start: it is tried once.
	if err := d.files.WriteFile(tried(patch), nil, 0o600); err != nil {
		return diskError(patchOp, err)
	}
	err = d.unpack(patch, slot, func(sealed io.Reader, sink bundle.Sink) error {
		return bundle.OpenPatch(ctx, sealed, base, p.archive(), p.verified.Release.App, key, sink, d.progress(StepOpen))
	})
	if err == nil || ctx.Err() != nil || sealift.KindOf(err) == sealift.KindExhausted {
		// It may be opened again: quiet hours begin, somebody frees the disk.
		if err := d.files.RemoveAll(tried(patch)); err != nil {
			return diskError(patchOp, err)
		}
	}
	return err
}

// tried is the file that says that a patch was begun to be applied.
func tried(patch trust.Blob) string { return staged(patch) + ".tried" }

// base is the archive of what is installed, to be read from its folder.
func (d *Device) base(s *state) (bundle.Base, error) {
	want := s.Installed.Archive
	source, err := bundle.OpenSource(bundleFS{d.files, path.Join(bundlesDir, s.Installed.Slot)})
	if err == nil && source.Length() != want.Length {
		err = fmt.Errorf("they make an archive of %d bytes, not of %d", source.Length(), want.Length)
	}
	if err != nil {
		return bundle.Base{}, otherFiles(err)
	}
	return bundle.Base{Identity: bundle.Identity{Digest: want.Digest, Length: want.Length}, Archiver: installedFiles{source}}, nil
}

// installedFiles is the Archiver of what is installed.
type installedFiles struct{ source *bundle.Source }

// WriteArchive implements bundle.Archiver. Its errors are those of a device, not
// of a publisher.
func (i installedFiles) WriteArchive(ctx context.Context, w io.Writer) error {
	err := i.source.WriteArchive(ctx, w)
	if err != nil && ctx.Err() == nil && sealift.KindOf(err) != sealift.KindIntegrity {
		err = otherFiles(err)
	}
	return err
}

func otherFiles(err error) error {
	return sealift.Errorf(sealift.KindIntegrity, patchOp, "the installed files are not as they were installed: %w", err).WithReason("base").
		WithHint("let nothing write to the folder that the link current points to")
}

// bundleFS is a folder of Files as an fs.FS.
type bundleFS struct {
	files Files
	dir   string
}

// Open implements fs.FS.
func (b bundleFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return b.files.Open(path.Join(b.dir, name))
}
