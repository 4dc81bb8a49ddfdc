// Package audit keeps the vault's log: append-only, hashed into a Merkle tree,
// written in the transaction that it records.
//
// # Format
//
// The log is a transparency log (RFC 6962 section 2.1, as in
// golang.org/x/mod/sumdb/tlog). A leaf is one of three things:
//
//	{"v":1,"time":"…","actor":{…},"action":"…",…}\n    an Entry: one line of JSON
//	sealift release v1\n<64 hex digits>\n              trust.LogEntry: a release
//	sealift rows v1\n{"before":…,"rows":{…},"mac":"…"}\n  a Statement: how rows are from there on
//
// Entries stay in the vault; what leaves it are hashes. A release's leaf can
// be rebuilt by anyone who has the release, and so be proven to a device.
//
// Checkpoints are C2SP tlog-checkpoint notes: the line "sealift/<vault id>",
// the size and the root hash, signed with Ed25519. Hashes are published as
// C2SP tlog-tiles under log/tile/. The signature of a checkpoint is an act like
// any other: its entry follows the entries that the checkpoint covers, and the
// next checkpoint covers it.
//
// # What it is good for
//
// Verify recomputes every hash from the first leaf on and names the first one
// that was changed, removed or moved. Entries cut off at the end show against
// the hashes that they leave behind and against the latest checkpoint; whoever
// removes those as well, or rewrites the history with fresh checkpoints, is
// shown by any checkpoint that was kept elsewhere: published, or with a device
// or a witness. Entries after the last of all checkpoints have no such proof. A thief of the log
// key can show two histories to two parties that never compare theirs.
//
// The package has no clock: times are arguments.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// ActorKind says what sort of party acted.
type ActorKind string

// The kinds of actor.
const (
	Person  ActorKind = "person"
	Service ActorKind = "service"
	Device  ActorKind = "device"
	System  ActorKind = "system" // Sealift itself, as by its timer
)

// Actor is who acted, and from where.
type Actor struct {
	Kind    ActorKind `json:"kind"`
	ID      string    `json:"id,omitempty"`      // of the person, token or device; the part of the system
	Session string    `json:"session,omitempty"` // id, where a person has signed in
	Address string    `json:"address,omitempty"` // IP address, without a port
}

// Result is how an act ended.
type Result string

// The results.
const (
	OK        Result = "ok"
	Refused   Result = "refused"   // the rules said no
	Failed    Result = "failed"    // it could not be done
	Abandoned Result = "abandoned" // done, and undone with its transaction
)

// Entry is one act.
type Entry struct {
	Time    time.Time // UTC, microseconds
	Actor   Actor
	Action  string            // "key.use"
	Key     string            // id of the key that acted, if one did
	Version uint64            // of that key
	Subject string            // what it was done to: "sha256:…", "com.acme.shop/production"
	Details map[string]string // more, by name; nothing secret
	Result  Result
}

// entryJSON is the leaf's form. Fields stand in this order and maps are sorted
// by encoding/json, so that equal entries have equal bytes.
type entryJSON struct {
	V       int               `json:"v"`
	Time    string            `json:"time"`
	Actor   Actor             `json:"actor"`
	Action  string            `json:"action"`
	Key     string            `json:"key,omitempty"`
	Version uint64            `json:"version,omitempty"`
	Subject string            `json:"subject,omitempty"`
	Details map[string]string `json:"details,omitempty"`
	Result  Result            `json:"result"`
}

const timeForm = "2006-01-02T15:04:05.000000Z"

// maxEntry bounds a leaf: an entry tells of one act in a few words.
const maxEntry = 16 << 10

// Leaf returns the bytes that are hashed into the log.
func (e Entry) Leaf() ([]byte, error) {
	line, err := json.Marshal(entryJSON{1, e.Time.UTC().Format(timeForm), e.Actor, e.Action, e.Key, e.Version, e.Subject, e.Details, e.Result})
	if err != nil {
		return nil, err
	}
	if len(line) >= maxEntry {
		return nil, fmt.Errorf("an entry of %d bytes, at most %d are allowed", len(line), maxEntry)
	}
	return append(line, '\n'), nil
}

// ParseEntry reads the leaf of an Entry. ok is false for a leaf of another
// kind, such as that of a release, and for any that Leaf would not have written.
func ParseEntry(leaf []byte) (e Entry, ok bool) {
	var j entryJSON
	if json.Unmarshal(leaf, &j) != nil || j.V != 1 {
		return Entry{}, false
	}
	at, err := time.Parse(timeForm, j.Time)
	if err != nil {
		return Entry{}, false
	}
	e = Entry{at, j.Actor, j.Action, j.Key, j.Version, j.Subject, j.Details, j.Result}
	if again, err := e.Leaf(); err != nil || !bytes.Equal(again, leaf) {
		return Entry{}, false
	}
	return e, true
}

// Append records an act in tx and returns its index. No entry, no act: a
// caller that gets an error must not let its act happen.
func Append(ctx context.Context, tx store.AuditTx, e Entry) (int64, error) {
	leaf, err := e.Leaf()
	if err != nil {
		return 0, sealift.Errorf(sealift.KindInternal, "recording "+e.Action, "%w", err)
	}
	return AppendLeaf(ctx, tx, leaf)
}

// Record is a leaf of the log as it stands there.
type Record struct {
	Index int64
	Leaf  []byte
	Entry *Entry // what Leaf says; nil for a leaf of another kind
}

// Records lists the log from index first on, at most limit of it, in order.
// What it lists is not verified.
func Records(ctx context.Context, tx store.AuditTx, first int64, limit int) ([]Record, error) {
	rows, err := tx.AuditEntries(ctx, first, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(rows))
	for i, row := range rows {
		out[i] = recordOf(row.Index, row.Leaf)
	}
	return out, nil
}

func recordOf(index int64, leaf []byte) Record {
	r := Record{Index: index, Leaf: leaf}
	if e, ok := ParseEntry(leaf); ok {
		r.Entry = &e
	}
	return r
}

// Leaves lists the log from index first on with the hashes that were stored
// with it, at most limit of it and about maxLeaves bytes, in order. What it
// lists is not verified.
func Leaves(ctx context.Context, tx store.AuditTx, first int64, limit int) ([]Stored, error) {
	rows, err := tx.AuditEntries(ctx, first, limit)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out := make([]Stored, 0, len(rows))
	indexes := make([]int64, 0, len(rows))
	for bytes := 0; len(out) < len(rows) && bytes < maxLeaves; {
		row := rows[len(out)]
		out = append(out, Stored{Index: row.Index, Leaf: row.Leaf})
		indexes = append(indexes, tlog.StoredHashIndex(0, row.Index))
		bytes += len(row.Leaf)
	}
	hashes, err := tx.AuditHashes(ctx, indexes)
	for i := range hashes {
		out[i].Hash = hashes[i]
	}
	return out, err
}

// maxLeaves bounds what Leaves returns, in bytes: as base64 in JSON it is well
// under what a client reads.
const maxLeaves = 4 << 20
