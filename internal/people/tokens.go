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

// CreateToken implements service.Tokens.
func (r *Registry) CreateToken(ctx context.Context, by access.Caller, want service.NewToken) (made service.MadeToken, err error) {
	err = r.act(ctx, by.Actor(), "token.create", "", func(tx *vault.Tx, now time.Time, e *audit.Entry) (err error) {
		e.Details = details(want)
		made, err = r.create(ctx, tx, by, want, now, e)
		return err
	})
	if err != nil {
		return service.MadeToken{}, err
	}
	return made, nil
}

func details(want service.NewToken) map[string]string {
	d := map[string]string{"role": string(want.Role), "life": want.Life.String()}
	if want.App != "" {
		d["app"] = string(want.App)
	}
	if want.Actions != "" {
		d["actions"] = string(want.Actions)
	}
	if want.Label != "" {
		d["label"] = want.Label
	}
	return d
}

func (r *Registry) create(ctx context.Context, tx *vault.Tx, by access.Caller, want service.NewToken, now time.Time, e *audit.Entry) (service.MadeToken, error) {
	if err := access.MayGrant(by.Role, by.Actions, want.Role, want.Actions); err != nil {
		return service.MadeToken{}, err
	}
	if err := r.checkApp(ctx, tx, "making an access token", want.App); err != nil {
		return service.MadeToken{}, err
	}
	root, err := firstRoot(ctx, tx)
	if err != nil {
		return service.MadeToken{}, err
	}
	token := access.NewToken(access.KindService, root)
	row := token.Row(want.Role, now, now.Add(want.Life))
	row.App, row.Actions, row.Label, row.Creator = want.App, string(want.Actions), want.Label, by.ID
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return service.MadeToken{}, err
	}
	e.Subject, e.Details[vault.RowDetail] = row.ID, vault.RowTag(row.MAC)
	return service.MadeToken{Secret: token, Token: tokenOf(row)}, tx.InsertToken(ctx, row)
}

// Tokens implements service.Tokens.
func (r *Registry) Tokens(ctx context.Context) (tokens []service.Token, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		rows, err := tx.Tokens(ctx)
		for _, row := range rows {
			t := tokenOf(row)
			t.Forged = sealift.KindOf(r.vault.CheckRow(ctx, tx, row)) == sealift.KindDenied
			tokens = append(tokens, t)
		}
		return err
	})
	return tokens, err
}

// RevokeToken implements service.Tokens.
func (r *Registry) RevokeToken(ctx context.Context, by access.Caller, id string) error {
	return r.act(ctx, by.Actor(), "token.revoke", strings.ToValidUTF8(id, "?"), func(tx *vault.Tx, _ time.Time, e *audit.Entry) error {
		return r.revoke(ctx, tx, by, id, e.Details)
	})
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
	if err := r.lastOwnersToken(ctx, tx, row); err != nil {
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

// RecoverOwner makes a token of an owner, for all apps and for
// sealift.OwnerTokenLife, for whoever opened the vault itself: with the passphrase
// or the recovery key in hand they rule it anyway. It is how the first owner's
// token is replaced when it is lost or over, and how the only owner is helped
// who has lost what they sign in with. by is who does it, for the log.
func (r *Registry) RecoverOwner(ctx context.Context, by audit.Actor) (access.Token, error) {
	return vault.Do(ctx, r.vault, func(tx *vault.Tx) (access.Token, error) {
		root, err := firstRoot(ctx, tx)
		if err != nil {
			return access.Token{}, err
		}
		token := access.NewToken(access.KindOwner, root)
		now := r.now().UTC()
		row := token.Row(access.RoleOwner, now, now.Add(sealift.OwnerTokenLife))
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

// Rule is who may rule a vault.
type Rule struct {
	Owners    int       // who have a name, and may sign in
	TokenEnds time.Time // when the last token of an owner ends; zero where there is none
}

// Rule returns who may rule the vault now.
func (r *Registry) Rule(ctx context.Context) (rule Rule, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		persons, err := everybody(ctx, r.vault, tx)
		if err != nil {
			return err
		}
		for _, p := range persons {
			if access.IsOwner(p) && r.vault.CheckRow(ctx, tx, p) == nil {
				rule.Owners++
			}
		}
		tokens, err := tx.Tokens(ctx)
		for _, t := range tokens {
			owners := t.Kind == string(access.KindOwner) && !t.Revoked && r.now().Before(t.Expires)
			if owners && t.Expires.After(rule.TokenEnds) && r.vault.CheckRow(ctx, tx, t) == nil {
				rule.TokenEnds = t.Expires
			}
		}
		return err
	})
	return rule, err
}

// lastOwnersToken refuses to revoke the last token of an owner where no owner has
// a name yet: it would leave a vault that nobody rules but by RecoverOwner.
func (r *Registry) lastOwnersToken(ctx context.Context, tx *vault.Tx, row store.Token) error {
	if row.Role != string(access.RoleOwner) || row.App != "" || r.vault.CheckRow(ctx, tx, row) != nil {
		return nil
	}
	if person, err := r.anotherOwner(ctx, tx, ""); err != nil || person {
		return err
	}
	all, err := tx.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		alive := other.Expires.IsZero() || r.now().Before(other.Expires)
		if other.ID != row.ID && other.Role == row.Role && other.App == "" && other.Actions == "" && !other.Revoked && alive && r.vault.CheckRow(ctx, tx, other) == nil {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindConflict, "revoking an access token", "it is the last one of an owner").WithReason("last-owner").
		WithHint("invite an owner first, with: sealift user invite LOGIN --role owner")
}

func tokenOf(row store.Token) service.Token {
	return service.Token{
		ID: row.ID, Kind: access.Kind(row.Kind), Role: access.Role(row.Role), Actions: access.Actions(row.Actions),
		App: row.App, Label: row.Label, Creator: row.Creator, Created: row.Created, Expires: row.Expires, Revoked: row.Revoked,
	}
}
