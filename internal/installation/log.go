package installation

import (
	"context"
	"time"

	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// VerifyLog verifies the log in a data folder, against its own checkpoints and
// what else is demanded. A server may run on the folder meanwhile: what is
// verified is one state of it. Errors are those of audit.Verify, and
// KindNotFound where there is no vault.
func VerifyLog(ctx context.Context, dir string, d audit.Demands) (verified audit.Verified, err error) {
	err = openBeside(ctx, dir, func(db store.Store) error {
		return db.View(ctx, func(tx store.Tx) error {
			verified, err = audit.Verify(ctx, tx, d)
			return err
		})
	})
	return verified, err
}

// WithVault runs fn with the vault of a data folder, sealed. A server may run on
// the folder meanwhile: it goes on with the keys that it has open.
// KindNotFound where there is no vault.
func WithVault(ctx context.Context, dir string, fn func(v *vault.Vault) error) error {
	return openBeside(ctx, dir, func(db store.Store) error {
		v := vault.New(db)
		defer v.Close()
		return fn(v)
	})
}

// RecoverOwner opens the vault of a data folder and makes a token of an owner. A server may run on the folder meanwhile.
// Errors are those of WithVault and vault.Unseal.
func RecoverOwner(ctx context.Context, dir string, with vault.Opener, by audit.Actor, now func() time.Time) (token access.Token, err error) {
	err = openBeside(ctx, dir, func(db store.Store) error {
		v := vault.New(db)
		defer v.Close()
		if err := v.Unseal(ctx, with, by, now()); err != nil {
			return err
		}
		token, err = people.New(db, v, now).RecoverOwner(ctx, by)
		return err
	})
	return token, err
}

// MoveStandby opens the vault of a data folder and makes the standby of one of
// its own keys elsewhere. A server may run on the folder meanwhile. Errors are
// those of WithVault, vault.Unseal and release.Service.MoveStandby.
func MoveStandby(ctx context.Context, dir string, with vault.Opener, tokens vault.Tokens, m release.Move, by audit.Actor, now func() time.Time) (info vault.KeyInfo, err error) {
	err = openBeside(ctx, dir, func(db store.Store) error {
		v := vault.New(db, vault.WithTokens(tokens))
		defer v.Close()
		if err := v.Unseal(ctx, with, by, now()); err != nil {
			return err
		}
		// Nothing is published by it: devices hear of the standby by a ceremony.
		info, err = release.New(release.Config{Store: db, Vault: v, Now: now}).MoveStandby(ctx, by, m)
		return err
	})
	return info, err
}
