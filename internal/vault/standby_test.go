package vault

import (
	"context"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// rowOfKey reads a row as it is stored.
func (w *world) rowOfKey(ref Ref) (row store.Key) {
	w.t.Helper()
	err := w.store.View(context.Background(), func(tx store.Tx) (err error) {
		row, err = tx.Key(context.Background(), ref.ID, ref.Version)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

// TestStandbyIsUnderAnotherWrap: a standby does not open with the
// key-encryption key, and does from its activation on.
func TestStandbyIsUnderAnotherWrap(t *testing.T) {
	w := newWorld(t)
	active := w.create(PurposeLog, "log")
	var standby KeyInfo
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		standby, err = w.vault.Rotate(ctx, tx, "log", nil, alice, "its successor", start)
		return err
	})
	ring := w.vault.ring.Load()
	opens := func(ref Ref) bool {
		row := w.rowOfKey(ref)
		binding := keyBinding(row.ID, row.Version, Purpose(row.Purpose))
		return ring.with(keksAt, func(kek []byte) error {
			for _, id := range []string{row.KEK, ring.kek} {
				if _, err := openWith(kek, row.DataKey, ring.dataKeyBinding(id, binding)); err == nil {
					return nil
				}
			}
			return errOpen
		}) == nil
	}
	if !opens(active.Ref) {
		t.Error("the key in use does not open with the key-encryption key")
	}
	if opens(standby.Ref) || w.rowOfKey(standby.Ref).KEK != standbyKEK {
		t.Error("the standby opens with the key-encryption key")
	}
	wantError(t, w.tryUse(use(standby)), sealift.KindDenied, ReasonState)
	w.enter(standby.Ref, Active)
	if !opens(standby.Ref) || w.rowOfKey(standby.Ref).KEK != ring.kek {
		t.Error("the activated standby does not open with the key-encryption key")
	}
	if err := w.tryUse(use(standby)); err != nil {
		t.Error(err)
	}
}

// TestActivatingABentStandby: its data key is checked before it is in use.
func TestActivatingABentStandby(t *testing.T) {
	w := newWorld(t)
	w.create(PurposeLog, "log")
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Rotate(ctx, tx, "log", nil, alice, "its successor", start)
		if err != nil {
			return err
		}
		row, err := tx.Key(ctx, "log", info.Version)
		if err != nil {
			return err
		}
		old := row.MAC
		row.DataKey[len(row.DataKey)-1] ^= 1
		if row.MAC, err = tx.ring.rowMAC(rowMessage(row)); err != nil {
			return err
		}
		return tx.UpdateKey(ctx, row, old)
	})
	err := w.try(func(ctx context.Context, tx *Tx) error {
		_, err := w.vault.Transition(ctx, tx, Ref{"log", 2}, PreActive, Active, alice, "now", start)
		return err
	})
	wantError(t, err, sealift.KindDenied, ReasonTampered)
}

// TestPossession: a CA's standby proves that it is held, and does nothing else.
func TestPossession(t *testing.T) {
	w := newWorld(t)
	for _, p := range Purposes() {
		if p.Operation() != OpSign {
			continue
		}
		w.create(p, string(p))
		standby := Use{Purpose: p, Key: Ref{string(p), 2}, Actor: alice, Why: why, Now: start.Add(time.Minute)}
		w.update(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.Rotate(ctx, tx, string(p), nil, alice, "its successor", start)
			return err
		})
		wantError(t, w.tryUse(standby), sealift.KindDenied, ReasonState)
		standby.Possession = true
		switch err := w.tryUse(standby); {
		case p == PurposeReleaseCA || p == PurposeDeviceCA:
			if err != nil {
				t.Errorf("%s: %v", p, err)
			}
		default:
			wantError(t, err, sealift.KindDenied, ReasonState)
		}
	}
}
