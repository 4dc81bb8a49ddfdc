package release

import (
	"context"
	"crypto/x509"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// ReleaseKeys implements service.Releases: from the releases themselves, since
// the vault has neither key.
func (s *Service) ReleaseKeys(ctx context.Context, app sealift.AppID, page service.Page) ([]service.ReleaseKeys, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.ReleaseKeys, error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return nil, err
		}
		rows, err := tx.Releases(ctx, app, store.ReleaseFilter{Channel: page.Channel, Platform: page.Platform, Before: page.Before, Limit: page.Limit})
		if err != nil {
			return nil, err
		}
		out := make([]service.ReleaseKeys, len(rows))
		for i, r := range rows {
			if out[i], err = s.keysOf(ctx, tx, r); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func (s *Service) keysOf(ctx context.Context, tx store.Tx, r store.Release) (service.ReleaseKeys, error) {
	out := service.ReleaseKeys{App: r.App, Channel: r.Channel, Platform: r.Platform, Version: r.Version, Counter: r.Counter, Release: r.Digest}
	wrong := func(err error) error {
		return sealift.Errorf(sealift.KindInternal, "reading the keys of release "+string(r.Version), "%w", err)
	}
	file, err := trust.ParseReleaseFile(r.File)
	if err != nil {
		return out, wrong(err)
	}
	leaf, err := x509.ParseCertificate(file.Leaf())
	if err != nil {
		return out, wrong(err)
	}
	release, err := trust.ParseRelease(file.Payload())
	if err != nil {
		return out, wrong(err)
	}
	out.Leaf = service.LeafKey{
		Issuer: r.Issuer, Serial: trust.SerialOf(leaf), Public: sealift.DigestOf(leaf.RawSubjectPublicKeyInfo), Signed: r.SignedAt, Ends: leaf.NotAfter,
	}
	epoch, err := s.epochOf(ctx, tx, r.App, r.Channel, release.Epoch.Number)
	if err != nil {
		return out, wrong(err)
	}
	key, err := s.vault.Lookup(ctx, tx, vault.Ref{ID: epoch.KeyID, Version: epoch.KeyVersion})
	if err != nil {
		return out, err
	}
	out.Content = service.ContentKey{Epoch: epoch.Number, Key: key.ID, Version: key.Version, EpochState: string(key.State)}
	return out, nil
}
