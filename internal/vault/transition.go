package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Transition puts a key version from one state into another and records it with
// its reason, 1 to sealift.MaxReason bytes. A version that is activated for the
// first time begins its cryptoperiod now.
//
// To Destroyed erases the private material from the row; the rest stays, as
// evidence. Copies of the row in backups hold it still, under key-encryption
// and root key. A key in a token is destroyed there, for which the token must be
// there; one that is lost with its token can be declared compromised.
//
// Errors are KindConflict if the version is not in state from any more,
// KindDenied with reason "key-state" if the change is not allowed for states
// or purpose, KindInvalid for the reason, and those of reading the row.
func (v *Vault) Transition(ctx context.Context, tx *Tx, key Ref, from, to State, by audit.Actor, reason string, now time.Time) (KeyInfo, error) {
	e := event{at: now, actor: by, action: actionTransition, key: Ref{clip(key.ID), key.Version}}
	e = e.detail("from", clip(string(from))).detail("to", clip(string(to)))
	e, err := e.because(reason)
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	row, info, err := readRow(ctx, tx.ring, tx, key)
	if err == nil {
		err = info.mayBecome(from, to)
	}
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	was := info
	e = e.detail("purpose", row.Purpose)
	if err := enter(tx.ring, &row, to, stored(now)); err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	if info, err = updateRow(ctx, tx, row, &e); err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	if err := tx.append(ctx, e.with(audit.OK)); err != nil || to != Destroyed {
		return info, err
	}
	if err := v.destroyInToken(ctx, was); err != nil { // last: it cannot be taken back
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	return info, nil
}

// Replaced is what came of putting one version of a key in the place of another.
type Replaced struct {
	Was, Is KeyInfo
	Standby KeyInfo // the version to come after Is; the zero KeyInfo where there is none
}

// Replace activates the version next of a key and puts the one before, which is
// active or suspended, into state to, Deactivated or Compromised, in one
// transaction. Each change is recorded as by Transition.
func (v *Vault) Replace(ctx context.Context, tx *Tx, was, next KeyInfo, to State, by audit.Actor, reason string, now time.Time) (r Replaced, err error) {
	if r.Is, err = v.Transition(ctx, tx, next.Ref, PreActive, Active, by, reason, now); err != nil {
		return r, err
	}
	r.Was, err = v.Transition(ctx, tx, was.Ref, was.State, to, by, reason, now)
	return r, err
}

// Retirement is when a version is to be destroyed.
type Retirement struct {
	At time.Time // at the latest; the zero time takes it back
	// FleetWindow, in whole seconds, is the time in which a device must have been
	// seen to hold that up until At; 0 where the date alone says when.
	FleetWindow time.Duration
}

// Retire sets when a version that is deactivated or compromised is to be
// destroyed, over what was set before. It destroys nothing by itself: RetireAt and
// FleetWindow say when it is time.
//
// Errors are KindDenied with reason "key-state" for a version in another state,
// KindInvalid for the reason, and those of reading the row.
func (v *Vault) Retire(ctx context.Context, tx *Tx, key Ref, when Retirement, by audit.Actor, reason string, now time.Time) (KeyInfo, error) {
	e := event{at: now, actor: by, action: actionRetire, key: Ref{clip(key.ID), key.Version}}
	e, err := e.because(reason)
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	row, info, err := readRow(ctx, tx.ring, tx, key)
	if err == nil && info.State != Deactivated && info.State != Compromised {
		err = sealift.Errorf(sealift.KindDenied, "retiring key "+info.Ref.String(), "it is %s", info.State).WithReason(ReasonState).
			WithHint("a version is retired once another has taken its place: sealift key rotate %s --reason TEXT", info.ID)
	}
	if err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	row.RetireAt, row.FleetWindow = stored(when.At), 0
	if !when.At.IsZero() {
		e = e.detail("at", row.RetireAt.Format(time.RFC3339))
		if row.FleetWindow = int64(when.FleetWindow / time.Second); row.FleetWindow != 0 {
			e = e.detail("fleet", fmt.Sprintf("or when no device seen in %s believes it", when.FleetWindow))
		}
	}
	if info, err = updateRow(ctx, tx, row, &e); err != nil {
		return KeyInfo{}, tx.refuse(ctx, e, err)
	}
	return info, tx.append(ctx, e.with(audit.OK))
}

// enter changes the row as entering the state does.
func enter(ring *keyring, row *store.Key, to State, now time.Time) error {
	if State(row.State) == PreActive && to == Active {
		row.NotBefore, row.NotAfter = now, now.Add(row.NotAfter.Sub(row.NotBefore))
		s, err := ring.activate(sealed{row.KEK, row.DataKey, row.Private}, keyBinding(row.ID, row.Version, Purpose(row.Purpose)))
		if err != nil && sealift.KindOf(err) != sealift.KindSealed {
			return errTampered(Ref{row.ID, row.Version}, "its private key: %w", err)
		}
		if err != nil {
			return err
		}
		row.KEK, row.DataKey = s.kek, s.dataKey
	}
	if to == Destroyed {
		row.DataKey, row.Private, row.KEK, row.RetireAt, row.FleetWindow = nil, nil, "", time.Time{}, 0
	}
	row.State, row.Changed = string(to), now
	return nil
}

func (k KeyInfo) mayBecome(from, to State) error {
	doing := "changing the state of key " + k.Ref.String()
	switch {
	case k.State != from:
		return sealift.Errorf(sealift.KindConflict, doing, "it is %s, not %.40s", k.State, from).WithHint("look at the key and decide again")
	case !CanTransition(from, to):
		return sealift.Errorf(sealift.KindDenied, doing, "%s does not become %.40s", from, to).WithReason(ReasonState).
			WithHint("from %s a key becomes %v", from, transitions[from])
	case to == Suspended && policies[k.Purpose].noSuspend:
		return sealift.Errorf(sealift.KindDenied, doing, "suspending a %s key would stop the fleet", k.Purpose).WithReason(ReasonState).
			WithHint("activate its standby, then deactivate this one")
	}
	return nil
}

// because adds the reason that somebody gave.
func (e event) because(reason string) (event, error) {
	if err := checkText(reason, sealift.MaxReason); err != nil {
		return e, sealift.Errorf(sealift.KindInvalid, "reading the reason", "it %w", err)
	}
	if reason == "" {
		return e, sealift.Errorf(sealift.KindInvalid, "reading the reason", "it is empty").WithHint("say why in a few words: they go into the log")
	}
	return e.detail("reason-given", reason), nil
}
