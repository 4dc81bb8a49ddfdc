// Package vaulttest is what a vault wants of the store that it is kept in,
// whichever that is. A store's own tests run it, since they know how to take its
// room away.
package vaulttest

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

var operator = audit.Actor{Kind: audit.System, ID: "test"}

// signer is a vault with one key.
type signer struct {
	*testing.T
	vault *vault.Vault
	key   vault.KeyInfo
	now   time.Time
}

func newSigner(t *testing.T, db store.Store) *signer {
	s := &signer{T: t, vault: vault.New(db), now: time.Now()}
	t.Cleanup(s.vault.Close)
	passphrase := vault.Secrets{Unseal: vault.Passphrase("five random words are enough")}
	err := s.vault.Init(t.Context(), "0123456789abcdef0123456789abcdef", passphrase, operator, s.now, func(tx *vault.Tx) (err error) {
		s.key, err = s.vault.Create(t.Context(), tx, vault.CreateRequest{Purpose: vault.PurposeLog, Owner: "ops"}, operator, s.now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var message = []byte("message")

func (s *signer) sign(n int) ([]byte, error) {
	return vault.Do(s.Context(), s.vault, func(tx *vault.Tx) (signature []byte, err error) {
		why := vault.Why{Action: "test.sign", Subject: fmt.Sprint(n), Details: map[string]string{"text": strings.Repeat("x", 500)}}
		err = s.vault.Use(s.Context(), tx, vault.Use{Purpose: vault.PurposeLog, Key: s.key.Ref, Actor: operator, Why: why, Now: s.now}, func(k vault.Key) error {
			signature, err = k.(crypto.Signer).Sign(rand.Reader, message, crypto.Hash(0))
			return err
		})
		return signature, err
	})
}

// uses counts the entries that tell of a signature.
func (s *signer) uses(db store.Store) (n int) {
	s.Helper()
	err := db.View(s.Context(), func(tx store.Tx) error {
		entries, err := tx.AuditEntries(context.Background(), 0, 10_000)
		for _, entry := range entries {
			if e, ok := audit.ParseEntry(entry.Leaf); ok && e.Details["for"] == "test.sign" && e.Result == audit.OK {
				n++
			}
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// TestNoRoomForTheLog signs in an empty store until the log has no room any more:
// without an entry there is no signature, and with room there is one again. limit
// has the store be full after some entries, and lift takes that back.
func TestNoRoomForTheLog(t *testing.T, db store.Store, limit, lift func()) {
	s := newSigner(t, db)
	limit()
	signed := 0
	for {
		signature, err := s.sign(signed)
		if err != nil {
			if sealift.KindOf(err) != sealift.KindExhausted || sealift.ReasonOf(err) != "disk_full" || sealift.HintOf(err) == "" {
				t.Errorf("%v (%s/%s), hint %q", err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err))
			}
			if signature != nil {
				t.Error("there is a signature that no entry tells of")
			}
			break
		}
		if signed++; signed > 1000 {
			t.Fatal("the store is never full")
		}
	}
	entries := s.uses(db)
	if signed == 0 || entries < signed {
		t.Errorf("%d signatures, and %d entries that tell of them", signed, entries)
	}
	lift()
	public, err := s.key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.sign(signed)
	if err != nil || !ed25519.Verify(public.(ed25519.PublicKey), message, signature) {
		t.Errorf("with room again: %x, %v", signature, err)
	}
	if after := s.uses(db); after <= entries {
		t.Errorf("%d entries, then %d", entries, after)
	}
}
