package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(signerEnv); task != "" { // see kill_test.go
		if err := runSigner(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if path := os.Getenv(rotatorEnv); path != "" {
		fmt.Fprintln(os.Stderr, runRotator(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = audit.Actor{Kind: audit.Person, ID: "alice", Address: "192.0.2.1"}
	why   = Why{Action: "test.act"}
)

// world is a vault over a real store.
type world struct {
	t     *testing.T
	path  string
	store store.Store
	vault *Vault
}

// emptyWorld has no vault yet.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: path, store: s, vault: New(s)}
	t.Cleanup(func() {
		w.vault.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// newWorld has an unsealed vault.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := emptyWorld(t)
	if err := w.init(nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// init is Init with cheap Argon2id.
func (w *world) init(fn func(tx *Tx) error) error {
	e := event{action: actionInit, actor: alice, at: start, subject: "vault:" + string(testVault)}
	return w.vault.initialise(w.t.Context(), testVault, Secrets{Unseal: Passphrase(testPassphrase)}, cheapArgon2, e, fn)
}

// update fails the test if the transaction does.
func (w *world) update(fn func(ctx context.Context, tx *Tx) error) {
	w.t.Helper()
	if err := w.try(fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(fn func(ctx context.Context, tx *Tx) error) error {
	return w.vault.Update(w.t.Context(), func(tx *Tx) error { return fn(w.t.Context(), tx) })
}

// create makes a key whose id is its purpose, or as id says.
func (w *world) create(p Purpose, id string) (info KeyInfo) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		info, err = w.vault.Create(ctx, tx, CreateRequest{ID: id, Purpose: p, Owner: "ops"}, alice, start)
		return err
	})
	return info
}

// enter brings a key into a state by the shortest allowed way.
func (w *world) enter(ref Ref, states ...State) {
	w.t.Helper()
	for _, to := range states {
		w.update(func(ctx context.Context, tx *Tx) error {
			info, err := w.vault.Lookup(ctx, tx, ref)
			if err != nil {
				return err
			}
			_, err = w.vault.Transition(ctx, tx, ref, info.State, to, alice, "test", start)
			return err
		})
	}
}

func use(info KeyInfo) Use {
	return Use{Purpose: info.Purpose, Key: info.Ref, Actor: alice, Why: why, Now: start.Add(time.Hour)}
}

// tryUse uses a key without doing anything with it.
func (w *world) tryUse(u Use) error {
	return w.try(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, u, func(Key) error { return nil })
	})
}

// entries returns the log from index first on, without statements about rows.
func (w *world) entries(first int64) (all []audit.Entry) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) error {
		leaves, err := tx.AuditEntries(w.t.Context(), first, 100_000)
		for _, leaf := range leaves {
			if audit.IsStatement(leaf.Leaf) {
				continue
			}
			e, ok := audit.ParseEntry(leaf.Leaf)
			if !ok {
				return errors.New("a leaf that is no entry")
			}
			all = append(all, e)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) logSize() (n int64) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) (err error) {
		n, err = tx.AuditSize(w.t.Context())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// wantEntries compares actions and results of what was logged since first.
func (w *world) wantEntries(first int64, want ...string) []audit.Entry {
	w.t.Helper()
	got := w.entries(first)
	lines := make([]string, len(got))
	for i, e := range got {
		lines[i] = e.Action + " " + string(e.Result)
	}
	if len(lines) != len(want) {
		w.t.Fatalf("logged %q, want %q", lines, want)
	}
	for i := range want {
		if lines[i] != want[i] {
			w.t.Fatalf("logged %q, want %q", lines, want)
		}
	}
	return got
}

func wantError(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("error %v is %q %q, want %q %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}
