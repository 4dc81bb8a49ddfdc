package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// AuditSize implements store.AuditTx.
func (t *tx) AuditSize(ctx context.Context) (int64, error) {
	size, err := t.q.AuditSize(ctx)
	return size, t.fail(ctx, "measuring the log", err)
}

// AppendAudit implements store.AuditTx.
func (t *tx) AppendAudit(ctx context.Context, index int64, leaf []byte, firstHash int64, hashes [][32]byte) error {
	op := fmt.Sprintf("appending log entry %d", index)
	if err := t.checkAppend(ctx, op, index, firstHash); err != nil {
		return err
	}
	err := t.q.InsertAuditEntry(ctx, sqlcgen.InsertAuditEntryParams{Position: index, Leaf: some(leaf)})
	for i := 0; i < len(hashes) && err == nil; i++ {
		err = t.q.InsertAuditHash(ctx, sqlcgen.InsertAuditHashParams{Position: firstHash + int64(i), Hash: hashes[i][:]})
	}
	return t.fail(ctx, op, err)
}

func (t *tx) checkAppend(ctx context.Context, op string, index, firstHash int64) error {
	size, err := t.q.AuditSize(ctx)
	if err != nil {
		return t.fail(ctx, op, err)
	}
	hashes, err := t.q.AuditHashSize(ctx)
	if err != nil {
		return t.fail(ctx, op, err)
	}
	if index != size || firstHash != hashes {
		return sealift.Errorf(sealift.KindConflict, op, "the log goes on with entry %d and hash %d, not hash %d", size, hashes, firstHash)
	}
	return nil
}

// AuditEntries implements store.AuditTx.
func (t *tx) AuditEntries(ctx context.Context, first int64, limit int) ([]store.AuditEntry, error) {
	rows, err := t.q.AuditEntries(ctx, sqlcgen.AuditEntriesParams{First: first, Most: most(limit)})
	return collect(rows, t.fail(ctx, "reading the log", err), func(r sqlcgen.AuditEntry) store.AuditEntry {
		return store.AuditEntry{Index: r.Position, Leaf: bare(r.Leaf)}
	})
}

// hashesAtATime is how many hashes one query reads: a proof in a log of a million
// entries takes 20.
const hashesAtATime = 32

// auditHashes is the query for so many of them. Its length would vary with each
// call, and sqlc has no list that both databases take.
var auditHashes = "SELECT position, hash FROM audit_hashes WHERE position IN (" + placeholders(hashesAtATime) + ")"

// placeholders returns $1, $2 and so on.
func placeholders(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(all, ", ")
}

// AuditHashes implements store.AuditTx.
func (t *tx) AuditHashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, 0, len(indexes))
	if len(indexes) == 1 { // as for every other entry that is appended
		hash, err := t.q.AuditHash(ctx, indexes[0])
		if err != nil {
			return nil, t.failHash(ctx, indexes[0], err)
		}
		return append(out, digest(hash)), nil
	}
	for some := range slices.Chunk(indexes, hashesAtATime) {
		found, err := t.hashesAt(ctx, some)
		if err != nil {
			return nil, t.failHash(ctx, some[0], err)
		}
		for _, index := range some {
			hash, ok := found[index]
			if !ok {
				return nil, t.failHash(ctx, index, sql.ErrNoRows)
			}
			out = append(out, hash)
		}
	}
	return out, nil
}

func (t *tx) failHash(ctx context.Context, index int64, err error) error {
	return t.fail(ctx, fmt.Sprintf("reading hash %d of the log", index), err)
}

// hashesAt reads those of at most hashesAtATime hashes that are there.
func (t *tx) hashesAt(ctx context.Context, indexes []int64) (map[int64][32]byte, error) {
	args := make([]any, hashesAtATime)
	for i := range args {
		args[i] = indexes[min(i, len(indexes)-1)] // one again and again is one
	}
	rows, err := t.session.QueryContext(ctx, auditHashes, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[int64][32]byte, len(indexes))
	for rows.Next() {
		var position int64
		var hash []byte
		if err := rows.Scan(&position, &hash); err != nil {
			return nil, err
		}
		found[position] = digest(hash)
	}
	return found, rows.Err()
}

// InsertCheckpoint implements store.AuditTx.
func (t *tx) InsertCheckpoint(ctx context.Context, size int64, note []byte) error {
	err := t.q.InsertCheckpoint(ctx, sqlcgen.InsertCheckpointParams{Size: size, Note: some(note)})
	return t.fail(ctx, "storing a checkpoint", err)
}

// Checkpoints implements store.AuditTx.
func (t *tx) Checkpoints(ctx context.Context, least int64, limit int) ([]store.Checkpoint, error) {
	rows, err := t.q.Checkpoints(ctx, sqlcgen.CheckpointsParams{Least: least, Most: most(limit)})
	return collect(rows, t.fail(ctx, "reading checkpoints", err), func(r sqlcgen.Checkpoint) store.Checkpoint {
		return store.Checkpoint{Size: r.Size, Note: bare(r.Note)}
	})
}

// LatestCheckpoint implements store.AuditTx.
func (t *tx) LatestCheckpoint(ctx context.Context) (size int64, note []byte, err error) {
	row, err := t.q.LatestCheckpoint(ctx)
	return row.Size, bare(row.Note), t.fail(ctx, "reading the latest checkpoint", err)
}

// DropCheckpoints implements store.AuditTx.
func (t *tx) DropCheckpoints(ctx context.Context, size int64) (int64, error) {
	rows, err := t.q.DropCheckpoints(ctx, size)
	return rows, t.fail(ctx, "removing checkpoints", err)
}
