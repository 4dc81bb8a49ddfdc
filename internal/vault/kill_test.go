package vault

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// signerEnv makes this test binary a signer that kills itself: "PATH STEP" is
// where its vault is and the step of the store at which it dies.
const signerEnv = "SEALIFT_TEST_SIGNER"

const (
	signerActs   = 3 // transactions of one life
	signerPerAct = 2 // signatures in each
	signerKey    = "director"
)

// runSigner signs, says each message and signature when Do has released them,
// and dies at its step. It says "done" if it never came to that step.
func runSigner(task string) error {
	path, number, _ := strings.Cut(task, " ")
	last, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	steps := &steppedStore{Store: db}
	v := New(steps)
	if err := v.Unseal(ctx, Passphrase(testPassphrase), alice, start); err != nil {
		return err
	}
	steps.last = last // counted from here on
	for act := range signerActs {
		signed, err := Do(ctx, v, func(tx *Tx) (string, error) {
			signer, err := v.Signer(ctx, tx, Use{Purpose: PurposeDirector, Key: Ref{ID: signerKey}, Actor: alice, Why: why, Now: start.Add(time.Hour)})
			var lines strings.Builder
			for i := 0; err == nil && i < signerPerAct; i++ {
				message := fmt.Sprintf("%d/%d/%d", last, act, i)
				var signature []byte
				if signature, err = signer.Sign(nil, []byte(message), crypto.Hash(0)); err == nil {
					fmt.Fprintf(&lines, "%s %x\n", message, signature)
					steps.step() // there is a signature, and nothing is durable
				}
			}
			return lines.String(), err
		})
		if err != nil {
			return err
		}
		fmt.Print(signed)
		steps.step()
	}
	fmt.Println("done")
	return nil
}

// steppedStore ends the process with SIGKILL before or after a call.
type steppedStore struct {
	store.Store
	last, count int
}

func (s *steppedStore) step() {
	if s.last == 0 {
		return
	}
	if s.count++; s.count == s.last {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err == nil {
			select {} // it takes a moment
		}
		panic(err)
	}
}

func (s *steppedStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.step()
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		s.step()
		err := fn(&steppedTx{tx, s})
		s.step() // the commit is next
		return err
	})
	s.step()
	return err
}

// steppedTx has a step on either side of each call that signing makes.
type steppedTx struct {
	store.Tx
	steps *steppedStore
}

func stepped[T any](s *steppedStore, call func() (T, error)) (T, error) {
	s.step()
	out, err := call()
	s.step()
	return out, err
}

func (t *steppedTx) Key(ctx context.Context, id string, version uint64) (store.Key, error) {
	return stepped(t.steps, func() (store.Key, error) { return t.Tx.Key(ctx, id, version) })
}

func (t *steppedTx) Keys(ctx context.Context, filter store.KeyFilter) ([]store.Key, error) {
	return stepped(t.steps, func() ([]store.Key, error) { return t.Tx.Keys(ctx, filter) })
}

func (t *steppedTx) AuditSize(ctx context.Context) (int64, error) {
	return stepped(t.steps, func() (int64, error) { return t.Tx.AuditSize(ctx) })
}

func (t *steppedTx) AuditHashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	return stepped(t.steps, func() ([][32]byte, error) { return t.Tx.AuditHashes(ctx, indexes) })
}

func (t *steppedTx) AppendAudit(ctx context.Context, index int64, leaf []byte, first int64, hashes [][32]byte) error {
	_, err := stepped(t.steps, func() (struct{}, error) { return struct{}{}, t.Tx.AppendAudit(ctx, index, leaf, first, hashes) })
	return err
}

// TestNoSignatureWithoutAnEntryWhenKilled kills a process that signs, with
// SIGKILL, between every two steps that it takes with the store. Whatever the
// step: each signature that came out of it has its entry in the log, which is
// whole.
func TestNoSignatureWithoutAnEntryWhenKilled(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, signerKey)
	public, err := info.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "killed.db")
	w.copyTo(path)
	emitted := map[string]bool{} // messages whose signature came out
	step, lives := 1, 0
	for done := false; !done; step++ {
		lines := live(t, path, step)
		if done = len(lines) > 0 && lines[len(lines)-1] == "done"; done {
			lines = lines[:len(lines)-1]
		}
		for _, line := range lines {
			message, digits, ok := strings.Cut(line, " ")
			signature, err := hex.DecodeString(digits)
			if !ok || err != nil || !ed25519.Verify(public.(ed25519.PublicKey), []byte(message), signature) {
				t.Fatalf("step %d: it said %q (%v)", step, line, err)
			}
			emitted["sha256:"+sealift.DigestOf([]byte(message)).String()] = true
		}
		if lives++; lives > 500 {
			t.Fatal("it never comes to its end")
		}
		if step%10 == 0 || done {
			wantEntries(t, path, emitted)
		}
	}
	if steps := step - 2; steps < signerActs*(10+6*signerPerAct) || len(emitted) < signerActs*signerPerAct*2 {
		t.Errorf("only %d steps were there to die at, and %d signatures came out", steps, len(emitted))
	}
	t.Logf("killed at each of %d steps; %d signatures came out", step-2, len(emitted))
}

// copyTo copies the vault, which is at rest.
func (w *world) copyTo(path string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(w.t.Context(), "VACUUM INTO ?", path); err != nil {
		w.t.Fatal(err)
	}
}

// live runs a signer that dies at a step and returns what it said.
func live(t *testing.T, path string, step int) (lines []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", signerEnv, path, step))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if said.Len() > 0 {
		t.Fatalf("step %d: the signer ended by itself: %v\n%s", step, err, &said)
	}
	text := bufio.NewScanner(strings.NewReader(string(out)))
	for text.Scan() {
		lines = append(lines, text.Text())
	}
	var exit *exec.ExitError
	killed := errors.As(err, &exit) && !exit.Exited()
	if ended := len(lines) > 0 && lines[len(lines)-1] == "done"; ended == killed || err != nil && !killed {
		t.Fatalf("step %d: %v, it said %q", step, err, out)
	}
	return lines
}

// wantEntries verifies the log and wants an entry for each signature.
func wantEntries(t *testing.T, path string, emitted map[string]bool) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	logged := map[string]bool{}
	err = db.View(t.Context(), func(tx store.Tx) error {
		_, err := audit.Verify(t.Context(), tx, audit.Demands{Keys: note.VerifierList(), See: func(r audit.Record) {
			if r.Entry != nil && r.Entry.Action == actionUse && r.Entry.Result == audit.OK {
				logged[r.Entry.Subject] = true
			}
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for subject := range emitted {
		if !logged[subject] {
			t.Fatalf("a signature of %s without an entry", subject)
		}
	}
}
