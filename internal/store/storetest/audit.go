package storetest

import (
	"fmt"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func leaf(index int64) []byte { return fmt.Appendf(nil, "entry %d\n", index) }

// hashes are those that come with an entry: one for every even entry, two for
// every odd one, so that entry n comes with hash n + n/2 first.
func hashes(index int64) [][32]byte {
	out := [][32]byte{sealift.DigestOf(leaf(index))}
	if index%2 == 1 {
		out = append(out, sealift.DigestOf(out[0][:]))
	}
	return out
}

func appendEntries(t *testing.T, tx store.Tx, from, to int64) {
	t.Helper()
	for i := from; i < to; i++ {
		do(t, tx.AppendAudit(t.Context(), i, leaf(i), i+i/2, hashes(i)))
	}
}

func testAudit(t *testing.T, s store.Store) {
	ctx := t.Context()
	entries := func(from, to int64) []store.AuditEntry {
		out := []store.AuditEntry{}
		for i := from; i < to; i++ {
			out = append(out, store.AuditEntry{Index: i, Leaf: leaf(i)})
		}
		return out
	}
	update(t, s, func(tx store.Tx) {
		gives(t, int64(0))(tx.AuditSize(ctx))
		gives(t, int64(-1))(tx.Statement(ctx))
		do(t, tx.SetStatement(ctx, 5))
		do(t, tx.SetStatement(ctx, 3))
		gives(t, int64(3))(tx.Statement(ctx))
		gives(t, entries(0, 0))(tx.AuditEntries(ctx, 0, 10))
		isConflict(t)(tx.AppendAudit(ctx, 1, leaf(1), 0, hashes(1)))
		isConflict(t)(tx.AppendAudit(ctx, -1, leaf(1), 0, hashes(1)))
		isConflict(t)(tx.AppendAudit(ctx, 0, leaf(0), 1, hashes(0)))
		appendEntries(t, tx, 0, 10)
	})
	update(t, s, func(tx store.Tx) {
		gives(t, int64(10))(tx.AuditSize(ctx))
		isConflict(t)(tx.AppendAudit(ctx, 9, leaf(9), 15, hashes(9)))
		isConflict(t)(tx.AppendAudit(ctx, 11, leaf(11), 15, hashes(11)))
		isConflict(t)(tx.AppendAudit(ctx, 10, leaf(10), 14, hashes(10)))
		isConflict(t)(tx.AppendAudit(ctx, 10, leaf(10), 16, hashes(10)))
		appendEntries(t, tx, 10, 11)
	})
	view(t, s, func(tx store.Tx) {
		gives(t, int64(11))(tx.AuditSize(ctx))
		gives(t, entries(0, 11))(tx.AuditEntries(ctx, 0, 100))
		gives(t, entries(3, 7))(tx.AuditEntries(ctx, 3, 4))
		gives(t, entries(10, 11))(tx.AuditEntries(ctx, 10, 4))
		gives(t, entries(0, 0))(tx.AuditEntries(ctx, 11, 4))
		gives(t, entries(0, 0))(tx.AuditEntries(ctx, 0, 0))
		gives(t, entries(0, 2))(tx.AuditEntries(ctx, -5, 2))
	})
}

func testAuditHashes(t *testing.T, s store.Store) {
	ctx := t.Context()
	h0, h1, h2 := hashes(0), hashes(1), hashes(2)
	update(t, s, func(tx store.Tx) {
		gives(t, [][32]byte{})(tx.AuditHashes(ctx, nil))
		isAbsent(t)(tx.AuditHashes(ctx, []int64{0}))
		appendEntries(t, tx, 0, 3)
	})
	view(t, s, func(tx store.Tx) {
		gives(t, [][32]byte{h0[0], h1[0], h1[1], h2[0]})(tx.AuditHashes(ctx, []int64{0, 1, 2, 3}))
		gives(t, [][32]byte{h1[1], h0[0], h1[1]})(tx.AuditHashes(ctx, []int64{2, 0, 2}))
		isAbsent(t)(tx.AuditHashes(ctx, []int64{0, 4}))
		many, want := []int64{}, [][32]byte{}
		for i := range 70 { // more than any query reads at a time
			many, want = append(many, int64(i%3)), append(want, [][32]byte{h0[0], h1[0], h1[1]}[i%3])
		}
		gives(t, want)(tx.AuditHashes(ctx, many))
		inRow := []int64{3, 0, 1, 2, 3, 1, 2}
		gives(t, [][32]byte{h2[0], h0[0], h1[0], h1[1], h2[0], h1[0], h1[1]})(tx.AuditHashes(ctx, inRow))
		isAbsent(t)(tx.AuditHashes(ctx, []int64{0, 1, 2, 3, 4}))
		isAbsent(t)(tx.AuditHashes(ctx, []int64{-1, 0, 1}))
		many[69] = 4
		isAbsent(t)(tx.AuditHashes(ctx, many))
		isAbsent(t)(tx.AuditHashes(ctx, []int64{-1}))
	})
	// An entry may complete no hash, for all that the store knows.
	update(t, s, func(tx store.Tx) {
		do(t, tx.AppendAudit(ctx, 3, nil, 4, nil))
		gives(t, []store.AuditEntry{{Index: 3}})(tx.AuditEntries(ctx, 3, 1))
		do(t, tx.AppendAudit(ctx, 4, nil, 4, hashes(4)))
	})
}

func testCheckpoints(t *testing.T, s store.Store) {
	ctx := t.Context()
	latest := func(tx store.Tx, wantSize int64, wantNote string) {
		t.Helper()
		size, note, err := tx.LatestCheckpoint(ctx)
		if err != nil || size != wantSize || string(note) != wantNote {
			t.Errorf("latest checkpoint is %d %q, %v, want %d %q", size, note, err, wantSize, wantNote)
		}
	}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.LatestCheckpoint(ctx))
		do(t, tx.InsertCheckpoint(ctx, 9, []byte("nine")))
		do(t, tx.InsertCheckpoint(ctx, 10, []byte("ten")))
		do(t, tx.InsertCheckpoint(ctx, 2, []byte("two")))
		latest(tx, 10, "ten")
		do(t, tx.InsertCheckpoint(ctx, 10, []byte("again")))
		latest(tx, 10, "again")
	})
	view(t, s, func(tx store.Tx) {
		latest(tx, 10, "again")
		gives(t, []store.Checkpoint{{Size: 2, Note: []byte("two")}, {Size: 9, Note: []byte("nine")}, {Size: 10, Note: []byte("again")}})(tx.Checkpoints(ctx, 0, 10))
		gives(t, []store.Checkpoint{{Size: 9, Note: []byte("nine")}})(tx.Checkpoints(ctx, 3, 1))
		gives(t, []store.Checkpoint{})(tx.Checkpoints(ctx, 11, 10))
	})
}
