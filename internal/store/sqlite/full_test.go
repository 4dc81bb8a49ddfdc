package sqlite

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// TestNoRoomForTheLog signs until the log has no room any more: without an entry
// there is no signature, and with room there is one again. The file is bounded in
// place of the disk.
func TestNoRoomForTheLog(t *testing.T) {
	db := openHere(t)
	now, by := time.Now(), audit.Actor{Kind: audit.System, ID: "test"}
	v := vault.New(db)
	defer v.Close()
	var key vault.KeyInfo
	err := v.Init(t.Context(), "0123456789abcdef0123456789abcdef", vault.Secrets{Unseal: vault.Passphrase("five random words are enough")}, by, now, func(tx *vault.Tx) (err error) {
		key, err = v.Create(t.Context(), tx, vault.CreateRequest{Purpose: vault.PurposeLog, Owner: "ops"}, by, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(n int) ([]byte, error) {
		return vault.Do(t.Context(), v, func(tx *vault.Tx) (signature []byte, err error) {
			why := vault.Why{Action: "test.sign", Subject: fmt.Sprint(n), Details: map[string]string{"text": string(bytes.Repeat([]byte("x"), 500))}}
			err = v.Use(t.Context(), tx, vault.Use{Purpose: vault.PurposeLog, Key: key.Ref, Actor: by, Why: why, Now: now}, func(k vault.Key) error {
				signature, err = k.(crypto.Signer).Sign(rand.Reader, []byte("message"), crypto.Hash(0))
				return err
			})
			return signature, err
		})
	}
	uses := func() (n int) {
		err := db.View(t.Context(), func(tx store.Tx) error {
			entries, err := tx.AuditEntries(context.Background(), 0, 10_000)
			for _, entry := range entries {
				if e, ok := audit.ParseEntry(entry.Leaf); ok && e.Details["for"] == "test.sign" && e.Result == audit.OK {
					n++
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	exec(t, db.writer, "PRAGMA max_page_count = "+pragma(t, db.writer, "page_count"))
	signed := 0
	for {
		signature, err := sign(signed)
		if err != nil {
			wantKind(t, err, sealift.KindExhausted, "disk_full")
			if signature != nil {
				t.Error("there is a signature that no entry tells of")
			}
			break
		}
		if signed++; signed > 1000 {
			t.Fatal("the file is never full")
		}
	}
	entries := uses()
	if signed == 0 || entries < signed {
		t.Errorf("%d signatures, and %d entries that tell of them", signed, entries)
	}
	exec(t, db.writer, "PRAGMA max_page_count = 100000")
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sign(signed)
	if err != nil || !ed25519.Verify(public.(ed25519.PublicKey), []byte("message"), signature) {
		t.Errorf("with room again: %x, %v", signature, err)
	}
	if after := uses(); after <= entries {
		t.Errorf("%d entries, then %d", entries, after)
	}
}
