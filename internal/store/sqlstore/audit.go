package sqlstore

import (
	"context"
	"fmt"

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

// AuditHashes implements store.AuditTx.
func (t *tx) AuditHashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, len(indexes))
	for i, index := range indexes {
		hash, err := t.q.AuditHash(ctx, index)
		if err != nil {
			return nil, t.fail(ctx, fmt.Sprintf("reading hash %d of the log", index), err)
		}
		out[i] = digest(hash)
	}
	return out, nil
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
