package vault

import (
	"context"
	"maps"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Log is what the vault asks of a transaction to hold rows against the log. Both
// a *Tx and a read-only store.Tx have it. One that writes must be a *Tx.
type Log interface {
	Statement(ctx context.Context) (int64, error)
	AuditEntries(ctx context.Context, first int64, limit int) ([]store.AuditEntry, error)
}

// ringFor returns the keys that belong to a transaction: those of its beginning,
// so that Init can create keys, or else the present ones.
func (v *Vault) ringFor(tx Log) *keyring {
	if tx, ok := tx.(*Tx); ok {
		return tx.ring
	}
	return v.ring.Load()
}

// loose are the kinds of which any row that the vault wrote will do, as long as it
// is not gone. A session changes with every minute of use, and an older one of its
// rows ends sooner and proves less: no entry each for that.
var loose = map[string]bool{"session": true}

// sightOf returns what tx sees of statements. A Tx looks once: nobody else's
// come in between.
func sightOf(ctx context.Context, ring *keyring, tx Log) (*sight, error) {
	own, ok := tx.(*Tx)
	if ok && own.sight != nil {
		return own.sight, nil
	}
	if err := ring.present(); err != nil {
		return nil, err
	}
	s, err := ring.heads.look(ctx, ring, tx)
	if err != nil || !ok {
		return s, err
	}
	if s.at < s.known.entry {
		return nil, errStatement(s.known.entry, "it was written, and the database has no more than those up to %d", s.at)
	}
	own.sight = s
	return s, nil
}

// of returns what tx is told of a row: by itself, by what has been stated since,
// and by what is known.
func (s *sight) of(h *heads, tx Log, kind, name string) (said, bool) {
	if own, ok := tx.(*Tx); ok {
		if tag, ok := own.wrote[rowOf(kind, name)]; ok {
			return said{s.at, tag}, true
		}
	}
	if newer, ok := s.newer[rowOf(kind, name)]; ok {
		return newer, true
	}
	return h.of(kind, name)
}

// all returns what tx is told of every row of a kind, by name.
func (s *sight) all(h *heads, tx Log, kind string) map[string]said {
	h.mu.RLock()
	out := maps.Clone(h.rows[kind])
	h.mu.RUnlock()
	if out == nil {
		out = map[string]said{}
	}
	add := func(row string, what said) {
		if k, name := splitRow(row); k == kind {
			out[name] = what
		}
	}
	for row, newer := range s.newer {
		add(row, newer)
	}
	if own, ok := tx.(*Tx); ok {
		for row, tag := range own.wrote {
			add(row, said{s.at, tag})
		}
	}
	return out
}

// checkStated holds a row with a tag, or the want of one if that is "", against
// the log.
func checkStated(ctx context.Context, ring *keyring, tx Log, kind, name, tag string) error {
	s, err := sightOf(ctx, ring, tx)
	if err != nil {
		return err
	}
	h := ring.heads
	is, known := s.of(h, tx, kind, name)
	switch {
	case known && is.tag == tag:
		return nil
	case known && is.tag != "" && tag != "" && loose[kind]:
		return nil
	case !known && (tag == "" || !h.isAll()):
		return nil
	}
	return s.refuse(h, tx, kind, name, is, tag)
}

// refuse says why a row with a tag is not the one that was written last.
func (s *sight) refuse(h *heads, tx Log, kind, name string, is said, tag string) error {
	op := "reading the row of " + kind + " " + clip(name)
	_, writes := tx.(*Tx)
	if tip, _ := h.newest(); !writes && tip.entry > s.at {
		return sealift.Errorf(sealift.KindConflict, op, "it was changed meanwhile").WithReason(ReasonMeanwhile).WithHint("try again")
	}
	const hint = "somebody changed the database: look at who can write to it; sealift audit list --action rows shows what was said of rows, sealift doctor what else is amiss"
	var err *sealift.Error
	switch {
	case tag == "":
		err = sealift.Errorf(sealift.KindDenied, op, "it is gone, and entry %d of the log says that it is there", is.entry).WithReason(ReasonDeleted)
	case is.tag == "":
		err = sealift.Errorf(sealift.KindDenied, op, "the log says that there is none: somebody put it back").WithReason(ReasonPutBack)
	default:
		err = sealift.Errorf(sealift.KindDenied, op, "it is one of before, that somebody put back: entry %d of the log says what it is now", is.entry).WithReason(ReasonPutBack)
	}
	return err.WithHint(hint)
}

// errStatement is about a statement that does not hold. What is held against the
// log is refused then, whatever it is.
func errStatement(entry int64, format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindDenied, "holding rows against the log", "statement %d: "+format, append([]any{entry}, args...)...).
		WithReason(ReasonStatement).
		WithHint("somebody changed the database: see what the log says with sealift audit verify --data DIR; the way back is a backup from before")
}
