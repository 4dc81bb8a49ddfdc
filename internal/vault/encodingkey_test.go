package vault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

func exerciseEncoder(t *testing.T, k EncodingKey, info KeyInfo) {
	t.Helper()
	public, err := info.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	blocks := [][]byte{bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 48)}
	encoded, err := k.Encode(blocks)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range encoded {
		if err := rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), 0, blocks[i], b); err != nil {
			t.Errorf("block %d: %v", i, err)
		}
	}
	for _, n := range []int{0, 15, 17, 51, 64, 245} {
		if _, err := k.Encode([][]byte{make([]byte, n)}); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("a block of %d bytes: %v", n, err)
		}
	}
	if _, err := k.Encode(make([][]byte, 2*sealift.MaxCapgoFiles+4)); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("many blocks: %v", err)
	}
	if _, ok := k.(SigningKey); ok {
		t.Error("it signs as well")
	}
}

// The log has what was encoded, before it was, and the key of Capgo's plugin signs
// nothing.
func TestEncodingIsRecorded(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeCapgoApp, "capgo.shop")
	u := use(info)
	u.Why.Subject = "sha256:" + sealift.Digest{5}.String()
	blocks := [][]byte{make([]byte, 32), bytes.Repeat([]byte{7}, 48)}
	before := w.logSize()
	var dead EncodingKey
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, u, func(key Key) error {
			dead = key.(EncodingKey)
			_, err := dead.Encode(blocks)
			return err
		})
	})
	entries := w.entries(before)
	if len(entries) < 2 || entries[0].Subject != u.Why.Subject || entries[1].Subject != subjectOfBlocks(blocks) || entries[1].Result != audit.OK {
		t.Errorf("%+v", entries)
	}
	if _, err := dead.Encode(blocks); sealift.ReasonOf(err) != "handle-closed" {
		t.Errorf("after its use: %v", err)
	}
	// Lengths are part of the subject: the same bytes cut otherwise are another.
	if subjectOfBlocks([][]byte{make([]byte, 16), make([]byte, 32)}) == subjectOfBlocks([][]byte{make([]byte, 32), make([]byte, 16)}) {
		t.Error("blocks run into one another")
	}
	err := w.vault.Update(t.Context(), func(tx *Tx) error {
		_, _, _, err := w.vault.Sign(t.Context(), tx, use(info), make([]byte, 32), crypto.SHA256)
		return err
	})
	wantError(t, err, sealift.KindInvalid, "")
	err = w.vault.Update(t.Context(), func(tx *Tx) error {
		_, err := w.vault.Signer(t.Context(), tx, use(info))
		return err
	})
	wantError(t, err, sealift.KindInvalid, "")
}

func TestCapgoKey(t *testing.T) {
	w := newStated(t)
	look := func() (KeyInfo, error) {
		var k KeyInfo
		err := w.vault.Update(t.Context(), func(tx *Tx) (err error) {
			k, err = w.vault.CapgoKey(t.Context(), tx, testApp)
			return err
		})
		return k, err
	}
	_, err := look()
	wantError(t, err, sealift.KindNotFound, ReasonNoAppKey)
	create := func(id string, app sealift.AppID) {
		t.Helper()
		w.update(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.Create(ctx, tx, CreateRequest{ID: id, Purpose: PurposeCapgoApp, Owner: "ops", App: app}, alice, start)
			return err
		})
	}
	create("other", "com.acme.till")
	create("one", testApp)
	if k, err := look(); err != nil || k.Ref != (Ref{"one", 1}) {
		t.Errorf("%v, %v", k.Ref, err)
	}
	create("two", testApp)
	_, err = look()
	wantError(t, err, sealift.KindConflict, ReasonAppKeys)
	w.update(func(ctx context.Context, tx *Tx) error { return tx.setKeyState(ctx, Ref{"one", 1}, Deactivated) })
	if k, err := look(); err != nil || k.Ref != (Ref{"two", 1}) {
		t.Errorf("%v, %v", k.Ref, err)
	}
}
