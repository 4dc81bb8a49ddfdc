package vault

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
	"github.com/sealift/sealift/internal/store"
)

// tokenWorld is a world whose vault keeps keys in a real token.
type tokenWorld struct {
	*world
	token  *pkcs11test.Token
	tokens *pkcs11.Tokens
}

func newTokenWorld(t *testing.T) *tokenWorld {
	t.Helper()
	w := &tokenWorld{world: newWorld(t), token: pkcs11test.NewToken(t, "vault")}
	w.tokens = w.token.Open(t)
	WithTokens(w.tokens)(w.vault)
	return w
}

// make makes a key in the token.
func (w *tokenWorld) make(p Purpose, a Algorithm, label string) (info KeyInfo) {
	w.t.Helper()
	m, err := w.vault.GenerateInToken(w.t.Context(), w.token.Key(label), p, a)
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		info, err = w.vault.Create(ctx, tx, CreateRequest{ID: string(p), Purpose: p, Algorithm: a, Owner: "ops", Material: m}, alice, start)
		return err
	})
	return info
}

// sign signs a digest with a key by its id, in a transaction of its own.
func (w *tokenWorld) sign(p Purpose) ([]byte, error) {
	return Do(w.t.Context(), w.vault, func(tx *Tx) ([]byte, error) {
		signer, err := w.vault.Signer(w.t.Context(), tx, Use{Purpose: p, Key: Ref{ID: string(p)}, Actor: alice, Why: why, Now: start})
		if err != nil {
			return nil, err
		}
		return signer.Sign(nil, testDigest[:], crypto.SHA384)
	})
}

var testDigest = sha512.Sum384([]byte("what is signed"))

// kept asks the token itself about the key of a row.
func (w *tokenWorld) kept(info KeyInfo) {
	w.t.Helper()
	key, err := w.tokens.Find(w.t.Context(), info.Token)
	if err != nil || !key.Kept() || string(key.Public) != string(info.Public) {
		w.t.Errorf("%+v, %v", key, err)
	}
}

// TestCAInToken creates, uses, rotates and destroys a release CA in a token.
func TestCAInToken(t *testing.T) {
	w := newTokenWorld(t)
	first := w.make(PurposeReleaseCA, ECDSAP384, "release-ca")
	if first.Provider != ProviderPKCS11 || !strings.HasPrefix(first.Token, "pkcs11:token=vault;object=release-ca;id=%") {
		t.Errorf("%+v", first)
	}
	w.kept(first)
	signature, err := w.sign(PurposeReleaseCA)
	if err != nil {
		t.Fatal(err)
	}
	public, err := first.PublicKey()
	if err != nil || !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), testDigest[:], signature) {
		t.Errorf("the signature does not verify: %v", err)
	}

	var second KeyInfo
	w.update(func(ctx context.Context, tx *Tx) (err error) { // in the token too, though nobody says so
		second, err = w.vault.Rotate(ctx, tx, "release-ca", nil, alice, "rotation", start)
		return err
	})
	if second.Provider != ProviderPKCS11 || second.Token == first.Token || string(second.Public) == string(first.Public) {
		t.Errorf("%+v", second)
	}
	w.kept(second)
	w.enter(second.Ref, Active)
	w.enter(first.Ref, Deactivated, Destroyed)
	if _, err := w.tokens.Find(t.Context(), first.Token); sealift.ReasonOf(err) != pkcs11.ReasonNoKey {
		t.Errorf("the destroyed key: %v", err)
	}
	if _, err := w.sign(PurposeReleaseCA); err != nil {
		t.Errorf("with the second version: %v", err)
	}
	var infos []KeyInfo
	err = w.store.View(t.Context(), func(tx store.Tx) (err error) {
		infos, err = w.vault.List(t.Context(), tx, Filter{})
		return err
	})
	if err != nil || len(infos) != 2 || infos[0].Token != "" || infos[1].Token != second.Token {
		t.Errorf("%+v, %v", infos, err)
	}
}

// lastUse is the newest entry about a key.
func (w *tokenWorld) lastUse(id string) (last audit.Entry) {
	w.t.Helper()
	for _, e := range w.entries(0) {
		if e.Key == id {
			last = e
		}
	}
	return last
}

func TestWrappingInToken(t *testing.T) {
	w := newTokenWorld(t)
	w.make(PurposeWrapping, AES256, "wrapping")
	var sealed []byte
	use := func(fn func(WrappingKey) error) error {
		return w.try(func(ctx context.Context, tx *Tx) error {
			return w.vault.Use(ctx, tx, Use{Purpose: PurposeWrapping, Key: Ref{ID: "wrapping"}, Actor: alice, Why: why, Now: start},
				func(k Key) error { return fn(k.(WrappingKey)) })
		})
	}
	err := use(func(k WrappingKey) (err error) { sealed, err = k.Wrap([]byte("secret"), []byte("ad")); return err })
	if err != nil {
		t.Fatal(err)
	}
	err = use(func(k WrappingKey) error {
		plain, err := k.Unwrap(sealed, []byte("ad"))
		if string(plain) != "secret" {
			t.Errorf("%q", plain)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := use(func(k WrappingKey) error { _, err := k.Unwrap(sealed, []byte("other")); return err }); !errors.Is(err, pkcs11.ErrOpen) {
		t.Error(err)
	}
}

// TestRSAInToken signs as certificates are signed: PSS with SHA-512.
func TestRSAInToken(t *testing.T) {
	w := newTokenWorld(t)
	info := w.make(PurposeReleaseCA, RSA4096, "rsa")
	digest := sha512.Sum512([]byte("x"))
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}
	w.update(func(ctx context.Context, tx *Tx) error {
		signer, err := w.vault.Signer(ctx, tx, Use{Purpose: PurposeReleaseCA, Key: info.Ref, Actor: alice, Why: why, Now: start})
		if err != nil {
			return err
		}
		signature, err := signer.Sign(nil, digest[:], options)
		if err != nil {
			return err
		}
		return rsa.VerifyPSS(signer.Public().(*rsa.PublicKey), crypto.SHA512, digest[:], signature, options)
	})
}

func TestTokenRefusals(t *testing.T) {
	w := newTokenWorld(t)
	ctx := t.Context()
	for p := range policies {
		_, err := w.vault.GenerateInToken(ctx, w.token.Key(string(p)), p, "")
		if held := inTokens(p); held != (err == nil) || !held && (sealift.ReasonOf(err) != ReasonToken || sealift.HintOf(err) == "") {
			t.Errorf("%s: %v", p, err)
		}
	}
	_, err := w.vault.GenerateInToken(ctx, w.token.Key("x"), PurposeReleaseCA, Ed25519)
	wantError(t, err, sealift.KindInvalid, "")

	w.make(PurposeReleaseCA, ECDSAP384, "ca")

	// A key goes where its next material is, and the entry says where.
	w.create(PurposeDeviceCA, "device-ca")
	hard, err := w.vault.GenerateInToken(ctx, w.token.Key("device-ca-2"), PurposeDeviceCA, ECDSAP384)
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Rotate(ctx, tx, "device-ca", hard, alice, "into the token", start)
		if info.Provider != ProviderPKCS11 {
			t.Errorf("%+v", info)
		}
		return err
	})
	if last := w.lastUse("device-ca"); last.Details["provider"] != ProviderPKCS11 || last.Details["token"] != hard.Token() {
		t.Errorf("%+v", last)
	}
	soft, err := Generate(ctx, ECDSAP384)
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Rotate(ctx, tx, "device-ca", soft, alice, "and out of it", start)
		if info.Provider != ProviderSoftware || info.Token != "" {
			t.Errorf("%+v", info)
		}
		return err
	})

	// A vault that is told of no token says so, and the refusal is in the log.
	WithTokens(nil)(w.vault)
	_, err = w.sign(PurposeReleaseCA)
	wantError(t, err, sealift.KindNotFound, ReasonToken)
	if last := w.lastUse("release-ca"); last.Result != audit.Refused {
		t.Errorf("%+v", last)
	}
	_, err = w.vault.GenerateInToken(ctx, w.token.Key("y"), PurposeReleaseCA, "")
	wantError(t, err, sealift.KindNotFound, ReasonToken)
}

// TestSignatureLostWithHelper: a signature that the helper's death takes is in
// the log as failed, and the next one is made.
func TestSignatureLostWithHelper(t *testing.T) {
	w := newTokenWorld(t)
	w.make(PurposeReleaseCA, ECDSAP384, "ca")
	away := w.token.Folder + ".away"
	if err := os.Rename(w.token.Folder, away); err != nil {
		t.Fatal(err)
	}
	for _, id := range pkcs11test.Helpers(t, os.Getpid()) {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.sign(PurposeReleaseCA)
	if sealift.KindOf(err) != sealift.KindNetwork || sealift.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if last := w.lastUse("release-ca"); last.Result != audit.Failed || last.Details["kind"] != "network" {
		t.Errorf("%+v", last)
	}
	if err := os.Rename(away, w.token.Folder); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err = w.sign(PurposeReleaseCA); err == nil {
			return
		}
	}
	t.Error(err)
}
