package vault

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

func TestGive(t *testing.T) {
	w, texts, _ := shared(t, 3, 5)
	shares := parseShares(t, texts...)
	_, err := w.vault.Give(t.Context(), shares[0].text(), alice, start)
	wantError(t, err, sealift.KindConflict, ReasonUnsealed)
	if err := w.vault.Seal(t.Context(), alice, start); err != nil {
		t.Fatal(err)
	}
	before := w.logSize()
	wantGiven := func(want int) {
		t.Helper()
		s, err := w.vault.Status(t.Context())
		if err != nil || s.Unseal.Given != want || s.Recovery.Given != 0 {
			t.Errorf("%+v, %v: want %d given", s, err, want)
		}
	}
	give := func(i int, want Progress, reason string) {
		t.Helper()
		got, err := w.vault.Give(t.Context(), shares[i].text(), alice, start)
		if got != want || sealift.ReasonOf(err) != reason {
			t.Errorf("share %d: %+v, %v", i+1, got, err)
		}
	}
	give(4, Progress{Given: 1, Threshold: 3}, "")
	give(4, Progress{Given: 1, Threshold: 3}, ReasonShareTwice)
	wantGiven(1)
	give(1, Progress{Given: 2, Threshold: 3}, "")
	wantGiven(2)
	give(0, Progress{Threshold: 3, Open: true}, "")
	wantGiven(0)
	got := w.wantEntries(before, "vault.share ok", "vault.share refused", "vault.share ok", "vault.share ok", "vault.unseal ok")
	if d := got[2].Details; d["share"] != "2" || d["given"] != "2 of 3" || d["set"] != shares[0].set {
		t.Errorf("details %v", d)
	}
	if len(w.vault.gathered.set) != 0 {
		t.Error("shares are kept in an open vault")
	}
}

// What is refused does not take the place of what was given.
func TestGiveRefuses(t *testing.T) {
	w, texts, recovery := shared(t, 2, 3)
	w.vault.Close()
	shares := parseShares(t, texts...)
	foreign := parseShares(t, newDeal(t, "ff112233445566778899aabbccddeeff", 2, 3).Texts()...)
	old := parseShares(t, newDeal(t, testVault, 2, 3).Texts()...)
	wrong := shares[1]
	bent := bytes.Clone(wrong.value())
	bent[0] ^= 1
	wrong.value = func() []byte { return bent }
	if _, err := w.vault.Give(t.Context(), shares[0].text(), alice, start); err != nil {
		t.Fatal(err)
	}
	for reason, s := range map[string]Share{ReasonShareForeign: foreign[1], ReasonShareOld: old[1], ReasonShareWrong: wrong} {
		before := w.logSize()
		_, err := w.vault.Give(t.Context(), s.text(), alice, start)
		wantError(t, err, sealift.KindSealed, reason)
		wantError(t, w.vault.Reset(t.Context(), s.text(), alice, start), sealift.KindSealed, reason)
		w.wantEntries(before, "vault.share refused", "vault.reset refused")
	}
	if s, err := w.vault.Status(t.Context()); err != nil || s.Unseal.Given != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	// One that was made anew meanwhile takes the place of all that were given.
	deal := newDeal(t, testVault, 2, 3)
	if err := w.vault.rekey(t.Context(), recovery, Secrets{Unseal: deal}, cheapArgon2, alice, start); err != nil {
		t.Fatal(err)
	}
	_, err := w.vault.Give(t.Context(), shares[1].text(), alice, start)
	wantError(t, err, sealift.KindSealed, ReasonShareOld)
	for i, s := range parseShares(t, deal.Texts()...)[:2] {
		if so, err := w.vault.Give(t.Context(), s.text(), alice, start); err != nil || so.Open != (i == 1) {
			t.Errorf("%+v, %v", so, err)
		}
	}
	without := newWorld(t)
	without.vault.Close()
	w.vault.Close()
	_, err = w.vault.Give(t.Context(), []byte("sealift-share-"), alice, start)
	wantError(t, err, sealift.KindInvalid, ReasonShareForm)
	_, err = without.vault.Give(t.Context(), shares[0].text(), alice, start)
	wantError(t, err, sealift.KindSealed, ReasonPassphrase)
}

// Shares are forgotten on a reset, after a time, and when the process ends; a
// clock that was set back forgets none.
func TestSharesAreForgotten(t *testing.T) {
	w, texts, _ := shared(t, 3, 5)
	w.vault.Close()
	shares := parseShares(t, texts...)
	give := func(i int, at time.Time, want int) *page {
		t.Helper()
		so, err := w.vault.Give(t.Context(), shares[i].text(), alice, at)
		if err != nil || so.Given != want {
			t.Fatalf("share %d: %+v, %v", i+1, so, err)
		}
		for _, g := range w.vault.gathered.set {
			if !bytes.Contains(g.page.bytes(), shares[i].value()) {
				t.Error("the share is not in the page")
			}
			return g.page
		}
		return nil
	}
	give(0, start, 1)
	give(1, start.Add(sealift.ShareLife-time.Second), 2)
	if err := w.vault.Settle(t.Context(), start.Add(sealift.ShareLife), false); err != nil || w.vault.gathered.count(w.set(t)) != 2 {
		t.Errorf("forgotten too early: %v", err)
	}
	p := give(0, start.Add(3*sealift.ShareLife), 1)
	if err := w.vault.Reset(t.Context(), shares[4].text(), alice, start); err != nil || w.vault.gathered.count(w.set(t)) != 0 || p.bytes != nil {
		t.Errorf("a reset forgets nothing: %v", err)
	}
	give(2, start, 1)
	give(3, start.Add(-time.Hour), 2)
	if err := w.vault.Settle(t.Context(), start.Add(sealift.ShareLife), false); err != nil || w.vault.gathered.count(w.set(t)) != 0 {
		t.Errorf("they are kept for ever: %v", err)
	}
	give(2, start, 1)
	w.vault.Close()
	if len(w.vault.gathered.set) != 0 {
		t.Error("they are kept after the end")
	}
}

// set returns the id of the vault's shares.
func (w *world) set(t *testing.T) string {
	t.Helper()
	r, _, err := w.vault.readRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Wraps[0].ID
}

// Without its entry no share is kept; and if the last step fails, the shares that
// were given are not lost.
func TestGiveNeedsTheLog(t *testing.T) {
	w, texts, _ := shared(t, 2, 3)
	shares := parseShares(t, texts...)
	deaf := &faultyStore{Store: w.store, failAppend: true}
	v := New(deaf)
	defer v.Close()
	if so, err := v.Give(t.Context(), shares[0].text(), alice, start); !errors.Is(err, errFault) || so.Given != 0 {
		t.Errorf("%+v, %v", so, err)
	}
	deaf.failAppend = false
	if _, err := v.Give(t.Context(), shares[0].text(), alice, start); err != nil {
		t.Fatal(err)
	}
	v.turn.Lock() // the entry of the share is written, and that of the unsealing is not
	done := make(chan error)
	go func() { _, err := v.Give(t.Context(), shares[1].text(), alice, start); done <- err }()
	for v.gathered.count(w.set(t)) < 2 {
		time.Sleep(time.Millisecond)
	}
	deaf.failAppend = true
	v.turn.Unlock()
	if err := <-done; !errors.Is(err, errFault) {
		t.Error(err)
	}
	deaf.failAppend = false
	if so, err := v.Give(t.Context(), shares[1].text(), alice, start); err != nil || !so.Open {
		t.Errorf("%+v, %v", so, err)
	}
}

// Everybody at once, some of them twice, with resets in between: it opens, and
// never with too few.
func TestGiveAtOnce(t *testing.T) {
	w, texts, _ := shared(t, 4, 8)
	w.vault.Close()
	shares := parseShares(t, texts...)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			so, err := w.vault.Give(t.Context(), shares[i%8].text(), alice, start)
			switch reason := sealift.ReasonOf(err); {
			case err != nil && reason != ReasonShareTwice && reason != ReasonUnsealed:
				t.Errorf("share %d: %+v, %v", i%8+1, so, err)
			case err == nil && !so.Open && so.Given >= 4:
				t.Errorf("%d are given and it is not open", so.Given)
			}
			if _, err := w.vault.Status(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s, err := w.vault.Status(t.Context()); err != nil || s.Sealed {
		t.Errorf("%+v, %v", s, err)
	}
	opened := 0
	for _, e := range w.entries(0) {
		if e.Action == actionUnseal {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
}

// A flood of wrong attempts is a bounded number of entries, and the number of
// them is told.
func TestFloodOfAttempts(t *testing.T) {
	w, texts, _ := shared(t, 2, 3)
	w.vault.Close()
	wrong := parseShares(t, newDeal(t, testVault, 2, 3).Texts()...)[0]
	before := w.logSize()
	const flood = 1000
	for range flood {
		if _, err := w.vault.Give(t.Context(), wrong.text(), alice, start); sealift.ReasonOf(err) != ReasonShareOld {
			t.Fatal(err)
		}
		if err := w.vault.Unheard(t.Context(), start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.logSize() - before; n != sealift.MaxUnsealEntries {
		t.Errorf("%d entries", n)
	}
	// The next hour tells of this one, and begins anew.
	if err := w.vault.Settle(t.Context(), start.Add(59*time.Minute), false); err != nil {
		t.Fatal(err)
	}
	if n := w.logSize() - before; n != sealift.MaxUnsealEntries {
		t.Errorf("%d entries within the hour", n)
	}
	if err := w.vault.Settle(t.Context(), start.Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	told := w.entries(before + sealift.MaxUnsealEntries)
	if len(told) != 1 || told[0].Action != "vault.unseal" || told[0].Result != "refused" ||
		told[0].Details["attempts"] != "1980" || !strings.HasPrefix(told[0].Details["until"], "2026-03-01T12:01") {
		t.Fatalf("%+v", told)
	}
	before = w.logSize()
	_, _ = w.vault.Give(t.Context(), wrong.text(), alice, start.Add(2*time.Hour))
	w.wantEntries(before, "vault.share refused")
	// The end of the process tells what is left, and the right shares open it.
	for range sealift.MaxUnsealEntries {
		_, _ = w.vault.Give(t.Context(), wrong.text(), alice, start.Add(2*time.Hour))
	}
	if err := w.vault.Settle(t.Context(), start.Add(2*time.Hour), true); err != nil {
		t.Fatal(err)
	}
	if last := w.entries(w.logSize() - 1)[0]; last.Details["attempts"] != "1" {
		t.Errorf("%+v", last)
	}
	for _, s := range parseShares(t, texts[:2]...) {
		if _, err := w.vault.Give(t.Context(), s.text(), alice, start.Add(2*time.Hour)); err != nil {
			t.Error(err)
		}
	}
}
