package vault

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// rotated is a vault with n keys and n secrets, all of which are used.
type rotated struct {
	*world
	refs    []Ref
	secrets map[string]string
}

func newRotated(t *testing.T, n int) *rotated {
	t.Helper()
	w := &rotated{world: newWorld(t), secrets: map[string]string{}}
	w.update(func(ctx context.Context, tx *Tx) error {
		for i := range n {
			info, err := w.vault.Create(ctx, tx, CreateRequest{ID: fmt.Sprintf("key-%04d", i), Purpose: PurposeEnrolmentSecret, Owner: "ops"}, alice, start)
			if err != nil {
				return err
			}
			name, secret := fmt.Sprintf("secret-%04d", i), fmt.Sprintf("value %d", i)
			w.refs, w.secrets[name] = append(w.refs, info.Ref), secret
			if err := w.vault.WrapSecret(ctx, tx, name, []byte(secret), alice, start); err != nil {
				return err
			}
		}
		_, err := w.vault.Create(ctx, tx, CreateRequest{ID: "standby", Purpose: PurposeSnapshot, Owner: "ops", Standby: true}, alice, start)
		return err
	})
	return w
}

// wantUsable uses every key and secret with a vault.
func (w *rotated) wantUsable(v *Vault) {
	w.t.Helper()
	err := v.Update(w.t.Context(), func(tx *Tx) error {
		for _, ref := range w.refs {
			u := Use{Purpose: PurposeEnrolmentSecret, Key: ref, Actor: alice, Why: why, Now: start}
			if err := v.Use(w.t.Context(), tx, u, func(Key) error { return nil }); err != nil {
				return err
			}
		}
		for name, want := range w.secrets {
			got, err := v.UnwrapSecret(w.t.Context(), tx, name, why, alice, start)
			if err != nil || string(got) != want {
				return fmt.Errorf("secret %s is %q: %w", name, got, err)
			}
		}
		_, err := v.Transition(w.t.Context(), tx, Ref{"standby", 1}, PreActive, Active, alice, "try", start)
		return errors.Join(err, errUndo)
	})
	if !errors.Is(err, errUndo) || sealift.ReasonOf(err) != "" {
		w.t.Errorf("keys and secrets: %v", err)
	}
}

var errUndo = errors.New("undo")

func (w *rotated) rotate(v *Vault) (Rotation, error) {
	return v.RotateKEK(w.t.Context(), alice, "yearly", start)
}

func (w *rotated) rewrap(v *Vault) (Rotation, error) {
	return v.Rewrap(w.t.Context(), alice, func() time.Time { return start })
}

// keks counts the keys under each key-encryption key.
func (w *world) keks() map[string]int {
	w.t.Helper()
	n := map[string]int{}
	w.update(func(ctx context.Context, tx *Tx) error {
		keys, err := tx.Keys(ctx, store.KeyFilter{})
		for _, k := range keys {
			n[k.KEK]++
		}
		return err
	})
	return n
}

func TestRotateKEK(t *testing.T) {
	const n = sealift.RewrapBatch + 3
	w := newRotated(t, n)
	r, _, err := w.vault.readRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old, wraps := r.KEK, r.Wraps
	bodies := w.bodies()
	if so, err := w.rewrap(w.vault); err != nil || !so.Done || so.KEK != old {
		t.Errorf("without a rotation: %+v, %v", so, err)
	}
	before := w.logSize()
	so, err := w.rotate(w.vault)
	if err != nil || so.Done || so.KEK == old {
		t.Fatalf("%+v, %v", so, err)
	}
	w.wantEntries(before, "vault.rotate ok")
	_, err = w.rotate(w.vault)
	wantError(t, err, sealift.KindConflict, ReasonRotating)
	// New seals are under the new one at once, and all that is sealed opens.
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Create(ctx, tx, CreateRequest{ID: "new", Purpose: PurposeEnrolmentSecret, Owner: "ops"}, alice, start)
		w.refs = append(w.refs, info.Ref)
		return err
	})
	if got := w.keks(); got[old] != n || got[so.KEK] != 1 || got[standbyKEK] != 1 {
		t.Errorf("%v", got)
	}
	w.wantUsable(w.vault)
	before = w.logSize()
	if so, err = w.rewrap(w.vault); err != nil || !so.Done || so.Left != 0 {
		t.Fatalf("%+v, %v", so, err)
	}
	if got := w.keks(); got[old] != 0 || got[so.KEK] != n+1 || got[standbyKEK] != 1 {
		t.Errorf("%v", got)
	}
	entries := w.entries(before)
	if len(entries) != 2*n+1 || entries[2*n].Action != "vault.rotate-finish" || entries[2*n].Details["kek"] != so.KEK {
		t.Errorf("%d entries, the last %+v", len(entries), entries[len(entries)-1])
	}
	if e := entries[0]; e.Action != "key.rewrap" || e.Key != "key-0000" || len(e.Details[RowDetail]) != 64 || e.Result != audit.OK {
		t.Errorf("%+v", e)
	}
	w.wantUsable(w.vault)
	if w.vault.ring.Load().keks[0] != "" && w.vault.ring.Load().keks[1] != "" {
		t.Error("the old one is still in memory")
	}
	if !slices.Equal(bodies, w.bodies()[:len(bodies)]) {
		t.Error("what is sealed under the data keys was sealed anew")
	}
	// Sealed, and opened again: the record has the new one alone, and the same wraps.
	w.vault.Close()
	_, err = w.rotate(w.vault)
	wantError(t, err, sealift.KindSealed, ReasonSealed)
	_, err = w.rewrap(w.vault)
	wantError(t, err, sealift.KindSealed, ReasonSealed)
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	r, _, err = w.vault.readRecord(t.Context())
	if err != nil || len(r.KEKs) != 1 || r.KEK != so.KEK || fmt.Sprint(r.Wraps) != fmt.Sprint(wraps) {
		t.Errorf("%+v, %v", r, err)
	}
	w.wantUsable(w.vault)
	_, err = w.vault.RotateKEK(t.Context(), alice, "", start)
	wantError(t, err, sealift.KindInvalid, "")
}

// bodies returns what is sealed under the data keys.
func (w *world) bodies() (bodies []string) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx *Tx) error {
		keys, err := tx.Keys(ctx, store.KeyFilter{Purpose: string(PurposeEnrolmentSecret)})
		for _, k := range keys {
			if strings.HasPrefix(k.ID, "key-") {
				bodies = append(bodies, fmt.Sprintf("%s %x", k.ID, k.Private))
			}
		}
		return err
	})
	return bodies
}

// dyingStore ends after a number of commits, or right before one, as a process
// that is killed does.
type dyingStore struct {
	store.Store
	left   int  // commits
	before bool // die before the commit that would come then
}

func (s *dyingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.left < 0 {
		return errFault
	}
	if s.left--; s.left >= 0 {
		return s.Store.Update(ctx, fn)
	}
	if !s.before {
		return errFault
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(fn(tx), errFault) })
}

// Killed at any step, the next start holds what it needs to use everything, and
// the rotation goes on to its end.
func TestRotateKEKKilled(t *testing.T) {
	w := newRotated(t, 3)
	for step := range 6 {
		for _, before := range []bool{false, true} {
			v := New(&dyingStore{w.store, 1 + step, before}) // one for the unsealing
			if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
				t.Fatal(err)
			}
			_, err := w.rotate(v)
			if err == nil {
				_, err = w.rewrap(v)
			}
			if (err == nil) != (step >= 5) {
				t.Errorf("step %d, %t: %v", step, before, err)
			}
			v.Close()
			next := New(w.store)
			if err := next.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
				t.Fatalf("step %d, %t: %v", step, before, err)
			}
			w.wantUsable(next)
			if so, err := w.rewrap(next); err != nil || !so.Done {
				t.Errorf("step %d, %t: %+v, %v", step, before, so, err)
			}
			w.wantUsable(next)
			r, _, err := next.readRecord(t.Context())
			if err != nil || len(r.KEKs) != 1 || w.keks()[r.KEK] != 3 {
				t.Errorf("step %d, %t: %+v, %v, %v", step, before, r.KEKs, w.keks(), err)
			}
			next.Close()
		}
	}
}

// A row that SQL bent is named, and holds the old key up; the others are moved.
func TestRotateKEKLeavesBentRows(t *testing.T) {
	w := newRotated(t, 5)
	so, err := w.rotate(w.vault)
	if err != nil {
		t.Fatal(err)
	}
	w.sql(`UPDATE vault_keys SET owner = 'mallory' WHERE id = 'key-0002'`)
	w.sql(`UPDATE secrets SET wrapped = (SELECT wrapped FROM secrets WHERE name = 'secret-0001') WHERE name = 'secret-0003'`)
	so, err = w.rewrap(w.vault)
	wantError(t, err, sealift.KindDenied, ReasonTampered)
	if so.Done || !strings.Contains(err.Error(), "key-0002") || w.keks()[so.KEK] != 4 {
		t.Errorf("%+v, %v, %v", so, err, w.keks())
	}
	w.sql(`UPDATE vault_keys SET owner = 'ops' WHERE id = 'key-0002'`)
	_, err = w.rewrap(w.vault)
	wantError(t, err, sealift.KindDenied, ReasonTampered)
	w.sql(`DELETE FROM secrets WHERE name = 'secret-0003'`)
	if so, err := w.rewrap(w.vault); err != nil || !so.Done {
		t.Errorf("%+v, %v", so, err)
	}
}

// A record that somebody bent is not blessed with a new MAC.
func TestRotateKEKRefusesABentRecord(t *testing.T) {
	w, _ := recoverable(t)
	data := w.record()
	w.setRecord([]byte(strings.Replace(string(data), `"path":"recovery"`, `"path":"recovary"`, 1)))
	_, err := w.vault.RotateKEK(t.Context(), alice, "yearly", start)
	wantError(t, err, sealift.KindSealed, ReasonSealRecord)
	w.setRecord(data)
}

// While it rotates, again and again, others use, make, change and unwrap.
func TestRotateKEKConcurrently(t *testing.T) {
	w := newRotated(t, 10)
	changing := w.refs[9]
	w.refs = w.refs[:9]
	stop, made := make(chan struct{}), atomic.Int64{}
	var group sync.WaitGroup
	work := func(fn func(i int) error) {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work(func(i int) error {
		return w.tryUse(Use{Purpose: PurposeEnrolmentSecret, Key: w.refs[i%9], Actor: alice, Why: why, Now: start})
	})
	work(func(i int) error {
		made.Add(1)
		return w.try(func(ctx context.Context, tx *Tx) error {
			id := fmt.Sprintf("made-%d", i)
			if _, err := w.vault.Create(ctx, tx, CreateRequest{ID: id, Purpose: PurposeEnrolmentSecret, Owner: "ops"}, alice, start); err != nil {
				return err
			}
			if err := w.vault.WrapSecret(ctx, tx, id, []byte("x"), alice, start); err != nil {
				return err
			}
			_, err := w.vault.Rotate(ctx, tx, id, nil, alice, "test", start)
			return err
		})
	})
	work(func(i int) error {
		return w.try(func(ctx context.Context, tx *Tx) error {
			from, to := Active, Suspended
			if i%2 == 1 {
				from, to = to, from
			}
			_, err := w.vault.Transition(ctx, tx, changing, from, to, alice, "test", start)
			if err != nil {
				return err
			}
			_, err = w.vault.UnwrapSecret(ctx, tx, fmt.Sprintf("secret-%04d", i%10), why, alice, start)
			return err
		})
	})
	work(func(int) error { _, err := w.vault.Status(t.Context()); return err })
	for made.Load() == 0 { // on a busy machine it may not have begun yet
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		if _, err := w.rotate(w.vault); err != nil {
			t.Fatal(err)
		}
		for done := false; !done; {
			so, err := w.rewrap(w.vault)
			if err != nil {
				t.Fatal(err)
			}
			done = so.Done
		}
	}
	close(stop)
	group.Wait()
	w.vault.Close()
	if err := w.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	w.wantUsable(w.vault)
	if n := w.keks(); len(n) != 2 || made.Load() == 0 {
		t.Errorf("%v", n)
	}
}

// rotatorEnv makes this test binary rotate the key-encryption key of the vault in
// a database, again and again, until it is killed.
const rotatorEnv = "SEALIFT_TEST_ROTATOR"

func runRotator(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	v := New(s)
	if err := v.Unseal(ctx, Passphrase(testPassphrase), alice, start); err != nil {
		return err
	}
	fmt.Println("open")
	for {
		if _, err := v.RotateKEK(ctx, alice, "again", start); err != nil && sealift.ReasonOf(err) != ReasonRotating {
			return err
		}
		if _, err := v.Rewrap(ctx, alice, time.Now); err != nil {
			return err
		}
	}
}

// A process that rotates is killed with SIGKILL, again and again, at any moment:
// the next one opens the vault, uses everything, and finishes.
func TestRotateKEKKill9(t *testing.T) {
	w := newRotated(t, sealift.RewrapBatch+5)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unfinished := 0
	for kill := range 5 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), rotatorEnv+"="+w.path)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		if said.Len() > 0 {
			t.Fatalf("%s", said.String())
		}
		v := New(w.store)
		if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		w.wantUsable(v)
		if r, _, err := v.readRecord(t.Context()); err != nil || len(r.KEKs) > 1 {
			unfinished++
		}
		if kill%2 == 0 { // or else the next victim finds it as it is
			if so, err := w.rewrap(v); err != nil || !so.Done {
				t.Errorf("kill %d: %+v, %v", kill, so, err)
			}
			w.wantUsable(v)
		}
		v.Close()
	}
	t.Logf("%d of 5 were killed within a rotation", unfinished)
}

// A key-encryption key goes only when nothing is under it, whoever thinks that all
// was moved, and nothing of it stays in memory.
func TestRetireKEK(t *testing.T) {
	w := newRotated(t, 3)
	ring := w.vault.ring.Load()
	old, err := ring.sealing()
	if err != nil {
		t.Fatal(err)
	}
	var bytesOfOld []byte
	if err := ring.withKEK(old, func(kek []byte) error { bytesOfOld = bytes.Clone(kek); return nil }); err != nil {
		t.Fatal(err)
	}
	so, err := w.rotate(w.vault)
	if err != nil {
		t.Fatal(err)
	}
	hasty := &rewrapping{vault: w.vault, by: alice, now: func() time.Time { return start }, old: []string{old}}
	if so, err := hasty.finish(t.Context(), so.KEK); err != nil || so.Done || so.Left != 6 {
		t.Errorf("%+v, %v", so, err)
	}
	// One that is under it only in a secret counts as well.
	w.update(func(ctx context.Context, tx *Tx) error {
		for _, ref := range w.refs {
			row, err := tx.Key(ctx, ref.ID, ref.Version)
			if err == nil {
				err = hasty.rewrapKey(ctx, tx, row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if so, err := hasty.finish(t.Context(), so.KEK); err != nil || so.Done || so.Left != 3 {
		t.Errorf("%+v, %v", so, err)
	}
	if !bytes.Contains(ring.page.bytes(), bytesOfOld) {
		t.Error("the old key is not where it is looked for")
	}
	w.wantUsable(w.vault)
	if so, err := w.rewrap(w.vault); err != nil || !so.Done {
		t.Errorf("%+v, %v", so, err)
	}
	if bytes.Contains(ring.page.bytes(), bytesOfOld) {
		t.Error("the old key is in memory still")
	}
	w.wantUsable(w.vault)
}
