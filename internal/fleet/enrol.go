package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// secretName is where the secret of an enrolment token is wrapped.
func secretName(id string) string { return "enrolment-token:" + id }

// CreateEnrolmentToken makes a token with which devices enrol for app, or
// KindNotFound. Its secret is returned this once; the vault keeps it wrapped.
func (d *Desk) CreateEnrolmentToken(ctx context.Context, by access.Caller, app sealift.AppID, want service.NewEnrolmentToken) (service.EnrolmentToken, error) {
	return vault.Do(ctx, d.vault, func(tx *vault.Tx) (service.EnrolmentToken, error) {
		now := d.now().UTC()
		if _, err := d.app(ctx, tx, app); err != nil {
			return service.EnrolmentToken{}, err
		}
		first, err := tx.Root(ctx, 1)
		if err != nil {
			return service.EnrolmentToken{}, err
		}
		token := sealift.NewEnrolmentToken(sealift.DigestOf(first.Content))
		row := store.EnrolmentToken{ID: token.ID(), App: app, Label: want.Label, Created: now, Expires: now.Add(want.Life), MaxUses: int64(want.Uses)}
		actor := by.Actor()
		secret := token.Secret()
		defer clear(secret)
		if err := d.vault.WrapSecret(ctx, tx, secretName(row.ID), secret, actor, now); err != nil {
			return service.EnrolmentToken{}, err
		}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return service.EnrolmentToken{}, err
		}
		if err := tx.InsertEnrolmentToken(ctx, row); err != nil {
			return service.EnrolmentToken{}, err
		}
		_, err = audit.Append(ctx, tx, audit.Entry{Time: now, Actor: actor, Action: "enrolment-token.create", Subject: row.ID, Result: audit.OK, Details: map[string]string{
			"app": string(app), "uses": fmt.Sprint(want.Uses), "expires": row.Expires.Format(time.RFC3339), "label": want.Label,
			vault.RowDetail: vault.RowTag(row.MAC),
		}})
		return service.EnrolmentToken{Token: token, Expires: row.Expires}, err
	})
}

// app returns an app that the vault made.
func (d *Desk) app(ctx context.Context, tx store.Tx, id sealift.AppID) (store.App, error) {
	app, err := tx.App(ctx, id)
	switch {
	case sealift.KindOf(err) == sealift.KindNotFound:
		return app, service.NoApp("looking up the app", id)
	case err != nil:
		return app, err
	}
	return app, d.vault.CheckRow(ctx, tx, app)
}

// device returns a device that the vault enrolled.
func (d *Desk) device(ctx context.Context, tx store.Tx, app sealift.AppID, id sealift.DeviceID) (store.Device, error) {
	device, err := tx.Device(ctx, app, id)
	if err == nil {
		err = d.vault.CheckRow(ctx, tx, device)
	}
	return device, err
}

// enrol takes a new device in, or an old one again with new keys for its HPKE.
func (v *visit) enrol(ctx context.Context) (trust.Enrolled, error) {
	const op = "enrolling the device"
	app, err := v.desk.app(ctx, v.tx, v.req.App)
	if err != nil {
		return trust.Enrolled{}, err
	}
	if err := v.checkForm(); err != nil {
		return trust.Enrolled{}, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithReason("malformed")
	}
	switch old, err := v.desk.device(ctx, v.tx, v.req.App, v.req.Device); {
	case err == nil && old.State != store.DeviceActive:
		return trust.Enrolled{}, sealift.Errorf(sealift.KindDenied, op, "device %s was %s", v.req.Device, old.State).WithReason(string(old.State)).
			WithHint("enrol with new keys: on the device, start with an empty folder")
	case err != nil && sealift.KindOf(err) != sealift.KindNotFound:
		return trust.Enrolled{}, err // a forged row may hide a revoked one
	}
	applicant := Applicant{App: app, Request: v.req, Enrolment: v.enrolment, Actor: v.actor(), Now: v.now}
	token, err := v.desk.admission(applicant).Admit(ctx, v.tx, applicant)
	if err != nil {
		return trust.Enrolled{}, err
	}
	e := v.enrolment
	row := store.Device{
		App: v.req.App, ID: v.req.Device, Identity: e.Identity,
		KEM: e.HPKE.KEM, KDF: e.HPKE.KDF, AEAD: e.HPKE.AEAD, PublicKey: e.HPKE.PublicKey,
		Platform: e.Platform, Runtime: e.Runtime, Token: token, State: store.DeviceActive, Enrolled: v.now,
	}
	if row.MAC, err = v.tx.Authenticate(row); err != nil {
		return trust.Enrolled{}, err
	}
	v.written = row.MAC
	return trust.Enrolled{Device: v.req.Device}, v.tx.PutDevice(ctx, row)
}

func (v *visit) checkForm() error {
	e := v.enrolment
	if _, err := sealift.ParsePlatform(string(e.Platform)); err != nil {
		return err
	}
	if _, err := sealift.ParseVersion(string(e.Runtime)); err != nil {
		return err
	}
	_, err := hpkeKey(e.HPKE.KEM, e.HPKE.KDF, e.HPKE.AEAD, e.HPKE.PublicKey)
	return err
}

func hpkeKey(kem, kdf, aead uint16, key []byte) (bundle.PublicKey, error) {
	suite, err := bundle.ParseSuite(kem, kdf, aead)
	if err != nil {
		return bundle.PublicKey{}, err
	}
	return bundle.ParsePublicKey(suite, key)
}

// grantEpoch seals an epoch's private key to the device.
func (v *visit) grantEpoch(ctx context.Context) (trust.EpochGrant, error) {
	const op = "granting an epoch"
	var want trust.EpochRequest
	if err := trust.DecodeBody(v.req.Body, &want); err != nil {
		return trust.EpochGrant{}, err
	}
	if err := v.demandActive(op); err != nil {
		return trust.EpochGrant{}, err
	}
	if _, err := sealift.ParseChannel(string(want.Channel)); err != nil {
		return trust.EpochGrant{}, err
	}
	if want.Number == 0 {
		return trust.EpochGrant{}, sealift.Errorf(sealift.KindInvalid, op, "epochs are numbered from 1").WithReason("epoch")
	}
	if err := v.demandAssigned(ctx, want.Channel); err != nil {
		return trust.EpochGrant{}, err
	}
	epoch, err := v.tx.Epoch(ctx, v.req.App, want.Channel, want.Number)
	if err == nil {
		err = v.desk.vault.CheckRow(ctx, v.tx, epoch) // or SQL would say which key is given out
	}
	if sealift.KindOf(err) == sealift.KindNotFound {
		return trust.EpochGrant{}, sealift.Errorf(sealift.KindNotFound, op, "there is no epoch %d of channel %q", want.Number, want.Channel).WithReason("epoch")
	}
	if err != nil {
		return trust.EpochGrant{}, err
	}
	device, err := hpkeKey(v.device.KEM, v.device.KDF, v.device.AEAD, v.device.PublicKey)
	if err != nil {
		return trust.EpochGrant{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	grant := trust.EpochGrant{Channel: want.Channel, Number: want.Number}
	use := vault.Use{
		Purpose: vault.PurposeEpoch, Key: vault.Ref{ID: epoch.KeyID, Version: epoch.KeyVersion}, Actor: v.actor(), Now: v.now,
		Why: vault.Why{Action: "epoch.grant", Subject: string(v.req.Device), Details: map[string]string{"channel": string(want.Channel), "epoch": fmt.Sprint(want.Number)}},
	}
	err = v.desk.vault.Use(ctx, v.tx, use, func(key vault.Key) error {
		private, err := key.(vault.HolderKey).PrivateKey()
		if err != nil {
			return err
		}
		grant.Sealed, err = bundle.SealEpochKey(device, private, bundle.EpochKeyInfo{
			Vault: v.vault, App: v.req.App, Device: v.req.Device, Channel: want.Channel, Epoch: want.Number,
		})
		return err
	})
	return grant, err
}
