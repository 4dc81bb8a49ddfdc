package audit_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// TestVerifyNamesTheFirstBadEntry bends the rows of a log of 11 entries, with
// checkpoints of 8 and 10.
func TestVerifyNamesTheFirstBadEntry(t *testing.T) {
	w := newWorld(t)
	w.grow(8)
	w.checkpoint()
	w.grow(10)
	w.checkpoint()
	w.grow(11)
	w.keep()
	leafHash := func(n int64) int64 { return tlog.StoredHashIndex(0, n) }
	for name, test := range map[string]struct {
		bend func(w *world)
		want string
	}{
		"changed": {
			func(w *world) { w.sql("UPDATE audit_entries SET leaf = ? WHERE position = 4", leaf(t, 44)) }, "entry 4 was changed or moved",
		},
		"last changed": {
			func(w *world) { w.sql("UPDATE audit_entries SET leaf = ? WHERE position = 10", leaf(t, 44)) }, "entry 10 was changed or moved",
		},
		"two changed": {
			func(w *world) {
				w.sql("UPDATE audit_entries SET leaf = ? WHERE position IN (9, 5)", leaf(t, 44))
			}, "entry 5 was changed or moved",
		},
		"release changed": {
			func(w *world) {
				w.sql("UPDATE audit_entries SET leaf = ? WHERE position = 2", releaseLeaf(44))
			}, "entry 2 was changed or moved",
		},
		"changed with its hash": {
			func(w *world) { w.forge(6) }, "entry 6 or one up to 7 was changed",
		},
		"last of a subtree changed with its hash": {
			func(w *world) { w.forge(7) }, "entry 6 or one up to 7 was changed",
		},
		"hash changed": {
			func(w *world) {
				w.sql("UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = ?", leafHash(3))
			}, "entry 3 was changed or moved",
		},
		"inner hash changed": {
			func(w *world) {
				w.sql("UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = ?", tlog.StoredHashIndex(2, 1))
			}, "entry 4 or one up to 7 was changed",
		},
		"hash missing": {
			func(w *world) { w.sql("DELETE FROM audit_hashes WHERE position = ?", leafHash(3)) }, "entry 3 has lost its hashes",
		},
		"missing": {
			func(w *world) { w.sql("DELETE FROM audit_entries WHERE position = 5") }, "entry 5 is missing",
		},
		"first missing": {
			func(w *world) { w.sql("DELETE FROM audit_entries WHERE position = 0") }, "entry 0 is missing",
		},
		"all missing": {
			func(w *world) { w.sql("DELETE FROM audit_entries") }, "entry 0 is missing",
		},
		"missing, the rest moved up": {
			func(w *world) {
				w.sql("DELETE FROM audit_entries WHERE position = 5")
				w.sql("UPDATE audit_entries SET position = position - 1 WHERE position > 5")
			}, "entry 5 was changed or moved",
		},
		"reordered": {
			func(w *world) {
				w.sql("UPDATE audit_entries SET position = 100 WHERE position = 3")
				w.sql("UPDATE audit_entries SET position = 3 WHERE position = 7")
				w.sql("UPDATE audit_entries SET position = 7 WHERE position = 100")
			}, "entry 3 was changed or moved",
		},
		"put in between": {
			func(w *world) {
				w.sql("UPDATE audit_entries SET position = -position WHERE position > 3")
				w.sql("UPDATE audit_entries SET position = 1 - position WHERE position < 0")
				w.sql("INSERT INTO audit_entries (position, leaf) VALUES (4, ?)", leaf(t, 44))
			}, "entry 4 was changed or moved",
		},
		"added without a hash": {
			func(w *world) { w.sql("INSERT INTO audit_entries (position, leaf) VALUES (11, ?)", leaf(t, 44)) }, "entry 11 has lost its hashes",
		},
		"cut off": {
			func(w *world) { w.cut(9, true) }, "entry 9 is missing: the log ends before it, and a checkpoint covers 10 entries",
		},
		"all cut off": {
			func(w *world) { w.cut(0, true) }, "entry 0 is missing: the log ends before it, and a checkpoint covers 10 entries",
		},
		"cut off after the checkpoint, hashes left": {
			func(w *world) { w.cut(10, false) }, "entry 10 is missing: the log ends before it, and its hash is still there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.verify(); err != nil {
				t.Fatal(err)
			}
			test.bend(w)
			defer w.straighten()
			err := w.verify()
			wantError(t, err, sealift.KindIntegrity, "log")
			if err == nil || !strings.HasPrefix(err.Error(), "verifying the log: "+test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestEveryEntry bends each entry of a log in each way, alone; the message names
// that entry, or the entries among which it is where hashes or checkpoints no
// longer tell it apart.
func TestEveryEntry(t *testing.T) {
	const size = 11
	w := newWorld(t)
	w.grow(4)
	w.checkpoint()
	w.grow(8)
	w.checkpoint()
	w.grow(size)
	w.checkpoint()
	w.keep()
	covered := func(n int64) (first, last int64) { // by the checkpoint that is the first to cover n
		switch {
		case n < 4:
			return 0, 3
		case n < 8:
			return 4, 7
		}
		return 8, size - 1
	}
	for n := range int64(size) {
		for name, test := range map[string]struct {
			bend func()
			want string
		}{
			"removed":                {func() { w.sql("DELETE FROM audit_entries WHERE position = ?", n) }, fmt.Sprintf("entry %d is missing", n)},
			"changed":                {func() { w.sql("UPDATE audit_entries SET leaf = ? WHERE position = ?", leaf(t, 44), n) }, fmt.Sprintf("entry %d was changed or moved", n)},
			"emptied":                {func() { w.sql("UPDATE audit_entries SET leaf = x'' WHERE position = ?", n) }, fmt.Sprintf("entry %d is empty: somebody took its content away", n)},
			"one bit":                {func() { w.flip("audit_entries", "leaf", n) }, fmt.Sprintf("entry %d was changed or moved", n)},
			"hash changed":           {func() { w.flip("audit_hashes", "hash", tlog.StoredHashIndex(0, n)) }, fmt.Sprintf("entry %d was changed or moved", n)},
			"hash removed":           {func() { w.sql("DELETE FROM audit_hashes WHERE position = ?", tlog.StoredHashIndex(0, n)) }, fmt.Sprintf("entry %d has lost its hashes", n)},
			"exchanged, hashes kept": {func() { w.exchange(n, (n+5)%size) }, fmt.Sprintf("entry %d was changed or moved", min(n, (n+5)%size))},
			"cut off":                {func() { w.cut(n, true) }, fmt.Sprintf("entry %d is missing: the log ends before it, and a checkpoint covers 11", n)},
			"all before are gone":    {func() { w.sqlMaybe("DELETE FROM audit_entries WHERE position <= ?", n) }, "entry 0 is missing"},
			"rebuilt": {func() { w.rebuild(n) }, func() string {
				first, last := covered(n)
				return fmt.Sprintf("entry %d or one up to %d was changed, moved or left out", first, last)
			}()},
		} {
			test.bend()
			err := w.verify()
			if sealift.ReasonOf(err) != "log" || !strings.HasPrefix(err.Error(), "verifying the log: "+test.want) {
				t.Errorf("entry %d %s: got %v, want %q", n, name, err, test.want)
			}
			w.straighten()
		}
	}
	if err := w.verify(); err != nil {
		t.Fatal(err)
	}
}

// flip flips a bit in the middle of what stands at a position.
func (w *world) flip(table, column string, position int64) {
	w.t.Helper()
	var b []byte
	if err := w.behind().QueryRowContext(w.t.Context(), "SELECT "+column+" FROM "+table+" WHERE position = ?", position).Scan(&b); err != nil {
		w.t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	w.sql("UPDATE "+table+" SET "+column+" = ? WHERE position = ?", b, position)
}

// exchange exchanges the contents of two entries.
func (w *world) exchange(a, b int64) {
	w.t.Helper()
	w.sql("UPDATE audit_entries SET leaf = CASE position WHEN ?1 THEN (SELECT leaf FROM audit_entries WHERE position = ?2) ELSE (SELECT leaf FROM audit_entries WHERE position = ?1) END WHERE position IN (?1, ?2)", a, b)
}

// rebuild changes an entry and every hash that depends on it, as whoever can
// write rows can, and leaves the checkpoints, which they cannot sign.
func (w *world) rebuild(changed int64) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx store.Tx) error {
		records, err := audit.Records(ctx, tx, 0, 100)
		if err != nil {
			return err
		}
		known := map[int64]tlog.Hash{}
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, i := range indexes {
				out = append(out, known[i])
			}
			return out, nil
		})
		for _, r := range records {
			if r.Index == changed {
				r.Leaf = []byte("another\n")
			}
			hashes, err := tlog.StoredHashes(r.Index, r.Leaf, reader)
			if err != nil {
				return err
			}
			for i, h := range hashes {
				known[tlog.StoredHashCount(r.Index)+int64(i)] = h
			}
		}
		w.rebuilt = known
		return nil
	})
	w.sql("UPDATE audit_entries SET leaf = ? WHERE position = ?", []byte("another\n"), changed)
	for position, h := range w.rebuilt {
		w.sql("UPDATE audit_hashes SET hash = ? WHERE position = ?", h[:], position)
	}
}

// TestCheckpointsBent: a checkpoint that was taken out, put back, or put in
// another's place. Each is found but for one: where the newest ones are gone
// together with the entries behind them, only what was kept elsewhere tells.
func TestCheckpointsBent(t *testing.T) {
	w := newWorld(t)
	w.grow(4)
	w.checkpoint()
	w.grow(8)
	newest := w.checkpoint()
	w.grow(9)
	w.sqlMaybe("CREATE TABLE kept_checkpoints AS SELECT * FROM checkpoints")
	w.keep()
	for name, test := range map[string]struct {
		bend   func()
		reason string
		want   string
	}{
		"one in another's place": {func() {
			w.sql("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 4) WHERE size = 8")
		}, "checkpoint", "the one kept for 8 entries is of 4"},
		"under another size": {func() { w.sql("UPDATE checkpoints SET size = 6 WHERE size = 4") }, "checkpoint", "the one kept for 6 entries is of 4"},
		"emptied":            {func() { w.sql("UPDATE checkpoints SET note = x'' WHERE size = 8") }, "checkpoint", ""},
		"one bit": {func() {
			w.sql("UPDATE checkpoints SET note = CAST(replace(note, '\n8\n', '\n9\n') AS BLOB) WHERE size = 8")
		}, "checkpoint", ""},
		"rolled back with the entries": {func() {
			w.sql("DELETE FROM checkpoints WHERE size = 8")
			w.cut(4, true)
		}, "", ""},
		"all gone": {func() { w.sql("DELETE FROM checkpoints") }, "", ""},
	} {
		test.bend()
		err := w.verify()
		if sealift.ReasonOf(err) != test.reason || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v (%s)", name, err, sealift.ReasonOf(err))
		}
		if test.reason == "" && name != "all gone" {
			kept := w.verify(newest)
			if sealift.ReasonOf(kept) != "log" || !strings.Contains(kept.Error(), "entry 4 is missing: the log ends before it, and a checkpoint covers 8 entries") {
				t.Errorf("%s, beside a checkpoint that was kept: %v", name, kept)
			}
		}
		w.straighten()
		w.sql("INSERT OR REPLACE INTO checkpoints SELECT * FROM kept_checkpoints")
		w.sqlMaybe("DELETE FROM checkpoints WHERE size NOT IN (SELECT size FROM kept_checkpoints)")
	}
	if err := w.verify(newest); err != nil {
		t.Fatal(err)
	}
}

func leaf(t *testing.T, n int64) []byte {
	line, err := entry(n).Leaf()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// keep copies the rows for straighten, which puts them back.
func (w *world) keep() {
	w.t.Helper()
	for _, table := range []string{"audit_entries", "audit_hashes"} {
		w.sqlMaybe("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table)
	}
}

func (w *world) straighten() {
	w.t.Helper()
	for _, table := range []string{"audit_entries", "audit_hashes"} {
		w.sql("INSERT OR REPLACE INTO " + table + " SELECT * FROM kept_" + table)
		w.sqlMaybe("DELETE FROM " + table + " WHERE position NOT IN (SELECT position FROM kept_" + table + ")")
	}
}

// forge changes an entry and the hash of it alone.
func (w *world) forge(index int64) {
	w.t.Helper()
	line := []byte("another\n")
	hash := tlog.RecordHash(line)
	w.sql("UPDATE audit_entries SET leaf = ? WHERE position = ?", line, index)
	w.sql("UPDATE audit_hashes SET hash = ? WHERE position = ?", hash[:], tlog.StoredHashIndex(0, index))
}

// cut removes entries from the end.
func (w *world) cut(size int64, hashes bool) {
	w.t.Helper()
	w.sql("DELETE FROM audit_entries WHERE position >= ?", size)
	if hashes {
		w.sql("DELETE FROM audit_hashes WHERE position >= ?", tlog.StoredHashCount(size))
	}
}

// TestVerifyAgainstKept: whoever can write all rows can write another history,
// which a checkpoint that they cannot sign shows.
func TestVerifyAgainstKept(t *testing.T) {
	w := newWorld(t)
	w.grow(6)
	early := w.checkpoint()
	w.grow(9)
	late := w.checkpoint()
	if err := w.verify(early, late); err != nil {
		t.Fatal(err)
	}

	w.sql("DELETE FROM checkpoints")
	w.cut(7, true)
	if err := w.verify(early); err != nil {
		t.Errorf("nothing kept says otherwise: %v", err)
	}
	wantError(t, w.verify(late, early), sealift.KindIntegrity, "log")

	w.cut(5, true)
	w.update(func(ctx context.Context, tx store.Tx) error { // goes on as if nothing had been
		for n := int64(100); n < 104; n++ {
			if _, err := audit.Append(ctx, tx, entry(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := w.verify(); err != nil {
		t.Error(err)
	}
	err := w.verify(early)
	wantError(t, err, sealift.KindIntegrity, "log")
	if want := "entry 0 or one up to 5 was changed, moved or left out"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestVerifyChecksCheckpoints(t *testing.T) {
	other, otherKey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := note.NewSigner(other)
	if err != nil {
		t.Fatal(err)
	}
	otherVerifier, err := note.NewVerifier(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newWorld(t)
	stranger.signer, stranger.keys = thief, note.VerifierList(otherVerifier)
	stranger.grow(3)
	foreign := stranger.checkpoint()

	w := newWorld(t)
	w.grow(3)
	w.checkpoint()
	wantError(t, w.verify(foreign), sealift.KindIntegrity, "checkpoint")
	wantError(t, w.verify([]byte("null")), sealift.KindIntegrity, "checkpoint")

	w.sql("UPDATE checkpoints SET size = 2")
	wantError(t, w.verify(), sealift.KindIntegrity, "checkpoint")
	w.sql("UPDATE checkpoints SET size = 3, note = ?", foreign)
	wantError(t, w.verify(), sealift.KindIntegrity, "checkpoint")
	w.sql("UPDATE audit_entries SET leaf = ? WHERE position = 1", leaf(t, 44))
	wantError(t, w.verify(), sealift.KindIntegrity, "log") // which says more
}

// TestVerifyEmpty: a log of nothing is whole, with and without a checkpoint.
func TestVerifyEmpty(t *testing.T) {
	w := newWorld(t)
	if err := w.verify(); err != nil {
		t.Error(err)
	}
	signed := w.checkpoint()
	w.grow(2)
	if err := w.verify(signed); err != nil {
		t.Error(err)
	}
}

// TestVerifyAgrees: what Verify computes from the leaves is what the stored
// hashes give, at every size.
func TestVerifyAgrees(t *testing.T) {
	w := newWorld(t)
	for size := range int64(66) {
		w.grow(size)
		w.view(func(ctx context.Context, tx store.Tx) error {
			want, err := audit.Tree(ctx, tx)
			if err != nil {
				return err
			}
			got, err := audit.Verify(ctx, tx, audit.Demands{Origin: origin, Keys: w.keys})
			if err == nil && (got.Tree != want || got.Tree.N != size) {
				t.Errorf("got %v, want %v of %d entries", got.Tree, want, size)
			}
			return err
		})
	}
}

// BenchmarkVerify measures the verification of one entry.
func BenchmarkVerify(b *testing.B) {
	const size = 10_000
	w := newWorld(b)
	w.grow(size)
	for b.Loop() {
		if err := w.verify(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/entry")
}
