package release

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// capgoSession is the name of the secret with which a draft's bundle is encrypted.
func capgoSession(d store.Draft) string { return "capgo-session/" + d.ID }

// listing is a bundle.Sink that keeps of each file what it is.
type listing struct{ files []capgo.Entry }

// Create implements bundle.Sink.
func (l *listing) Create(path string, size int64, _ bool) (io.WriteCloser, error) {
	l.files = append(l.files, capgo.Entry{Path: path, Size: size})
	return &listed{sha256.New(), l, len(l.files) - 1}, nil
}

// listed is one file of a listing.
type listed struct {
	hash.Hash
	in *listing
	at int
}

// Close implements io.Closer.
func (l *listed) Close() error {
	l.in.files[l.at].SHA256 = sealift.Digest(l.Sum(nil))
	return nil
}

// inspectCapgo opens what was made for devices with Capgo's plugin as they do: the
// zip and each file hold exactly the files of the archive that was signed, which are
// such as those devices take. So who approves the archive approves this.
func (s *Service) inspectCapgo(ctx context.Context, r *trust.Release, files []capgo.Entry, what *service.Capgo) error {
	if err := capgo.CheckFiles(files); err != nil {
		return err
	}
	plan := what.Plan
	if len(plan.Files) != len(files) {
		return refuseCapgo("%d files, where the archive has %d", len(plan.Files), len(files))
	}
	if err := s.capgoUploaded(ctx, r.App, plan); err != nil {
		return err
	}
	var digest sealift.Digest
	err := s.withCapgoBlob(ctx, plan.Zip, func(sealed io.ReaderAt) error {
		plain, length, err := what.Session.OpenAt(sealed, plan.Zip.Size)
		if err == nil {
			digest, err = capgo.CheckZip(plain, length, files)
		}
		return err
	})
	if err != nil {
		return err
	}
	if digest != plan.Zip.Plain {
		return refuseCapgo("the zip is not the one that the plan names")
	}
	for i, f := range plan.Files {
		if f.Plain != files[i].SHA256 {
			return refuseCapgo("%.80q is not the one in the archive", f.Name)
		}
		err := s.withCapgoBlob(ctx, f, func(sealed io.ReaderAt) error {
			return capgo.CheckFile(what.Session, f.Name, sealed, f.Size, files[i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func refuseCapgo(format string, args ...any) error {
	return sealift.Errorf(sealift.KindIntegrity, submitOp, format, args...).WithReason("capgo").
		WithHint("publish again with the program of the server's release; did the folder change meanwhile?")
}

// capgoUploaded refuses a plan that names what was not uploaded for its app.
func (s *Service) capgoUploaded(ctx context.Context, app sealift.AppID, plan capgo.Plan) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		if _, err := s.vault.CapgoKey(ctx, tx, app); err != nil {
			return err
		}
		for _, f := range append([]capgo.Content{plan.Zip}, plan.Files...) {
			b, err := tx.Blob(ctx, app, f.SHA256)
			switch {
			case sealift.KindOf(err) == sealift.KindNotFound:
				return sealift.Errorf(sealift.KindNotFound, submitOp, "the blob %s was not uploaded", f.SHA256).WithReason("blob").WithHint("publish again")
			case err != nil:
				return err
			case b.Length != f.Size:
				return refuseCapgo("the blob %s has %d bytes, not %d", f.SHA256, b.Length, f.Size)
			}
		}
		return nil
	})
}

// withCapgoBlob opens a blob of a plan, which must be what its name says.
func (s *Service) withCapgoBlob(ctx context.Context, c capgo.Content, do func(io.ReaderAt) error) error {
	file, err := s.openBlob(ctx, trust.Blob{Kind: trust.BlobFull, Digest: c.SHA256, Length: c.Size})
	if err != nil {
		return err
	}
	defer file.Close()
	return do(seeking{file})
}

// seeking reads a file wherever it is asked to, for one reader at a time.
type seeking struct{ io.ReadSeeker }

// ReadAt implements io.ReaderAt.
func (s seeking) ReadAt(p []byte, off int64) (int, error) {
	if _, err := s.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// keepCapgo keeps what a draft is to become for such devices until it is published.
func (s *Service) keepCapgo(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, what *service.Capgo) error {
	if what == nil {
		return nil
	}
	document, err := what.Plan.Encode()
	if err != nil {
		return err
	}
	session := what.Session.Bytes()
	defer clear(session)
	if err := s.vault.WrapSecret(ctx, tx, capgoSession(d), session, by.Actor(), d.Submitted); err != nil {
		return err
	}
	return s.putCapgoDraft(ctx, tx, by.Actor(), d, store.CapgoDraft{Draft: d.ID, Document: document, Created: d.Submitted})
}

func (s *Service) putCapgoDraft(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, row store.CapgoDraft) (err error) {
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	if err := tx.PutCapgoDraft(ctx, row); err != nil {
		return err
	}
	details := map[string]string{"draft": d.ID, "counter": fmt.Sprint(d.Counter), vault.RowDetail: vault.RowTag(row.MAC)}
	if row.Source.IsZero() {
		details["plan"] = "sha256:" + sealift.DigestOf(row.Document).String()
	} else {
		details["source"] = "sha256:" + row.Source.String()
	}
	return recordAs(ctx, tx, row.Created, actor, "release.capgo", subjectOf(d.Coordinates), details)
}

// carryCapgo has a draft that the vault makes of source carry source's bundle on, if
// it has one: the same files, encoded as they are.
func (s *Service) carryCapgo(ctx context.Context, tx *vault.Tx, by access.Caller, source store.Release, d store.Draft) error {
	_, found, err := s.capgoBundle(ctx, tx, source)
	if err != nil || !found {
		return err
	}
	return s.putCapgoDraft(ctx, tx, by.Actor(), d, store.CapgoDraft{Draft: d.ID, Source: source.Digest, Created: d.Created})
}

// capgoBundle returns what devices with Capgo's plugin are told of a release, if they are
// told anything.
func (s *Service) capgoBundle(ctx context.Context, tx store.Tx, r store.Release) (store.CapgoBundle, bool, error) {
	row, err := tx.CapgoBundle(ctx, r.App, r.Digest)
	return vault.CheckFound(ctx, s.vault, tx, store.CapgoBundle{App: r.App, Release: r.Digest}, row, err)
}

// capgoDraft returns what a draft is to become for them, if anything.
func (s *Service) capgoDraft(ctx context.Context, tx store.Tx, d store.Draft) (store.CapgoDraft, bool, error) {
	row, err := tx.CapgoDraft(ctx, d.ID)
	return vault.CheckFound(ctx, s.vault, tx, store.CapgoDraft{Draft: d.ID}, row, err)
}

// checkCapgo refuses a draft for them where the key is missing that is to encode it.
func (s *Service) checkCapgo(ctx context.Context, tx store.Tx, d store.Draft) error {
	kept, found, err := s.capgoDraft(ctx, tx, d)
	if err == nil && found && kept.Source.IsZero() {
		_, err = s.vault.CapgoKey(ctx, tx, d.App)
	}
	return err
}

// publishCapgo has what was kept for a draft encoded by the app's key, or carried on,
// in the transaction that publishes the release.
func (s *Service) publishCapgo(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, r store.Release) error {
	kept, found, err := s.capgoDraft(ctx, tx, d)
	if err != nil || !found {
		return err
	}
	row := store.CapgoBundle{App: r.App, Release: r.Digest, Created: r.Created}
	if kept.Source.IsZero() {
		row.Document, err = s.encodeCapgo(ctx, tx, actor, kept, d, r)
	} else {
		row.Document, err = s.carriedCapgo(ctx, tx, kept.Source, r)
	}
	if err != nil {
		return err
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	if err := tx.PutCapgoBundle(ctx, row); err != nil {
		return err
	}
	details := map[string]string{
		"counter": fmt.Sprint(r.Counter), "release": "sha256:" + r.Digest.String(), "document": "sha256:" + sealift.DigestOf(row.Document).String(), vault.RowDetail: vault.RowTag(row.MAC),
	}
	if err := recordAs(ctx, tx, r.Created, actor, "release.capgo", subjectOf(d.Coordinates), details); err != nil {
		return err
	}
	return s.forgetCapgo(ctx, tx, actor, d)
}

// encodeCapgo is the one use of the app's key. Its entry names the plan, which the one
// of the submission names too, and the release.
func (s *Service) encodeCapgo(ctx context.Context, tx *vault.Tx, actor audit.Actor, kept store.CapgoDraft, d store.Draft, r store.Release) (document []byte, err error) {
	plan, err := capgo.ParsePlan(kept.Document)
	if err != nil {
		return nil, err
	}
	info, err := s.vault.CapgoKey(ctx, tx, r.App)
	if err != nil {
		return nil, err
	}
	public, err := info.PublicKey()
	if err != nil {
		return nil, err
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, sealift.Errorf(sealift.KindInternal, submitOp, "the key %s is not RSA", info.Ref)
	}
	why := vault.Why{
		Action: "release.capgo", Subject: "sha256:" + sealift.DigestOf(kept.Document).String(),
		Details: map[string]string{"app": string(r.App), "counter": fmt.Sprint(r.Counter), "release": "sha256:" + r.Digest.String()},
	}
	secret, err := s.vault.UnwrapSecret(ctx, tx, capgoSession(d), why, actor, r.Created)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	session, err := capgo.ParseSession(secret)
	if err != nil {
		return nil, err
	}
	err = s.vault.Use(ctx, tx, vault.Use{Purpose: vault.PurposeCapgoApp, Key: info.Ref, Actor: actor, Why: why, Now: r.Created}, func(k vault.Key) error {
		made, err := plan.Bundle(r.Version, key, session, k.(vault.EncodingKey).Encode)
		if err == nil {
			document, err = made.Encode()
		}
		return err
	})
	return document, err
}

// carriedCapgo returns the document of source for a release of the same archive.
func (s *Service) carriedCapgo(ctx context.Context, tx *vault.Tx, source sealift.Digest, r store.Release) ([]byte, error) {
	from, err := tx.Release(ctx, r.App, source)
	if err != nil {
		return nil, err
	}
	row, found, err := s.capgoBundle(ctx, tx, from)
	if err == nil && (!found || from.Archive != r.Archive) {
		err = sealift.Errorf(sealift.KindInternal, submitOp, "the release %s has no bundle for Capgo's plugin to carry on", source)
	}
	if err != nil {
		return nil, err
	}
	made, err := capgo.ParseBundle(row.Document)
	if err != nil {
		return nil, err
	}
	made.Version = r.Version
	return made.Encode()
}

// forgetCapgo drops what was kept for a draft that is over.
func (s *Service) forgetCapgo(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft) error {
	kept, err := tx.CapgoDraft(ctx, d.ID)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	if err == nil {
		err = tx.DeleteCapgoDraft(ctx, d.ID)
	}
	if err != nil || !kept.Source.IsZero() {
		return err
	}
	return s.vault.DeleteSecret(ctx, tx, capgoSession(d), actor, s.now().UTC())
}

// capgoRelease tells of a release what it is for devices with Capgo's plugin.
func (s *Service) capgoRelease(ctx context.Context, tx store.Tx, r store.Release) (*service.CapgoRelease, error) {
	row, found, err := s.capgoBundle(ctx, tx, r)
	if err != nil || !found {
		return nil, err
	}
	made, err := capgo.ParseBundle(row.Document)
	if err != nil {
		return nil, err
	}
	return &service.CapgoRelease{KeyID: made.KeyID, Zip: service.Content{Digest: made.Zip.SHA256, Length: made.Zip.Size}, Files: len(made.Manifest)}, nil
}

// sinkFor is where the files of an archive go that is inspected.
func sinkFor(l *listing) bundle.Sink {
	if l == nil {
		return bundle.Discard
	}
	return l
}
