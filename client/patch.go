package client

import (
	"cmp"
	"context"
	"errors"
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
// rest when the new archive is not what was signed.
func (d *Device) bringPatch(ctx context.Context, s *state, p *plan, patch trust.Blob, key bundle.ContentKey, slot string, came *Delivery) error {
	if err := d.triedBefore(patch); err != nil {
		return err
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

// tried is the file that says that a patch is not to be tried again: it is empty from
// when it is begun to be applied, and says why once it is given up. It goes with the
// release.
func tried(patch trust.Blob) string { return staged(patch) + ".tried" }

// maxTried bounds what such a file says, in bytes: an error has some hundred.
const maxTried = 1 << 10

// triedBefore is an error if the patch is not to be tried again.
func (d *Device) triedBefore(patch trust.Blob) error {
	why, err := d.files.ReadFile(tried(patch), maxTried)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return diskError(patchOp, err)
	case len(why) > 0:
		return sealift.Errorf(sealift.KindInternal, patchOp, "it was given up before: %s", why).WithReason("tried")
	}
	return sealift.Errorf(sealift.KindInternal, patchOp, "it was tried before and did not come to an end").WithReason("tried").
		WithHint("the machine may have too little memory for it: see PatchLimit")
}

// giveUp has a patch not be tried again, for a cause that may be there the next time,
// too: at each check, to find that out would cost what it cost now.
func (d *Device) giveUp(patch trust.Blob, cause error) error {
	if sealift.ReasonOf(cause) != "tried" {
		why := cause.Error()
		if err := d.files.WriteFile(tried(patch), []byte(why[:min(len(why), maxTried)]), 0o600); err != nil {
			return diskError(patchOp, err)
		}
	}
	if err := d.files.RemoveAll(staged(patch)); err != nil { // its room may be needed
		return diskError(patchOp, err)
	}
	return nil
}

// giveAnotherTry is for a patch that nobody brought when nobody brought anything: that
// says nothing about it.
func (d *Device) giveAnotherTry(patch trust.Blob) error {
	if err := d.files.RemoveAll(tried(patch)); err != nil {
		return diskError(patchOp, err)
	}
	return nil
}

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
