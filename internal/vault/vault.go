package vault

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Vault is one vault over one store. It starts sealed. All methods are safe
// for concurrent use; a Tx is not.
type Vault struct {
	store    store.Store
	tokens   Tokens                  // nil: it keeps no key in a token
	ring     atomic.Pointer[keyring] // nil while sealed
	stretch  chan struct{}           // one Argon2id at a time: each takes 64 MiB and two cores
	gathered gatherings              // shares that people gave so far
	failures attempts                // of opening it

	rewrapping sync.Mutex // held by the one Rewrap

	heads atomic.Pointer[heads] // what the log says of rows; nil until it was opened once

	turn sync.Mutex // held while the seal record or ring changes, never while Argon2id runs
}

// New returns the vault whose rows are in s, sealed. It reads nothing yet.
func New(s store.Store, options ...Option) *Vault {
	v := &Vault{store: s, stretch: make(chan struct{}, 1)}
	for _, set := range options {
		set(v)
	}
	return v
}

// Close forgets the keys without an entry in the log, as the end of the
// process would. The vault is sealed afterwards; the store stays open.
func (v *Vault) Close() {
	v.gathered.forgetAll()
	v.turn.Lock()
	defer v.turn.Unlock()
	v.install(nil)
}

// install makes ring the present one and wipes the one before.
func (v *Vault) install(ring *keyring) {
	if old := v.ring.Swap(ring); old != nil {
		old.wipe()
	}
}

// String says no more than that it is a vault.
func (v *Vault) String() string { return "[vault]" }

// Status is what anyone may know of a vault, sealed or not.
type Status struct {
	Vault        sealift.VaultID // empty before Init
	Initialised  bool
	Sealed       bool
	Recoverable  bool // there is a recovery path
	Unseal       Way  // what opens it every day
	Recovery     Way  // what opens it when that is lost
	MemoryLocked bool // the root key is kept out of swap; false while sealed
}

// Sealed reports whether the vault is sealed now.
func (v *Vault) Sealed() bool { return v.ring.Load() == nil }

// Status reads the seal record and the state in memory. It fails where the
// store does, and with KindSealed, reason "seal-record", where the record does
// not parse.
func (v *Vault) Status(ctx context.Context) (Status, error) {
	s := Status{Sealed: true}
	if ring := v.ring.Load(); ring != nil {
		s.Sealed, s.MemoryLocked = false, ring.locked()
	}
	r, _, err := v.readRecord(ctx)
	if sealift.ReasonOf(err) == reasonUninitialised {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Initialised, s.Vault, s.Recoverable = true, r.Vault, r.has(PathRecovery)
	s.Unseal, s.Recovery = v.way(r, PathUnseal), v.way(r, PathRecovery)
	return s, nil
}

// way says what opens a path, and how far people have come with it.
func (v *Vault) way(r *record, p Path) Way {
	way := r.way(p)
	for _, w := range r.Wraps {
		if w.Path == p && w.Sealer == sealerShamir {
			way.Given = v.gathered.count(w.ID)
		}
	}
	return way
}

// Init makes the keys of a new vault, seals them under each of the secrets,
// which the caller clears, and leaves the vault unsealed. Without a recovery
// key, whoever loses the passphrase loses the vault. Its transaction also runs fn, which
// may create keys and write what else a new vault needs; if fn fails, nothing
// was done. fn may be nil.
//
// The error is KindConflict with reason "initialised" if the store has a seal
// record, KindInvalid with reason "passphrase" if that is too short or long.
// Init takes as long as one Argon2id for each secret. Like Unseal, Seal and Close it is not to
// be called inside a transaction.
func (v *Vault) Init(ctx context.Context, id sealift.VaultID, s Secrets, by audit.Actor, now time.Time, fn func(tx *Tx) error) error {
	e := event{action: actionInit, actor: by, at: now, subject: "vault:" + clip(string(id))}
	return v.initialise(ctx, id, s, recommendedArgon2, e, fn)
}

func (v *Vault) initialise(ctx context.Context, id sealift.VaultID, s Secrets, params func() argon2Params, e event, fn func(tx *Tx) error) error {
	data, ring, err := v.prepare(ctx, id, s, params)
	if err != nil {
		return v.recordBeside(ctx, err, []event{e.failed(err)})
	}
	ring.heads = newHeads()
	v.turn.Lock()
	defer v.turn.Unlock()
	err = v.update(ctx, ring, func(tx *Tx) error {
		tx.first = true
		switch _, err := tx.VaultSeal(ctx); {
		case err == nil:
			return tx.refuse(ctx, e, errInitialised())
		case sealift.KindOf(err) != sealift.KindNotFound:
			return err
		}
		if err := tx.SetVaultSeal(ctx, data); err != nil {
			return err
		}
		if err := tx.append(ctx, e.with(audit.OK)); err != nil {
			return err
		}
		if fn == nil {
			return nil
		}
		return fn(tx)
	})
	if err != nil {
		ring.wipe()
		return err
	}
	v.heads.Store(ring.heads)
	v.install(ring)
	return nil
}

// prepare does the slow part of Init, outside of any lock and transaction.
func (v *Vault) prepare(ctx context.Context, id sealift.VaultID, s Secrets, params func() argon2Params) ([]byte, *keyring, error) {
	if _, err := sealift.ParseVaultID(string(id)); err != nil {
		return nil, nil, err
	}
	if err := s.check(id, true); err != nil {
		return nil, nil, err
	}
	switch _, _, err := v.readRecord(ctx); {
	case err == nil:
		return nil, nil, errInitialised()
	case sealift.ReasonOf(err) != reasonUninitialised:
		return nil, nil, err
	}
	if err := v.slow(ctx); err != nil {
		return nil, nil, err
	}
	defer v.slowDone()
	r, ring, err := newRecord(ctx, id, s, params)
	if err != nil {
		return nil, nil, err
	}
	data, err := r.marshal()
	return data, ring, err
}

// Unseal opens the vault with what opens either path. A wrong passphrase is KindSealed with reason
// "passphrase"; a record that was changed is KindSealed with reason
// "seal-record" or, where the change made the passphrase useless, "passphrase"
// too; the errors of shares are those of Shares, and those of a token its own.
// Either way the attempt is in the log before Unseal returns, and if it
// cannot be logged it fails. Of many failures in an hour, the log has the first and
// the number of the others (see Settle). Unsealing an open vault checks what was given and
// changes nothing. It takes as long as one Argon2id for each passphrase wrap.
func (v *Vault) Unseal(ctx context.Context, with Opener, by audit.Actor, now time.Time) error {
	e := event{action: actionUnseal, actor: by, at: now}
	r, data, err := v.readRecord(ctx)
	if err != nil {
		return v.refuseAttempt(ctx, e, err)
	}
	e.subject = "vault:" + string(r.Vault)
	ring, path, err := v.openRecord(ctx, r, with)
	if err != nil {
		return v.refuseAttempt(ctx, e, err)
	}
	e = e.detail("path", path.String())
	if ring.heads, err = v.headsFor(ctx, ring); err != nil {
		ring.wipe()
		return err
	}
	v.turn.Lock()
	defer v.turn.Unlock()
	err = v.update(ctx, ring, func(tx *Tx) error {
		if now, err := tx.VaultSeal(ctx); err != nil || !bytes.Equal(now, data) {
			return tx.refuse(ctx, e, errors.Join(err, errRecordChanged()))
		}
		return tx.append(ctx, e.with(audit.OK))
	})
	if err != nil || v.ring.Load() != nil {
		ring.wipe()
		return err
	}
	v.heads.Store(ring.heads)
	v.install(ring)
	return nil
}

// headsFor returns what the log says of rows, which is read from its first entry
// on when the vault is opened for the first time.
func (v *Vault) headsFor(ctx context.Context, ring *keyring) (h *heads, err error) {
	if h = v.heads.Load(); h != nil {
		return h, nil
	}
	err = v.store.View(ctx, func(tx store.Tx) error {
		h, err = replay(ctx, ring, tx)
		return err
	})
	return h, err
}

func (v *Vault) openRecord(ctx context.Context, r *record, with Opener) (*keyring, Path, error) {
	if with.costly() {
		if err := v.slow(ctx); err != nil {
			return nil, "", err
		}
		defer v.slowDone()
	}
	ring, path, err := r.open(ctx, with)
	return ring, path, openingError(err)
}

// openingError says what it means that a record did not open.
func openingError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errPassphrase):
		return errWrongPassphrase()
	case errors.As(err, new(*sealift.Error)):
		return err
	}
	return errRecord(err)
}

// Seal wipes the keys. It takes effect at once, waiting only for what is being
// computed at the moment: a Use that goes on afterwards fails at its next step.
// An error says that the vault is sealed but that the log could not be told.
func (v *Vault) Seal(ctx context.Context, by audit.Actor, now time.Time) error {
	v.turn.Lock()
	defer v.turn.Unlock()
	e := event{action: actionSeal, actor: by, at: now, result: audit.OK}
	if ring := v.ring.Load(); ring != nil {
		e.subject = "vault:" + string(ring.vault)
	}
	v.install(nil)
	return v.recordApart(ctx, []event{e})
}

// slow waits for the turn to run Argon2id.
func (v *Vault) slow(ctx context.Context) error {
	select {
	case v.stretch <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *Vault) slowDone() { <-v.stretch }

// readRecord returns the seal record and its bytes.
func (v *Vault) readRecord(ctx context.Context) (r *record, data []byte, err error) {
	err = v.store.View(ctx, func(tx store.Tx) (err error) {
		data, err = tx.VaultSeal(ctx)
		return err
	})
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, nil, errUninitialised()
	}
	if err != nil {
		return nil, nil, err
	}
	if r, err = parseRecord(data); err != nil {
		return nil, nil, errRecord(err)
	}
	return r, data, nil
}
