package vault

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

var nextPassphrase = []byte("another four random words")

// recoverable is a vault with both paths.
func recoverable(t *testing.T) (w *world, recovery RecoveryKey) {
	t.Helper()
	w, recovery = emptyWorld(t), NewRecoveryKey()
	e := event{action: actionInit, actor: alice, at: start, subject: "vault:" + string(testVault)}
	if err := w.vault.initialise(t.Context(), testVault, Secrets{Passphrase(testPassphrase), recovery}, cheapArgon2, e, nil); err != nil {
		t.Fatal(err)
	}
	return w, recovery
}

// opens reports whether a secret unseals the vault as it stands in the store.
func (w *world) opens(secret []byte) bool {
	w.t.Helper()
	v := New(w.store)
	defer v.Close()
	err := v.Unseal(w.t.Context(), SecretOf(secret), alice, start)
	if err != nil {
		wantError(w.t, err, sealift.KindSealed, ReasonPassphrase)
	}
	return err == nil
}

func (w *world) wantOpens(what string, secret []byte, want bool) {
	w.t.Helper()
	if got := w.opens(secret); got != want {
		w.t.Errorf("%s opens the vault: %t, want %t", what, got, want)
	}
}

func TestNewRecoveryKey(t *testing.T) {
	a, b := NewRecoveryKey(), NewRecoveryKey()
	if bytes.Equal(a, b) || len(a) != len(recoveryPrefix)+64 || !strings.HasPrefix(string(a), "sealift-recovery-") {
		t.Errorf("%s, %s", a, b)
	}
	if err := (Secrets{Recovery: a}).check(testVault, false); err != nil {
		t.Error(err)
	}
}

func TestBothPathsOpen(t *testing.T) {
	w, recovery := recoverable(t)
	w.wantOpens("the passphrase", testPassphrase, true)
	w.wantOpens("the recovery key", recovery, true)
	w.wantOpens("another recovery key", NewRecoveryKey(), false)
	w.wantOpens("the recovery key's digits", recovery[len(recoveryPrefix):], false)
	if s, err := w.vault.Status(t.Context()); err != nil || !s.Recoverable {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := newWorld(t).vault.Status(t.Context()); err != nil || s.Recoverable {
		t.Errorf("without: %+v, %v", s, err)
	}
}

func TestInitRefusesSecrets(t *testing.T) {
	w := emptyWorld(t)
	err := w.vault.Init(t.Context(), testVault, Secrets{Unseal: Passphrase(NewRecoveryKey())}, alice, start, nil)
	wantError(t, err, sealift.KindInvalid, ReasonPassphrase)
	for _, recovery := range []string{"", "five random words", recoveryPrefix, recoveryPrefix + strings.Repeat("0", 63)} {
		err := w.vault.Init(t.Context(), testVault, Secrets{Passphrase(testPassphrase), RecoveryKey(recovery)}, alice, start, nil)
		wantError(t, err, sealift.KindInvalid, "recovery")
	}
	w.wantStatus(Status{Sealed: true})
}

func TestRekey(t *testing.T) {
	w, recovery := recoverable(t)
	created := w.create(PurposeDirector, "director")
	rekey := func(current []byte, next Secrets) error {
		return w.vault.rekey(t.Context(), SecretOf(current), next, cheapArgon2, alice, start)
	}

	// The passphrase by the passphrase, while the vault is open.
	if err := rekey(testPassphrase, Secrets{Unseal: Passphrase(nextPassphrase)}); err != nil {
		t.Fatal(err)
	}
	w.wantOpens("the passphrase of before", testPassphrase, false)
	w.wantOpens("the next passphrase", nextPassphrase, true)
	w.wantOpens("the recovery key", recovery, true)

	// A lost passphrase by the recovery key, while it is sealed.
	w.vault.Close()
	if err := rekey(recovery, Secrets{Unseal: Passphrase(testPassphrase)}); err != nil {
		t.Fatal(err)
	}
	w.wantOpens("the lost passphrase", nextPassphrase, false)
	w.wantOpens("the new passphrase", testPassphrase, true)

	// A lost recovery key by the passphrase.
	again := NewRecoveryKey()
	if err := rekey(testPassphrase, Secrets{Recovery: again}); err != nil {
		t.Fatal(err)
	}
	w.wantOpens("the lost recovery key", recovery, false)
	w.wantOpens("the new recovery key", again, true)
	w.wantOpens("the passphrase", testPassphrase, true)

	// The keys are those of before.
	if err := w.vault.Unseal(t.Context(), SecretOf(again), alice, start); err != nil {
		t.Fatal(err)
	}
	if err := w.tryUse(Use{Purpose: PurposeDirector, Key: created.Ref, Actor: alice, Why: Why{Action: "test"}, Now: start}); err != nil {
		t.Errorf("a key of before: %v", err)
	}

	for what, test := range map[string]struct {
		current []byte
		next    Secrets
		kind    sealift.Kind
		reason  string
	}{
		"a wrong passphrase":      {nextPassphrase, Secrets{Unseal: Passphrase(nextPassphrase)}, sealift.KindSealed, ReasonPassphrase},
		"an old recovery key":     {recovery, Secrets{Unseal: Passphrase(nextPassphrase)}, sealift.KindSealed, ReasonPassphrase},
		"a passphrase too short":  {testPassphrase, Secrets{Unseal: Passphrase("short")}, sealift.KindInvalid, ReasonPassphrase},
		"a recovery key in place": {testPassphrase, Secrets{Unseal: Passphrase(again)}, sealift.KindInvalid, ReasonPassphrase},
		"no recovery key":         {testPassphrase, Secrets{Recovery: RecoveryKey("x")}, sealift.KindInvalid, "recovery"},
		"nothing":                 {testPassphrase, Secrets{}, sealift.KindInvalid, ""},
	} {
		if err := rekey(test.current, test.next); sealift.KindOf(err) != test.kind || sealift.ReasonOf(err) != test.reason {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.wantOpens("after refusals, the passphrase", testPassphrase, true)
	w.wantOpens("after refusals, the recovery key", again, true)
	told := map[string]int{}
	for _, e := range w.entries(0) {
		told[e.Action+" "+string(e.Result)]++
	}
	if told["vault.rekey ok"] != 3 || told["vault.rekey refused"] != 6 {
		t.Errorf("the log says %v", told)
	}
}

// A record that was changed by hand is not written again as if it were good.
func TestRekeyRefusesABentRecord(t *testing.T) {
	w, recovery := recoverable(t)
	data := w.record()
	bent := bytes.Replace(data, []byte(`"path":"recovery"`), []byte(`"path":"recovary"`), 1)
	if bytes.Equal(bent, data) {
		t.Fatal("nothing was bent")
	}
	w.setRecord(bent)
	err := w.vault.rekey(t.Context(), Passphrase(testPassphrase), Secrets{Unseal: Passphrase(nextPassphrase)}, cheapArgon2, alice, start)
	wantError(t, err, sealift.KindSealed, ReasonSealRecord)
	if got := w.record(); !bytes.Equal(got, bent) {
		t.Error("the record was written")
	}
	w.setRecord(data)
	w.wantOpens("the recovery key", recovery, true)
}

// Of two at once, one wins and the other changes nothing.
func TestRekeyComparesTheRecord(t *testing.T) {
	w, _ := recoverable(t)
	var second error
	first := w.vault.rekey(t.Context(), Passphrase(testPassphrase), Secrets{Unseal: Passphrase(nextPassphrase)}, func() argon2Params {
		if second == nil {
			second = New(w.store).rekey(t.Context(), Passphrase(testPassphrase), Secrets{Unseal: Passphrase("whoever comes in between")}, cheapArgon2, alice, start)
			if second != nil {
				t.Error(second)
			}
			second = errPassphrase
		}
		return cheapArgon2()
	}, alice, start)
	wantError(t, first, sealift.KindConflict, "")
	w.wantOpens("the one that lost", nextPassphrase, false)
	w.wantOpens("the one that won", []byte("whoever comes in between"), true)
}

func TestDrill(t *testing.T) {
	w, recovery := recoverable(t)
	before := w.record()
	if _, err := w.vault.Drill(t.Context(), recovery, alice, start); err != nil {
		t.Error(err)
	}
	w.vault.Close() // sealed or not
	if _, err := w.vault.Drill(t.Context(), recovery, alice, start); err != nil {
		t.Error(err)
	}
	_, err := w.vault.Drill(t.Context(), SecretOf(NewRecoveryKey()), alice, start)
	wantError(t, err, sealift.KindSealed, ReasonPassphrase)
	_, err = w.vault.Drill(t.Context(), SecretOf(testPassphrase), alice, start)
	wantError(t, err, sealift.KindInvalid, "recovery")
	if !bytes.Equal(before, w.record()) {
		t.Error("a drill changed the record")
	}
	if s, err := w.vault.Status(t.Context()); err != nil || !s.Sealed {
		t.Errorf("a drill left the vault open: %+v, %v", s, err)
	}
	without := newWorld(t)
	_, err = without.vault.Drill(t.Context(), SecretOf(recovery), alice, start)
	wantError(t, err, sealift.KindNotFound, "recovery")
	w.wantEntries(1, "vault.drill ok", "vault.drill ok", "vault.drill refused", "vault.drill refused")
}

func (w *world) record() (data []byte) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) (err error) {
		data, err = tx.VaultSeal(w.t.Context())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}
