package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Memory is what outlives the metadata cache: the highest versions that a
// repository was seen at, and the trusted time. The cache may be lost, emptied
// or put back by someone else; without a Memory that would be a way back to
// old metadata.
//
// What a role vouched for is remembered together with the role's keys: the
// timestamp vouches for its own version and the snapshot's, the snapshot for
// those of targets and bins. Once a root names other keys for the role, what
// the old ones said counts no longer (TUF specification 1.0, section 5.3.11):
// that is how devices recover after a thief signed version 2^31 or the year
// 2099.
type Memory struct {
	Root      int64       `json:"root,omitempty"` // the highest version
	Timestamp RoleMemory  `json:"timestamp"`      // "timestamp", "snapshot"
	Snapshot  RoleMemory  `json:"snapshot"`       // "targets", bins that were loaded
	Issued    IssuedStamp `json:"issued"`
}

// RoleMemory is what one role vouched for.
type RoleMemory struct {
	Keys     sealift.Digest   `json:"keys"` // of the role's keys
	Versions map[string]int64 `json:"versions,omitempty"`
}

// IssuedStamp is the greatest "issued" of the timestamps that these keys
// signed.
type IssuedStamp struct {
	Keys sealift.Digest `json:"keys"`
	At   time.Time      `json:"at"`
}

// MemoryStore keeps a Memory. Swap puts next in the place of old and fails
// with KindConflict if something else is there by now; it is durable when it
// returns.
type MemoryStore interface {
	Load() (Memory, error)
	Swap(old, next Memory) error
}

// equal compares what two memories mean.
func (m Memory) equal(n Memory) bool {
	return m.Root == n.Root && m.Issued.Keys == n.Issued.Keys && m.Issued.At.Equal(n.Issued.At) &&
		m.Timestamp.equal(n.Timestamp) && m.Snapshot.equal(n.Snapshot)
}

func (r RoleMemory) equal(s RoleMemory) bool {
	return r.Keys == s.Keys && maps.Equal(r.Versions, s.Versions)
}

// raise returns r with version as the least for name, under the keys that
// vouch for it now.
func (r RoleMemory) raise(keys sealift.Digest, name string, version int64) RoleMemory {
	next := RoleMemory{Keys: keys, Versions: map[string]int64{}}
	if r.Keys == keys {
		maps.Copy(next.Versions, r.Versions)
	}
	next.Versions[name] = max(next.Versions[name], version)
	return next
}

// floor is the least version for name that the holder of keys may still name.
func (r RoleMemory) floor(keys sealift.Digest, name string) int64 {
	if r.Keys != keys {
		return 0
	}
	return r.Versions[name]
}

// fingerprint names the set of keys that a root gives to a role: ids and
// public keys, since the id of a key need not be derived from it.
func fingerprint(root *metadata.RootType, role string) sealift.Digest {
	return fingerprintOf(slices.Clone(root.Roles[role].KeyIDs), root.Keys)
}

// directors names the set of keys to which targets.json delegates its bins.
func directors(targets *metadata.TargetsType) sealift.Digest {
	if targets.Delegations == nil || targets.Delegations.SuccinctRoles == nil {
		return sealift.Digest{}
	}
	return fingerprintOf(slices.Clone(targets.Delegations.SuccinctRoles.KeyIDs), targets.Delegations.Keys)
}

// fingerprintOf names a set of keys. It sorts ids.
func fingerprintOf(ids []string, keys map[string]*metadata.Key) sealift.Digest {
	slices.Sort(ids)
	var b strings.Builder
	for _, id := range slices.Compact(ids) {
		b.WriteString(strconv.Quote(id))
		if key := keys[id]; key != nil {
			b.WriteString(strconv.Quote(key.Value.PublicKey))
		}
	}
	return sealift.DigestOf([]byte(b.String()))
}

// fileMemory is a MemoryStore in one file, for metadata without a device.
type fileMemory struct {
	files Files
	name  string
}

// Load implements MemoryStore. A missing file is an empty Memory; one that
// does not parse is an error, since to forget is to let old metadata in.
func (f fileMemory) Load() (Memory, error) {
	const op = "reading the remembered versions"
	data, err := f.files.ReadFile(f.name, sealift.MaxState)
	if errors.Is(err, fs.ErrNotExist) {
		return Memory{}, nil
	}
	if err != nil {
		return Memory{}, diskError(op, err)
	}
	var m Memory
	if err := strictjson.Unmarshal(data, sealift.MaxState, &m); err != nil {
		return Memory{}, sealift.Errorf(sealift.KindInternal, op, "%s: %w", f.name, err).WithReason("damaged").
			WithHint("the disk may be failing; without this file older metadata would be believed, so remove it only if that is all right")
	}
	return m, nil
}

// Swap implements MemoryStore.
func (f fileMemory) Swap(old, next Memory) error {
	const op = "writing the remembered versions"
	lock, err := lockSoon(f.files, f.name+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	stored, err := f.Load()
	if err != nil {
		return err
	}
	if !stored.equal(old) {
		return sealift.Errorf(sealift.KindConflict, op, "another process changed them meanwhile").WithHint("try again")
	}
	data, err := json.Marshal(next)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if err := f.files.WriteFile(f.name, append(bytes.TrimSpace(data), '\n'), 0o600); err != nil {
		return diskError(op, err)
	}
	return nil
}
