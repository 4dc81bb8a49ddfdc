package audit_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "sealift/0f1e2d3c4b5a69788796a5b4c3d2e1f0"

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// world is a log in a real store, with its key.
type world struct {
	t      testing.TB
	path   string
	store  store.Store
	signer note.Signer
	keys   note.Verifiers
	rows   *sql.DB // see behind
	// rebuilt are the hashes of a log with a changed entry, by position
	rebuilt map[int64]tlog.Hash
}

func newWorld(t testing.TB) *world {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: filepath.Join(t.TempDir(), "vault.db")}
	if w.signer, err = note.NewSigner(secret); err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = note.VerifierList(verifier)
	// Not t.Context(), which ends before Cleanup runs.
	if w.store, err = sqlite.Open(context.Background(), w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) update(fn func(ctx context.Context, tx store.Tx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.store.Update(ctx, func(tx store.Tx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view(fn func(ctx context.Context, tx store.Tx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.store.View(ctx, func(tx store.Tx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

// grow appends entries until the log has size of them: acts, and every third
// one a release.
func (w *world) grow(size int64) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx store.Tx) error {
		for {
			n, err := tx.AuditSize(ctx)
			if err != nil || n >= size {
				return err
			}
			if n%3 == 2 {
				_, err = audit.AppendLeaf(ctx, tx, releaseLeaf(n))
			} else {
				_, err = audit.Append(ctx, tx, entry(n))
			}
			if err != nil {
				return err
			}
		}
	})
}

func entry(n int64) audit.Entry {
	return audit.Entry{
		Time: start.Add(time.Duration(n) * time.Second), Actor: audit.Actor{Kind: audit.Person, ID: "alice", Address: "192.0.2.1"},
		Action: "key.use", Key: "director", Version: 2, Subject: fmt.Sprint("thing ", n), Result: audit.OK,
	}
}

func releaseLeaf(n int64) []byte { return trust.LogEntry(sealift.DigestOf(fmt.Append(nil, n))) }

func (w *world) checkpoint() (signed []byte) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx store.Tx) (err error) {
		_, signed, err = audit.SignCheckpoint(ctx, tx, origin, w.signer)
		return err
	})
	return signed
}

func (w *world) verify(kept ...[]byte) error {
	w.t.Helper()
	ctx := w.t.Context()
	return w.store.View(ctx, func(tx store.Tx) error {
		_, err := audit.Verify(ctx, tx, audit.Demands{Origin: origin, Keys: w.keys, Kept: kept})
		return err
	})
}

// sql bends rows behind the store's back.
func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	if w.sqlMaybe(statement, args...) == 0 {
		w.t.Fatalf("%s changed nothing", statement)
	}
}

// sqlMaybe may find nothing to change.
func (w *world) sqlMaybe(statement string, args ...any) (rows int64) {
	w.t.Helper()
	result, err := w.behind().ExecContext(w.t.Context(), statement, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
	if rows, err = result.RowsAffected(); err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// behind is a way to the rows that the store knows nothing of.
func (w *world) behind() *sql.DB {
	w.t.Helper()
	if w.rows == nil {
		var err error
		if w.rows, err = sql.Open("sqlite", w.path+"?_pragma=synchronous(off)"); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = w.rows.Close() })
	}
	return w.rows
}

func wantError(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("got %v (%s, %q), want %s, %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

// signatureLine is the line of a note with the signature.
func signatureLine(by note.Signer, sig []byte) string {
	return "— " + by.Name() + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, by.KeyHash()), sig...)) + "\n"
}
