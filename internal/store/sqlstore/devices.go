package sqlstore

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutDevice implements store.DeviceTx.
func (t *tx) PutDevice(ctx context.Context, d store.Device) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return none(t.q.PutDevice(ctx, sqlcgen.PutDeviceParams{
			App: string(d.App), ID: string(d.ID), Identity: some(d.Identity),
			Kem: int64(d.KEM), Kdf: int64(d.KDF), Aead: int64(d.AEAD),
			Platform: string(d.Platform), Runtime: string(d.Runtime), Token: d.Token, State: string(d.State),
			Enrolled: micros(d.Enrolled), PublicKey: some(d.PublicKey), Mac: some(d.MAC),
		}))
	})
	return t.fail(ctx, "storing device "+string(d.ID), err)
}

// Device implements store.DeviceTx.
func (t *tx) Device(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (store.Device, error) {
	r, err := t.q.Device(ctx, sqlcgen.DeviceParams{App: string(app), ID: string(id)})
	if err != nil {
		return store.Device{}, t.fail(ctx, "reading device "+string(id), err)
	}
	return deviceOf(r), nil
}

func deviceOf(r sqlcgen.Device) store.Device {
	return store.Device{
		App: sealift.AppID(r.App), ID: sealift.DeviceID(r.ID), Identity: bare(r.Identity),
		KEM: uint16(r.Kem), KDF: uint16(r.Kdf), AEAD: uint16(r.Aead), PublicKey: bare(r.PublicKey),
		Platform: sealift.Platform(r.Platform), Runtime: sealift.Version(r.Runtime), Token: r.Token,
		State: store.DeviceState(r.State), Enrolled: moment(r.Enrolled), MAC: bare(r.Mac),
	}
}

// CountDevices implements store.DeviceTx.
func (t *tx) CountDevices(ctx context.Context, app sealift.AppID) (map[store.DeviceState]int64, error) {
	rows, err := t.q.CountDevices(ctx, string(app))
	if err != nil {
		return nil, t.fail(ctx, "counting devices of "+string(app), err)
	}
	counts := make(map[store.DeviceState]int64, len(rows))
	for _, row := range rows {
		counts[store.DeviceState(row.State)] = row.Devices
	}
	return counts, nil
}

// UseNonce implements store.DeviceTx.
func (t *tx) UseNonce(ctx context.Context, n store.Nonce) error {
	op := "noting a nonce of device " + string(n.Device)
	rows, err := t.q.UseNonce(ctx, sqlcgen.UseNonceParams{Device: string(n.Device), Nonce: n.Nonce, Expires: micros(n.Expires)})
	if err == nil && rows == 0 {
		return sealift.Errorf(sealift.KindConflict, op, "it has been used").WithReason("nonce")
	}
	return t.fail(ctx, op, err)
}

// PruneNonces implements store.DeviceTx.
func (t *tx) PruneNonces(ctx context.Context, before time.Time) (int64, error) {
	rows, err := t.q.PruneNonces(ctx, micros(before))
	return rows, t.fail(ctx, "forgetting expired nonces", err)
}
