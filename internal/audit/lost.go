package audit

import (
	"bytes"
	"strconv"
	"time"

	"github.com/sealift/sealift/trust"
)

// ActionRestore is the action of the entry by which a vault tells that it came
// back from a backup.
const ActionRestore = "backup.restore"

// RestoreDetail is the detail of such an entry that names the row of the restore,
// as store.Restore.RowName does.
const RestoreDetail = "restore"

// ActionLost stands for the action of an entry whose content was lost.
const ActionLost = "lost"

const (
	lostFirst = "lost-first"
	lostCount = "lost-entries"
)

// LoseEntries says in the entry of a restore that of count entries, from index
// first to the one just before this entry, no more is known than their hashes,
// but for those of releases that were found again.
func (e *Entry) LoseEntries(first, count int64) {
	if count > 0 {
		e.Details[lostFirst], e.Details[lostCount] = strconv.FormatInt(first, 10), strconv.FormatInt(count, 10)
	}
}

// Lost are entries whose contents were lost before a restore. Their hashes are
// those of before, so that whoever kept the contents can still prove them.
type Lost struct {
	First, Count int64
	Restored     time.Time
}

// tellsRestore is in the leaf of every entry of a restore, whose form is one.
var tellsRestore = []byte(`,"action":"` + ActionRestore + `",`)

// lostBefore returns what the entry at index says was lost.
func lostBefore(index int64, leaf []byte) (Lost, bool) {
	if !bytes.Contains(leaf, tellsRestore) { // or every entry of a log would be parsed
		return Lost{}, false
	}
	e, ok := ParseEntry(leaf)
	if !ok || e.Action != ActionRestore || e.Result != OK {
		return Lost{}, false
	}
	first, err1 := strconv.ParseInt(e.Details[lostFirst], 10, 64)
	count, err2 := strconv.ParseInt(e.Details[lostCount], 10, 64)
	return Lost{first, count, e.Time}, err1 == nil && err2 == nil && first >= 0 && count > 0 && first+count == index
}

// losses holds empty entries to what restores say. A restore speaks of the
// entries just before its own, among which are only empty ones and releases; so
// whoever empties others is named by the next entry that is neither.
type losses struct {
	pending bool
	first   int64 // the first empty entry that no restore explains yet
	found   []Lost
}

// see is told of every entry in order.
func (l *losses) see(index int64, leaf []byte) error {
	if len(leaf) == 0 {
		if !l.pending {
			l.pending, l.first = true, index
		}
		return nil
	}
	lost, told := lostBefore(index, leaf)
	if told {
		l.found = append(l.found, lost)
	}
	if !l.pending {
		return nil
	}
	if _, release := trust.ParseLogEntry(leaf); release {
		return nil
	}
	if !told || lost.First > l.first {
		return l.end()
	}
	l.pending = false
	return nil
}

func (l *losses) end() error {
	if !l.pending {
		return nil
	}
	return bad(l.first, "is empty: somebody took its content away; no restore says that it was lost")
}
