package people

import (
	"bytes"
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// The kinds of credential.
const (
	kindPassword = "password"
	kindTOTP     = "totp"
	kindRecovery = "recovery"
	kindPasskey  = "passkey"
)

// credentials are those of one person, whose rows the vault wrote.
type credentials struct {
	password *store.Credential
	totp     *store.Credential
	recovery []store.Credential
	passkeys []store.Credential
}

// credentialsOf reads them. A forged row is no credential.
func (r *Registry) credentialsOf(ctx context.Context, tx store.Tx, person string) (c credentials, err error) {
	rows, err := tx.Credentials(ctx, person)
	if err != nil {
		return c, err
	}
	for _, row := range rows {
		switch err := r.vault.CheckRow(ctx, tx, row); {
		case sealift.KindOf(err) == sealift.KindDenied:
			continue
		case err != nil:
			return c, err
		}
		switch row.Kind {
		case kindPassword:
			c.password = &row
		case kindTOTP:
			c.totp = &row
		case kindRecovery:
			c.recovery = append(c.recovery, row)
		case kindPasskey:
			c.passkeys = append(c.passkeys, row)
		}
	}
	return c, nil
}

// hash is that of the password; empty where there is none.
func (c credentials) hash() access.PasswordHash {
	if c.password == nil {
		return ""
	}
	return access.PasswordHash(c.password.Data)
}

func addCredential(ctx context.Context, tx *vault.Tx, c store.Credential) (err error) {
	if c.MAC, err = tx.Authenticate(c); err != nil {
		return err
	}
	return tx.InsertCredential(ctx, c)
}

// setPassword puts a hash in the place of any before.
func (r *Registry) setPassword(ctx context.Context, tx *vault.Tx, person string, hash access.PasswordHash, by audit.Actor, now time.Time) error {
	if err := r.forgetCredentials(ctx, tx, person, by, now, kindPassword); err != nil {
		return err
	}
	return addCredential(ctx, tx, store.Credential{ID: newID(), Person: person, Kind: kindPassword, Created: now, Data: []byte(hash)})
}

// setTOTP puts a secret in the place of any before. step is that of the code which
// proved it, and which serves no more.
func (r *Registry) setTOTP(ctx context.Context, tx *vault.Tx, person string, secret []byte, step int64, by audit.Actor, now time.Time) error {
	if err := r.forgetCredentials(ctx, tx, person, by, now, kindTOTP); err != nil {
		return err
	}
	c := store.Credential{ID: newID(), Person: person, Kind: kindTOTP, Counter: step, Created: now, Used: now}
	if err := r.vault.WrapSecret(ctx, tx, totpName(c.ID), secret, by, now); err != nil {
		return err
	}
	return addCredential(ctx, tx, c)
}

// totpName is under which name the vault has the secret of a credential.
func totpName(id string) string { return "totp/" + id }

// setRecoveryCodes puts new codes in the place of those before, and returns them.
func (r *Registry) setRecoveryCodes(ctx context.Context, tx *vault.Tx, person string, by audit.Actor, now time.Time) ([]string, error) {
	if err := r.forgetCredentials(ctx, tx, person, by, now, kindRecovery); err != nil {
		return nil, err
	}
	codes := access.NewRecoveryCodes()
	for _, code := range codes {
		hash, _ := access.RecoveryHash(code)
		if err := addCredential(ctx, tx, store.Credential{ID: newID(), Person: person, Kind: kindRecovery, Created: now, Data: hash[:]}); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// forgetCredentials deletes a person's credentials of one kind, or all of them.
func (r *Registry) forgetCredentials(ctx context.Context, tx *vault.Tx, person string, by audit.Actor, now time.Time, kind string) error {
	rows, err := tx.Credentials(ctx, person)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if kind != "" && row.Kind != kind {
			continue
		}
		if row.Kind == kindTOTP {
			if err := r.vault.DeleteSecret(ctx, tx, totpName(row.ID), by, now); err != nil {
				return err
			}
		}
		if err := tx.DeleteCredential(ctx, row.ID); err != nil {
			return err
		}
	}
	return nil
}

// useTOTP reports whether code is that of a person's authenticator app now, and
// not used before; from then on it is.
func (r *Registry) useTOTP(ctx context.Context, tx *vault.Tx, c credentials, code string, by audit.Actor, now time.Time) (bool, error) {
	if c.totp == nil {
		return false, nil
	}
	row := *c.totp
	secret, err := r.vault.UnwrapSecret(ctx, tx, totpName(row.ID), vault.Why{Action: "person.totp", Subject: row.Person}, by, now)
	if err != nil {
		return false, err
	}
	defer clear(secret)
	step, ok := access.CheckTOTP(secret, code, row.Counter, now)
	if !ok {
		return false, nil
	}
	row.Counter, row.Used = step, now
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return false, err
	}
	return true, tx.UpdateCredential(ctx, row, c.totp.MAC)
}

// useRecoveryCode reports whether code is one of a person's; from then on it is
// none.
func useRecoveryCode(ctx context.Context, tx *vault.Tx, c credentials, code string) (bool, error) {
	hash, ok := access.RecoveryHash(code)
	if !ok {
		return false, nil
	}
	for _, row := range c.recovery {
		if bytes.Equal(row.Data, hash[:]) { // hashes of random codes: their time tells nothing
			return true, tx.DeleteCredential(ctx, row.ID)
		}
	}
	return false, nil
}
