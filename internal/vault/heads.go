package vault

import (
	"cmp"
	"context"
	"crypto/hmac"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// heads is what the log says of every row that says who may do what, by the
// newest statement (audit.Statement) about it. It is what was read from the log
// when the vault was opened for the first time, and then what transactions wrote
// that are durable: never more than the log has, and never taken from a row.
type heads struct {
	mu     sync.RWMutex
	all    bool // every row is stated: one that is not is none of the vault's
	tip    link
	rows   map[string]map[string]said // by kind and name
	broken error                      // why statements are not to be relied on; nil where they are
}

// link is a statement in the chain of them.
type link struct {
	entry int64 // -1 for none
	mac   string
}

// said is what a statement says of a row.
type said struct {
	entry int64
	tag   string // in hex; "" for a row that is gone
}

// statement is one in the log, verified.
type statement struct {
	audit.Statement
	entry int64
}

func newHeads() *heads {
	return &heads{tip: link{entry: -1}, rows: map[string]map[string]said{}}
}

// of returns what is said of a row.
func (h *heads) of(kind, name string) (said, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s, ok := h.rows[kind][name]
	return s, ok
}

// newest returns the newest statement, or why none counts.
func (h *heads) newest() (link, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tip, h.broken
}

// isAll reports whether every row is stated.
func (h *heads) isAll() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.all
}

// advance takes in verified statements that are durable, oldest first. Those that
// it has already are passed over.
func (h *heads) advance(chain []statement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range chain {
		if s.Before == h.tip.entry {
			h.apply(s)
		}
	}
}

// apply takes in the next statement. Where every row is stated, one that is gone
// is forgotten: that nothing is said of it says as much.
func (h *heads) apply(s statement) {
	h.all = h.all || s.All
	h.tip = s.link()
	for row, tag := range s.Rows {
		kind, name := splitRow(row)
		if tag == "" && h.all {
			delete(h.rows[kind], name)
			continue
		}
		if h.rows[kind] == nil {
			h.rows[kind] = map[string]said{}
		}
		h.rows[kind][name] = said{s.entry, tag}
	}
}

func (s statement) link() link { return link{s.entry, string(s.MAC)} }

// mac is that of a statement behind another one.
func (s statement) mac(ring *keyring, before link) ([]byte, error) {
	fields := [][]byte{number(uint64(s.entry)), number(uint64(s.Before + 1)), []byte(before.mac), truth(s.All)}
	for _, row := range slices.Sorted(maps.Keys(s.Rows)) {
		fields = append(fields, []byte(row), []byte(s.Rows[row]))
	}
	return ring.rowMAC(join("sealift/vault/rows/v1", fields...))
}

// follows checks that s is the vault's, and the next one behind before.
func (s statement) follows(ring *keyring, before link) error {
	if s.Before != before.entry {
		return errStatement(s.entry, "it follows statement %d, and the one before it in the log is %d", s.Before, before.entry)
	}
	mac, err := s.mac(ring, before)
	if err != nil {
		return err
	}
	if !hmac.Equal(mac, s.MAC) {
		return errStatement(s.entry, "the vault did not write it there")
	}
	return nil
}

// replayBatch is how many leaves replay holds at a time.
const replayBatch = 1000

// replay reads what the log says of rows from its first entry on. Statements that
// do not hold are no error: nothing that is held against them holds then.
func replay(ctx context.Context, ring *keyring, tx store.AuditTx) (*heads, error) {
	h := newHeads()
	for first := int64(0); ; {
		rows, err := tx.AuditEntries(ctx, first, replayBatch)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if h.broken == nil && audit.IsStatement(row.Leaf) {
				if err := h.read(ring, row); err != nil {
					return nil, err
				}
			}
		}
		first = rows[len(rows)-1].Index + 1
	}
	noted, err := tx.Statement(ctx)
	if err == nil && noted != h.tip.entry {
		h.broken = cmp.Or(h.broken, error(errStatement(noted, "the database notes it as the newest one, and in the log that is %d", h.tip.entry)))
	}
	return h, err
}

// read takes in the next statement, or notes that it does not hold.
func (h *heads) read(ring *keyring, row store.AuditEntry) error {
	s, err := parseStatement(row)
	if err == nil {
		err = s.follows(ring, h.tip)
	}
	switch {
	case err == nil:
		h.apply(s)
	case sealift.KindOf(err) == sealift.KindDenied:
		h.broken = err
	default:
		return err
	}
	return nil
}

func parseStatement(row store.AuditEntry) (statement, error) {
	s, ok := audit.ParseStatement(row.Leaf)
	if !ok {
		return statement{}, errStatement(row.Index, "it is not as the vault writes them")
	}
	return statement{s, row.Index}, nil
}

// sight is what a transaction sees of statements: what is known, and those that
// have been written since, by others in the same commit or in another process.
type sight struct {
	known  link // the newest that was known when the transaction looked
	at     int64
	chain  []statement // behind known, oldest first
	newer  map[string]said
	newest link
}

// look finds what has been stated since. It reads one number where that is
// nothing.
func (h *heads) look(ctx context.Context, ring *keyring, tx Log) (*sight, error) {
	known, err := h.newest()
	if err != nil {
		return nil, err
	}
	at, err := tx.Statement(ctx)
	if err != nil {
		return nil, err
	}
	s := &sight{known: known, at: at, newest: known}
	for at > known.entry {
		rows, err := tx.AuditEntries(ctx, at, 1)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 || rows[0].Index != at {
			return nil, errStatement(at, "it is missing")
		}
		next, err := parseStatement(rows[0])
		if err != nil {
			return nil, err
		}
		if next.Before >= at {
			return nil, errStatement(at, "it follows none before it")
		}
		s.chain = append(s.chain, next)
		at = next.Before
	}
	slices.Reverse(s.chain)
	s.newer = map[string]said{}
	for _, next := range s.chain {
		if err := next.follows(ring, s.newest); err != nil {
			return nil, err
		}
		s.newest = next.link()
		for row, tag := range next.Rows {
			s.newer[row] = said{next.entry, tag}
		}
	}
	return s, nil
}

// rowOf is how a statement names a row. A kind has no slash.
func rowOf(kind, name string) string { return kind + "/" + name }

func splitRow(row string) (kind, name string) {
	kind, name, _ = strings.Cut(row, "/")
	return kind, name
}
