package client

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
	"github.com/sealift/sealift/trust"
)

// stateFormat is the format of state.json.
const stateFormat = 1

// state is state.json: the truth about a device. Folders, links and caches are
// brought in line with it, never the other way round.
type state struct {
	Format   int    `json:"format"`
	Revision uint64 `json:"revision"` // what compare-and-swap compares

	App      sealift.AppID   `json:"app"`
	Vault    sealift.VaultID `json:"vault,omitempty"` // once it is known
	Enrolled bool            `json:"enrolled"`

	Memory Memory     `json:"memory"`
	Log    trust.Seen `json:"log"` // the log's state that was verified last, and the keys it is bound to

	Assigned *assigned `json:"assigned,omitempty"` // nil before the first one

	// Confirmed is the highest counter ever confirmed. What is installed may
	// have been replaced since by one with a lower version.
	Confirmed sealift.Counter `json:"confirmed"`
	Installed *Installed      `json:"installed,omitempty"` // the last good release
	Previous  *Installed      `json:"previous,omitempty"`  // the one before it, which is on the disk no more
	Pending   *Pending        `json:"pending,omitempty"`   // in place, and not proven yet
	// Refused are the release.json files of releases that failed here, oldest
	// first: never again. RefusedPayloads are what they say, which is the same
	// however the file is spelled; those that failed before this was kept are in
	// Refused alone. RefusedArchives are what they brought: a roll-back, a promotion or
	// a re-issue of it is refused as well. Lapsed are those that failed only by a clock
	// which nobody watched: once more.
	Refused         []sealift.Digest `json:"refused,omitempty"`
	RefusedPayloads []sealift.Digest `json:"refusedPayloads,omitempty"`
	RefusedArchives []sealift.Digest `json:"refusedArchives,omitempty"`
	Lapsed          []sealift.Digest `json:"lapsed,omitempty"` // by name
	Blocked         bool             `json:"blocked"`          // Installed is under a floor

	Excluded string `json:"excluded,omitempty"` // why the channel in Reports is not for this device

	Reports reports `json:"reports,omitzero"` // what is to be told, and was
}

// Installed is a release in one of the two bundle folders.
type Installed struct {
	Release sealift.Digest  `json:"release"`          // of release.json
	Payload sealift.Digest  `json:"payload,omitzero"` // what it signs; zero if installed before this was kept
	Version sealift.Version `json:"version"`
	Counter sealift.Counter `json:"counter"`
	Archive trust.Pointer   `json:"archive"`
	Slot    string          `json:"slot"` // "a" or "b"
}

// Pending is a release that "current" points at and that has yet to show that
// it works.
type Pending struct {
	Installed
	// ConfirmBy is when it is taken back unless Confirm was called, and
	// ConfirmFrom when that wait began, both by the machine's clock; nil if a
	// health check decides.
	ConfirmBy   *time.Time `json:"confirmBy,omitempty"`
	ConfirmFrom *time.Time `json:"confirmFrom,omitempty"`
	// Tries is how often the health check was begun. One that takes the machine
	// down with it never ends.
	Tries int `json:"tries"`
}

// name is what a release is known by: its payload, unless only the digest of
// its file was kept.
func (i *Installed) name() sealift.Digest {
	if i.Payload.IsZero() {
		return i.Release
	}
	return i.Payload
}

// is reports whether this is the release that was verified, however the file of
// either is spelled: who holds no key can change that (unknown fields, further
// signatures), and so its digest.
func (i *Installed) is(v *trust.Verified) bool {
	return i.Release == v.Digest || i.Payload == v.Payload
}

// waits reports whether the release which, or any if that is zero, is pending.
func (s *state) waits(which sealift.Digest) bool {
	return s.Pending != nil && (which.IsZero() || s.Pending.Release == which)
}

// slot names the folder that "current" should point to, "" for none.
func (s *state) slot() string {
	switch {
	case s.Pending != nil:
		return s.Pending.Slot
	case s.Installed != nil:
		return s.Installed.Slot
	}
	return ""
}

// idle names the folder that the next release goes to.
func (s *state) idle() string {
	if s.Installed != nil && s.Installed.Slot == "a" {
		return "b"
	}
	return "a"
}

// confirm makes the pending release the last good one.
func (s *state) confirm() {
	s.Confirmed = max(s.Confirmed, s.Pending.Counter)
	s.Previous, s.Installed = s.Installed, &s.Pending.Installed
	s.Pending, s.Blocked = nil, false
}

// revert gives the pending release up for good.
func (s *state) revert() {
	s.Refused = remember(s.Refused, s.Pending.Release)
	if !s.Pending.Payload.IsZero() {
		s.RefusedPayloads = remember(s.RefusedPayloads, s.Pending.Payload)
	}
	s.RefusedArchives = remember(s.RefusedArchives, s.Pending.Archive.Digest)
	s.Pending = nil
}

// failedOn reports whether a release failed here: in another spelling, or under
// another name, which the vault gave to the same archive. What an author publishes
// anew is another release, whatever is in it.
func (s *state) failedOn(v *trust.Verified) bool {
	return slices.Contains(s.RefusedPayloads, v.Payload) ||
		v.Release.Act != sealift.ActRelease && slices.Contains(s.RefusedArchives, v.Release.Archive.Digest)
}

// lapse gives the pending release up, and the second time for good.
func (s *state) lapse() {
	if slices.Contains(s.Lapsed, s.Pending.name()) {
		s.revert()
		return
	}
	s.Lapsed = remember(s.Lapsed, s.Pending.name())
	s.Pending = nil
}

// remember adds a digest to a list, in which the oldest make room.
func remember(list []sealift.Digest, d sealift.Digest) []sealift.Digest {
	list = append(slices.Clone(list), d)
	return list[max(0, len(list)-sealift.MaxRefusedReleases):]
}

const (
	stateFile = "state.json"
	stateLock = "state.lock"
)

// stateStore keeps the state. Besides the agent, "confirm" writes it from
// another process.
type stateStore struct {
	files Files
}

// load reads the state; a new device has an empty one.
func (s stateStore) load() (state, error) {
	const op = "reading the device's state"
	data, err := s.files.ReadFile(stateFile, sealift.MaxState)
	if errors.Is(err, fs.ErrNotExist) {
		return state{Format: stateFormat}, nil
	}
	if err != nil {
		return state{}, diskError(op, err)
	}
	var st state
	if err := strictjson.Unmarshal(data, sealift.MaxState, &st); err != nil {
		return state{}, sealift.Errorf(sealift.KindInternal, op, "%s: %w", stateFile, err).WithReason("damaged").
			WithHint("the disk may be failing; begin with an empty folder and enrol anew")
	}
	if st.Format != stateFormat {
		return state{}, sealift.Errorf(sealift.KindInvalid, op, "%s has format %d, this program knows %d", stateFile, st.Format, stateFormat).
			WithReason("format").WithHint("use a newer program")
	}
	return st, nil
}

// swap puts next in the place of old, or fails with KindConflict if old is not
// what is stored.
func (s stateStore) swap(old, next state) error {
	const op = "writing the device's state"
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	stored, err := s.load()
	if err != nil {
		return err
	}
	if stored.Revision != old.Revision {
		return sealift.Errorf(sealift.KindConflict, op, "another process changed it meanwhile").WithReason("changed").WithHint("try again")
	}
	next.Revision = old.Revision + 1
	data, err := json.Marshal(next)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if err := s.files.WriteFile(stateFile, append(data, '\n'), 0o600); err != nil {
		return diskError(op, err)
	}
	return nil
}

func (s stateStore) lock() (io.Closer, error) { return lockSoon(s.files, stateLock) }

// changedMeanwhile is why something is not written that was decided by what is no
// more.
func changedMeanwhile(op string) error {
	return sealift.Errorf(sealift.KindConflict, op, "another process changed the device meanwhile").WithReason("meanwhile").WithHint("try again")
}

// lockSoon waits for the lock of a write, which takes as long as a disk's sync.
func lockSoon(files Files, name string) (io.Closer, error) {
	const patience, pause = 5 * time.Second, 20 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		lock, err := files.Lock(name)
		if sealift.KindOf(err) != sealift.KindConflict {
			return lock, err
		}
		if waited >= patience {
			return nil, err
		}
		time.Sleep(pause)
	}
}

// change applies f to what is stored, again if somebody else got in between.
// f must depend on nothing but the state it is given.
func (s stateStore) change(f func(*state) error) (state, error) {
	const attempts = 10
	for i := 0; ; i++ {
		old, err := s.load()
		if err != nil {
			return old, err
		}
		next := old
		if err := f(&next); err != nil {
			return old, err
		}
		err = s.swap(old, next)
		if sealift.ReasonOf(err) == "changed" && i < attempts {
			continue
		}
		return next, err
	}
}

// stateMemory is the MemoryStore within a device's state.
type stateMemory struct {
	store stateStore
}

// Load implements MemoryStore.
func (m stateMemory) Load() (Memory, error) {
	s, err := m.store.load()
	return s.Memory, err
}

// Swap implements MemoryStore.
func (m stateMemory) Swap(old, next Memory) error {
	_, err := m.store.change(func(s *state) error {
		if !s.Memory.equal(old) {
			return sealift.Errorf(sealift.KindConflict, "writing the remembered versions", "another process changed them meanwhile").WithHint("try again")
		}
		s.Memory = next
		return nil
	})
	return err
}
