package store

import (
	"context"

	"github.com/sealift/sealift"
)

// LoginOf is what people know a person by; empty for an id that is no person's.
func LoginOf(ctx context.Context, tx Tx, id string) (string, error) {
	p, err := tx.Person(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return "", nil
	}
	return p.Login, err
}

// NameOf is what people know a person or a token by; empty where neither has id.
func NameOf(ctx context.Context, tx Tx, id string) (string, error) {
	if login, err := LoginOf(ctx, tx, id); err != nil || login != "" {
		return login, err
	}
	t, err := tx.Token(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return "", nil
	}
	return t.Label, err
}
