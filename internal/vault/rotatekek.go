package vault

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

const (
	actionRotateKEK    = "vault.rotate"        // there is a new key-encryption key
	actionRetireKEK    = "vault.rotate-finish" // nothing is under the one before
	actionRewrapKey    = "key.rewrap"
	actionRewrapSecret = "secret.rewrap"
)

// Rotation is how far a rotation of the key-encryption key has come.
type Rotation struct {
	KEK  string // id of the one that seals
	Done bool   // nothing is under another one any more
	Left int    // keys and secrets that are, as far as was looked; 0 where Done
}

// RotateKEK makes a key-encryption key that seals from now on. What was sealed
// before stays under the one before it, which the vault goes on holding, until
// Rewrap has come to it. The standbys are under a key that is derived from the
// root key, and stay there.
//
// The seal record is exchanged in one transaction with its entry. Errors are
// KindSealed, KindInvalid for the reason, and KindConflict with ReasonRotating
// while an earlier rotation is not finished.
func (v *Vault) RotateKEK(ctx context.Context, by audit.Actor, reason string, now time.Time) (Rotation, error) {
	e := event{action: actionRotateKEK, actor: by, at: now}
	e, err := e.because(reason)
	if err != nil {
		return Rotation{}, v.recordBeside(ctx, err, []event{e.failed(err)})
	}
	v.turn.Lock()
	defer v.turn.Unlock()
	ring, kek := v.ring.Load(), random(keySize)
	defer clear(kek)
	var r *record
	err = v.update(ctx, ring, func(tx *Tx) (err error) {
		if r, err = tx.record(ctx); err != nil {
			return tx.refuse(ctx, e, err)
		}
		e.subject = "vault:" + string(r.Vault)
		if len(r.oldKEKs()) > 0 {
			return tx.refuse(ctx, e, errRotating())
		}
		before := r.KEK
		if err := ring.with(rootAt, func(root []byte) error { return r.addKEK(root, kek) }); err != nil {
			return tx.refuse(ctx, e, err)
		}
		return tx.setRecord(ctx, r, e.detail("kek", r.KEK).detail("before", before))
	})
	if err != nil {
		return Rotation{}, err
	}
	// From here on it is in the record, whatever comes: what fails now, the next
	// unsealing mends.
	return Rotation{KEK: r.KEK}, ring.addKEK(r.KEK, kek, true)
}

// record reads the seal record and checks it by the root key.
func (tx *Tx) record(ctx context.Context) (*record, error) {
	if err := tx.ring.present(); err != nil {
		return nil, err
	}
	data, err := tx.VaultSeal(ctx)
	if err != nil {
		return nil, err
	}
	r, err := parseRecord(data)
	if err == nil {
		err = tx.ring.with(rootAt, r.whole)
	}
	if err != nil && sealift.KindOf(err) != sealift.KindSealed {
		return nil, errRecord(err)
	}
	return r, err
}

// setRecord writes the record with a new MAC, and the entry of that.
func (tx *Tx) setRecord(ctx context.Context, r *record, e event) error {
	err := tx.ring.with(rootAt, func(root []byte) (err error) {
		r.MAC, err = r.mac(root)
		return err
	})
	var data []byte
	if err == nil {
		data, err = r.marshal()
	}
	if err == nil {
		err = tx.SetVaultSeal(ctx, data)
	}
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	return tx.append(ctx, e.detail("record", sealift.DigestOf(data).String()).with(audit.OK))
}

// Rewrap goes on with a rotation for a while: it seals the data keys that are
// under an old key-encryption key under the one that seals, sealift.RewrapBatch
// a transaction, each with its entry; and once none is left, drops the old one
// from the seal record. What is sealed under the data keys stays as it is. So
// others use, make and change keys meanwhile, and whatever stops it, it goes on
// from there at the next call, which a server makes by itself.
//
// A row that something other than the vault wrote to is left out, and named by
// the error, KindDenied with ReasonTampered, at the end: the old key-encryption
// key stays until it is gone. KindSealed where the vault is. Without a rotation
// there is nothing to do.
func (v *Vault) Rewrap(ctx context.Context, by audit.Actor, now func() time.Time) (Rotation, error) {
	v.rewrapping.Lock()
	defer v.rewrapping.Unlock()
	w := &rewrapping{vault: v, by: by, now: now, until: now().Add(sealift.RewrapTime)}
	r, err := w.start(ctx)
	if err != nil || len(w.old) == 0 {
		return Rotation{KEK: r.KEK, Done: err == nil}, err
	}
	for w.more && err == nil && now().Before(w.until) {
		if err = ctx.Err(); err == nil {
			err = w.batch(ctx)
		}
	}
	if err != nil || w.more {
		return Rotation{KEK: r.KEK, Left: sealift.RewrapBatch}, err
	}
	return w.finish(ctx, r.KEK)
}

// rewrapping is one call of Rewrap.
type rewrapping struct {
	vault *Vault
	by    audit.Actor
	now   func() time.Time
	until time.Time

	old    []string // the key-encryption keys to be rid of
	key    Ref      // the last key that was come to
	secret string   // and the last secret, once the keys are done
	keys   bool     // the keys are done
	more   bool     // something may be left
	bent   error    // of the first row that is not as the vault wrote it
}

// start reads what there is to do.
func (w *rewrapping) start(ctx context.Context) (r *record, err error) {
	ring := w.vault.ring.Load()
	err = w.vault.store.View(ctx, func(tx store.Tx) (err error) {
		r, err = (&Tx{Tx: tx, ring: ring}).record(ctx)
		return err
	})
	if err != nil {
		return &record{}, err
	}
	w.old, w.more = r.oldKEKs(), true
	return r, nil
}

// batch re-wraps the next few, in a transaction. One that is rolled back, or run
// anew, begins where it was.
func (w *rewrapping) batch(ctx context.Context) error {
	at := *w
	err := w.vault.Update(ctx, func(tx *Tx) error {
		*w = at
		return w.step(ctx, tx)
	})
	if err != nil {
		*w = at
	}
	return err
}

func (w *rewrapping) step(ctx context.Context, tx *Tx) error {
	for _, kek := range w.old {
		if w.keys {
			break
		}
		keys, err := tx.KeysUnder(ctx, kek, w.key.ID, w.key.Version, sealift.RewrapBatch)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := w.rewrapKey(ctx, tx, k); err != nil {
				return err
			}
			w.key = Ref{k.ID, k.Version}
		}
		if len(keys) > 0 {
			return nil
		}
	}
	w.keys = true
	secrets, err := tx.Secrets(ctx, w.secret, sealift.RewrapBatch)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		if err := w.rewrapSecret(ctx, tx, s); err != nil {
			return err
		}
		w.secret = s.Name
	}
	w.more = len(secrets) > 0
	return nil
}

// event is the entry of one re-wrap.
func (w *rewrapping) event(action string) event {
	return event{at: w.now(), actor: w.by, action: action}
}

func (w *rewrapping) rewrapKey(ctx context.Context, tx *Tx, k store.Key) error {
	e := w.event(actionRewrapKey)
	e.key = Ref{k.ID, k.Version}
	_, err := checkRow(ctx, tx.ring, tx, k)
	var s sealed
	if err == nil {
		s, err = tx.ring.rewrap(sealed{k.KEK, k.DataKey, k.Private}, keyBinding(k.ID, k.Version, Purpose(k.Purpose)))
		if err != nil && sealift.KindOf(err) != sealift.KindSealed {
			err = errTampered(e.key, "its private key: %w", err)
		}
	}
	if err != nil {
		return w.leave(ctx, tx, e, err)
	}
	e = e.detail("before", k.KEK).detail("kek", s.kek)
	k.KEK, k.DataKey = s.kek, s.dataKey
	if _, err := updateRow(ctx, tx, k, &e); err != nil {
		return tx.refuse(ctx, e, err)
	}
	return tx.append(ctx, e.with(audit.OK))
}

func (w *rewrapping) rewrapSecret(ctx context.Context, tx *Tx, row store.Secret) error {
	e := w.event(actionRewrapSecret)
	e.subject = clip(row.Name)
	s, err := parseSealed(row.Wrapped)
	if err == nil && !slices.Contains(w.old, s.kek) {
		return nil
	}
	before := s.kek
	if err == nil {
		s, err = tx.ring.rewrap(s, secretBinding(row.Name))
	}
	if err != nil && sealift.KindOf(err) != sealift.KindSealed {
		err = errSecretTampered(row.Name, err)
	}
	if err != nil {
		return w.leave(ctx, tx, e, err)
	}
	e = e.detail("before", before).detail("kek", s.kek)
	if err := tx.UpdateSecret(ctx, row.Name, s.marshal(), row.Wrapped); err != nil {
		return tx.refuse(ctx, e, err)
	}
	return tx.append(ctx, e.with(audit.OK))
}

// leave goes on without a row that is not as the vault wrote it, and stops for
// any other error.
func (w *rewrapping) leave(ctx context.Context, tx *Tx, e event, err error) error {
	if sealift.ReasonOf(err) != ReasonTampered {
		return tx.refuse(ctx, e, err)
	}
	if w.bent == nil {
		w.bent = err
	}
	return tx.append(ctx, e.failed(err))
}

// finish drops the old key-encryption keys, if nothing is under them.
func (w *rewrapping) finish(ctx context.Context, kek string) (told Rotation, err error) {
	if w.bent != nil {
		return Rotation{KEK: kek, Left: 1}, w.bent
	}
	v, e := w.vault, w.event(actionRetireKEK)
	v.turn.Lock()
	defer v.turn.Unlock()
	ring := v.ring.Load()
	err = v.update(ctx, ring, func(tx *Tx) error {
		so, e := Rotation{KEK: kek}, e
		defer func() { told = so }()
		r, err := tx.record(ctx)
		if err != nil {
			return tx.refuse(ctx, e, err)
		}
		e.subject = "vault:" + string(r.Vault)
		for _, old := range r.oldKEKs() {
			// Sealed by whoever began before the new one was there.
			if so.Left, err = w.left(ctx, tx, old); err != nil || so.Left > 0 {
				return err
			}
			e = e.detail("before", old)
		}
		so.Done = true
		if r.KEK != kek || len(r.oldKEKs()) == 0 {
			return nil // another one did it
		}
		for _, k := range r.KEKs {
			if k.ID == r.KEK {
				r.KEKs = []wrappedKEK{k}
				break
			}
		}
		return tx.setRecord(ctx, r, e.detail("kek", r.KEK))
	})
	if err != nil || !told.Done {
		told.Done = false
		return told, err
	}
	ring.dropKEKs()
	return told, nil
}

// left counts what is under an old key-encryption key, as far as a few.
func (w *rewrapping) left(ctx context.Context, tx *Tx, kek string) (int, error) {
	keys, err := tx.KeysUnder(ctx, kek, "", 0, sealift.RewrapBatch)
	n := len(keys)
	for behind := ""; err == nil; {
		var secrets []store.Secret
		if secrets, err = tx.Secrets(ctx, behind, sealift.RewrapBatch); len(secrets) == 0 {
			break
		}
		for _, s := range secrets {
			if parsed, err := parseSealed(s.Wrapped); err != nil || parsed.kek == kek {
				n++
			}
			behind = s.Name
		}
	}
	return n, err
}

func errRotating() *sealift.Error {
	return sealift.Errorf(sealift.KindConflict, "rotating the key-encryption key", "an earlier rotation is not finished").WithReason(ReasonRotating).
		WithHint("the server is at it; try again in a while, and see its log if that stays so")
}
