package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// tail returns the log's tail, for which the transaction must be an Update; nil
// in a View.
func (t *tx) tail(ctx context.Context, op string) (*tail, error) {
	p := t.session.part
	if p == nil {
		return nil, nil
	}
	if err := t.session.under(ctx).Err(); err != nil {
		return nil, t.fail(ctx, op, err)
	}
	l := &p.db.tail
	if p.group.tail {
		return l, nil
	}
	var size, width int64
	if err := t.session.QueryRowContext(ctx, logEnd).Scan(&size, &width); err != nil {
		return nil, t.fail(ctx, op, err)
	}
	l.follow(size, width)
	p.group.tail = true
	if !p.knew {
		p.log = l.end
	}
	return l, nil
}

// writeTail has the database know what waits.
func (t *tx) writeTail(ctx context.Context, op string) error {
	l, err := t.tail(ctx, op)
	if l == nil || err != nil {
		return err
	}
	return t.fail(ctx, op, t.session.part.writeTail(ctx))
}

// AuditSize implements store.AuditTx.
func (t *tx) AuditSize(ctx context.Context) (int64, error) {
	const op = "measuring the log"
	if l, err := t.tail(ctx, op); l != nil || err != nil {
		if err != nil {
			return 0, err
		}
		return l.size, nil
	}
	size, err := t.q.AuditSize(ctx)
	return size, t.fail(ctx, op, err)
}

// AppendAudit implements store.AuditTx.
func (t *tx) AppendAudit(ctx context.Context, index int64, leaf []byte, firstHash int64, hashes [][32]byte) error {
	op := fmt.Sprintf("appending log entry %d", index)
	l, err := t.tail(ctx, op)
	switch {
	case err != nil:
		return err
	case l == nil:
		return t.fail(ctx, op, errors.New("a View writes nothing"))
	case index != l.size || firstHash != l.width:
		return sealift.Errorf(sealift.KindConflict, op, "the log goes on with entry %d and hash %d, not hash %d", l.size, l.width, firstHash)
	}
	l.append(leaf, hashes)
	if len(l.leaves) < mostWaiting {
		return nil
	}
	return t.writeTail(ctx, op)
}

// AuditEntries implements store.AuditTx.
func (t *tx) AuditEntries(ctx context.Context, first int64, limit int) ([]store.AuditEntry, error) {
	if err := t.writeTail(ctx, "reading the log"); err != nil {
		return nil, err
	}
	rows, err := t.q.AuditEntries(ctx, sqlcgen.AuditEntriesParams{First: first, Most: most(limit)})
	return collect(rows, t.fail(ctx, "reading the log", err), func(r sqlcgen.AuditEntry) store.AuditEntry {
		return store.AuditEntry{Index: r.Position, Leaf: bare(r.Leaf)}
	})
}

// Statement implements store.AuditTx.
func (t *tx) Statement(ctx context.Context) (int64, error) {
	const op = "finding the newest statement about rows"
	c := t.cache()
	if c != nil && c.statement != nil {
		return *c.statement, t.fail(ctx, op, t.session.under(ctx).Err())
	}
	position, err := t.q.Statement(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		position, err = -1, nil
	}
	if err != nil {
		return 0, t.fail(ctx, op, err)
	}
	c.keepStatement(&position)
	return position, nil
}

// SetStatement implements store.AuditTx.
func (t *tx) SetStatement(ctx context.Context, index int64) error {
	t.cache().keepStatement(nil)
	return t.fail(ctx, "noting the newest statement about rows", t.q.SetStatement(ctx, index))
}

// hashesAtATime is how many hashes one query reads: a proof in a log of a million
// entries takes 20.
const hashesAtATime = 32

// auditHashes is the query for so many of them. Its length would vary with each
// call, and sqlc has no list that both databases take.
var auditHashes = "SELECT position, hash FROM audit_hashes WHERE position IN (" + placeholders(1, hashesAtATime) + ")"

// hashesFrom is the query for those from one to another, as whoever verifies the
// log reads them.
const hashesFrom = "SELECT position, hash FROM audit_hashes WHERE position BETWEEN $1 AND $2"

// placeholders returns n of them, separated by commas: $FROM, $FROM+1 and so on.
func placeholders(from, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(all, ", ")
}

// valueRows returns the placeholders of n rows of a VALUES, each of width columns.
func valueRows(n, width int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = "(" + placeholders(i*width+1, width) + ")"
	}
	return strings.Join(rows, ", ")
}

// AuditHashes implements store.AuditTx.
func (t *tx) AuditHashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	l, err := t.tail(ctx, "reading the log's hashes")
	if err != nil {
		return nil, err
	}
	out := make([][32]byte, len(indexes))
	var asked []int64 // of the database
	var places []int  // in out
	for i, index := range indexes {
		if l != nil {
			var known bool
			if out[i], known = l.at(index); known {
				continue
			}
		}
		asked, places = append(asked, index), append(places, i)
	}
	for len(asked) > 0 {
		n := max(follow(asked), min(len(asked), hashesAtATime))
		found, err := t.hashesAt(ctx, asked[:n])
		if err != nil {
			return nil, t.failHash(ctx, asked[0], err)
		}
		for i, index := range asked[:n] {
			hash, ok := found[index]
			if !ok {
				return nil, t.failHash(ctx, index, sql.ErrNoRows)
			}
			out[places[i]] = hash
		}
		asked, places = asked[n:], places[n:]
	}
	return out, nil
}

func (t *tx) failHash(ctx context.Context, index int64, err error) error {
	return t.fail(ctx, fmt.Sprintf("reading hash %d of the log", index), err)
}

// follow returns how many of the first indexes follow one another, by 1.
func follow(indexes []int64) int {
	n := 1
	for n < len(indexes) && indexes[n] == indexes[n-1]+1 {
		n++
	}
	return n
}

// hashesAt reads those of some hashes that are there: of at most hashesAtATime, or
// of any number that follow one another.
func (t *tx) hashesAt(ctx context.Context, indexes []int64) (map[int64][32]byte, error) {
	if len(indexes) == 1 { // as most often for an entry that is appended
		hash, err := t.q.AuditHash(ctx, indexes[0])
		if err != nil {
			return nil, err
		}
		return map[int64][32]byte{indexes[0]: digest(hash)}, nil
	}
	text, args := hashesFrom, []any{indexes[0], indexes[len(indexes)-1]}
	if follow(indexes) < len(indexes) {
		text, args = auditHashes, make([]any, hashesAtATime)
		for i := range args {
			args[i] = indexes[min(i, len(indexes)-1)] // one again and again is one
		}
	}
	rows, err := t.session.QueryContext(ctx, text, args...)
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
