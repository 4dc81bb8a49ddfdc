package vault

import (
	"context"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

func (w *world) wrap(name string, plaintext []byte) error {
	return w.try(func(ctx context.Context, tx *Tx) error {
		return w.vault.WrapSecret(ctx, tx, name, plaintext, alice, start)
	})
}

func (w *world) unwrap(name string, why Why) ([]byte, error) {
	return Do(w.t.Context(), w.vault, func(tx *Tx) ([]byte, error) {
		return w.vault.UnwrapSecret(w.t.Context(), tx, name, why, alice, start)
	})
}

func TestSecret(t *testing.T) {
	w := newWorld(t)
	before := w.logSize()
	if err := w.wrap("enrolment/1", []byte("token secret")); err != nil {
		t.Fatal(err)
	}
	got, err := w.unwrap("enrolment/1", Why{Action: "device.enrol", Details: map[string]string{"app": "com.acme.shop"}})
	if err != nil || string(got) != "token secret" {
		t.Fatalf("%q, %v", got, err)
	}
	wantError(t, w.wrap("enrolment/1", []byte("other")), sealift.KindConflict, "")
	if _, err := w.unwrap("enrolment/2", why); sealift.KindOf(err) != sealift.KindNotFound {
		t.Error(err)
	}
	if _, err := w.unwrap("enrolment/1", Why{}); sealift.KindOf(err) != sealift.KindInvalid {
		t.Error(err)
	}
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.DeleteSecret(ctx, tx, "enrolment/1", alice, start)
	})
	if _, err := w.unwrap("enrolment/1", why); sealift.KindOf(err) != sealift.KindNotFound {
		t.Error(err)
	}
	entries := w.wantEntries(before, "secret.wrap ok", "secret.unwrap ok", "secret.wrap refused", "secret.unwrap refused",
		"secret.unwrap refused", "secret.delete ok", "secret.unwrap refused")
	if e := entries[1]; e.Subject != "enrolment/1" || e.Details["for"] != "device.enrol" || e.Details["app"] != "com.acme.shop" || e.Key != "" {
		t.Errorf("entry %+v", e)
	}
}

func TestSecretRefuses(t *testing.T) {
	w := newWorld(t)
	for name, plaintext := range map[string][]byte{
		"": {1}, "a b": {1}, strings.Repeat("n", 257): {1}, "empty": nil, "long": make([]byte, sealift.MaxSecret+1),
	} {
		wantError(t, w.wrap(name, plaintext), sealift.KindInvalid, "")
	}
	if err := w.wrap("longest", make([]byte, sealift.MaxSecret)); err != nil {
		t.Error(err)
	}
}

func TestSecretTampered(t *testing.T) {
	for name, statement := range map[string]string{
		"renamed": "UPDATE secrets SET name = 'two'",
		"longer":  "UPDATE secrets SET name = 'two', wrapped = CAST(wrapped || x'00' AS BLOB)",
		"bent":    "UPDATE secrets SET name = 'two', wrapped = CAST(substr(wrapped, 1, length(wrapped) - 1) || x'00' AS BLOB)",
		"empty":   "UPDATE secrets SET name = 'two', wrapped = x''",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.wrap("one", []byte("secret")); err != nil {
				t.Fatal(err)
			}
			w.sql(statement)
			before := w.logSize()
			_, err := w.unwrap("two", why)
			wantError(t, err, sealift.KindDenied, ReasonTampered)
			w.wantEntries(before, "secret.unwrap refused")
		})
	}
}
