package vault

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

func TestHandlesDie(t *testing.T) {
	w := newWorld(t)
	var handles []Key
	var signer crypto.Signer
	w.update(func(ctx context.Context, tx *Tx) error {
		for _, p := range []Purpose{PurposeDirector, PurposeEpoch, PurposeEnrolmentSecret, PurposeWrapping} {
			info, err := w.vault.Create(ctx, tx, CreateRequest{Purpose: p, Owner: "ops"}, alice, start)
			if err != nil {
				return err
			}
			if err := w.vault.Use(ctx, tx, use(info), func(key Key) error { handles = append(handles, key); return nil }); err != nil {
				return err
			}
			if p == PurposeDirector {
				if signer, err = w.vault.Signer(ctx, tx, use(info)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	before := w.logSize()
	for _, h := range handles {
		var err error
		switch k := h.(type) {
		case SigningKey:
			_, err = k.Sign(nil, []byte("x"), crypto.Hash(0))
		case HolderKey:
			_, err = k.PrivateKey()
		case MACKey:
			_, err = k.MAC([]byte("x"))
		case WrappingKey:
			_, err = k.Unwrap([]byte("x"), nil)
		}
		if sealift.ReasonOf(err) != "handle-closed" {
			t.Errorf("%T: %v", h, err)
		}
	}
	if signature, err := signer.Sign(nil, []byte("x"), crypto.Hash(0)); err == nil || signature != nil {
		t.Errorf("signed after the transaction: %v", err)
	}
	if w.logSize() != before {
		t.Error("something was logged")
	}
}

func TestNoEntryNoSignature(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	faulty := &faultyStore{Store: w.store}
	v := New(faulty)
	defer v.Close()
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	faulty.failAppend = true
	err := v.Update(t.Context(), func(tx *Tx) error {
		return v.Use(t.Context(), tx, use(info), func(Key) error { t.Error("called"); return nil })
	})
	if !errors.Is(err, errFault) {
		t.Error(err)
	}
	faulty.failAppend = false
	before := w.logSize()
	signature, err := Do(t.Context(), v, func(tx *Tx) (signature []byte, err error) {
		err = v.Use(t.Context(), tx, use(info), func(key Key) (err error) {
			faulty.failAppend = true
			defer func() { faulty.failAppend = false }()
			signature, err = key.(SigningKey).Sign(nil, []byte("x"), crypto.Hash(0))
			if signature != nil {
				t.Error("signed without an entry")
			}
			return err
		})
		return signature, err
	})
	if !errors.Is(err, errFault) || signature != nil {
		t.Errorf("%x, %v", signature, err)
	}
	// The use, the signature that could not be recorded, and the use's failure.
	w.wantEntries(before, "key.use abandoned", "key.use failed", "key.use failed")
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	faulty := &faultyStore{Store: w.store}
	v := New(faulty)
	defer v.Close()
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	act := func(tx *Tx) (signature []byte, err error) {
		if _, err := v.Create(t.Context(), tx, CreateRequest{ID: "snapshot", Purpose: PurposeSnapshot, Owner: "ops"}, alice, start); err != nil {
			return nil, err
		}
		err = v.Use(t.Context(), tx, use(info), func(key Key) (err error) {
			signature, err = key.(SigningKey).Sign(nil, []byte("x"), crypto.Hash(0))
			return err
		})
		return signature, err
	}
	for name, c := range map[string]struct {
		failCommit bool
		result     error
	}{
		"by the function": {false, errFault},
		"by the commit":   {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.logSize()
			faulty.failCommit = c.failCommit
			signature, err := Do(t.Context(), v, func(tx *Tx) ([]byte, error) {
				signature, err := act(tx)
				if err != nil || len(signature) != ed25519.SignatureSize {
					t.Fatalf("no signature to lose: %v", err)
				}
				return signature, c.result
			})
			if !errors.Is(err, errFault) || signature != nil {
				t.Errorf("signature %x left, error %v", signature, err)
			}
			w.wantEntries(before, "key.create abandoned", "key.use abandoned", "key.use abandoned")
			err = w.store.View(t.Context(), func(tx store.Tx) error {
				_, err := tx.Key(t.Context(), "snapshot", 1)
				return err
			})
			wantError(t, err, sealift.KindNotFound, "")
		})
	}
	before := w.logSize()
	signature, err := Do(t.Context(), v, act)
	if err != nil || len(signature) != ed25519.SignatureSize {
		t.Errorf("signature %x, %v", signature, err)
	}
	w.wantEntries(before, "key.create ok", "key.use ok", "key.use ok")
	if got := w.entries(before)[0]; got.Result != audit.OK || got.Subject == "" || len(got.Details["row"]) != 64 {
		t.Errorf("entry %+v", got)
	}
}

func TestRollbackByPanic(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	bad := use(info)
	bad.Purpose = PurposeSnapshot
	before := w.logSize()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = w.try(func(ctx context.Context, tx *Tx) error {
			_ = w.vault.Use(ctx, tx, bad, func(Key) error { return nil })
			return w.vault.Use(ctx, tx, use(info), func(Key) error { panic("a defect") })
		})
	}()
	w.wantEntries(before, "key.use refused", "key.use abandoned")
}

// The vault refuses by itself, whatever the store makes of a Tx that has ended.
func TestEndedTxRecordsNothing(t *testing.T) {
	tx := &Tx{ended: true} // over no store at all
	err := tx.append(t.Context(), event{})
	wantError(t, err, sealift.KindInternal, "tx-ended")
}
