package vault

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Tx is a transaction of the store in which keys may be used. It is a store.Tx
// for every other purpose. It exists because a refused use must be in the log
// even though its transaction is rolled back: Update, which makes it, keeps the
// events and records them again. So Use accepts no bare store.Tx.
type Tx struct {
	store.Tx
	ring   *keyring // of the vault as it was when the transaction began
	events []event  // what was recorded about keys so far
	entry  int64    // index of the newest of their entries
	ended  bool
	read   *checkedKey // the key that was read last; nil once a key was written

	sight  *sight            // what it sees of statements about rows; nil until it looked
	wrote  map[string]string // rows that it wrote, as a statement has them
	first  bool              // it makes the vault, and states that all rows are stated
	bad    error             // why nothing of it may remain
	stated []statement       // that it ended with
}

// checkedKey is a key's row whose MAC is that of its columns.
type checkedKey struct {
	row  store.Key
	info KeyInfo
}

// recordTimeout bounds the transaction that records what a rolled-back one did:
// it runs even where the caller's context is done.
const recordTimeout = 10 * time.Second

// Update runs fn in one transaction of the store and commits it if fn returns
// nil. If it is rolled back, for whatever reason, the uses of keys in it are
// recorded in a transaction of their own: refused and failed ones as they are,
// successful ones as abandoned. An error in recording is joined to the first.
//
// What fn computes with a key must not leave fn but by Update returning nil;
// Do sees to that.
func (v *Vault) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return v.update(ctx, v.ring.Load(), fn)
}

// Do is Update for a function with a result: the result leaves only once the
// transaction, and with it the entry of every signature in it, is durable.
func Do[T any](ctx context.Context, v *Vault, fn func(tx *Tx) (T, error)) (T, error) {
	var result, none T
	err := v.Update(ctx, func(tx *Tx) (err error) {
		result, err = fn(tx)
		return err
	})
	if err != nil {
		return none, err
	}
	return result, nil
}

func (v *Vault) update(ctx context.Context, ring *keyring, fn func(tx *Tx) error) (err error) {
	var lost []event
	var stated []statement
	committed := false
	defer func() { // also where fn panics
		if !committed && len(lost) > 0 {
			err = v.recordBeside(ctx, err, abandon(lost))
		}
	}()
	err = v.store.Update(ctx, func(inner store.Tx) error {
		tx := &Tx{Tx: inner, ring: ring, wrote: map[string]string{}}
		defer func() {
			tx.ended = true
			lost = tx.events // a store that runs fn again starts over
		}()
		if err := fn(tx); err != nil {
			return err
		}
		if err := tx.state(ctx); err != nil {
			return err
		}
		if tx.sight != nil {
			stated = slices.Concat(tx.sight.chain, tx.stated)
		}
		return nil
	})
	if committed = err == nil; committed && len(stated) > 0 {
		ring.heads.advance(stated)
	}
	return err
}

// abandon says of what succeeded that it was undone.
func abandon(events []event) []event {
	for i := range events {
		if events[i].result == audit.OK {
			events[i].result = audit.Abandoned
		}
	}
	return events
}

// recordApart appends events in a transaction of their own.
func (v *Vault) recordApart(ctx context.Context, events []event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return v.store.Update(ctx, func(tx store.Tx) error {
		for _, e := range events {
			if _, err := e.append(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// recordBeside appends events in a transaction of their own and returns err,
// joined with what went wrong in that.
func (v *Vault) recordBeside(ctx context.Context, err error, events []event) error {
	if failure := v.recordApart(ctx, events); failure != nil {
		return errors.Join(err, failure)
	}
	return err
}

// append records e in the transaction, and keeps it in case that is rolled
// back. If it cannot be recorded, nothing may happen that depends on it.
func (tx *Tx) append(ctx context.Context, e event) error {
	if tx.ended {
		return sealift.Errorf(sealift.KindInternal, "using a key", "its transaction has ended").WithReason("tx-ended")
	}
	var err error
	if tx.entry, err = e.append(ctx, tx.Tx); err != nil {
		tx.events = append(tx.events, e.failed(err))
		return err
	}
	tx.events = append(tx.events, e)
	return nil
}

// refuse records that what e tells of did not come about because of err, and
// returns err. The entry stands in this transaction, in case its maker commits
// all the same.
func (tx *Tx) refuse(ctx context.Context, e event, err error) error {
	if failure := tx.append(ctx, e.failed(err)); failure != nil {
		return errors.Join(err, failure)
	}
	return err
}

// Refusal is what somebody was refused about a key before any of the methods
// that record it was called.
type Refusal struct {
	Actor  audit.Actor
	Action string // "key.rotate"
	Key    Ref
	Now    time.Time
}

// Refuse records that it did not come about because of err, and returns err. As
// refused uses do, the entry outlives the transaction.
func (tx *Tx) Refuse(ctx context.Context, r Refusal, err error) error {
	return tx.refuse(ctx, event{at: r.Now, actor: r.Actor, action: r.Action, key: Ref{clip(r.Key.ID), r.Key.Version}}, err)
}
