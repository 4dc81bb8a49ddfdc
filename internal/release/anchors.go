package release

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// anchors are what people should vouch for, and the key versions behind it.
type anchors struct {
	ceremony.Anchors
	keys []vault.KeyInfo
}

// anchorRows is what is read to find out.
type anchorRows interface {
	vault.Rows
	store.DocumentTx
	store.ReleaseTx
	store.RestoreTx
	store.AuditTx
}

// anchorsOf names the public keys that the next ceremony is to list: of every
// online key the version in use and its standby. Besides them trust.json keeps
// what is needed to verify what was signed before: the log's keys of old, since
// the proofs of releases hold checkpoints by them, and a release CA of old for
// as long as a release that is offered is certified by it. A compromised version
// is never among them. base is the trust.json to take all else from.
func (s *Service) anchorsOf(ctx context.Context, tx anchorRows, base trust.Trust) (anchors, error) {
	infos, err := s.vault.List(ctx, tx, vault.Filter{})
	if err != nil {
		return anchors{}, err
	}
	issuers, err := offeredIssuers(ctx, tx)
	if err != nil {
		return anchors{}, err
	}
	begun, err := s.newLog(ctx, tx)
	if err != nil {
		return anchors{}, err
	}
	a := anchors{Anchors: ceremony.Anchors{Vault: base.Vault, Trust: base}}
	a.Trust.ReleaseCAs, a.Trust.DeviceCAs, a.Trust.Log = nil, nil, trust.Log{}
	for _, info := range infos {
		if !info.Purpose.HasStandby() || !toVouchFor(info, issuers) || info.Purpose == vault.PurposeLog && info.Version < begun {
			continue
		}
		if err := a.add(info); err != nil {
			return anchors{}, err
		}
	}
	return a, nil
}

func toVouchFor(info vault.KeyInfo, issuers map[sealift.Digest]bool) bool {
	switch info.State {
	case vault.PreActive, vault.Active, vault.Suspended:
		return true
	case vault.Deactivated, vault.Destroyed:
		return info.Purpose == vault.PurposeLog || info.Purpose == vault.PurposeReleaseCA && issuers[sealift.DigestOf(info.Public)]
	}
	return false
}

func (a *anchors) add(info vault.KeyInfo) error {
	pub, err := info.PublicKey()
	if err != nil {
		return err
	}
	ca := trust.CA{Certificate: info.Certificate}
	switch info.Purpose {
	case vault.PurposeDirector:
		a.Director = append(a.Director, pub)
	case vault.PurposeSnapshot:
		a.Snapshot = append(a.Snapshot, pub)
	case vault.PurposeTimestamp:
		a.Timestamp = append(a.Timestamp, pub)
	case vault.PurposeReleaseCA:
		a.Trust.ReleaseCAs = append(a.Trust.ReleaseCAs, ca)
	case vault.PurposeDeviceCA:
		a.Trust.DeviceCAs = append(a.Trust.DeviceCAs, ca)
	case vault.PurposeLog:
		key, err := logVerifierKey(a.Vault, info)
		if err != nil {
			return err
		}
		a.Trust.Log.Keys = append(a.Trust.Log.Keys, key)
	}
	a.keys = append(a.keys, info)
	return nil
}

// offered returns the releases that are offered to devices now.
func offered(ctx context.Context, tx anchorRows) (releases []store.Release, err error) {
	for _, bin := range tufrepo.Bins() {
		m, err := tx.Metadata(ctx, bin)
		if sealift.KindOf(err) == sealift.KindNotFound {
			continue // nothing is directed yet
		}
		if err != nil {
			return nil, err
		}
		paths, err := tufrepo.TargetPaths(m.Content)
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "reading what is offered", "%s: %w", bin, err)
		}
		for _, path := range paths {
			app, channel, platform, ok := trust.ParseOfferPath(path)
			if !ok {
				continue
			}
			candidates, err := offerOf(ctx, tx, app, channel, platform)
			if err != nil {
				return nil, err
			}
			for _, c := range candidates {
				r, err := tx.Release(ctx, app, c.Release.Digest)
				if err != nil {
					return nil, err
				}
				releases = append(releases, r)
			}
		}
	}
	return releases, nil
}

func offeredIssuers(ctx context.Context, tx anchorRows) (map[sealift.Digest]bool, error) {
	releases, err := offered(ctx, tx)
	issuers := map[sealift.Digest]bool{}
	for _, r := range releases {
		issuers[r.Issuer] = true
	}
	return issuers, err
}

// vouched says which of the vault's public keys devices know by the newest
// signed documents: by the SHA-256 of their SubjectPublicKeyInfo, "root 3" or
// "targets 2", which covers trust.json.
type vouched map[sealift.Digest]string

// vouchedFor reads it. Before the first ceremony it is empty.
func vouchedFor(ctx context.Context, tx store.DocumentTx) (vouched, error) {
	v := vouched{}
	root, err := tx.Metadata(ctx, metadata.ROOT)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	targets, err := tx.Metadata(ctx, metadata.TARGETS)
	if err != nil {
		return nil, err
	}
	t, err := trustOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, role := range []string{metadata.SNAPSHOT, metadata.TIMESTAMP} {
		keys, err := tufrepo.RoleKeys(root.Content, role)
		if err := v.add("root", root.Version, keys, err); err != nil {
			return nil, err
		}
	}
	keys, err := tufrepo.DirectorKeys(targets.Content)
	if err := v.add("targets", targets.Version, keys, err); err != nil {
		return nil, err
	}
	keys, err = t.PublicKeys()
	return v, v.add("targets", targets.Version, keys, err)
}

func (v vouched) add(document string, version int64, keys []crypto.PublicKey, err error) error {
	for _, key := range keys {
		spki, wrong := x509.MarshalPKIXPublicKey(key)
		if err = errors.Join(err, wrong); wrong == nil {
			v[sealift.DigestOf(spki)] = fmt.Sprintf("%s %d", document, version)
		}
	}
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "reading whom devices trust", "%s %d: %w", document, version, err)
	}
	return nil
}

// of returns the document that lists a version's public key; "" for none.
func (v vouched) of(info vault.KeyInfo) string { return v[sealift.DigestOf(info.Public)] }

// Anchors implements service.Roots.
func (s *Service) Anchors(ctx context.Context) (service.Anchors, error) {
	return view(ctx, s.store, func(tx store.Tx) (out service.Anchors, err error) {
		base, err := trustOf(ctx, tx)
		if err != nil {
			return out, err
		}
		a, err := s.anchorsOf(ctx, tx, *base)
		if err != nil {
			return out, err
		}
		known, err := vouchedFor(ctx, tx)
		if err != nil {
			return out, err
		}
		out.Vault = a.Vault
		if out.Trust, err = a.Trust.Encode(); err != nil {
			return out, err
		}
		for _, info := range a.keys {
			out.Keys = append(out.Keys, service.AnchorKey{
				ID: info.ID, Version: info.Version, Purpose: string(info.Purpose), State: string(info.State),
				Public: slices.Clone(info.Public), Vouched: known.of(info),
			})
		}
		return out, nil
	})
}
