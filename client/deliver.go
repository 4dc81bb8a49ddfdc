package client

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// Delivery says how a bundle came to this device.
type Delivery struct {
	// Blob is what the bundle was opened from, or, beside an error, what was tried
	// last.
	Blob *trust.Pointer `json:"blob"`
	// Base is the archive that Blob is a patch against; nil for the whole bundle.
	Base *sealift.Digest `json:"base,omitempty"`
	// Fetched is how many bytes this Update fetched of the blob, and of a patch that
	// was dropped. What an earlier one left in staging is not among them.
	Fetched int64 `json:"fetched"`
	// Dropped is set where a patch came to nothing and the whole bundle was taken
	// in its place.
	Dropped *Dropped `json:"dropped,omitempty"`
}

// Dropped is a patch that came to nothing, and why. That says nothing about the
// release.
type Dropped struct {
	Patch   trust.Pointer `json:"patch"`
	Kind    sealift.Kind  `json:"kind"` // of the error
	Reason  string        `json:"reason,omitempty"`
	Message string        `json:"message"`
}

// bring fetches the bundle of p and opens it into the folder of a slot, which
// nothing points to: from a patch against what is installed, if there is one, and
// else whole. Whatever is wrong with a patch, the whole bundle comes in its place;
// only if this machine's disk is full, or ctx has ended, there is no sense in that.
// The patch is not tried again for this release then.
func (d *Device) bring(ctx context.Context, s *state, p *plan, key bundle.ContentKey, slot string, came *Delivery) error {
	full := p.verified.Release.Full()
	patch, patched := d.patchFor(s, p)
	if err := d.tidyStaging(full, patch); err != nil {
		return err
	}
	if patched {
		err := d.bringPatch(ctx, s, p, patch, key, slot, came)
		if err == nil || ctx.Err() != nil || sealift.KindOf(err) == sealift.KindExhausted {
			return err
		}
		came.Dropped = &Dropped{pointer(patch), sealift.KindOf(err), sealift.ReasonOf(err), err.Error()}
		if err := d.giveUp(patch, err); err != nil {
			return err
		}
	}
	before := came.Fetched
	if err := d.stage(ctx, full, came); err != nil {
		offline := came.Dropped != nil && came.Dropped.Kind == sealift.KindNetwork && sealift.KindOf(err) == sealift.KindNetwork
		if offline && came.Fetched == before {
			err = errors.Join(err, d.giveAnotherTry(patch))
		}
		return err
	}
	return d.unpack(full, slot, func(sealed io.Reader, sink bundle.Sink) error {
		return bundle.Open(ctx, sealed, p.archive(), p.verified.Release.App, key, sink, d.progress(StepOpen))
	})
}

func pointer(b trust.Blob) trust.Pointer { return trust.Pointer{Digest: b.Digest, Length: b.Length} }

// archive is what the release says of its archive.
func (p *plan) archive() bundle.Identity {
	a := p.verified.Release.Archive
	return bundle.Identity{Digest: a.Digest, Length: a.Length}
}

// staged is the file that a blob is fetched into.
func staged(b trust.Blob) string { return path.Join(stagingDir, b.Digest.String()) }

// tidyStaging makes the staging folder and removes what is in it of releases that
// are no longer offered.
func (d *Device) tidyStaging(wanted ...trust.Blob) error {
	var keep []string
	for _, b := range wanted {
		keep = append(keep, staged(b), tried(b))
	}
	names, err := d.files.Names(stagingDir)
	for _, name := range names {
		name = path.Join(stagingDir, name)
		if err == nil && !slices.Contains(keep, name) {
			err = d.files.RemoveAll(name)
		}
	}
	if err == nil {
		err = d.files.MkdirAll(stagingDir)
	}
	if err != nil {
		return diskError(blobOp, err)
	}
	return nil
}

// stage fetches a blob into staging.
func (d *Device) stage(ctx context.Context, blob trust.Blob, came *Delivery) error {
	at := pointer(blob)
	came.Blob, came.Base = &at, blob.Base
	fetch := &download{
		wire: d.wire, files: d.files, name: staged(blob), want: blob,
		address:  d.cfg.Server + "v1/blobs/" + blob.Digest.String(),
		progress: d.progress(StepFetch),
	}
	err := fetch.run(ctx)
	came.Fetched += fetch.fetched
	return err
}

// unpack has open give the files of a staged blob to the folder of a slot, and
// makes them durable.
func (d *Device) unpack(blob trust.Blob, slot string, open func(sealed io.Reader, sink bundle.Sink) error) (err error) {
	sealed, err := d.files.Open(staged(blob))
	if err != nil {
		return diskError(sinkOp, err)
	}
	defer sealed.Close()
	dir := path.Join(bundlesDir, slot)
	sink, err := newFolderSink(d.files, dir)
	if err != nil {
		return diskError(sinkOp, err)
	}
	defer func() {
		sink.abandon()
		if err != nil {
			_ = d.files.RemoveAll(dir)
		}
	}()
	if err := open(sealed, sink); err != nil {
		return err
	}
	return sink.finish()
}
