package sqlstore

import (
	"context"
	"slices"
)

// tail is the end of the log as the Updates see it that append to it. Where it
// ends, and the hashes that the next entries are hashed with, are in memory; and
// what a group appends waits there and is written by a few statements, before the
// group commits or when somebody asks the database for it. Whoever has the turn
// has the tail.
//
// The first of a group to ask for the tail has it compared with the database: of
// a log that is longer or shorter, since another process wrote to it or a commit
// failed, nothing is believed but what is read.
type tail struct {
	end
	waiting
}

// waiting is what was appended and not yet written.
type waiting struct {
	entry, hash int64 // the index of the first that waits, of each; or of the next
	leaves      [][]byte
	hashes      [][32]byte
}

// end is where a log goes on.
type end struct {
	size, width int64 // indexes of the next entry and of the next hash
	edge        [edges]edge
}

// edge is the last hash that came at its place among those of one entry. Hashes
// come by level, so it is the last one of its level: an entry is hashed together
// with such ones only.
type edge struct {
	known    bool
	position int64
	hash     [32]byte
}

// edges is how many levels are remembered; a log of 2^40 entries has no more.
const edges = 41

// logEnd is the query for where the log ends.
const logEnd = `SELECT CAST(COALESCE((SELECT MAX(position) FROM audit_entries) + 1, 0) AS BIGINT),
	CAST(COALESCE((SELECT MAX(position) FROM audit_hashes) + 1, 0) AS BIGINT)`

// batches are how many rows one statement inserts, the most first.
var batches = [...]int{64, 32, 16, 8, 4, 2, 1}

// The statements that insert as many rows, in the order of batches.
var (
	insertEntries = inserts("audit_entries (position, leaf)")
	insertHashes  = inserts("audit_hashes (position, hash)")
)

func inserts(into string) (all [len(batches)]string) {
	for i, n := range batches {
		all[i] = "INSERT INTO " + into + " VALUES " + valueRows(n, 2)
	}
	return all
}

// follow makes the tail that of a log with so many entries and hashes.
func (l *tail) follow(size, width int64) {
	if l.size != size || l.width != width {
		l.end = end{size: size, width: width}
	}
	l.waiting = waiting{entry: size, hash: width}
}

// append adds an entry.
func (l *tail) append(leaf []byte, hashes [][32]byte) {
	for level, hash := range hashes[:min(len(hashes), edges)] {
		l.edge[level] = edge{true, l.width + int64(level), hash}
	}
	l.leaves, l.hashes = append(l.leaves, slices.Clone(leaf)), append(l.hashes, hashes...)
	l.size, l.width = l.size+1, l.width+int64(len(hashes))
}

// at returns a hash that is in memory.
func (l *tail) at(position int64) (hash [32]byte, ok bool) {
	if i := position - l.hash; i >= 0 && i < int64(len(l.hashes)) {
		return l.hashes[i], true
	}
	for i := range l.edge {
		if e := &l.edge[i]; e.known && e.position == position {
			return e.hash, true
		}
	}
	return hash, false
}

// until returns what waits and comes before an end.
func (w waiting) until(before end) waiting {
	w.leaves = w.leaves[:max(before.size-w.entry, 0)]
	w.hashes = w.hashes[:max(before.width-w.hash, 0)]
	w.entry, w.hash = min(w.entry, before.size), min(w.hash, before.width)
	return w
}

// clone returns a copy whose lists nobody else adds to.
func (w waiting) clone() *waiting {
	w.leaves, w.hashes = slices.Clone(w.leaves), slices.Clone(w.hashes)
	return &w
}

// mostWaiting is how many entries wait: whoever appends a whole log in one Update,
// as a restore does, has it written as it goes.
const mostWaiting = 64

// execute runs a statement on the connection that writes.
type execute func(ctx context.Context, text string, args ...any) error

// write writes what waits.
func (l *tail) write(ctx context.Context, run execute) error {
	w := l.waiting
	err := inBatches(ctx, run, insertEntries, len(w.leaves), func(i int) (int64, []byte) { return w.entry + int64(i), some(w.leaves[i]) })
	if err == nil {
		err = inBatches(ctx, run, insertHashes, len(w.hashes), func(i int) (int64, []byte) { return w.hash + int64(i), w.hashes[i][:] })
	}
	if err == nil {
		l.waiting = waiting{l.size, l.width, w.leaves[:0], w.hashes[:0]}
	}
	return err
}

// inBatches inserts n rows.
func inBatches(ctx context.Context, run execute, texts [len(batches)]string, n int, row func(i int) (position int64, value []byte)) error {
	i := 0
	for b, size := range batches {
		for ; n-i >= size; i += size {
			args := make([]any, 0, 2*size)
			for at := i; at < i+size; at++ {
				position, value := row(at)
				args = append(args, position, value)
			}
			if err := run(ctx, texts[b], args...); err != nil {
				return err
			}
		}
	}
	return nil
}
