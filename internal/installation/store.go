package installation

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// openStore opens the store of a data folder; how is of a database. There Alone
// keeps other servers out, where the folder's own lock does not: two folders may
// name one database.
func openStore(ctx context.Context, dir string, where config.Store, how postgres.Options) (store.Store, error) {
	if where.Kind == config.StorePostgres {
		return postgres.Open(ctx, string(where.DSN), how)
	}
	return sqlite.Open(ctx, filepath.Join(dir, config.DatabaseName))
}

// createStore makes the store of a folder that is being founded, in a database
// or file that has nothing yet. undo takes away what of it is not in the folder.
func createStore(ctx context.Context, dir string, where config.Store) (db store.Store, undo func() error, err error) {
	if where.Kind != config.StorePostgres {
		db, err = sqlite.Open(ctx, filepath.Join(dir, config.DatabaseName))
		return db, func() error { return nil }, err
	}
	created, drop, err := postgres.Create(ctx, string(where.DSN))
	if err != nil {
		return nil, nil, err
	}
	return created, bound(ctx, drop), nil
}

// createStoreAt is createStore for rows of an earlier day, by the number of their
// schema: openStore brings it up to date.
func createStoreAt(ctx context.Context, dir string, where config.Store, schema int64) (db store.Store, undo func() error, err error) {
	if where.Kind != config.StorePostgres {
		db, err = sqlite.OpenAt(ctx, filepath.Join(dir, config.DatabaseName), schema)
		return db, func() error { return nil }, err
	}
	created, drop, err := postgres.CreateAt(ctx, string(where.DSN), schema)
	if err != nil {
		return nil, nil, err
	}
	return created, bound(ctx, drop), nil
}

// bound has the taking back of a database bounded, and work also where what came
// to nothing was interrupted.
func bound(ctx context.Context, drop func(context.Context) error) (undo func() error) {
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		return drop(ctx)
	}
}

// undoTimeout bounds the taking back of a founding, or a restore, that came to
// nothing.
const undoTimeout = time.Minute

// openBeside opens the store of a data folder that a server may have open, too:
// the database itself keeps transactions apart.
func openBeside(ctx context.Context, dir string, fn func(db store.Store) error) (err error) {
	where, err := config.StoreOf(dir)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, dir, where, postgres.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}
