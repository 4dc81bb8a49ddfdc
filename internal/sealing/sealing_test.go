package sealing_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/sealing"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
)

const vaultID = sealift.VaultID("00112233445566778899aabbccddeeff")

// world is a door to a vault that is sealed under 2 of 3 shares.
type world struct {
	t      *testing.T
	store  store.Store
	vault  *vault.Vault
	door   *sealing.Door
	shares [][]byte
	now    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: db, vault: vault.New(db), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	t.Cleanup(func() {
		w.vault.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	deal, err := vault.NewDeal(vaultID, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	w.shares = deal.Texts()
	if err := w.vault.Init(t.Context(), vaultID, vault.Secrets{Unseal: deal}, audit.Actor{Kind: audit.System, ID: "test"}, w.now, nil); err != nil {
		t.Fatal(err)
	}
	w.vault.Close()
	w.door = sealing.New(w.vault, func() time.Time { return w.now })
	return w
}

func (w *world) want(from string, secret []byte, want service.Progress, reason string) {
	w.t.Helper()
	got, err := w.door.Unseal(w.t.Context(), from, secret)
	if got != want || sealift.ReasonOf(err) != reason || err != nil && sealift.HintOf(err) == "" {
		w.t.Errorf("%+v, %v; want %+v, %q", got, err, want, reason)
	}
}

func TestUnsealAndSeal(t *testing.T) {
	w := newWorld(t)
	w.want("192.0.2.1", w.shares[0], service.Progress{Path: "unseal", Given: 1, Threshold: 2}, "")
	if err := w.door.ResetUnseal(t.Context(), "192.0.2.1", w.shares[2]); err != nil {
		t.Error(err)
	}
	if err := w.door.ResetUnseal(t.Context(), "192.0.2.1", []byte("please")); sealift.ReasonOf(err) != vault.ReasonShareForm {
		t.Error(err)
	}
	w.want("192.0.2.1", w.shares[1], service.Progress{Path: "unseal", Given: 1, Threshold: 2}, "")
	w.want("192.0.2.1", w.shares[0], service.Progress{Path: "unseal", Threshold: 2, Open: true}, "")
	w.want("192.0.2.1", w.shares[0], service.Progress{}, vault.ReasonUnsealed)
	if err := w.door.Seal(t.Context(), access.Caller{ID: "alice", Kind: access.CallerPerson}); err != nil {
		t.Error(err)
	}
	if s, err := w.vault.Status(t.Context()); err != nil || !s.Sealed {
		t.Errorf("%+v, %v", s, err)
	}
	var last audit.Entry
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		leaves, err := tx.AuditEntries(t.Context(), 0, 1000)
		for _, leaf := range leaves {
			if audit.IsStatement(leaf.Leaf) {
				continue
			}
			e, ok := audit.ParseEntry(leaf.Leaf)
			if !ok {
				t.Fatal("no entry")
			}
			if e.Action == "vault.share" && (e.Actor.ID != "anyone" || e.Actor.Address != "192.0.2.1") {
				t.Errorf("%+v", e)
			}
			last = e
		}
		return err
	})
	if err != nil || last.Action != "vault.seal" || last.Actor.ID != "alice" {
		t.Errorf("%+v, %v", last, err)
	}
}

// One network, be it that of a holder, has so many tries a minute, right or wrong.
func TestTriesOfOneNetwork(t *testing.T) {
	w := newWorld(t)
	for range sealift.UnsealsPerMinute {
		w.want("192.0.2.1", []byte("a wrong passphrase"), service.Progress{}, vault.ReasonPassphrase)
	}
	w.want("192.0.2.1", w.shares[0], service.Progress{}, "rate")
	if err := w.door.ResetUnseal(t.Context(), "192.0.2.1", w.shares[0]); sealift.KindOf(err) != sealift.KindExhausted {
		t.Error(err)
	}
	w.want("192.0.2.2", w.shares[0], service.Progress{Path: "unseal", Given: 1, Threshold: 2}, "")
	w.now = w.now.Add(time.Minute)
	w.want("192.0.2.1", w.shares[1], service.Progress{Path: "unseal", Threshold: 2, Open: true}, "")
}

// Many networks together keep passphrases of others waiting, but neither shares
// nor whoever is at the machine; and the log stays small.
func TestTriesOfManyNetworks(t *testing.T) {
	w := newWorld(t)
	for i := range sealift.PassphrasesPerMinute {
		w.want(fmt.Sprintf("198.51.100.%d", i), []byte("a wrong passphrase"), service.Progress{}, vault.ReasonPassphrase)
	}
	for i := range 1000 {
		w.want(fmt.Sprintf("2001:db8:%x::1", i), []byte("a wrong passphrase"), service.Progress{}, "rate")
	}
	for _, local := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		w.want(local, []byte("a wrong passphrase"), service.Progress{}, vault.ReasonPassphrase)
	}
	w.want("not an address", []byte("a wrong passphrase"), service.Progress{}, "rate")
	w.want("192.0.2.1", w.shares[0], service.Progress{Path: "unseal", Given: 1, Threshold: 2}, "")
	w.want("192.0.2.2", w.shares[1], service.Progress{Path: "unseal", Threshold: 2, Open: true}, "")
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		size, err := tx.AuditSize(t.Context())
		if size > sealift.MaxUnsealEntries+10 {
			t.Errorf("%d entries", size)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	alice := access.Caller{ID: "alice", Kind: access.CallerPerson}
	if _, err := w.door.RotateKEK(t.Context(), alice, "yearly"); sealift.KindOf(err) != sealift.KindSealed {
		t.Error(err)
	}
	for _, share := range w.shares[:2] {
		if _, err := w.door.Unseal(t.Context(), "192.0.2.1", share); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.door.RotateKEK(t.Context(), alice, ""); sealift.KindOf(err) != sealift.KindInvalid {
		t.Error(err)
	}
	so, err := w.door.RotateKEK(t.Context(), alice, "yearly")
	if err != nil || !so.Done || so.KEK == "" {
		t.Fatalf("%+v, %v", so, err)
	}
	if again, err := w.door.ContinueRotation(t.Context(), alice, so.KEK); err != nil || again != so {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := w.door.ContinueRotation(t.Context(), alice, "another"); sealift.KindOf(err) != sealift.KindNotFound {
		t.Error(err)
	}
}
