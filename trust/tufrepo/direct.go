package tufrepo

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Online are the keys that sign what changes from day to day.
type Online struct {
	Director, Snapshot, Timestamp crypto.Signer
	// Earlier are directors of before, whose bins Director goes on from. A bin
	// that neither signed is not gone on from: whoever writes to where it is kept
	// would else have the next signature say what they like.
	Earlier []crypto.PublicKey
	// TimestampLife is how long a timestamp is good for, between
	// sealift.MinTimestampLife and sealift.MaxTimestampLife.
	TimestampLife time.Duration
	// Above are versions, by role, that the next one must exceed even where the
	// current one is lower: what may have been published by a repository of
	// before, from whose backup this one was restored.
	Above map[string]int64
}

// Current yields the newest signed metadata of a role: "targets", "snapshot",
// "timestamp" or a bin. For a role that has none yet it returns nil, nil.
type Current func(role string) ([]byte, error)

// Update is what Direct signed: the new metadata by role, to be kept as what
// Current yields next, and the files to publish, in their order.
type Update struct {
	Roles []RoleMetadata
	Files []File
}

// RoleMetadata is the new metadata of one role.
type RoleMetadata struct {
	Role    string
	Version int64
	Expires time.Time
	Content []byte
}

// Direct applies changes to the director's targets at the time now. Bins that
// do not exist yet or that expire before renewBefore are signed anew as well;
// so is the snapshot when anything beneath it changed or when it expires
// before then. The timestamp is always signed.
func Direct(current Current, changes []Target, keys Online, now, renewBefore time.Time) (*Update, error) {
	if keys.TimestampLife < sealift.MinTimestampLife || keys.TimestampLife > sealift.MaxTimestampLife {
		return nil, fmt.Errorf("a timestamp life of %s, %s to %s are allowed", keys.TimestampLife, sealift.MinTimestampLife, sealift.MaxTimestampLife)
	}
	d := &direction{current: current, keys: keys, now: now.UTC().Truncate(time.Second), renewBefore: renewBefore}
	snapshot, err := d.snapshot()
	if err != nil {
		return nil, err
	}
	changed, err := d.bins(changes, snapshot)
	if err != nil {
		return nil, err
	}
	targets, err := d.targetsVersion()
	if err != nil {
		return nil, err
	}
	if have := snapshot.Signed.Meta["targets.json"]; have == nil || have.Version != targets {
		snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(targets)
		changed = true
	}
	if changed || snapshot.Signed.Version == 0 || snapshot.Signed.Expires.Before(renewBefore) {
		if err := d.signSnapshot(snapshot); err != nil {
			return nil, err
		}
	}
	if err := d.signTimestamp(snapshot); err != nil {
		return nil, err
	}
	return &d.out, nil
}

type direction struct {
	current     Current
	keys        Online
	now         time.Time
	renewBefore time.Time
	out         Update
	newSnapshot []byte // nil if the old one stays
}

func (d *direction) snapshot() (*metadata.Metadata[metadata.SnapshotType], error) {
	m := metadata.Snapshot()
	m.Signed.Version = 0
	m.Signed.Meta = map[string]*metadata.MetaFiles{}
	data, err := d.current(metadata.SNAPSHOT)
	if err != nil || data == nil {
		return m, err
	}
	if err := unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("reading the current snapshot: %w", err)
	}
	return m, nil
}

func (d *direction) targetsVersion() (int64, error) {
	data, err := d.current(metadata.TARGETS)
	if err != nil {
		return 0, err
	}
	m := metadata.Targets()
	if err := unmarshal(data, m); err != nil {
		return 0, fmt.Errorf("reading targets.json: %w", err)
	}
	return m.Signed.Version, nil
}

// bins signs every bin that changes, is missing or ends soon, and enters it in
// the snapshot.
func (d *direction) bins(changes []Target, snapshot *metadata.Metadata[metadata.SnapshotType]) (bool, error) {
	byBin := map[string][]Target{}
	for _, change := range changes {
		if change.Path == trust.TrustPath || len(change.Content) > sealift.MaxTarget {
			return false, fmt.Errorf("target %s of %d bytes is not for the director", change.Path, len(change.Content))
		}
		name := BinOf(change.Path)
		byBin[name] = append(byBin[name], change)
	}
	changed := false
	for number, name := range Bins() {
		signed, err := d.bin(int64(number), name, byBin[name], snapshot)
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		changed = changed || signed
	}
	return changed, nil
}

func (d *direction) bin(number int64, name string, changes []Target, snapshot *metadata.Metadata[metadata.SnapshotType]) (bool, error) {
	known := snapshot.Signed.Meta[name+".json"] != nil
	data, err := d.current(name)
	if err != nil {
		return false, err
	}
	if known != (data != nil) {
		return false, errors.New("the snapshot and the bin disagree on whether it exists")
	}
	if known && len(changes) == 0 {
		// Most bins, most of the time: only their expiry is read.
		if expires, err := expiryOf(data); err != nil || !expires.Before(d.renewBefore) {
			return false, err
		}
	}
	m := metadata.Targets()
	m.Signed.Version = 0
	if known {
		if err := d.readBin(data, m); err != nil {
			return false, err
		}
		if have := snapshot.Signed.Meta[name+".json"].Version; have != m.Signed.Version {
			return false, fmt.Errorf("the snapshot has version %d of it, and it is of version %d", have, m.Signed.Version)
		}
	}
	for _, change := range changes {
		if change.Content == nil {
			delete(m.Signed.Targets, change.Path)
			continue
		}
		m.Signed.Targets[change.Path] = targetFile(change.Content)
		d.publish(TargetPath(change.Path, change.Content), change.Content)
	}
	m.Signed.Version = nextBinVersion(number, max(m.Signed.Version, d.keys.Above[name]))
	m.Signed.Expires = d.now.Add(sealift.BinsLife)
	content, err := signAll(m, []crypto.Signer{d.keys.Director})
	if err != nil {
		return false, err
	}
	d.keep(name, m.Signed.Version, m.Signed.Expires, content)
	snapshot.Signed.Meta[name+".json"] = metadata.MetaFile(m.Signed.Version)
	return true, nil
}

// ErrForeignBin is the error of a bin that no director of this repository signed.
var ErrForeignBin = errors.New("no director's key of here signed what is to be gone on from")

// readBin reads a bin that the director signed, now or before.
func (d *direction) readBin(data []byte, m *metadata.Metadata[metadata.TargetsType]) error {
	if err := unmarshal(data, m); err != nil {
		return err
	}
	if err := signedBy(append([]crypto.PublicKey{d.keys.Director.Public()}, d.keys.Earlier...), metadata.TARGETS, m); err != nil {
		return fmt.Errorf("%w: %w", ErrForeignBin, err)
	}
	return nil
}

// nextBinVersion returns the version that follows current, 0 being none, of the
// bin of that number. No two bins ever have the same one: see the package's
// comment.
func nextBinVersion(number, current int64) int64 { return (current>>BinBits+1)<<BinBits + number }

func expiryOf(signed []byte) (time.Time, error) {
	var m struct {
		Signed struct {
			Expires time.Time `json:"expires"`
		} `json:"signed"`
	}
	err := json.Unmarshal(signed, &m)
	return m.Signed.Expires, err
}

func (d *direction) signSnapshot(m *metadata.Metadata[metadata.SnapshotType]) error {
	m.Signed.Version = max(m.Signed.Version, d.keys.Above[metadata.SNAPSHOT]) + 1
	m.Signed.Expires = d.now.Add(sealift.SnapshotLife)
	content, err := signAll(m, []crypto.Signer{d.keys.Snapshot})
	if err != nil {
		return err
	}
	d.keep(metadata.SNAPSHOT, m.Signed.Version, m.Signed.Expires, content)
	d.newSnapshot = content
	return nil
}

func (d *direction) signTimestamp(snapshot *metadata.Metadata[metadata.SnapshotType]) error {
	m := metadata.Timestamp()
	m.Signed.Version = 0
	data, err := d.current(metadata.TIMESTAMP)
	if err != nil {
		return err
	}
	if data != nil {
		if err := unmarshal(data, m); err != nil {
			return fmt.Errorf("reading the current timestamp: %w", err)
		}
	}
	if d.newSnapshot != nil {
		meta := metadata.MetaFile(snapshot.Signed.Version)
		file := targetFile(d.newSnapshot)
		meta.Length, meta.Hashes = file.Length, file.Hashes
		m.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": meta}
	}
	m.Signed.Version = max(m.Signed.Version, d.keys.Above[metadata.TIMESTAMP]) + 1
	m.Signed.Expires = d.now.Add(d.keys.TimestampLife)
	m.Signed.UnrecognizedFields = map[string]any{Issued: trust.At(d.now).UTC().Format(time.RFC3339)}
	content, err := signAll(m, []crypto.Signer{d.keys.Timestamp})
	if err != nil {
		return err
	}
	d.keep(metadata.TIMESTAMP, m.Signed.Version, m.Signed.Expires, content)
	return nil
}

func (d *direction) keep(role string, version int64, expires time.Time, content []byte) {
	d.out.Roles = append(d.out.Roles, RoleMetadata{role, version, expires, content})
	d.publish(MetadataPath(role, version), content)
}

func (d *direction) publish(path string, content []byte) {
	d.out.Files = append(d.out.Files, File{path, bytes.Clone(content)})
}

// Lookup returns what the given bin metadata says of a target: its SHA-256 and
// whether it is listed.
func Lookup(bin []byte, target string) (sealift.Digest, bool, error) {
	m := metadata.Targets()
	if err := unmarshal(bin, m); err != nil {
		return sealift.Digest{}, false, err
	}
	file := m.Signed.Targets[target]
	if file == nil || len(file.Hashes["sha256"]) != len(sealift.Digest{}) {
		return sealift.Digest{}, false, nil
	}
	return sealift.Digest(file.Hashes["sha256"]), true, nil
}

// CheckRoot verifies that next may follow current: the version after it,
// signed by the quorum of both (TUF specification 1.0, section 5.3). A nil
// current takes next on its own quorum, as a first root.
func CheckRoot(current, next []byte) (version int64, err error) {
	n, err := parse(metadata.Root(), next)
	if err != nil {
		return 0, err
	}
	if current != nil {
		c, err := parse(metadata.Root(), current)
		if err != nil {
			return 0, err
		}
		if err := checkSuccessor(c, n); err != nil {
			return 0, err
		}
		if err := verify(c, metadata.ROOT, n); err != nil {
			return 0, fmt.Errorf("the current quorum did not sign it: %w", err)
		}
	}
	if err := verify(n, metadata.ROOT, n); err != nil {
		return 0, fmt.Errorf("its own quorum did not sign it: %w", err)
	}
	if !n.Signed.ConsistentSnapshot {
		return 0, errNotConsistent
	}
	return n.Signed.Version, nil
}

var errNotConsistent = errors.New("it does not ask for consistent snapshots, as which everything is published")

// CheckSuccessor is CheckRoot without the signatures: what people look at before
// they sign.
func CheckSuccessor(current, next []byte) error {
	c, err := parse(metadata.Root(), current)
	if err != nil {
		return err
	}
	n, err := parse(metadata.Root(), next)
	if err != nil {
		return err
	}
	if !n.Signed.ConsistentSnapshot {
		return errNotConsistent
	}
	return checkSuccessor(c, n)
}

func checkSuccessor(current, next *metadata.Metadata[metadata.RootType]) error {
	if next.Signed.Version != current.Signed.Version+1 {
		return fmt.Errorf("version %d cannot follow version %d", next.Signed.Version, current.Signed.Version)
	}
	for name, role := range next.Signed.Roles {
		if role == nil {
			return fmt.Errorf("role %.40q is null", name)
		}
		keys, err := keysOf(role.KeyIDs, next.Signed.Keys)
		if err != nil {
			return fmt.Errorf("role %.40q: %w", name, err)
		}
		if role.Threshold < 1 || role.Threshold > len(keys) { // nothing would be believed of that role
			return fmt.Errorf("role %.40q: %d of %d keys cannot sign", name, role.Threshold, len(keys))
		}
		seen := map[string]bool{}
		for _, key := range keys {
			id, err := trust.KeyID(key)
			if err != nil {
				return fmt.Errorf("role %.40q: %w", name, err)
			}
			if seen[id] { // under two ids it would count twice
				return fmt.Errorf("role %.40q has the key sha256:%s twice", name, id)
			}
			seen[id] = true
		}
	}
	return nil
}

// CheckTargets verifies that root's targets quorum signed targets.json and
// that it lists exactly trust.json with this content and delegates to succinct
// bins alone.
func CheckTargets(root, targets, trustJSON []byte) (version int64, err error) {
	r, err := parse(metadata.Root(), root)
	if err != nil {
		return 0, err
	}
	t, err := parse(metadata.Targets(), targets)
	if err != nil {
		return 0, err
	}
	if err := verify(r, metadata.TARGETS, t); err != nil {
		return 0, err
	}
	if err := checkListing(t, trustJSON); err != nil {
		return 0, err
	}
	return t.Signed.Version, nil
}

// CheckListing is CheckTargets without the signatures: what people look at before
// they sign.
func CheckListing(targets, trustJSON []byte) error {
	t, err := parse(metadata.Targets(), targets)
	if err != nil {
		return err
	}
	return checkListing(t, trustJSON)
}

func checkListing(t *metadata.Metadata[metadata.TargetsType], trustJSON []byte) error {
	file := t.Signed.Targets[trust.TrustPath]
	if file == nil || len(t.Signed.Targets) != 1 {
		return errors.New("targets.json must list trust.json and nothing else")
	}
	if len(file.Hashes["sha256"]) == 0 {
		return errors.New("targets.json must list trust.json with its SHA-256")
	}
	if err := file.VerifyLengthHashes(trustJSON); err != nil {
		return err
	}
	d := t.Signed.Delegations
	if d == nil || d.SuccinctRoles == nil || len(d.Roles) != 0 || d.SuccinctRoles.BitLength != BinBits || d.SuccinctRoles.NamePrefix != BinPrefix {
		return errors.New("targets.json must delegate to the succinct bins and to nothing else")
	}
	if d.SuccinctRoles.Threshold != 1 {
		return fmt.Errorf("targets.json wants %d signatures of the bins, and the director makes one", d.SuccinctRoles.Threshold)
	}
	return nil
}

// CheckOnline verifies the timestamp, the snapshot and every bin under root and
// targets, as a device would.
func CheckOnline(root, targets []byte, current Current) error {
	r, err := parse(metadata.Root(), root)
	if err != nil {
		return err
	}
	t, err := parse(metadata.Targets(), targets)
	if err != nil {
		return err
	}
	if err := checkRole(r, metadata.Timestamp(), metadata.TIMESTAMP, current); err != nil {
		return err
	}
	if err := checkRole(r, metadata.Snapshot(), metadata.SNAPSHOT, current); err != nil {
		return err
	}
	for _, bin := range Bins() {
		if err := checkRole(t, metadata.Targets(), bin, current); err != nil {
			return err
		}
	}
	return nil
}

// checkRole reads the current metadata of a role into m and verifies it by its
// delegator.
func checkRole[D, T metadata.Roles](delegator *metadata.Metadata[D], m *metadata.Metadata[T], role string, current Current) error {
	data, err := current(role)
	if err != nil {
		return err
	}
	if err := unmarshal(data, m); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	if err := verify(delegator, role, m); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return nil
}

// IssuedAt returns when timestamp metadata that this repository signed was
// signed.
func IssuedAt(timestamp []byte) (time.Time, error) {
	m := metadata.Timestamp()
	if err := unmarshal(timestamp, m); err != nil {
		return time.Time{}, err
	}
	text, _ := m.Signed.UnrecognizedFields[Issued].(string)
	return trust.ParseIssued(text)
}
