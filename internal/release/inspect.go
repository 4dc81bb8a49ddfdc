package release

import (
	"context"
	"fmt"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// inspect is step 4 at the vault: the blob is the one that was uploaded, opens
// with the sealed content key, holds exactly the signed archive, and keeps to
// the rules of the app stores where the app is not a device app. Nothing of it
// is written anywhere.
func (s *Service) inspect(ctx context.Context, by access.Caller, c candidate) error {
	r := c.release
	if len(r.Blobs) != 1 {
		return sealift.Errorf(sealift.KindInvalid, submitOp, "%d blobs; a publisher submits the full blob alone", len(r.Blobs)).WithReason("blobs")
	}
	full := r.Full()
	app, err := s.uploaded(ctx, r, full)
	if err != nil {
		return err
	}
	contentKey, err := s.contentKey(ctx, by, r)
	if err != nil {
		return err
	}
	file, err := s.published.Open(ctx, "blobs/"+full.Digest.String())
	if err != nil {
		return err
	}
	defer file.Close()
	// What lies under the name must be what the release names: devices look.
	digest, length, err := sealift.DigestReader(file)
	if err == nil {
		err = trust.CheckBlob(full, digest, length)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	id := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	if app.Device {
		return bundle.Open(ctx, file, id, r.App, contentKey, discard{}, nil)
	}
	rules := bundle.StorePolicy().Sink(discard{})
	if err := bundle.Open(ctx, file, id, r.App, contentKey, rules, nil); err != nil {
		return err
	}
	return rules.Finish()
}

// uploaded returns the app if the blob was uploaded for it.
func (s *Service) uploaded(ctx context.Context, r *trust.Release, full trust.Blob) (store.App, error) {
	return view(ctx, s.store, func(tx store.Tx) (store.App, error) {
		b, err := tx.Blob(ctx, r.App, full.Digest)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return store.App{}, sealift.Errorf(sealift.KindNotFound, submitOp, "the blob %s was not uploaded", full.Digest).WithReason("blob").WithHint("publish again")
		}
		if err != nil {
			return store.App{}, err
		}
		if err := trust.CheckBlob(full, b.Digest, b.Length); err != nil {
			return store.App{}, err
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

// discard takes files and keeps none.
type discard struct{}

// Create implements bundle.Sink.
func (discard) Create(string, int64, bool) (io.WriteCloser, error) { return nowhere{}, nil }

type nowhere struct{}

// Write implements io.Writer.
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// Close implements io.Closer.
func (nowhere) Close() error { return nil }
