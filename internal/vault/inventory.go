package vault

import (
	"bytes"
	"context"
	"crypto/x509"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Filter picks keys; an empty field matches all.
type Filter struct {
	ID      string
	Purpose Purpose
	State   State
	Label   string
}

// List returns the key versions that match, by id and version. Every row's MAC
// is checked: one that was changed fails the whole list with KindDenied, reason
// "key-row-tampered", and is named. It uses no private key and records nothing.
func (v *Vault) List(ctx context.Context, rows Rows, f Filter) ([]KeyInfo, error) {
	ring := v.ringFor(rows)
	if err := ring.present(); err != nil {
		return nil, err // even where no row matches
	}
	found, err := rows.Keys(ctx, store.KeyFilter{ID: f.ID, Purpose: string(f.Purpose), State: string(f.State), Label: f.Label})
	if err != nil {
		return nil, err
	}
	infos := make([]KeyInfo, 0, len(found))
	for _, r := range found {
		info, err := checkRow(ctx, ring, rows, r)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Lookup returns one version, or the newest active one for Version 0. Errors
// are KindNotFound with reason "key-unknown", KindDenied with reason
// "key-row-tampered", or "key-state" where there are versions and none is
// active, and KindSealed.
func (v *Vault) Lookup(ctx context.Context, rows Rows, key Ref) (KeyInfo, error) {
	if key.Version != 0 {
		_, info, err := readRow(ctx, v.ringFor(rows), rows, key)
		return info, err
	}
	ring := v.ringFor(rows)
	versions, err := versionsOf(ctx, ring, rows, key.ID)
	if err != nil {
		return KeyInfo{}, err
	}
	for i := len(versions) - 1; i >= 0; i-- {
		info, err := checkRead(ctx, ring, rows, versions[i])
		if err != nil || info.State == Active {
			return info, err
		}
	}
	newest := infoOf(versions[len(versions)-1])
	return KeyInfo{}, sealift.Errorf(sealift.KindDenied, "looking up key "+key.ID, "no version of it is active; %s is %s", newest.Ref, newest.State).
		WithReason(ReasonState).WithHint("if it is suspended: sealift key restore %s --version %d --reason TEXT", key.ID, newest.Version)
}

// SetCertificate keeps a certificate, DER of at most sealift.MaxCertificate
// bytes, with the key version that it certifies, over the one before, and
// records it. It is KindInvalid if the certificate does not parse or is of
// another key, and KindDenied with reason "key-state" for a key that is
// compromised or destroyed.
func (v *Vault) SetCertificate(ctx context.Context, tx *Tx, key Ref, der []byte, by audit.Actor, now time.Time) (KeyInfo, error) {
	e := event{at: now, actor: by, action: actionCertificate, key: Ref{clip(key.ID), key.Version}}
	e.subject = "sha256:" + sealift.DigestOf(der).String()
	row, info, err := readRow(ctx, tx.ring, tx, key)
	if err == nil {
		err = info.fits(der)
	}
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	row.Certificate = bytes.Clone(der)
	if info, err = updateRow(ctx, tx, row, &e); err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	return info, tx.append(ctx, e.with(audit.OK))
}

func (k KeyInfo) fits(der []byte) error {
	doing := "keeping a certificate with key " + k.Ref.String()
	if len(der) > sealift.MaxCertificate {
		return sealift.Errorf(sealift.KindInvalid, doing, "%d bytes; at most %d are allowed", len(der), sealift.MaxCertificate)
	}
	certificate, err := x509.ParseCertificate(der)
	switch {
	case err != nil:
		return sealift.Errorf(sealift.KindInvalid, doing, "%w", err)
	case !bytes.Equal(certificate.RawSubjectPublicKeyInfo, k.Public):
		return sealift.Errorf(sealift.KindInvalid, doing, "it certifies another key")
	case k.State == Compromised || k.State == Destroyed:
		return sealift.Errorf(sealift.KindDenied, doing, "the key is %s", k.State).WithReason(ReasonState)
	}
	return nil
}
