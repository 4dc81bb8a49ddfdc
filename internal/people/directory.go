package people

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
)

// Directory is where callers are looked up who bring a token.
func (r *Registry) Directory() access.Directory { return directory{r} }

type directory struct{ *Registry }

// found is a row that was read in tx, with what the vault says of it.
func found[R store.Authentic](ctx context.Context, d directory, tx store.Tx, row R, err error) (access.Found[R], error) {
	if err != nil {
		return access.Found[R]{}, err
	}
	return access.Found[R]{Row: row, Wrong: d.vault.CheckRow(ctx, tx, row)}, nil
}

// AccessToken implements access.Directory. It reads the row and then what was
// stated last: a row that is of then is the vault's. One that is not may have
// changed in between, which a view of one state tells.
func (d directory) AccessToken(ctx context.Context, id string) (token access.Found[store.Token], err error) {
	read := func(tx store.Tx) error {
		row, err := tx.Token(ctx, id)
		token, err = found(ctx, d, tx, row, err)
		return err
	}
	if err = d.store.Read(ctx, read); err == nil && token.Wrong != nil {
		err = d.store.View(ctx, read)
	}
	return token, err
}

// Session implements access.Directory.
func (d directory) Session(ctx context.Context, id string) (session access.Found[store.Session], person access.Found[store.Person], err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		row, err := tx.Session(ctx, id)
		if ended, ok := d.endings.find(id); ok && sealift.KindOf(err) == sealift.KindNotFound {
			session, person = endedSession(ended)
			return nil
		}
		if session, err = found(ctx, d, tx, row, err); err != nil {
			return err
		}
		who, err := tx.Person(ctx, row.Person)
		person, err = found(ctx, d, tx, who, err)
		return err
	})
	return session, person, err
}

// HasOwner implements access.Directory.
func (d directory) HasOwner(ctx context.Context) (has bool, err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		has, err = d.anotherOwner(ctx, tx, "")
		return err
	})
	return has, err
}
