package vault

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
)

// kept returns how many parsed keys the vault keeps.
func (w *world) kept() int {
	ring := w.vault.ring.Load()
	if ring == nil {
		return 0
	}
	ring.signers.mu.Lock()
	defer ring.signers.mu.Unlock()
	return len(ring.signers.set)
}

// service makes a key for a service, which may be suspended.
func (w *world) service(id string) (info KeyInfo) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		info, err = w.vault.Create(ctx, tx, CreateRequest{ID: id, Purpose: PurposeArtifactSigning, Algorithm: Ed25519, Owner: "ops", App: "com.acme.shop"}, alice, start)
		return err
	})
	return info
}

// signWith signs with a key, and wants what is signed to be by its public key.
func (w *world) signWith(info KeyInfo) error {
	w.t.Helper()
	public, err := info.PublicKey()
	if err != nil {
		w.t.Fatal(err)
	}
	var signature []byte
	err = w.try(func(ctx context.Context, tx *Tx) (err error) {
		signature, _, _, err = w.vault.Sign(ctx, tx, use(info), []byte("message"), crypto.Hash(0))
		return err
	})
	if err == nil && !ed25519.Verify(public.(ed25519.PublicKey), []byte("message"), signature) {
		w.t.Error("the signature is not the key's")
	}
	return err
}

// TestKeptSignerIsTheRows has a key that was kept be refused, and dropped, once its
// row says so, whoever wrote it; and every new version be another key.
func TestKeptSignerIsTheRows(t *testing.T) {
	w := newWorld(t)
	info := w.service("shop-ci")
	if err := w.signWith(info); err != nil || w.kept() != 1 {
		t.Fatalf("%v, %d keys are kept", err, w.kept())
	}
	if err := w.signWith(info); err != nil || w.kept() != 1 {
		t.Fatalf("again: %v, %d keys are kept", err, w.kept())
	}
	// Another key's row with the id of this one does not get this one's key.
	other := w.service("other")
	if err := w.signWith(other); err != nil || w.kept() != 2 {
		t.Fatalf("%v, %d keys are kept", err, w.kept())
	}
	w.enter(info.Ref, Suspended)
	if w.kept() != 1 {
		t.Errorf("a suspended key is kept, one of %d", w.kept())
	}
	if err := w.signWith(info); sealift.ReasonOf(err) != ReasonState {
		t.Errorf("a suspended key signs: %v", err)
	}
	w.enter(info.Ref, Active)
	if err := w.signWith(info); err != nil || w.kept() != 2 {
		t.Errorf("%v, %d keys are kept", err, w.kept())
	}
	if err := w.vault.Seal(t.Context(), alice, start); err != nil {
		t.Fatal(err)
	}
	if err := w.signWith(info); sealift.ReasonOf(err) != ReasonSealed {
		t.Errorf("a sealed vault signs: %v", err)
	}
}

// TestKeptSignerOfABentRow changes a row by hand, by each column that a use goes
// by: its key, which is in memory, does not sign.
func TestKeptSignerOfABentRow(t *testing.T) {
	w := newWorld(t)
	info := w.service("shop-ci")
	if err := w.signWith(info); err != nil {
		t.Fatal(err)
	}
	w.enter(info.Ref, Suspended, Active, Suspended)
	w.update(func(ctx context.Context, tx *Tx) error {
		row, err := tx.Key(ctx, info.ID, info.Version)
		if err != nil {
			return err
		}
		old := row.MAC
		row.State = string(Active)
		return tx.UpdateKey(ctx, row, old)
	})
	if err := w.signWith(info); sealift.ReasonOf(err) != ReasonTampered {
		t.Errorf("a bent row signs: %v", err)
	}
}

// TestWrittenInTheTransaction has a row change between two uses in one
// transaction, and the second see it.
func TestWrittenInTheTransaction(t *testing.T) {
	w := newWorld(t)
	info := w.service("shop-ci")
	err := w.try(func(ctx context.Context, tx *Tx) error {
		if _, _, _, err := w.vault.Sign(ctx, tx, use(info), []byte("message"), crypto.Hash(0)); err != nil {
			t.Error(err)
		}
		row, err := tx.Key(ctx, info.ID, info.Version)
		if err != nil {
			return err
		}
		old := row.MAC
		row.State = string(Suspended)
		if err := tx.UpdateKey(ctx, row, old); err != nil {
			return err
		}
		_, _, _, err = w.vault.Sign(ctx, tx, use(info), []byte("message"), crypto.Hash(0))
		return err
	})
	if sealift.ReasonOf(err) != ReasonTampered {
		t.Errorf("the row of before signs: %v", err)
	}
}

// TestSignersAreForgotten has time pass, and more keys sign than are kept.
func TestSignersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := &keyring{page: newPageOf(make([]byte, pageSize), func([]byte) {})}
		private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		keep := func(i int) {
			ring.keepSigner([]byte{byte(i)}, &signingKey{newHandle(KeyInfo{}, nil), func() crypto.Signer { return private }, nil})
		}
		has := func(i int) bool {
			signer, err := ring.keptSigner([]byte{byte(i)})
			if err != nil {
				t.Error(err)
			}
			return signer != nil
		}
		for i := range sealift.MaxSigners + 1 {
			keep(i)
		}
		if !has(0) || !has(sealift.MaxSigners-1) || has(sealift.MaxSigners) {
			t.Error("others are kept than the first ones")
		}
		time.Sleep(sealift.MaxSignerAge / 2)
		keep(0) // which makes it no younger
		time.Sleep(sealift.MaxSignerAge/2 + 1)
		synctest.Wait()
		if has(0) || len(ring.signers.set) > 0 {
			t.Errorf("%d are kept", len(ring.signers.set))
		}
		keep(1)
		ring.wipe()
		if _, err := ring.keptSigner([]byte{1}); sealift.KindOf(err) != sealift.KindSealed || ring.signers.set != nil {
			t.Errorf("a wiped keyring keeps a key: %v", err)
		}
		if keep(2); ring.signers.set != nil {
			t.Error("a wiped keyring takes a key")
		}
	})
}
