package publisher

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/api"
)

// capgoUploads is how many files are uploaded at a time: each waits for a disk.
const capgoUploads = 8

// scanCapgo refuses early what devices with Capgo's plugin, or the vault, would refuse.
func (p *Publisher) scanCapgo(ctx context.Context, j job) error {
	var files []capgo.Entry
	for f := range j.source.Files() {
		files = append(files, capgo.Entry{Path: f.Path, Size: f.Size})
	}
	if err := capgo.CheckFiles(files); err != nil {
		return err
	}
	_, err := p.API.CapgoKey(ctx, j.req.App)
	return err
}

// capgo makes and uploads what such devices fetch: the zip, and each file on its own,
// all of it encrypted with a key that the vault gets with the submission.
func (p *Publisher) capgo(ctx context.Context, j job) (*api.CapgoSubmission, error) {
	session, err := capgo.NewSession(rand.Reader)
	if err != nil {
		return nil, err
	}
	var plan capgo.Plan
	zip, err := p.sealed(func(w io.Writer) (bundle.Blob, error) {
		plan, err = p.packCapgo(ctx, j, session, w)
		return bundle.Blob{Digest: plan.Zip.SHA256, Length: plan.Zip.Size}, err
	})
	if err != nil {
		return nil, err
	}
	defer zip.discard()
	if err := p.upload(ctx, j.req.App, []*sealedFile{zip}); err != nil {
		return nil, err
	}
	document, err := plan.Encode()
	if err != nil {
		return nil, err
	}
	return &api.CapgoSubmission{Session: session.Bytes(), Plan: document}, nil
}

// packCapgo writes the zip into w, and uploads each file once it is made.
func (p *Publisher) packCapgo(ctx context.Context, j job, session capgo.Session, w io.Writer) (capgo.Plan, error) {
	progress, done := p.stage("packing for Capgo's plugin", j.source.Length())
	defer done()
	packer := capgo.NewPacker(session, w)
	uploads, uploading := errgroup.WithContext(ctx)
	uploads.SetLimit(capgoUploads)
	pack := func() error {
		var read int64
		for f := range j.source.Files() {
			if err := uploading.Err(); err != nil {
				return err // of an upload, which Wait returns
			}
			content, err := readFile(j.req.Bundle, f)
			if err != nil {
				return err
			}
			sealed, file, err := packer.Add(f.Path, content)
			if err != nil {
				return err
			}
			uploads.Go(func() error {
				return p.API.UploadBlob(uploading, j.req.App, file.SHA256, file.Size, bytes.NewReader(sealed))
			})
			if read += f.Size; progress != nil {
				progress(read, j.source.Length())
			}
		}
		return nil
	}
	packed := pack()
	if err := uploads.Wait(); err != nil {
		return capgo.Plan{}, err
	}
	if packed != nil {
		return capgo.Plan{}, packed
	}
	if !packer.CallsReady {
		p.warn("no script in the bundle mentions notifyAppReady: without a call of it, devices with Capgo's plugin take the bundle back after ten seconds")
	}
	return packer.Close()
}

// readFile reads a file of the bundle, which must be as long as it was.
func readFile(fsys fs.FS, f bundle.File) ([]byte, error) {
	const doing = "reading the bundle"
	file, err := fsys.Open(f.Path)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "%w", err).WithReason("unreadable")
	}
	defer file.Close()
	content := make([]byte, f.Size)
	_, err = io.ReadFull(file, content)
	if err == nil {
		if n, _ := file.Read(make([]byte, 1)); n > 0 {
			err = io.ErrShortBuffer
		}
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindConflict, doing, "%.80q has not the %d bytes that it had", f.Path, f.Size).WithReason("changed").
			WithHint("let nothing write to the folder, then publish again")
	}
	return content, nil
}
