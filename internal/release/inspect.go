package release

import (
	"context"
	"fmt"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// inspect is step 4 at the vault: the blobs are those that were uploaded, open
// with the sealed content key, hold exactly the signed archive, which keeps to
// the rules of the app stores where the app is not a device app. Nothing of it
// is written anywhere.
func (s *Service) inspect(ctx context.Context, by access.Caller, c candidate, capgo *service.Capgo) error {
	r := c.release
	app, err := s.uploaded(ctx, r)
	if err != nil {
		return err
	}
	if err := checkPatches(app, r); err != nil {
		return err
	}
	contentKey, err := s.contentKey(ctx, by, r)
	if err != nil {
		return err
	}
	defer clear(contentKey[:])
	var files *listing
	if capgo != nil {
		files = &listing{}
	}
	if err := s.inspectFull(ctx, app, r, contentKey, sinkFor(files)); err != nil {
		return err
	}
	if capgo != nil {
		if err := s.inspectCapgo(ctx, r, files.files, capgo); err != nil {
			return err
		}
	}
	return s.inspectPatches(ctx, by, app, r, contentKey)
}

// inspectFull is inspect of the archive itself, whose files go to sink.
func (s *Service) inspectFull(ctx context.Context, app store.App, r *trust.Release, contentKey bundle.ContentKey, sink bundle.Sink) error {
	file, err := s.openBlob(ctx, r.Full())
	if err != nil {
		return err
	}
	defer file.Close()
	id := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	if app.Device {
		return bundle.Open(ctx, file, id, r.App, contentKey, sink, nil)
	}
	rules := bundle.StorePolicy().Sink(sink)
	if err := bundle.Open(ctx, file, id, r.App, contentKey, rules, nil); err != nil {
		return err
	}
	return rules.Finish()
}

// openBlob opens a blob in the published tree. What lies under its name must be what
// the release names: devices look.
func (s *Service) openBlob(ctx context.Context, want trust.Blob) (file blob.File, err error) {
	if file, err = s.published.Open(ctx, "blobs/"+want.Digest.String()); err != nil {
		return nil, err
	}
	digest, length, err := sealift.DigestReader(file)
	if err == nil {
		err = trust.CheckBlob(want, digest, length)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close() // it was read alone
		return nil, err
	}
	return file, nil
}

// uploaded returns the app if all blobs were uploaded for it.
func (s *Service) uploaded(ctx context.Context, r *trust.Release) (store.App, error) {
	return view(ctx, s.store, func(tx store.Tx) (store.App, error) {
		for _, want := range r.Blobs {
			b, err := tx.Blob(ctx, r.App, want.Digest)
			if sealift.KindOf(err) == sealift.KindNotFound {
				return store.App{}, sealift.Errorf(sealift.KindNotFound, submitOp, "the blob %s was not uploaded", want.Digest).WithReason("blob").WithHint("publish again")
			}
			if err != nil {
				return store.App{}, err
			}
			if err := trust.CheckBlob(want, b.Digest, b.Length); err != nil {
				return store.App{}, err
			}
		}
		return s.findApp(ctx, tx, r.App)
	})
}

// contentKey opens a release's content key with the channel's epoch key, to look
// at what was submitted. The use of that is in the log.
func (s *Service) contentKey(ctx context.Context, by access.Caller, r *trust.Release) (bundle.ContentKey, error) {
	return vault.Do(ctx, s.vault, func(tx *vault.Tx) (bundle.ContentKey, error) {
		return s.openContentKey(ctx, tx, by, "release.inspect", r)
	})
}

// openContentKey opens a release's content key with the key of the epoch that it
// is sealed to. The use of that is in the log, as part of action.
func (s *Service) openContentKey(ctx context.Context, tx *vault.Tx, by access.Caller, action string, r *trust.Release) (key bundle.ContentKey, err error) {
	epoch, err := s.epochOf(ctx, tx, r.App, r.Channel, r.Epoch.Number)
	if err != nil {
		return key, err
	}
	use := vault.Use{
		Purpose: vault.PurposeEpoch, Key: vault.Ref{ID: epoch.KeyID, Version: epoch.KeyVersion}, Actor: by.Actor(), Now: s.now(),
		Why: vault.Why{Action: action, Subject: "sha256:" + r.Archive.Digest.String(), Details: map[string]string{"app": string(r.App), "counter": fmt.Sprint(r.Counter)}},
	}
	err = s.vault.Use(ctx, tx, use, func(k vault.Key) error {
		private, err := k.(vault.HolderKey).PrivateKey()
		if err != nil {
			return err
		}
		key, err = bundle.OpenContentKey(private, r.ContentKey.Sealed, bundle.ContentKeyInfo{
			App: r.App, Channel: r.Channel, Epoch: r.Epoch.Number, Archive: r.Archive.Digest,
		})
		return err
	})
	return key, err
}
