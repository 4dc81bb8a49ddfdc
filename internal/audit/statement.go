package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sealift/sealift/trust"
)

// Statement is a leaf that says of rows how they are from there on: what each
// must bear, or that it is gone. The vault ends every transaction with one that
// wrote such rows, so that the newest statement about a row tells whether the row
// is the one that was written last. Package vault makes and checks its MAC.
type Statement struct {
	Before int64             // index of the statement before it; -1 for the first
	All    bool              // every row is stated from here on: it is the first of a vault's log
	Rows   map[string]string // by kind and name, as "token/4f…": the row's MAC in hex, or "" for one that is gone
	MAC    []byte            // over all of it, its place in the log and the MAC of the one before
}

// statementJSON is the form of a Statement behind its first line.
type statementJSON struct {
	Before int64             `json:"before"`
	All    bool              `json:"all,omitempty"`
	Rows   map[string]string `json:"rows"`
	MAC    []byte            `json:"mac"`
}

const statementHead = "sealift rows v1\n"

// Leaf returns the bytes that are hashed into the log.
func (s Statement) Leaf() ([]byte, error) {
	line, err := json.Marshal(statementJSON(s))
	if err != nil {
		return nil, err
	}
	if len(line) >= maxEntry {
		return nil, fmt.Errorf("a statement of %d bytes, at most %d are allowed", len(line), maxEntry)
	}
	return append([]byte(statementHead), append(line, '\n')...), nil
}

// IsStatement reports whether a leaf is meant to be one, well formed or not.
func IsStatement(leaf []byte) bool { return bytes.HasPrefix(leaf, []byte(statementHead)) }

// ParseStatement reads what Leaf wrote; ok is false for any other leaf. Nothing
// is verified.
func ParseStatement(leaf []byte) (s Statement, ok bool) {
	line, ok := strings.CutPrefix(string(leaf), statementHead)
	if !ok {
		return Statement{}, false
	}
	var j statementJSON
	if json.Unmarshal([]byte(line), &j) != nil {
		return Statement{}, false
	}
	s = Statement(j)
	if again, err := s.Leaf(); err != nil || !bytes.Equal(again, leaf) {
		return Statement{}, false
	}
	return s, true
}

// The actions that stand for what a leaf is that is no Entry.
const (
	ActionRelease    = "release"
	ActionRows       = "rows"
	actionUnreadable = "unreadable"
)

// Action returns the action of an entry, or for a leaf of another kind what it
// is: ActionRelease, ActionRows, ActionLost, or "unreadable".
func (r Record) Action() string {
	switch {
	case r.Entry != nil:
		return r.Entry.Action
	case len(r.Leaf) == 0:
		return ActionLost
	case IsStatement(r.Leaf):
		return ActionRows
	}
	if _, ok := trust.ParseLogEntry(r.Leaf); ok {
		return ActionRelease
	}
	return actionUnreadable
}
