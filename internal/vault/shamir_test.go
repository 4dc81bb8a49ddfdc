package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// shared is a vault that opens with m of n shares, and with a recovery key.
func shared(t *testing.T, m, n int) (w *world, texts [][]byte, recovery RecoveryKey) {
	t.Helper()
	w, recovery = emptyWorld(t), NewRecoveryKey()
	deal := newDeal(t, testVault, m, n)
	e := event{action: actionInit, actor: alice, at: start, subject: "vault:" + string(testVault)}
	if err := w.vault.initialise(t.Context(), testVault, Secrets{deal, recovery}, cheapArgon2, e, nil); err != nil {
		t.Fatal(err)
	}
	return w, deal.Texts(), recovery
}

func newDeal(t testing.TB, vault sealift.VaultID, m, n int) *Deal {
	t.Helper()
	d, err := NewDeal(vault, m, n)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseShares(t testing.TB, texts ...[]byte) (shares Shares) {
	t.Helper()
	for _, text := range texts {
		s, err := ParseShare(text)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	return shares
}

func TestShareText(t *testing.T) {
	d := newDeal(t, testVault, 2, 20)
	for i, text := range d.Texts() {
		s := parseShares(t, text)[0]
		if s.Index() != i+1 || !bytes.Equal(s.value(), d.shares[i].value()) || !bytes.Equal(s.text(), text) {
			t.Errorf("%s is read as %v", text, s)
		}
		if !IsShare(text) || len(text) != shareLength || !bytes.HasPrefix(text, []byte("sealift-share-00112233-")) {
			t.Errorf("%s", text)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			for _, v := range []any{s, &s, Shares{s}} {
				if got := fmt.Sprintf(verb, v); strings.Contains(got, string(text[60:80])) || strings.Contains(got, "value") {
					t.Errorf("%s prints %s", verb, got)
				}
			}
		}
	}
	if _, err := ParseShare([]byte("\n" + string(d.Texts()[0]) + " \r\n")); err != nil {
		t.Error(err)
	}
}

// Every mistyped, missing or exchanged character is noticed.
func TestShareTextTypos(t *testing.T) {
	text := newDeal(t, testVault, 2, 3).Texts()[1]
	rapid.Check(t, func(t *rapid.T) {
		bent := bytes.Clone(text)
		at := rapid.IntRange(0, len(bent)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"change", "drop", "double", "swap"}).Draw(t, "how") {
		case "change":
			bent[at] = rapid.SampledFrom([]byte("0123456789abcdefABCDEF-x ")).Draw(t, "to")
		case "drop":
			bent = slices.Delete(bent, at, at+1)
		case "double":
			bent = slices.Insert(bent, at, bent[at])
		case "swap":
			other := rapid.IntRange(0, len(bent)-1).Draw(t, "other")
			bent[at], bent[other] = bent[other], bent[at]
		}
		s, err := ParseShare(bent)
		if err == nil && !bytes.Equal(s.text(), text) {
			t.Fatalf("%s is taken", bent)
		}
		if err != nil && (sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != ReasonShareForm) {
			t.Fatal(err)
		}
	})
	for _, bad := range []string{"", "sealift-share-", "five random words", string(NewRecoveryKey()), strings.Repeat("-", shareLength), sharePrefix + strings.Repeat("-", shareLength-len(sharePrefix))} {
		if _, err := ParseShare([]byte(bad)); sealift.ReasonOf(err) != ReasonShareForm || sealift.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Any m of n open, whatever their order, and more do too; m-1 do not.
func TestAnyThresholdOfShares(t *testing.T) {
	for _, size := range [][2]int{{2, 2}, {2, 3}, {3, 5}, {20, 20}} {
		m, n := size[0], size[1]
		d := newDeal(t, testVault, m, n)
		r, ring, err := newRecord(t.Context(), testVault, Secrets{Unseal: d}, cheapArgon2)
		if err != nil {
			t.Fatal(err)
		}
		defer ring.wipe()
		all := parseShares(t, d.Texts()...)
		rapid.Check(t, func(t *rapid.T) {
			some := rapid.Permutation(all).Draw(t, "shares")[:rapid.IntRange(0, n).Draw(t, "given")]
			opened, _, err := r.open(context.Background(), some)
			if err == nil {
				opened.wipe()
			}
			switch {
			case len(some) >= m && err != nil:
				t.Fatalf("%d of %d: %v", len(some), n, err)
			case len(some) < m && err == nil:
				t.Fatalf("%d of %d open, %d are needed", len(some), n, m)
			case len(some) > 0 && len(some) < m && sealift.ReasonOf(err) != ReasonSharesMissing:
				t.Fatal(err)
			}
		})
	}
}

func TestDealSizes(t *testing.T) {
	for _, bad := range [][2]int{{0, 0}, {1, 1}, {1, 5}, {0, 5}, {3, 2}, {2, 21}, {21, 21}, {-1, 5}} {
		_, err := NewDeal(testVault, bad[0], bad[1])
		wantError(t, err, sealift.KindInvalid, ReasonShares)
	}
	if _, err := NewDeal("no id", 2, 3); sealift.KindOf(err) != sealift.KindInvalid {
		t.Error(err)
	}
}

// Whatever is wrong with a share, it is that share that is named, and nothing
// opens.
func TestWrongShares(t *testing.T) {
	w, texts, recovery := shared(t, 3, 5)
	w.vault.Close()
	mine := parseShares(t, texts...)
	elsewhere := parseShares(t, newDeal(t, "ff112233445566778899aabbccddeeff", 3, 5).Texts()...)
	earlier := parseShares(t, newDeal(t, testVault, 3, 5).Texts()...)
	made := func(index int) Share { // a share in the set's name with another value
		s := mine[0]
		value := bytes.Clone(s.value())
		value[3] ^= 1
		s.index, s.value = index, func() []byte { return value }
		return s
	}
	for name, c := range map[string]struct {
		with   Opener
		kind   sealift.Kind
		reason string
		says   string
	}{
		"too few":               {mine[:2], sealift.KindSealed, ReasonSharesMissing, "2 of the 3"},
		"none":                  {Shares{}, sealift.KindSealed, ReasonPassphrase, "3 of 5"},
		"one twice":             {Shares{mine[0], mine[1], mine[0]}, sealift.KindConflict, ReasonShareTwice, "number 1"},
		"of another vault":      {elsewhere[:3], sealift.KindSealed, ReasonShareForeign, "ff112233"},
		"one of another vault":  {Shares{mine[0], mine[1], elsewhere[2]}, sealift.KindSealed, ReasonShareForeign, "ff112233"},
		"of an earlier set":     {earlier[:3], sealift.KindSealed, ReasonShareOld, earlier[0].set},
		"one of an earlier set": {Shares{mine[0], earlier[1], mine[2]}, sealift.KindSealed, ReasonShareOld, earlier[0].set},
		"a made-up value":       {Shares{mine[0], mine[1], made(3)}, sealift.KindSealed, ReasonShareWrong, "number 3"},
		"a made-up one of four": {Shares{mine[0], made(4), mine[1], mine[2]}, sealift.KindSealed, ReasonShareWrong, "number 4"},
		"a made-up index":       {Shares{mine[0], mine[1], made(6)}, sealift.KindSealed, ReasonShareWrong, "number 6"},
		"a passphrase":          {Passphrase(testPassphrase), sealift.KindSealed, ReasonPassphrase, "3 of 5 unseal shares or the recovery key"},
	} {
		before := w.logSize()
		err := w.vault.Unseal(t.Context(), c.with, alice, start)
		wantError(t, err, c.kind, c.reason)
		if err == nil || !strings.Contains(err.Error(), c.says) || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.wantEntries(before, "vault.unseal refused"); got[0].Details["reason"] != c.reason {
			t.Errorf("%s: the log says %v", name, got[0].Details)
		}
		if s, err := w.vault.Status(t.Context()); err != nil || !s.Sealed {
			t.Fatalf("%s: opened, %v", name, err)
		}
	}
	w.wantOpens("the recovery key", recovery, true)
	if err := w.vault.Unseal(t.Context(), mine[1:4], alice, start); err != nil {
		t.Error(err)
	}
}

// A record whose checks were exchanged for those of other shares opens for
// neither: the wrap itself says whether the scalar is the right one.
func TestSharesAreAuthenticatedByTheWrap(t *testing.T) {
	d, other := newDeal(t, testVault, 2, 3), newDeal(t, testVault, 2, 3)
	r, ring, err := newRecord(t.Context(), testVault, Secrets{Unseal: d}, cheapArgon2)
	if err != nil {
		t.Fatal(err)
	}
	ring.wipe()
	for i := range other.shares {
		other.shares[i].set = d.set[:shareIDDigits]
		other.params.Checks[i] = shareTag(testVault, d.set, i+1, other.shares[i].value())
	}
	bent, err := newWrap(sealerShamir, d.set, other.params, sealing{vault: testVault})
	if err != nil {
		t.Fatal(err)
	}
	r.Wraps[0].Params = bent.Params
	for name, shares := range map[string]*Deal{"their own": d, "made-up": other} {
		if _, _, err := r.open(t.Context(), parseShares(t, shares.Texts()...)); err == nil {
			t.Errorf("%s shares open a changed record", name)
		}
	}
}

func TestShamirParams(t *testing.T) {
	good := newDeal(t, testVault, 2, 3)
	for name, bend := range map[string]func(p *shamirParams, w *wrap){
		"group":         func(p *shamirParams, _ *wrap) { p.Group = "P-256" },
		"threshold 1":   func(p *shamirParams, _ *wrap) { p.Threshold = 1 },
		"threshold":     func(p *shamirParams, _ *wrap) { p.Threshold = 4 },
		"no shares":     func(p *shamirParams, _ *wrap) { p.Checks = nil },
		"a short check": func(p *shamirParams, _ *wrap) { p.Checks[0] = p.Checks[0][:31] },
		"too many":      func(p *shamirParams, _ *wrap) { p.Checks = slices.Repeat(p.Checks, 7) },
		"no id":         func(_ *shamirParams, w *wrap) { w.ID = "" },
	} {
		params := good.params
		params.Checks = slices.Clone(params.Checks)
		w := wrap{Sealer: sealerShamir, ID: good.set}
		bend(&params, &w)
		bent, err := newWrap(sealerShamir, w.ID, params, sealing{vault: testVault})
		if err != nil {
			t.Fatal(err)
		}
		r := record{Format: recordFormat, Vault: testVault, Wraps: []wrap{bent}}
		data, err := r.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(data); err == nil {
			t.Errorf("%s: a record with it is read", name)
		}
	}
}

// From a passphrase to shares, to a token, and back: the keys' rows are those of
// before, byte by byte, and what opened the vault before does no more.
func TestMigrateBetweenSealers(t *testing.T) {
	w, recovery := recoverable(t)
	w.create(PurposeDirector, "director")
	w.create(PurposeEpoch, "epoch")
	before := w.keyRows()
	token := Token{&fakeToken{key: random(keySize)}, "pkcs11:token=sealift;object=unseal"}
	ways := map[string]Opener{"the passphrase": Passphrase(testPassphrase)}
	current := ways["the passphrase"]
	for _, step := range []struct {
		name string
		to   Sealer
		with func() Opener
		way  Way
	}{
		{"shares", nil, nil, Way{Sealer: sealerShamir, Threshold: 2, Shares: 3}},
		{"a token", token, func() Opener { return token }, Way{Sealer: sealerPKCS11, Token: token.URI}},
		{"other shares", nil, nil, Way{Sealer: sealerShamir, Threshold: 2, Shares: 3}},
		{"a passphrase", Passphrase(nextPassphrase), func() Opener { return Passphrase(nextPassphrase) }, Way{Sealer: sealerArgon2id}},
	} {
		if step.to == nil {
			deal := newDeal(t, testVault, 2, 3)
			step.to, step.with = deal, func() Opener { return parseShares(t, deal.Texts()[1:]...) }
		}
		if err := w.vault.rekey(t.Context(), current, Secrets{Unseal: step.to}, cheapArgon2, alice, start); err != nil {
			t.Fatalf("to %s: %v", step.name, err)
		}
		for name, old := range ways {
			v := New(w.store)
			if err := v.Unseal(t.Context(), old, alice, start); err == nil {
				t.Errorf("to %s: %s still opens it", step.name, name)
			}
			v.Close()
		}
		current = step.with()
		ways[step.name] = current
		w.vault.Close()
		if err := w.vault.Unseal(t.Context(), current, alice, start); err != nil {
			t.Fatalf("to %s: %v", step.name, err)
		}
		s, err := w.vault.Status(t.Context())
		if s.Unseal.Set = ""; err != nil || s.Unseal != step.way || !s.Recoverable {
			t.Errorf("to %s: %+v, %v", step.name, s, err)
		}
		w.wantOpens("the recovery key", recovery, true)
		if after := w.keyRows(); !slices.Equal(before, after) {
			t.Errorf("to %s: the rows of keys changed", step.name)
		}
		if err := w.tryUse(Use{Purpose: PurposeDirector, Key: Ref{ID: "director"}, Actor: alice, Why: why, Now: start}); err != nil {
			t.Errorf("to %s: %v", step.name, err)
		}
		if step.to == token {
			delete(ways, step.name) // a Token finds its key in the record, whichever that is
		}
	}
}

// keyRows returns every row of a key as text.
func (w *world) keyRows() (rows []string) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx *Tx) error {
		keys, err := tx.Keys(ctx, store.KeyFilter{})
		for _, k := range keys {
			rows = append(rows, fmt.Sprintf("%+v", k))
		}
		return err
	})
	return rows
}

// The recovery path may be shares, too, and a drill proves them.
func TestRecoveryShares(t *testing.T) {
	w := newWorld(t)
	deal := newDeal(t, testVault, 2, 3)
	shares := parseShares(t, deal.Texts()...)
	if err := w.vault.rekey(t.Context(), Passphrase(testPassphrase), Secrets{Recovery: deal}, cheapArgon2, alice, start); err != nil {
		t.Fatal(err)
	}
	path, err := w.vault.Drill(t.Context(), shares[1:], alice, start)
	if err != nil || path != PathRecovery {
		t.Errorf("%v, %v", path, err)
	}
	_, err = w.vault.Drill(t.Context(), shares[:1], alice, start)
	wantError(t, err, sealift.KindSealed, ReasonSharesMissing)
	_, err = w.vault.Drill(t.Context(), NewRecoveryKey(), alice, start)
	wantError(t, err, sealift.KindNotFound, ReasonRecovery)
	if err := w.vault.rekey(t.Context(), shares, Secrets{Unseal: Passphrase(nextPassphrase)}, cheapArgon2, alice, start); err != nil {
		t.Error(err)
	}
	w.wantOpens("the next passphrase", nextPassphrase, true)
	if s, err := w.vault.Status(t.Context()); err != nil || s.Recovery.Describe(PathRecovery) != "2 of 3 recovery shares" || !s.Recoverable {
		t.Errorf("%+v, %v", s, err)
	}
}

// fakeToken is a token in memory.
type fakeToken struct {
	key  []byte
	away bool
}

func (f *fakeToken) Seal(_ context.Context, uri string, plaintext, associated []byte) ([]byte, error) {
	return sealWith(f.key, plaintext, join(uri, associated))
}

func (f *fakeToken) Open(_ context.Context, uri string, sealed, associated []byte) ([]byte, error) {
	if f.away {
		return nil, sealift.Errorf(sealift.KindSealed, "asking the token", "it is not there").WithReason("token-absent").WithHint("put it in")
	}
	return openWith(f.key, sealed, join(uri, associated))
}

// A token that is away is named; the recovery key opens without it.
func TestTokenAway(t *testing.T) {
	w, recovery := recoverable(t)
	token := &fakeToken{key: random(keySize)}
	by := Token{token, "pkcs11:object=unseal"}
	if err := w.vault.rekey(t.Context(), recovery, Secrets{Unseal: by}, cheapArgon2, alice, start); err != nil {
		t.Fatal(err)
	}
	w.vault.Close()
	token.away = true
	wantError(t, w.vault.Unseal(t.Context(), by, alice, start), sealift.KindSealed, "token-absent")
	w.wantOpens("the recovery key", recovery, true)
	token.away, token.key = false, random(keySize)
	wantError(t, w.vault.Unseal(t.Context(), by, alice, start), sealift.KindSealed, ReasonPassphrase)
	for _, bad := range []string{"", "token=x", "pkcs11:object=unseal?pin-value=1234", "pkcs11:" + strings.Repeat("x", sealift.MaxTokenURI)} {
		err := w.vault.rekey(t.Context(), recovery, Secrets{Unseal: Token{token, bad}}, cheapArgon2, alice, start)
		wantError(t, err, sealift.KindInvalid, ReasonToken)
	}
	err := w.vault.rekey(t.Context(), recovery, Secrets{Recovery: by}, cheapArgon2, alice, start)
	wantError(t, err, sealift.KindInvalid, ReasonRecovery)
}

func TestSecretsInTheWrongPlace(t *testing.T) {
	w, recovery := recoverable(t)
	foreign := newDeal(t, "ff112233445566778899aabbccddeeff", 2, 3)
	share := newDeal(t, testVault, 2, 3).Texts()[0]
	for name, c := range map[string]struct {
		next   Secrets
		reason string
	}{
		"a share as passphrase":    {Secrets{Unseal: Passphrase(share)}, ReasonPassphrase},
		"a passphrase to recover":  {Secrets{Recovery: Passphrase(nextPassphrase)}, ReasonRecovery},
		"a recovery key to unseal": {Secrets{Unseal: recovery}, ReasonPassphrase},
		"another vault's shares":   {Secrets{Unseal: foreign}, ReasonShares},
	} {
		err := w.vault.rekey(t.Context(), recovery, c.next, cheapArgon2, alice, start)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	if errors.Is(w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start), errPassphrase) {
		t.Error("the passphrase is lost")
	}
}
