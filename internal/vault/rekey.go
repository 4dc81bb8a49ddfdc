package vault

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

const (
	actionRekey = "vault.rekey"
	actionDrill = "vault.drill"
)

// Rekey exchanges the secrets of the paths that next names; the other path stays
// as it is. current is the present secret of either path. No key is made anew
// or sealed again: what changes is how the root key is wrapped. Whoever kept
// the old record and an old secret still opens the former; Rekey is for a secret
// that somebody may have seen, not for a record that was stolen with it.
//
// The record is exchanged in one transaction with its entry, so that an
// interruption leaves the old one or the new one. The errors are those of
// Unseal; KindInvalid where next will not do or is empty; KindConflict if the
// record changed meanwhile. It takes as long as one Argon2id for current and
// one for each new secret, and works on a sealed vault and an open one.
func (v *Vault) Rekey(ctx context.Context, current Opener, next Secrets, by audit.Actor, now time.Time) error {
	return v.rekey(ctx, current, next, recommendedArgon2, by, now)
}

func (v *Vault) rekey(ctx context.Context, current Opener, next Secrets, params func() argon2Params, by audit.Actor, now time.Time) error {
	e := event{action: actionRekey, actor: by, at: now}
	if next.Unseal != nil {
		e = e.detail("unseal", "exchanged")
	}
	if next.Recovery != nil {
		e = e.detail("recovery", "exchanged")
	}
	r, before, err := v.readRecord(ctx)
	if err != nil {
		return v.recordBeside(ctx, err, []event{e.failed(err)})
	}
	e.subject = "vault:" + string(r.Vault)
	path, after, err := v.rewrap(ctx, r, current, next, params)
	if err != nil {
		return v.recordBeside(ctx, err, []event{e.failed(err)})
	}
	// By the log, a record that is put back to what it was can be told.
	e = e.detail("path", path.String()).detail("record", sealift.DigestOf(after).String())
	v.turn.Lock()
	defer v.turn.Unlock()
	return v.update(ctx, v.ring.Load(), func(tx *Tx) error {
		if now, err := tx.VaultSeal(ctx); err != nil || !bytes.Equal(now, before) {
			return tx.refuse(ctx, e, errors.Join(err, errRecordChanged()))
		}
		if err := tx.SetVaultSeal(ctx, after); err != nil {
			return err
		}
		return tx.append(ctx, e.with(audit.OK))
	})
}

// rewrap is the slow part of Rekey, outside of any lock and transaction.
func (v *Vault) rewrap(ctx context.Context, r *record, current Opener, next Secrets, params func() argon2Params) (Path, []byte, error) {
	if err := next.check(r.Vault, false); err != nil {
		return "", nil, err
	}
	if next.Unseal == nil && next.Recovery == nil {
		return "", nil, sealift.Errorf(sealift.KindInvalid, "exchanging the vault's secrets", "neither is named")
	}
	if err := v.slow(ctx); err != nil {
		return "", nil, err
	}
	defer v.slowDone()
	root, path, err := r.unwrap(ctx, current)
	if err != nil {
		return "", nil, openingError(err)
	}
	defer clear(root)
	ring, err := r.openWithRoot(root) // only a record that is whole is written again
	if err != nil {
		return "", nil, openingError(err)
	}
	ring.wipe()
	if err := r.wrap(ctx, root, next, params); err != nil {
		return "", nil, err
	}
	data, err := r.marshal()
	return path, data, err
}

// Drill proves that a recovery key, or shares of either path, open the vault, and
// changes nothing but the log: who proved which path, and when, is an entry, and
// so is a failure. The errors are those of Unseal; KindInvalid with reason
// "recovery" for what is neither; KindNotFound with that reason where there is
// no such path.
func (v *Vault) Drill(ctx context.Context, with Opener, by audit.Actor, now time.Time) (path Path, err error) {
	e := event{action: actionDrill, actor: by, at: now}
	r, _, err := v.readRecord(ctx)
	if err == nil {
		e.subject = "vault:" + string(r.Vault)
		path, err = v.drill(ctx, r, with)
	}
	if err != nil {
		return path, v.recordBeside(ctx, err, []event{e.failed(err)})
	}
	return path, v.recordApart(ctx, []event{e.detail("path", path.String()).with(audit.OK)})
}

func (v *Vault) drill(ctx context.Context, r *record, with Opener) (Path, error) {
	const doing = "proving the recovery path"
	switch with := with.(type) {
	case RecoveryKey:
		if err := with.check(r.Vault, PathRecovery); err != nil {
			return "", err
		}
		if !slices.ContainsFunc(r.Wraps, with.fits) {
			return "", sealift.Errorf(sealift.KindNotFound, doing, "this vault has no recovery key: it opens with %s", r.ways()).WithReason(ReasonRecovery).
				WithHint("make one with: sealift vault rekey --data DIR --recovery-out FILE")
		}
	case Shares:
	default:
		return "", sealift.Errorf(sealift.KindInvalid, doing, "neither a recovery key nor shares were given").WithReason(ReasonRecovery)
	}
	ring, path, err := v.openRecord(ctx, r, with)
	if err != nil {
		return "", err
	}
	ring.wipe()
	return path, nil
}
