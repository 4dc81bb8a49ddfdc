package installation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
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

// openBeside opens the store of a data folder that a server may have open, too:
// the database itself keeps transactions apart.
func openBeside(ctx context.Context, dir string, fn func(db store.Store) error) (err error) {
	path := filepath.Join(dir, config.DatabaseName)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return sealift.Errorf(sealift.KindNotFound, "opening the data folder", "%s holds no vault", dir).
				WithHint("name the folder that sealift init made with --data")
		}
		return sealift.Errorf(sealift.KindDenied, "opening the data folder", "%w", err).WithHint("run as the owner of %s", dir)
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}
