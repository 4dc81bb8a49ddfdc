package sqlstore

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertToken implements store.TokenTx.
func (t *tx) InsertToken(ctx context.Context, token store.Token) error {
	rows, err := t.q.InsertToken(ctx, sqlcgen.InsertTokenParams{
		ID: token.ID, Kind: token.Kind, Role: token.Role, App: string(token.App), Label: token.Label, Creator: token.Creator,
		Hash: token.Hash[:], Created: micros(token.Created), Expires: micros(token.Expires), Revoked: flag(token.Revoked), Mac: some(token.MAC), Actions: token.Actions,
	})
	return t.added(ctx, "storing token "+token.ID, rows, err)
}

// Token implements store.TokenTx.
func (t *tx) Token(ctx context.Context, id string) (store.Token, error) {
	row, err := t.q.Token(ctx, id)
	if err != nil {
		return store.Token{}, t.fail(ctx, "reading token "+id, err)
	}
	return tokenOf(row), nil
}

// Tokens implements store.TokenTx.
func (t *tx) Tokens(ctx context.Context) ([]store.Token, error) {
	rows, err := t.q.Tokens(ctx)
	return collect(rows, t.fail(ctx, "listing tokens", err), tokenOf)
}

func tokenOf(r sqlcgen.Token) store.Token {
	return store.Token{
		ID: r.ID, Kind: r.Kind, Role: r.Role, App: sealift.AppID(r.App), Label: r.Label, Creator: r.Creator, Hash: digest(r.Hash),
		Created: moment(r.Created), Expires: moment(r.Expires), Revoked: r.Revoked != 0, MAC: bare(r.Mac), Actions: r.Actions,
	}
}

// UpdateToken implements store.TokenTx.
func (t *tx) UpdateToken(ctx context.Context, token store.Token, oldMAC []byte) error {
	rows, err := t.q.UpdateToken(ctx, sqlcgen.UpdateTokenParams{
		ID: token.ID, Kind: token.Kind, Role: token.Role, App: string(token.App), Label: token.Label, Creator: token.Creator,
		Hash: token.Hash[:], Created: micros(token.Created), Expires: micros(token.Expires), Revoked: flag(token.Revoked), Mac: some(token.MAC),
		OldMac: some(oldMAC), Actions: token.Actions,
	})
	return t.swapped(ctx, "changing token "+token.ID, rows, err, func() error { _, err := t.Token(ctx, token.ID); return err })
}

// InsertEnrolmentToken implements store.TokenTx.
func (t *tx) InsertEnrolmentToken(ctx context.Context, token store.EnrolmentToken) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertEnrolmentToken(ctx, sqlcgen.InsertEnrolmentTokenParams{
			ID: token.ID, App: string(token.App), Label: token.Label, Created: micros(token.Created),
			Expires: micros(token.Expires), MaxUses: token.MaxUses, Uses: token.Uses, Mac: some(token.MAC),
		})
	})
	return t.added(ctx, "storing enrolment token "+token.ID, rows, err)
}

// EnrolmentToken implements store.TokenTx.
func (t *tx) EnrolmentToken(ctx context.Context, id string) (store.EnrolmentToken, error) {
	r, err := t.q.EnrolmentToken(ctx, id)
	if err != nil {
		return store.EnrolmentToken{}, t.fail(ctx, "reading enrolment token "+id, err)
	}
	return store.EnrolmentToken{
		ID: r.ID, App: sealift.AppID(r.App), Label: r.Label, Created: moment(r.Created),
		Expires: moment(r.Expires), MaxUses: r.MaxUses, Uses: r.Uses, MAC: bare(r.Mac),
	}, nil
}

// UpdateEnrolmentToken implements store.TokenTx.
func (t *tx) UpdateEnrolmentToken(ctx context.Context, token store.EnrolmentToken, oldMAC []byte) error {
	op := "changing enrolment token " + token.ID
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.UpdateEnrolmentToken(ctx, sqlcgen.UpdateEnrolmentTokenParams{
			ID: token.ID, App: string(token.App), Label: token.Label, Created: micros(token.Created), Expires: micros(token.Expires),
			MaxUses: token.MaxUses, Uses: token.Uses, Mac: some(token.MAC), OldMac: some(oldMAC),
		})
	})
	return t.swapped(ctx, op, rows, err, func() error { _, err := t.EnrolmentToken(ctx, token.ID); return err })
}
