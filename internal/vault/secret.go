package vault

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

// WrapSecret keeps a secret that is not a key, such as that of an enrolment
// token: sealed like a key, bound to its name, under a name that is new. The
// caller clears plaintext, which has at most sealift.MaxSecret bytes. Errors
// are KindSealed, KindInvalid for name and length, KindConflict if the name is
// taken; each is recorded, as is success.
func (v *Vault) WrapSecret(ctx context.Context, tx *Tx, name string, plaintext []byte, by audit.Actor, now time.Time) error {
	e := event{at: now, actor: by, action: actionWrap, subject: clip(name)}
	if err := checkSecret(name, plaintext); err != nil {
		return tx.refuse(ctx, e, err)
	}
	s, err := tx.ring.seal(plaintext, secretBinding(name), false)
	if err == nil {
		err = tx.InsertSecret(ctx, name, s.marshal())
	}
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	return tx.append(ctx, e.with(audit.OK))
}

// UnwrapSecret returns a secret by its name; the caller clears it. Like a use
// of a key it is recorded before the secret is returned, with why, and so are
// refusals. Errors are KindSealed, KindNotFound, KindInvalid for why, and
// KindDenied with reason "key-row-tampered" if what is stored is not what was
// wrapped under that name.
func (v *Vault) UnwrapSecret(ctx context.Context, tx *Tx, name string, why Why, by audit.Actor, now time.Time) ([]byte, error) {
	e, err := Use{Actor: by, Why: why, Now: now}.event()
	e.action, e.subject = actionUnwrap, clip(name)
	delete(e.details, "purpose")
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	plaintext, err := unwrap(ctx, tx, name)
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	if err := tx.append(ctx, e.with(audit.OK)); err != nil {
		clear(plaintext)
		return nil, err
	}
	return plaintext, nil
}

func unwrap(ctx context.Context, tx *Tx, name string) ([]byte, error) {
	if err := tx.ring.present(); err != nil {
		return nil, err
	}
	data, err := tx.Secret(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := parseSealed(data)
	if err != nil {
		return nil, errSecretTampered(name, err)
	}
	plaintext, err := tx.ring.open(s, secretBinding(name))
	if err != nil && sealift.KindOf(err) != sealift.KindSealed {
		return nil, errSecretTampered(name, err)
	}
	return plaintext, err
}

// DeleteSecret removes a secret and records it. Removing one that is not there
// is no error.
func (v *Vault) DeleteSecret(ctx context.Context, tx *Tx, name string, by audit.Actor, now time.Time) error {
	e := event{at: now, actor: by, action: actionForget, subject: clip(name)}
	err := tx.ring.present()
	if err == nil {
		err = tx.Tx.DeleteSecret(ctx, name)
	}
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	return tx.append(ctx, e.with(audit.OK))
}

func checkSecret(name string, plaintext []byte) error {
	const doing = "wrapping a secret"
	if len(name) > sealift.MaxKeyLabel || !keyIDPattern.MatchString(name) {
		return sealift.Errorf(sealift.KindInvalid, doing, "%.80q is no name", name).
			WithHint("use letters, digits and . _ : / @ -, at most %d bytes", sealift.MaxKeyLabel)
	}
	if n := len(plaintext); n == 0 || n > sealift.MaxSecret {
		return sealift.Errorf(sealift.KindInvalid, doing, "it has %d bytes; 1 to %d are allowed", n, sealift.MaxSecret)
	}
	return nil
}

func errSecretTampered(name string, err error) error {
	return sealift.Errorf(sealift.KindDenied, "unwrapping secret "+clip(name), "%w", err).WithReason(ReasonTampered).
		WithHint("something other than the vault wrote to its store: find out what, and restore a backup")
}
