package pkcs11_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// want checks kind and reason of an error, and that it says what to do next.
func want(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("%v (kind %s, reason %s), want %s, %s", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func generate(t *testing.T, tokens *pkcs11.Tokens, uri string, a pkcs11.Algorithm) pkcs11.Key {
	t.Helper()
	key, err := tokens.Generate(t.Context(), uri, string(a))
	if err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	return key
}

func public(t *testing.T, key pkcs11.Key) crypto.PublicKey {
	t.Helper()
	pub, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// TestSigning makes a key of each kind, asks the token whether it keeps it to
// itself, and signs in every way that Sealift does; Sign itself verifies.
func TestSigning(t *testing.T) {
	token := pkcs11test.NewToken(t, "signing")
	tokens := token.Open(t)
	message := []byte("a message of any length")
	sha2, sha3, sha5 := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message)
	type way struct {
		digest []byte
		opts   crypto.SignerOpts
	}
	hashed := []way{{sha2[:], crypto.SHA256}, {sha3[:], crypto.SHA384}, {sha5[:], crypto.SHA512}}
	for a, ways := range map[pkcs11.Algorithm][]way{
		pkcs11.ECDSAP256: hashed,
		pkcs11.ECDSAP384: hashed,
		pkcs11.Ed25519:   {{message, crypto.Hash(0)}, {make([]byte, 1<<20), crypto.Hash(0)}},
		pkcs11.RSA4096: append(hashed,
			way{sha5[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}},
			way{sha2[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256}},
			way{sha3[:], &rsa.PSSOptions{SaltLength: 48, Hash: crypto.SHA384}}),
	} {
		t.Run(string(a), func(t *testing.T) {
			key := generate(t, tokens, token.Key(string(a)), a)
			if !key.Kept() || key.Algorithm != a || !strings.Contains(key.URI, "id=%") {
				t.Errorf("%+v", key)
			}
			signer, err := tokens.Signer(t.Context(), key.URI)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range ways {
				if _, err := signer.Sign(rand.Reader, w.digest, w.opts); err != nil {
					t.Errorf("%T %v: %v", w.opts, w.opts, err)
				}
			}
		})
	}
	keys, err := tokens.Keys(t.Context(), token.Reach.String())
	if err != nil || len(keys) != 4 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestSealing(t *testing.T) {
	token := pkcs11test.NewToken(t, "sealing")
	tokens := token.Open(t)
	key := generate(t, tokens, token.Key("unseal"), pkcs11.AES256)
	if !key.Kept() || len(key.Public) > 0 {
		t.Errorf("%+v", key)
	}
	ctx := t.Context()
	plaintext, associated := []byte("thirty-two bytes of a root key.."), []byte("what it belongs to")
	sealed, err := tokens.Seal(ctx, key.URI, plaintext, associated)
	if err != nil || len(sealed) != 12+len(plaintext)+16 {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	again, err := tokens.Seal(ctx, key.URI, plaintext, associated)
	if err != nil || string(again) == string(sealed) {
		t.Errorf("two sealings are the same: %v", err)
	}
	opened, err := tokens.Open(ctx, key.URI, sealed, associated)
	if err != nil || string(opened) != string(plaintext) {
		t.Fatalf("%q, %v", opened, err)
	}
	for i := range sealed {
		bent := append([]byte(nil), sealed...)
		bent[i] ^= 1
		if _, err := tokens.Open(ctx, key.URI, bent, associated); !errors.Is(err, pkcs11.ErrOpen) {
			t.Fatalf("byte %d bent: %v", i, err)
		}
	}
	for _, wrong := range [][]byte{nil, sealed[:20], sealed[:len(sealed)-1]} {
		if _, err := tokens.Open(ctx, key.URI, wrong, associated); !errors.Is(err, pkcs11.ErrOpen) {
			t.Error(err)
		}
	}
	other := generate(t, tokens, token.Key("other"), pkcs11.AES256)
	for _, wrong := range []struct{ uri, associated string }{{key.URI, "something else"}, {key.URI, ""}, {other.URI, string(associated)}} {
		if _, err := tokens.Open(ctx, wrong.uri, sealed, []byte(wrong.associated)); !errors.Is(err, pkcs11.ErrOpen) {
			t.Error(wrong, err)
		}
	}
	// Opening goes on after all that.
	if _, err := tokens.Open(ctx, key.URI, sealed, associated); err != nil {
		t.Error(err)
	}
	if some, err := tokens.Random(ctx, token.Reach.String(), 32); err != nil || len(some) != 32 {
		t.Errorf("%d random bytes, %v", len(some), err)
	}
}

func TestRefusals(t *testing.T) {
	token := pkcs11test.NewToken(t, "refusals")
	tokens := token.Open(t)
	ctx := t.Context()
	digest := make([]byte, 32)
	key := generate(t, tokens, token.Key("one"), pkcs11.ECDSAP256)
	wrapping := generate(t, tokens, token.Key("wrap"), pkcs11.AES256)

	_, err := tokens.Generate(ctx, token.Key("one"), "ecdsa-p256")
	want(t, err, sealift.KindConflict, pkcs11.ReasonExists)
	_, err = tokens.Generate(ctx, token.Reach.String(), "ecdsa-p256")
	want(t, err, sealift.KindInvalid, pkcs11.ReasonURI)
	for _, kind := range []string{"", "hmac-sha256", "hpke-p256", "rsa-2048"} {
		_, err = tokens.Generate(ctx, token.Key("kind"), kind)
		want(t, err, sealift.KindInvalid, pkcs11.ReasonURI)
	}
	_, err = tokens.Find(ctx, token.Key("absent"))
	want(t, err, sealift.KindNotFound, pkcs11.ReasonNoKey)
	_, err = tokens.Sign(ctx, token.Key("absent"), public(t, key), digest, crypto.SHA256)
	want(t, err, sealift.KindNotFound, pkcs11.ReasonNoKey)
	_, err = tokens.Sign(ctx, token.Reach.String(), public(t, key), digest, crypto.SHA256)
	want(t, err, sealift.KindInvalid, pkcs11.ReasonURI)
	_, err = tokens.Sign(ctx, wrapping.URI, public(t, key), digest, crypto.SHA256)
	want(t, err, sealift.KindInvalid, pkcs11.ReasonUnsupported)
	_, err = tokens.Seal(ctx, key.URI, digest, nil)
	want(t, err, sealift.KindInvalid, pkcs11.ReasonUnsupported)
	_, err = tokens.Find(ctx, "pkcs11:token=elsewhere;object=one")
	want(t, err, sealift.KindNotFound, pkcs11.ReasonUnknown)
	_, err = tokens.Find(ctx, "pkcs11:object=one;pin-value=1")
	want(t, err, sealift.KindInvalid, pkcs11.ReasonURI)
	for _, wrong := range []struct {
		digest []byte
		opts   crypto.SignerOpts
	}{{digest, nil}, {digest, crypto.SHA384}, {digest[:20], crypto.SHA1}, {digest, crypto.Hash(0)}} {
		_, err = tokens.Sign(ctx, key.URI, public(t, key), wrong.digest, wrong.opts)
		want(t, err, sealift.KindInvalid, "")
	}

	// Another key of the same name than was meant signs nothing that leaves.
	another := generate(t, tokens, token.Key("another"), pkcs11.ECDSAP256)
	_, err = tokens.Sign(ctx, another.URI, public(t, key), digest, crypto.SHA256)
	want(t, err, sealift.KindInternal, pkcs11.ReasonDevice)

	if err := tokens.Destroy(ctx, another.URI); err != nil {
		t.Fatal(err)
	}
	_, err = tokens.Sign(ctx, another.URI, public(t, another), digest, crypto.SHA256)
	want(t, err, sealift.KindNotFound, pkcs11.ReasonNoKey)
}

func TestSelection(t *testing.T) {
	token := pkcs11test.NewToken(t, "first")
	token.Initialise(t, "second")
	o := token.Options(t)
	second := o.Tokens[0]
	second.Token = "second"
	o.Tokens = append(o.Tokens, second)
	tokens, err := pkcs11.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	one := generate(t, tokens, "pkcs11:token=first;object=k", pkcs11.ECDSAP256)
	two := generate(t, tokens, "pkcs11:token=second;object=k", pkcs11.ECDSAP256)
	if string(one.Public) == string(two.Public) {
		t.Error("two tokens have one key")
	}
	_, err = tokens.Find(t.Context(), "pkcs11:object=k")
	want(t, err, sealift.KindConflict, pkcs11.ReasonAmbiguous)
	// The same label twice is told apart by the id.
	id := strings.Repeat("%01", 16)
	generate(t, tokens, "pkcs11:token=first;object=k;id="+id, pkcs11.ECDSAP256)
	_, err = tokens.Find(t.Context(), "pkcs11:token=first;object=k")
	want(t, err, sealift.KindConflict, pkcs11.ReasonAmbiguous)
	if got, err := tokens.Find(t.Context(), one.URI); err != nil || string(got.Public) != string(one.Public) {
		t.Errorf("%v, %v", got, err)
	}
	list, err := tokens.List(t.Context())
	if err != nil || len(list) < 2 || !list[0].Ready || list[0].PIN != "ok" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, wrong := range [][]pkcs11.URI{{{Token: "first"}}, {second, second}} {
		o.Tokens = wrong
		_, err := pkcs11.New(o)
		want(t, err, sealift.KindInvalid, pkcs11.ReasonURI)
	}
}

// TestWrongPIN: it is tried once, and not again until there is another one.
func TestWrongPIN(t *testing.T) {
	token := pkcs11test.NewToken(t, "pin")
	var asked int
	pin := "00000000"
	o := token.Options(t)
	o.PIN = func(context.Context, pkcs11.URI) ([]byte, error) { asked++; return []byte(pin), nil }
	tokens, err := pkcs11.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	for i := range 5 {
		_, err := tokens.Keys(t.Context(), token.Reach.String())
		want(t, err, sealift.KindDenied, pkcs11.ReasonPIN)
		if again := strings.Contains(err.Error(), "refused before"); again != (i > 0) {
			t.Errorf("attempt %d: %v", i+1, err)
		}
	}
	list, err := tokens.List(t.Context())
	if err != nil || list[0].PIN != "low" {
		t.Errorf("after one wrong PIN: %+v, %v", list, err)
	}
	pin = pkcs11test.PIN
	if _, err := tokens.Keys(t.Context(), token.Reach.String()); err != nil {
		t.Error(err)
	}
	if asked != 6 {
		t.Errorf("asked %d times", asked)
	}

	o.PIN = func(context.Context, pkcs11.URI) ([]byte, error) { return nil, os.ErrNotExist }
	none, err := pkcs11.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if _, err := none.Keys(t.Context(), token.Reach.String()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestConcurrent lets many sign at once, the first of which logs in.
func TestConcurrent(t *testing.T) {
	token := pkcs11test.NewToken(t, "many")
	first := token.Open(t)
	key := generate(t, first, token.Key("k"), pkcs11.ECDSAP256)
	pub := public(t, key)
	tokens := token.Open(t)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := tokens.Sign(t.Context(), key.URI, pub, make([]byte, 32), crypto.SHA256); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
