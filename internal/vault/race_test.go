package vault

import (
	"crypto"
	"crypto/ed25519"
	"sync"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Uses, seals, unseals and status checks at once: each use either succeeds,
// with an entry, or is refused as sealed.
func TestConcurrentUseAndSeal(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	public, err := info.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	before := w.logSize()
	const workers, rounds = 4, 20
	var good sync.Map
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				message := []byte{byte(worker), byte(round)}
				signature, err := Do(t.Context(), w.vault, func(tx *Tx) (signature []byte, err error) {
					signer, err := w.vault.Signer(t.Context(), tx, use(info))
					if err != nil {
						return nil, err
					}
					return signer.Sign(nil, message, crypto.Hash(0))
				})
				switch {
				case err == nil && ed25519.Verify(public.(ed25519.PublicKey), message, signature):
					good.Store("sha256:"+sealift.DigestOf(message).String(), true)
				case sealift.ReasonOf(err) != ReasonSealed:
					t.Errorf("signature %x, %v", signature, err)
				}
				if _, err := w.vault.Status(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		for range 10 {
			if err := w.vault.Seal(t.Context(), alice, start); err != nil {
				t.Error(err)
			}
			if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	logged := map[string]bool{}
	for _, e := range w.entries(before) {
		if e.Action == actionUse && e.Result == "ok" {
			logged[e.Subject] = true
		}
	}
	good.Range(func(subject, _ any) bool {
		if !logged[subject.(string)] {
			t.Errorf("a signature of %v without an entry", subject)
		}
		delete(logged, subject.(string))
		return true
	})
	if len(logged) != 0 {
		t.Errorf("entries without a signature: %v", logged)
	}
}

// A View sees keys too.
func TestListInAView(t *testing.T) {
	w := newWorld(t)
	w.create(PurposeDirector, "director")
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		infos, err := w.vault.List(t.Context(), tx, Filter{})
		if len(infos) != 1 {
			t.Errorf("%d keys", len(infos))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
