// Package people keeps who may act on the vault through the people-facing API:
// for now the holders of access tokens.
//
// A token is made by somebody who may (access.ManageTokens), for a role that
// they may grant, for one app or for all, and for a stated time. Its row bears a
// MAC under the vault's root key, and the entry of each change names that MAC:
// nobody makes, widens or prolongs a token by SQL. Its secret is returned once
// and stored as a hash.
//
// What it does not do: a row of before, put back by SQL, has a good MAC. So a
// token that was revoked can be brought back by whoever writes to the database
// and kept its row; the log's entries tell.
package people

import (
	"context"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Registry makes, lists and revokes access tokens. It is a service.Tokens.
type Registry struct {
	store store.Store
	vault *vault.Vault
	now   func() time.Time
}

// New returns the registry over a vault and its store.
func New(s store.Store, v *vault.Vault, now func() time.Time) *Registry {
	return &Registry{s, v, now}
}

// CreateToken implements service.Tokens.
func (r *Registry) CreateToken(ctx context.Context, by access.Caller, want service.NewToken) (made service.MadeToken, err error) {
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		now := r.now().UTC()
		e := audit.Entry{Time: now, Actor: by.Actor(), Action: "token.create", Details: details(want)}
		made, err = r.create(ctx, tx, by, want, now, &e)
		return note(ctx, tx, e, err)
	})
	if err != nil {
		return service.MadeToken{}, r.refused(ctx, err)
	}
	return made, nil
}

func details(want service.NewToken) map[string]string {
	d := map[string]string{"role": string(want.Role), "life": want.Life.String()}
	if want.App != "" {
		d["app"] = string(want.App)
	}
	if want.Label != "" {
		d["label"] = want.Label
	}
	return d
}

func (r *Registry) create(ctx context.Context, tx *vault.Tx, by access.Caller, want service.NewToken, now time.Time, e *audit.Entry) (service.MadeToken, error) {
	if err := access.MayGrant(by.Role, want.Role); err != nil {
		return service.MadeToken{}, err
	}
	if want.App != "" {
		app, err := tx.App(ctx, want.App)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return service.MadeToken{}, sealift.Errorf(sealift.KindNotFound, "making an access token", "there is no app %s", want.App).
				WithReason("app").WithHint("see the apps there are with: sealift app list")
		}
		if err == nil {
			err = r.vault.CheckRow(app)
		}
		if err != nil {
			return service.MadeToken{}, err
		}
	}
	first, err := tx.Root(ctx, 1)
	if err != nil {
		return service.MadeToken{}, err
	}
	token := access.NewToken(access.KindService, sealift.DigestOf(first.Content))
	row := token.Row(want.Role, now, now.Add(want.Life))
	row.App, row.Label, row.Creator = want.App, want.Label, by.ID
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return service.MadeToken{}, err
	}
	e.Subject, e.Details[vault.RowDetail] = row.ID, vault.RowTag(row.MAC)
	return service.MadeToken{Secret: token, Token: tokenOf(row)}, tx.InsertToken(ctx, row)
}

// denial carries what was refused out of a transaction that is rolled back.
type denial struct {
	error
	entry audit.Entry
}

func (d denial) Unwrap() error { return d.error }

// note enters what was done into the log. What was refused is entered after the
// transaction is rolled back.
func note(ctx context.Context, tx *vault.Tx, e audit.Entry, err error) error {
	if err != nil {
		e.Result, e.Details["reason"] = audit.Refused, reason(err)
		return denial{err, e}
	}
	e.Result = audit.OK
	_, err = audit.Append(ctx, tx, e)
	return err
}

func reason(err error) string {
	if r := sealift.ReasonOf(err); r != "" {
		return r
	}
	return string(sealift.KindOf(err))
}

// refused enters a denial into the log and returns what it is of.
func (r *Registry) refused(ctx context.Context, err error) error {
	d, ok := err.(denial) //nolint:errorlint // Update returns what it was given
	if !ok {
		return err
	}
	failed := r.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, d.entry)
		return err
	})
	if failed != nil {
		return failed
	}
	return d.error
}

// Tokens implements service.Tokens.
func (r *Registry) Tokens(ctx context.Context) (tokens []service.Token, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		rows, err := tx.Tokens(ctx)
		for _, row := range rows {
			t := tokenOf(row)
			t.Forged = sealift.KindOf(r.vault.CheckRow(row)) == sealift.KindDenied
			tokens = append(tokens, t)
		}
		return err
	})
	return tokens, err
}

// RevokeToken implements service.Tokens.
func (r *Registry) RevokeToken(ctx context.Context, by access.Caller, id string) error {
	err := r.vault.Update(ctx, func(tx *vault.Tx) error {
		e := audit.Entry{Time: r.now().UTC(), Actor: by.Actor(), Action: "token.revoke", Subject: strings.ToValidUTF8(id, "?"), Details: map[string]string{}}
		return note(ctx, tx, e, r.revoke(ctx, tx, by, id, e.Details))
	})
	return r.refused(ctx, err)
}

func (r *Registry) revoke(ctx context.Context, tx *vault.Tx, by access.Caller, id string, details map[string]string) error {
	const op = "revoking an access token"
	row, err := tx.Token(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return sealift.Errorf(sealift.KindNotFound, op, "there is no token %s", id).WithReason("token").
			WithHint("see the tokens there are with: sealift token list")
	}
	if err != nil {
		return err
	}
	role, err := access.ParseRole(row.Role)
	if err == nil {
		err = access.MayRevoke(by.Role, role)
	}
	if err != nil {
		return err
	}
	if row.Revoked {
		return nil
	}
	if err := r.lastOwner(ctx, tx, row); err != nil {
		return err
	}
	// A forged row is revoked like any other, and from then on the vault's own.
	old := row.MAC
	row.Revoked = true
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	details[vault.RowDetail] = vault.RowTag(row.MAC)
	return tx.UpdateToken(ctx, row, old)
}

// RecoverOwner makes a token of an owner, for all apps and for ever, for whoever
// opened the vault itself: with the passphrase or the recovery key in hand they
// rule it anyway. It is how the first owner's token is replaced when it is lost.
// by is who does it, for the log.
func (r *Registry) RecoverOwner(ctx context.Context, by audit.Actor) (access.Token, error) {
	return vault.Do(ctx, r.vault, func(tx *vault.Tx) (access.Token, error) {
		first, err := tx.Root(ctx, 1)
		if err != nil {
			return access.Token{}, err
		}
		token := access.NewToken(access.KindOwner, sealift.DigestOf(first.Content))
		row := token.Row(access.RoleOwner, r.now().UTC(), time.Time{})
		row.Label, row.Creator = "an owner, by the vault's own secret", by.ID
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return access.Token{}, err
		}
		if err := tx.InsertToken(ctx, row); err != nil {
			return access.Token{}, err
		}
		_, err = audit.Append(ctx, tx, audit.Entry{
			Time: row.Created, Actor: by, Action: "token.recover", Subject: row.ID, Result: audit.OK,
			Details: map[string]string{"role": row.Role, vault.RowDetail: vault.RowTag(row.MAC)},
		})
		return token, err
	})
}

// lastOwner refuses to revoke the last token of an owner: it would leave a vault
// that nobody rules but by RecoverOwner.
func (r *Registry) lastOwner(ctx context.Context, tx *vault.Tx, row store.Token) error {
	if row.Role != string(access.RoleOwner) || row.App != "" || r.vault.CheckRow(row) != nil {
		return nil
	}
	all, err := tx.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		alive := other.Expires.IsZero() || r.now().Before(other.Expires)
		if other.ID != row.ID && other.Role == row.Role && other.App == "" && !other.Revoked && alive && r.vault.CheckRow(other) == nil {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindConflict, "revoking an access token", "it is the last one of an owner").WithReason("last-owner").
		WithHint("make another one first, with: sealift token create --role owner --out FILE")
}

func tokenOf(row store.Token) service.Token {
	return service.Token{
		ID: row.ID, Kind: access.Kind(row.Kind), Role: access.Role(row.Role), App: row.App, Label: row.Label, Creator: row.Creator,
		Created: row.Created, Expires: row.Expires, Revoked: row.Revoked,
	}
}
