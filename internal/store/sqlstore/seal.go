package sqlstore

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// VaultSeal implements store.SealTx.
func (t *tx) VaultSeal(ctx context.Context) ([]byte, error) {
	record, err := t.q.VaultSeal(ctx)
	return bare(record), t.fail(ctx, "reading the seal record", err)
}

// SetVaultSeal implements store.SealTx.
func (t *tx) SetVaultSeal(ctx context.Context, record []byte) error {
	return t.fail(ctx, "storing the seal record", t.q.SetVaultSeal(ctx, some(record)))
}

// Secret implements store.SealTx.
func (t *tx) Secret(ctx context.Context, name string) ([]byte, error) {
	wrapped, err := t.q.Secret(ctx, name)
	return bare(wrapped), t.fail(ctx, "reading secret "+name, err)
}

// InsertSecret implements store.SealTx.
func (t *tx) InsertSecret(ctx context.Context, name string, wrapped []byte) error {
	rows, err := t.q.InsertSecret(ctx, sqlcgen.InsertSecretParams{Name: name, Wrapped: some(wrapped)})
	return t.added(ctx, "storing secret "+name, rows, err)
}

// UpdateSecret implements store.SealTx.
func (t *tx) UpdateSecret(ctx context.Context, name string, wrapped, old []byte) error {
	op := "changing secret " + name
	rows, err := t.q.UpdateSecret(ctx, sqlcgen.UpdateSecretParams{Name: name, Wrapped: some(wrapped), Old: some(old)})
	if err != nil || rows > 0 {
		return t.fail(ctx, op, err)
	}
	if _, err := t.Secret(ctx, name); err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it has changed meanwhile")
}

// Secrets implements store.SealTx.
func (t *tx) Secrets(ctx context.Context, behind string, limit int) ([]store.Secret, error) {
	rows, err := t.q.Secrets(ctx, sqlcgen.SecretsParams{Behind: behind, Most: most(limit)})
	return collect(rows, t.fail(ctx, "listing secrets", err), func(r sqlcgen.Secret) store.Secret {
		return store.Secret{Name: r.Name, Wrapped: bare(r.Wrapped)}
	})
}

// DeleteSecret implements store.SealTx.
func (t *tx) DeleteSecret(ctx context.Context, name string) error {
	return t.fail(ctx, "deleting secret "+name, t.q.DeleteSecret(ctx, name))
}
