package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shapes are the forms in which bytes show in print: as text, hex, base64, or
// a list of numbers.
func shapes(secret []byte) []string {
	decimal := strings.Trim(fmt.Sprint(secret), "[]")
	return []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.StdEncoding.EncodeToString(secret), decimal, strings.ReplaceAll(decimal, " ", ", "),
		strings.ReplaceAll(fmt.Sprintf("%#v", secret), "[]byte", ""),
	}
}

// Whatever is printed of an exported type, by whichever verb, flag or wrapper,
// holds no part of a secret.
func TestNothingPrintsSecrets(t *testing.T) {
	w := newWorld(t)
	var secrets [][]byte
	ring := w.vault.ring.Load()
	for _, at := range []int{rootAt, keksAt, rowMACAt} {
		if err := ring.with(at, func(key []byte) error { secrets = append(secrets, bytes.Clone(key)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	material, err := Generate(t.Context(), Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, material.private()[16:])
	values := []any{w.vault, *material, material, CreateRequest{Material: material}, &CreateRequest{Material: material}, ring, ring.page}
	w.update(func(ctx context.Context, tx *Tx) error {
		values = append(values, tx)
		for _, p := range []Purpose{PurposeDirector, PurposeReleaseCA, PurposeEpoch, PurposeEnrolmentSecret, PurposeWrapping} {
			info, err := w.vault.Create(ctx, tx, CreateRequest{Purpose: p, Owner: "ops"}, alice, start)
			if err != nil {
				return err
			}
			values = append(values, info, use(info))
			if p.Operation() == OpSign {
				signer, err := w.vault.Signer(ctx, tx, use(info))
				if err != nil {
					return err
				}
				values = append(values, signer)
			}
			err = w.vault.Use(ctx, tx, use(info), func(key Key) error {
				values = append(values, key)
				h := handleOf(key)
				at := len(h.private()) - 16
				if p == PurposeReleaseCA {
					at = 36 // its PKCS #8 form ends in the public key
				}
				secrets = append(secrets, bytes.Clone(h.private()[at:at+16]))
				values = append(values, h)
				checkPrints(t, values, secrets)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func handleOf(key Key) *handle {
	switch k := key.(type) {
	case *signingKey:
		return k.handle
	case holderKey:
		return k.handle
	case macKey:
		return k.handle
	case wrappingKey:
		return k.handle
	}
	return nil
}

func checkPrints(t *testing.T, values []any, secrets [][]byte) {
	t.Helper()
	var forbidden []string
	for _, s := range secrets {
		forbidden = append(forbidden, shapes(s)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(values).Draw(t, "value")
		type hidden struct{ v any } // fmt calls no method of what is in an unexported field
		switch rapid.IntRange(0, 3).Draw(t, "wrapper") {
		case 1:
			v = struct{ V any }{v}
		case 2:
			v = hidden{v}
		case 3:
			v = []any{&hidden{v}}
		}
		flags := rapid.SampledFrom([]string{"", "+", "#", " ", "0", "-", "+#", "# "}).Draw(t, "flags")
		verb := rapid.SampledFrom([]string{"v", "s", "q", "x", "X", "d", "b", "o", "c", "U", "t", "g", "p", "T"}).Draw(t, "verb")
		out := fmt.Sprintf("%"+flags+verb, v)
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
		encoded, _ := json.Marshal(v) // some cannot be; that is no leak
		for _, f := range forbidden {
			if strings.Contains(out, f) || strings.Contains(logged.String(), f) || strings.Contains(string(encoded), f) {
				t.Fatalf("%%%s%s of %T prints a secret", flags, verb, v)
			}
		}
	})
}
