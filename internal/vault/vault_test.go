package vault

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func (w *world) wantStatus(want Status) {
	w.t.Helper()
	got, err := w.vault.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	got.MemoryLocked = false // depends on RLIMIT_MEMLOCK
	if want.Initialised {    // as newWorld does
		want.Unseal.Sealer = sealerArgon2id
	}
	if got != want {
		w.t.Errorf("status %+v, want %+v", got, want)
	}
}

func TestInitUnsealSeal(t *testing.T) {
	w := emptyWorld(t)
	w.wantStatus(Status{Sealed: true})
	err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start)
	wantError(t, err, sealift.KindSealed, reasonUninitialised)

	// The real thing once: with the recommended parameters.
	if err := w.vault.Init(t.Context(), testVault, Secrets{Unseal: Passphrase(testPassphrase)}, alice, start, nil); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(Status{Initialised: true, Vault: testVault})
	key := w.create(PurposeDirector, "director")

	if err := w.vault.Seal(t.Context(), alice, start); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(Status{Initialised: true, Vault: testVault, Sealed: true})
	wantError(t, w.tryUse(use(key)), sealift.KindSealed, ReasonSealed)

	// A new process.
	w.vault = New(w.store)
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(Status{Initialised: true, Vault: testVault})
	if err := w.tryUse(use(key)); err != nil {
		t.Error(err)
	}
	// Once more changes nothing but the log.
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	if err := w.tryUse(use(key)); err != nil {
		t.Error(err)
	}
	got := w.wantEntries(0, "vault.unseal refused", "vault.init ok", "key.create ok", "vault.seal ok", "key.use refused",
		"vault.unseal ok", "key.use ok", "vault.unseal ok", "key.use ok")
	for i, e := range got {
		if e.Actor != alice || e.Time.Before(start) {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if got[1].Subject != "vault:"+string(testVault) || got[3].Subject != got[1].Subject || got[5].Subject != got[1].Subject {
		t.Errorf("the vault is not named: %+v", got)
	}
}

func TestWrongPassphrase(t *testing.T) {
	w := newWorld(t)
	if err := w.vault.Seal(t.Context(), alice, start); err != nil {
		t.Fatal(err)
	}
	before := w.logSize()
	for _, wrong := range []string{"", "wrong passphrase", string(testPassphrase) + "\n", strings.Repeat("x", sealift.MaxPassphrase+1)} {
		err := w.vault.Unseal(t.Context(), Passphrase(wrong), alice, start)
		wantError(t, err, sealift.KindSealed, ReasonPassphrase)
		if sealift.HintOf(err) == "" {
			t.Error("no hint")
		}
		if wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Errorf("the error repeats the passphrase: %v", err)
		}
	}
	w.wantStatus(Status{Initialised: true, Vault: testVault, Sealed: true})
	got := w.wantEntries(before, "vault.unseal refused", "vault.unseal refused", "vault.unseal refused", "vault.unseal refused")
	if got[0].Details["reason"] != ReasonPassphrase {
		t.Errorf("details %v", got[0].Details)
	}
}

// A wrong passphrase does not seal an open vault either.
func TestWrongPassphraseOnAnOpenVault(t *testing.T) {
	w := newWorld(t)
	wantError(t, w.vault.Unseal(t.Context(), Passphrase("wrong passphrase"), alice, start), sealift.KindSealed, ReasonPassphrase)
	w.wantStatus(Status{Initialised: true, Vault: testVault})
}

func TestInitRefuses(t *testing.T) {
	w := emptyWorld(t)
	err := w.vault.Init(t.Context(), testVault, Secrets{Unseal: Passphrase("short")}, alice, start, nil)
	wantError(t, err, sealift.KindInvalid, ReasonPassphrase)
	err = w.vault.Init(t.Context(), "no id", Secrets{Unseal: Passphrase(testPassphrase)}, alice, start, nil)
	wantError(t, err, sealift.KindInvalid, "")
	w.wantStatus(Status{Sealed: true})
	if err := w.init(nil); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.init(nil), sealift.KindConflict, ReasonInitialised)
	w.wantStatus(Status{Initialised: true, Vault: testVault})
	w.wantEntries(0, "vault.init refused", "vault.init refused", "vault.init ok", "vault.init refused")
}

// What Init's function does is done with it or not at all.
func TestInitIsOneTransaction(t *testing.T) {
	w := emptyWorld(t)
	broken := errors.New("no root keys")
	err := w.init(func(tx *Tx) error {
		if _, err := w.vault.Create(t.Context(), tx, CreateRequest{ID: "director", Purpose: PurposeDirector, Owner: "ops"}, alice, start); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	w.wantStatus(Status{Sealed: true})
	w.wantEntries(0, "vault.init abandoned", "key.create abandoned")

	var key KeyInfo
	err = w.init(func(tx *Tx) (err error) {
		key, err = w.vault.Create(t.Context(), tx, CreateRequest{ID: "director", Purpose: PurposeDirector, Owner: "ops"}, alice, start)
		if err != nil {
			return err
		}
		return w.vault.Use(t.Context(), tx, use(key), func(Key) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tryUse(use(key)); err != nil {
		t.Error(err)
	}
}

// Two callers initialise at once: one wins, and its keys are the vault's.
func TestInitRace(t *testing.T) {
	w := emptyWorld(t)
	results := make(chan error, 2)
	for range 2 {
		go func() { results <- w.init(nil) }()
	}
	one, two := <-results, <-results
	if (one == nil) == (two == nil) {
		t.Fatalf("%v, %v", one, two)
	}
	wantError(t, errors.Join(one, two), sealift.KindConflict, ReasonInitialised)
	key := w.create(PurposeDirector, "director")
	w.vault.Close()
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	if err := w.tryUse(use(key)); err != nil {
		t.Error(err)
	}
}

func TestTamperedRecordDoesNotUnseal(t *testing.T) {
	w := newWorld(t)
	w.vault.Close()
	r, good, err := w.vault.readRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.MAC[0] ^= 1
	bent, err := r.marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		record []byte
		reason string
	}{
		"mac":     {bent, ReasonSealRecord},
		"garbage": {[]byte("garbage"), ReasonSealRecord},
		"null":    {[]byte("null"), ReasonSealRecord},
		"salt":    {[]byte(strings.Replace(string(good), `"salt":"`, `"salt":"AA`, 1)), ReasonSealRecord},
	} {
		before := w.logSize()
		w.setRecord(c.record)
		err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start)
		if err == nil {
			t.Fatalf("%s: unsealed", name)
		}
		wantError(t, err, sealift.KindSealed, c.reason)
		w.wantEntries(before, "vault.unseal refused")
	}
	w.setRecord(good)
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Error(err)
	}
}

func (w *world) setRecord(data []byte) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx store.Tx) error { return tx.SetVaultSeal(w.t.Context(), data) })
	if err != nil {
		w.t.Fatal(err)
	}
}

// Without an entry nothing is unsealed; a seal takes effect all the same.
func TestUnsealNeedsTheLog(t *testing.T) {
	w := newWorld(t)
	deaf := &faultyStore{Store: w.store, failAppend: true}
	v := New(deaf)
	defer v.Close()
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); !errors.Is(err, errFault) {
		t.Errorf("unsealing: %v", err)
	}
	if s, err := v.Status(t.Context()); err != nil || !s.Sealed {
		t.Errorf("status %+v, %v", s, err)
	}
	deaf.failAppend = false
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	deaf.failAppend = true
	if err := v.Seal(t.Context(), alice, start); !errors.Is(err, errFault) {
		t.Errorf("sealing: %v", err)
	}
	if s, err := v.Status(t.Context()); err != nil || !s.Sealed {
		t.Errorf("status %+v, %v", s, err)
	}
}

// A caller who gives up while another's Argon2id runs gets its context's error.
func TestUnsealWaitsForItsTurn(t *testing.T) {
	w := newWorld(t)
	w.vault.stretch <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.vault.Unseal(ctx, Passphrase(testPassphrase), alice, start); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-w.vault.stretch
}

func TestSealedRefusesAll(t *testing.T) {
	w := newWorld(t)
	key := w.create(PurposeDirector, "director")
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.WrapSecret(ctx, tx, "token", []byte("secret"), alice, start)
	})
	w.vault.Close()
	v := w.vault
	for name, act := range map[string]struct {
		do    func(ctx context.Context, tx *Tx) error
		entry string
	}{
		"Use": {func(ctx context.Context, tx *Tx) error {
			return v.Use(ctx, tx, use(key), func(Key) error { t.Error("called"); return nil })
		}, "key.use refused"},
		"Use of none": {func(ctx context.Context, tx *Tx) error {
			return v.Use(ctx, tx, Use{Key: Ref{ID: "none"}, Why: why}, func(Key) error { return nil })
		}, "key.use refused"},
		"Signer": {func(ctx context.Context, tx *Tx) error { _, err := v.Signer(ctx, tx, use(key)); return err }, "key.use refused"},
		"Create": {func(ctx context.Context, tx *Tx) error {
			_, err := v.Create(ctx, tx, CreateRequest{Purpose: PurposeSnapshot, Owner: "ops"}, alice, start)
			return err
		}, "key.create refused"},
		"Rotate": {func(ctx context.Context, tx *Tx) error {
			_, err := v.Rotate(ctx, tx, "director", nil, alice, "test", start)
			return err
		}, "key.rotate refused"},
		"Transition": {func(ctx context.Context, tx *Tx) error {
			_, err := v.Transition(ctx, tx, key.Ref, Active, Deactivated, alice, "test", start)
			return err
		}, "key.transition refused"},
		"SetCertificate": {func(ctx context.Context, tx *Tx) error {
			_, err := v.SetCertificate(ctx, tx, key.Ref, nil, alice, start)
			return err
		}, "key.certificate refused"},
		"WrapSecret": {func(ctx context.Context, tx *Tx) error {
			return v.WrapSecret(ctx, tx, "other", []byte("secret"), alice, start)
		}, "secret.wrap refused"},
		"UnwrapSecret": {func(ctx context.Context, tx *Tx) error {
			_, err := v.UnwrapSecret(ctx, tx, "token", why, alice, start)
			return err
		}, "secret.unwrap refused"},
		"DeleteSecret": {func(ctx context.Context, tx *Tx) error { return v.DeleteSecret(ctx, tx, "token", alice, start) }, "secret.delete refused"},
		"List":         {func(ctx context.Context, tx *Tx) error { _, err := v.List(ctx, tx, Filter{ID: "none"}); return err }, ""},
		"Lookup":       {func(ctx context.Context, tx *Tx) error { _, err := v.Lookup(ctx, tx, Ref{ID: "none"}); return err }, ""},
		"Lookup of 1":  {func(ctx context.Context, tx *Tx) error { _, err := v.Lookup(ctx, tx, Ref{"none", 1}); return err }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.logSize()
			wantError(t, w.try(act.do), sealift.KindSealed, ReasonSealed)
			if act.entry != "" {
				w.wantEntries(before, act.entry)
			}
		})
	}
}

// A use that is under way when the vault is sealed fails at its next step.
func TestSealDuringATransaction(t *testing.T) {
	w := newWorld(t)
	key := w.create(PurposeDirector, "director")
	err := w.try(func(ctx context.Context, tx *Tx) error {
		if err := w.vault.Use(ctx, tx, use(key), func(Key) error { return nil }); err != nil {
			t.Error(err)
		}
		w.vault.install(nil)
		return w.vault.Use(ctx, tx, use(key), func(Key) error { t.Error("called"); return nil })
	})
	wantError(t, err, sealift.KindSealed, ReasonSealed)
}
