package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

func cloneKeys(all []store.Key) []store.Key {
	out := slices.Clone(all)
	for i := range out {
		k := &out[i]
		for _, bytes := range []*[]byte{&k.Public, &k.Certificate, &k.DataKey, &k.Private, &k.MAC} {
			*bytes = slices.Clone(*bytes)
		}
	}
	return out
}

// InsertKey implements store.KeyTx.
func (t *tx) InsertKey(ctx context.Context, k store.Key) error {
	t.cache().forgetKeys()
	rows, err := t.q.InsertKey(ctx, sqlcgen.InsertKeyParams(keyRow(k)))
	return t.added(ctx, "storing "+keyName(k.ID, k.Version), rows, err)
}

// Key implements store.KeyTx.
func (t *tx) Key(ctx context.Context, id string, version uint64) (store.Key, error) {
	row, err := t.q.Key(ctx, sqlcgen.KeyParams{ID: id, Version: number(version)})
	if err != nil {
		return store.Key{}, t.fail(ctx, "reading "+keyName(id, version), err)
	}
	return keyOf(row), nil
}

// UpdateKey implements store.KeyTx.
func (t *tx) UpdateKey(ctx context.Context, k store.Key, oldMAC []byte) error {
	t.cache().forgetKeys()
	op := "changing " + keyName(k.ID, k.Version)
	r := keyRow(k)
	rows, err := t.q.UpdateKey(ctx, sqlcgen.UpdateKeyParams{
		Purpose: r.Purpose, Algorithm: r.Algorithm, Provider: r.Provider, Owner: r.Owner,
		Label: r.Label, State: r.State, Created: r.Created, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		Changed: r.Changed, Kek: r.Kek, Mac: r.Mac, DataKey: r.DataKey, PublicKey: r.PublicKey,
		PrivateKey: r.PrivateKey, Certificate: r.Certificate,
		App: r.App, Imported: r.Imported, Exportable: r.Exportable, RetireAt: r.RetireAt, FleetWindow: r.FleetWindow,
		ID: r.ID, Version: r.Version, OldMac: some(oldMAC),
	})
	if err != nil || rows > 0 {
		return t.fail(ctx, op, err)
	}
	if _, err := t.Key(ctx, k.ID, k.Version); err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it has changed meanwhile")
}

// Keys implements store.KeyTx.
func (t *tx) Keys(ctx context.Context, f store.KeyFilter) ([]store.Key, error) {
	const op = "listing keys"
	c := t.cache()
	if c != nil {
		if err := t.session.under(ctx).Err(); err != nil {
			return nil, t.fail(ctx, op, err)
		}
		if known, ok := c.keys[f]; ok {
			return cloneKeys(known), nil
		}
	}
	rows, err := t.q.Keys(ctx, sqlcgen.KeysParams(f))
	keys, err := collect(rows, t.fail(ctx, op, err), keyOf)
	if err == nil {
		c.keepKeys(f, keys)
	}
	return keys, err
}

// KeysUnder implements store.KeyTx.
func (t *tx) KeysUnder(ctx context.Context, kek string, behindID string, behindVersion uint64, limit int) ([]store.Key, error) {
	rows, err := t.q.KeysUnder(ctx, sqlcgen.KeysUnderParams{Kek: kek, ID: behindID, Version: number(behindVersion), Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing the keys under "+kek, err), keyOf)
}

func keyName(id string, version uint64) string { return fmt.Sprintf("key %s version %d", id, version) }

func keyRow(k store.Key) sqlcgen.VaultKey {
	return sqlcgen.VaultKey{
		ID: k.ID, Version: number(k.Version), Purpose: k.Purpose, Algorithm: k.Algorithm, Provider: k.Provider,
		Owner: k.Owner, Label: k.Label, State: k.State, Created: micros(k.Created), NotBefore: micros(k.NotBefore),
		NotAfter: micros(k.NotAfter), Changed: micros(k.Changed), Kek: k.KEK, Mac: some(k.MAC),
		DataKey: some(k.DataKey), PublicKey: some(k.Public), PrivateKey: some(k.Private), Certificate: some(k.Certificate),
		App: string(k.App), Imported: flag(k.Imported), Exportable: flag(k.Exportable), RetireAt: micros(k.RetireAt), FleetWindow: k.FleetWindow,
	}
}

func keyOf(r sqlcgen.VaultKey) store.Key {
	return store.Key{
		ID: r.ID, Version: uint64(r.Version), Purpose: r.Purpose, Algorithm: r.Algorithm, Provider: r.Provider,
		Owner: r.Owner, Label: r.Label, State: r.State, Created: moment(r.Created), NotBefore: moment(r.NotBefore),
		NotAfter: moment(r.NotAfter), Changed: moment(r.Changed), KEK: r.Kek, MAC: bare(r.Mac),
		DataKey: bare(r.DataKey), Public: bare(r.PublicKey), Private: bare(r.PrivateKey), Certificate: bare(r.Certificate),
		App: sealift.AppID(r.App), Imported: r.Imported != 0, Exportable: r.Exportable != 0, RetireAt: moment(r.RetireAt), FleetWindow: r.FleetWindow,
	}
}
