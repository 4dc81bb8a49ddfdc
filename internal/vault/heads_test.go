package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Whoever writes to the database deletes no row and puts none back of those that
// say who may do what, whatever MAC it bears: not while the vault runs, not in a
// transaction that writes, and not for a vault that is opened afterwards.
func TestRowsByTheLog(t *testing.T) {
	for name, kind := range statedKinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStated(t)
			reads := func(what, reason string) {
				t.Helper()
				later := &world{t: t, path: w.path, store: w.store, vault: New(w.store)}
				defer later.vault.Close()
				if err := later.vault.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
					t.Fatal(err)
				}
				for in, err := range map[string]error{
					"a view":    w.store.View(t.Context(), func(tx store.Tx) error { return kind.read(t.Context(), w, tx) }),
					"an update": w.try(func(ctx context.Context, tx *Tx) error { return kind.read(ctx, w, tx) }),
					"another process": later.try(func(ctx context.Context, tx *Tx) error {
						return kind.read(ctx, later, tx)
					}),
				} {
					switch {
					case reason == "" && err != nil:
						t.Errorf("%s, in %s: %v", what, in, err)
					case reason != "" && (sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != reason || sealift.HintOf(err) == ""):
						t.Errorf("%s, in %s: %v (%s), want %s", what, in, err, sealift.ReasonOf(err), reason)
					}
				}
			}
			w.update(kind.first)
			reads("as it was written", "")
			w.behind("CREATE TABLE was AS SELECT * FROM " + kind.table)
			w.update(kind.second)
			reads("as it was changed", "")
			w.behind("CREATE TABLE is_now AS SELECT * FROM "+kind.table, "DELETE FROM "+kind.table, "INSERT INTO "+kind.table+" SELECT * FROM was")
			reads("put back", ReasonPutBack)
			w.behind("DELETE FROM " + kind.table)
			if name == "session" {
				reads("deleted, as it was", "")
				return
			}
			reads("deleted", ReasonDeleted)
			if err := w.try(kind.first); name != "key" && (sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != ReasonDeleted) {
				t.Errorf("written anew: %v", err)
			}
			w.behind("DELETE FROM "+kind.table, "INSERT INTO "+kind.table+" SELECT * FROM is_now")
			reads("as it was before", "")
		})
	}
}

// A row that nothing was ever said of is none, though its MAC be good: as one of
// another day of the same vault.
func TestUnstatedRow(t *testing.T) {
	w := newStated(t)
	row := store.Token{ID: "t1"}
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		row.MAC, err = tx.Authenticate(row)
		return err
	})
	err := w.store.View(t.Context(), func(tx store.Tx) error { return w.vault.CheckRow(t.Context(), tx, row) })
	wantError(t, err, sealift.KindDenied, ReasonPutBack)
}

// In a log from before statements, rows of which none speaks are taken by their
// MACs, until they are changed.
func TestRowsOfBefore(t *testing.T) {
	w := newStated(t)
	w.behind("UPDATE audit_entries SET leaf = x'00' WHERE substr(leaf, 1, 12) = CAST('sealift rows' AS BLOB)", "DELETE FROM rows_statement")
	v := New(w.store)
	defer v.Close()
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	w.vault.Close()
	w.vault = v
	check := func() error {
		return w.try(func(ctx context.Context, tx *Tx) error {
			row, err := tx.Person(ctx, "p0")
			return errors.Join(err, w.vault.CheckRow(ctx, tx, row))
		})
	}
	if err := check(); err != nil {
		t.Errorf("unsaid: %v", err)
	}
	bare := func(r store.Authentic) error {
		return w.store.View(t.Context(), func(tx store.Tx) error { return w.vault.CheckRow(t.Context(), tx, r) })
	}
	if err := bare(store.Epoch{App: testApp, Channel: "production", Number: 1}); err != nil {
		t.Errorf("of a kind that had no MAC: %v", err)
	}
	wantError(t, bare(store.App{ID: testApp}), sealift.KindDenied, ReasonForged)
	w.behind("CREATE TABLE was AS SELECT * FROM persons")
	w.update(func(ctx context.Context, tx *Tx) error {
		row, err := tx.Person(ctx, "p0")
		if err != nil {
			return err
		}
		old := row.MAC
		row.Role = "other"
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.UpdatePerson(ctx, row, old)
	})
	if err := check(); err != nil {
		t.Errorf("changed: %v", err)
	}
	w.behind("DELETE FROM persons", "INSERT INTO persons SELECT * FROM was")
	wantError(t, check(), sealift.KindDenied, ReasonPutBack)
}

// tokenTo writes version n of a token in a transaction of v.
func tokenTo(ctx context.Context, v *Vault, id string, n int) error {
	return v.Update(ctx, func(tx *Tx) error { return writeToken(ctx, tx, id, n) })
}

func writeToken(ctx context.Context, tx *Tx, id string, n int) (err error) {
	row, err := tx.Token(ctx, id)
	insert := sealift.KindOf(err) == sealift.KindNotFound
	if err != nil && !insert {
		return err
	}
	old := row.MAC
	row.ID, row.Label = id, fmt.Sprint(n)
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return err
	}
	if insert {
		return tx.InsertToken(ctx, row)
	}
	return tx.UpdateToken(ctx, row, old)
}

func (w *world) checkToken(v *Vault, id string) error {
	w.t.Helper()
	return w.store.View(w.t.Context(), func(tx store.Tx) error {
		row, err := tx.Token(w.t.Context(), id)
		if err != nil {
			return err
		}
		return v.CheckRow(w.t.Context(), tx, row)
	})
}

// What is rolled back was never said, by whatever it was rolled back; what was
// written after it in the same commit holds.
func TestStatedAndRolledBack(t *testing.T) {
	w := newStated(t)
	faulty := &faultyStore{Store: w.store}
	v := New(faulty)
	defer v.Close()
	if err := v.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	write := func(n int, end error) error {
		return v.Update(t.Context(), func(tx *Tx) error { return errors.Join(writeToken(t.Context(), tx, "t1", n), end) })
	}
	if err := write(1, nil); err != nil {
		t.Fatal(err)
	}
	if err := write(2, errFault); !errors.Is(err, errFault) {
		t.Fatal(err)
	}
	if err := w.checkToken(v, "t1"); err != nil {
		t.Errorf("after an error: %v", err)
	}
	faulty.failCommit = true
	if err := write(3, nil); !errors.Is(err, errFault) {
		t.Fatal(err)
	}
	if err := w.checkToken(v, "t1"); err != nil {
		t.Errorf("after a failed commit: %v", err)
	}
	faulty.failAppend = true
	if err := write(4, nil); !errors.Is(err, errFault) {
		t.Fatal("a row was written that nothing was said of")
	}
	faulty.failAppend = false
	if err := write(5, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.checkToken(v, "t1"); err != nil {
		t.Errorf("in the end: %v", err)
	}
}

// Many write at once, some of them in one commit, some in another process, while
// others read: nobody is told that a row was put back.
func TestStatedAtOnce(t *testing.T) {
	w := newStated(t)
	beside := New(w.store)
	defer beside.Close()
	if err := beside.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	const writers, writes = 8, 20
	var wait sync.WaitGroup
	for n := range writers {
		v := []*Vault{w.vault, beside}[n%2]
		id := fmt.Sprint("t", n/4) // two processes write each
		wait.Go(func() {
			for i := range writes {
				if err := tokenTo(t.Context(), v, id, i); err != nil {
					t.Errorf("writing: %v", err)
				}
			}
		})
	}
	for n := range 2 {
		wait.Go(func() {
			for range writers * writes {
				err := w.checkToken(w.vault, fmt.Sprint("t", n))
				switch sealift.KindOf(err) {
				case sealift.KindNotFound, sealift.KindConflict:
				default:
					if err != nil {
						t.Errorf("reading: %v", err)
					}
				}
			}
		})
	}
	wait.Wait()
	for _, v := range []*Vault{w.vault, beside} {
		for n := range 2 {
			if err := w.checkToken(v, fmt.Sprint("t", n)); err != nil {
				t.Errorf("in the end: %v", err)
			}
		}
	}
	later := New(w.store)
	defer later.Close()
	if err := later.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	if err := w.checkToken(later, "t0"); err != nil {
		t.Errorf("opened later: %v", err)
	}
}

// Statements cannot be changed, left out, added or put back: whoever tries has
// rows refused, all of them, rather than those of before believed.
func TestBentStatements(t *testing.T) {
	const last = "(SELECT position FROM rows_statement)"
	const one = "(SELECT MAX(position) FROM audit_entries WHERE substr(leaf, 1, 12) = CAST('sealift rows' AS BLOB) AND position < " + last + ")"
	forged, err := audit.Statement{Before: 1, Rows: map[string]string{"token/t1": strings.Repeat("0", 64)}, MAC: make([]byte, 32)}.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bend    string
		running bool // whether a vault that runs sees it: it goes by what it knows
	}{
		"the last one emptied":        {"UPDATE audit_entries SET leaf = x'' WHERE position = " + last, false},
		"the one before emptied":      {"UPDATE audit_entries SET leaf = x'' WHERE position = " + one, false},
		"the last one bent":           {"UPDATE audit_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'token/t1', 'token/t2') AS BLOB) WHERE position = " + last, false},
		"the one before in its place": {"UPDATE audit_entries SET leaf = (SELECT leaf FROM audit_entries WHERE position = " + one + ") WHERE position = " + last, false},
		"one more":                    {"", false},
		"one more, and noted":         {"UPDATE rows_statement SET position = (SELECT MAX(position) FROM audit_entries)", true},
		"the last one cut off":        {"DELETE FROM audit_entries WHERE position >= " + last + "; DELETE FROM audit_hashes WHERE position >= 2 * " + last + " - 3", false},
		"the note put back":           {"UPDATE rows_statement SET position = " + one, true},
		"the note taken away":         {"DELETE FROM rows_statement", true},
		"the note far ahead":          {"UPDATE rows_statement SET position = 1000000", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStated(t)
			for n := range 3 {
				if err := tokenTo(t.Context(), w.vault, "t1", n); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(name, "one more") {
				err := w.store.Update(t.Context(), func(tx store.Tx) error {
					_, err := audit.AppendLeaf(t.Context(), tx, forged)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			w.behind(test.bend)
			check := func(v *Vault) error {
				return v.Update(t.Context(), func(tx *Tx) error {
					row, err := tx.Token(t.Context(), "t1")
					return errors.Join(err, v.CheckRow(t.Context(), tx, row))
				})
			}
			if err := check(w.vault); (err != nil) != test.running {
				t.Errorf("a vault that runs: %v", err)
			}
			later := New(w.store)
			defer later.Close()
			if err := later.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
				t.Fatal(err)
			}
			if err := check(later); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != ReasonStatement || sealift.HintOf(err) == "" {
				t.Errorf("one that is opened then: %v", err)
			}
		})
	}
}

// A transaction that writes many rows has more than one statement, none of them
// larger than an entry may be.
func TestManyRowsStated(t *testing.T) {
	w := newStated(t)
	const many = 500
	w.update(func(ctx context.Context, tx *Tx) error {
		for n := range many {
			if err := writeToken(ctx, tx, fmt.Sprint("t", n), 1); err != nil {
				return err
			}
		}
		return nil
	})
	later := New(w.store)
	defer later.Close()
	if err := later.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	for n := range many {
		if err := errors.Join(w.checkToken(w.vault, fmt.Sprint("t", n)), w.checkToken(later, fmt.Sprint("t", n))); err != nil {
			t.Fatal(err)
		}
	}
}
