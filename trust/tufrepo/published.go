package tufrepo

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// ErrForeign is the error of ReadPublished for a repository that is not one
// that goes on from the root that is known.
var ErrForeign = errors.New("it is another repository, or an older state of this one")

// Get returns a published file by its path below the server's /v1/, of at most
// so many bytes; nil, nil if there is none.
type Get func(path string, most int64) ([]byte, error)

// Published is what a published repository says.
type Published struct {
	Roots     []RoleMetadata          // those after the one that is known, oldest first
	Roles     map[string]RoleMetadata // the newest of all other roles
	Trust     []byte                  // trust.json
	Documents map[string][]byte       // the director's targets, by path
	Issued    time.Time               // when the timestamp was signed
}

// ReadPublished reads a repository as it was published, all of it, and verifies
// it from a root that is known on, as a device does, but for one thing: what has
// expired counts. It is for going on above what was published, not for believing
// that it is current.
func ReadPublished(known []byte, get Get) (*Published, error) {
	r := &published{get: get, Published: Published{Roles: map[string]RoleMetadata{}, Documents: map[string][]byte{}}}
	root, err := r.roots(known)
	if err != nil {
		return nil, err
	}
	if err := r.online(root); err != nil {
		return nil, err
	}
	return &r.Published, r.documents()
}

type published struct {
	Published
	get Get
}

// need is get for what must be there.
func (r *published) need(path string, most int64) ([]byte, error) {
	data, err := r.get(path, most)
	if err == nil && data == nil {
		err = errors.New("it is not there")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// roots follows the chain of roots to its end and returns the last one.
func (r *published) roots(known []byte) ([]byte, error) {
	m, err := parse(metadata.Root(), known)
	if err != nil {
		return nil, fmt.Errorf("the root that is known: %w", err)
	}
	version, newest := m.Signed.Version, known
	same, err := r.get(MetadataPath(metadata.ROOT, version), sealift.MaxRoot)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(same, known) {
		return nil, fmt.Errorf("%s: %w", MetadataPath(metadata.ROOT, version), ErrForeign)
	}
	for range sealift.MaxRootRotations {
		path := MetadataPath(metadata.ROOT, version+1)
		next, err := r.get(path, sealift.MaxRoot)
		if err != nil || next == nil {
			return newest, err
		}
		if version, err = CheckRoot(newest, next); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if m, err = parse(metadata.Root(), next); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		r.Roots = append(r.Roots, RoleMetadata{metadata.ROOT, version, m.Signed.Expires, next})
		newest = next
	}
	return newest, nil
}

// online reads timestamp, snapshot, targets with trust.json, and bins: each is
// the version that the one before names.
func (r *published) online(root []byte) error {
	path := MetadataPath(metadata.TIMESTAMP, 0)
	stamp := metadata.Timestamp()
	if err := read(r, metadata.TIMESTAMP, path, sealift.MaxTimestamp, stamp); err != nil {
		return err
	}
	var err error
	if r.Issued, err = IssuedAt(r.Roles[metadata.TIMESTAMP].Content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	named := stamp.Signed.Meta["snapshot.json"]
	if named == nil {
		return fmt.Errorf("%s names no snapshot", path)
	}
	snapshot := metadata.Snapshot()
	if err := read(r, metadata.SNAPSHOT, MetadataPath(metadata.SNAPSHOT, named.Version), sealift.MaxSnapshot, snapshot); err != nil {
		return err
	}
	if err := named.VerifyLengthHashes(r.Roles[metadata.SNAPSHOT].Content); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	for _, role := range append([]string{metadata.TARGETS}, Bins()...) {
		named := snapshot.Signed.Meta[role+".json"]
		if named == nil {
			return fmt.Errorf("the snapshot does not name %s", role)
		}
		m := metadata.Targets()
		if err := read(r, role, MetadataPath(role, named.Version), sealift.MaxTargets, m); err != nil {
			return err
		}
		if m.Signed.Version != named.Version {
			return fmt.Errorf("%s is at version %d, the snapshot names %d", role, m.Signed.Version, named.Version)
		}
	}
	targets := r.Roles[metadata.TARGETS].Content
	if err := r.trust(root, targets); err != nil {
		return err
	}
	return CheckOnline(root, targets, func(role string) ([]byte, error) { return r.Roles[role].Content, nil })
}

func (r *published) trust(root, targets []byte) error {
	digest, listed, err := Lookup(targets, trust.TrustPath)
	if err != nil || !listed {
		return errors.Join(err, errors.New("targets.json does not list trust.json with its SHA-256"))
	}
	if r.Trust, err = r.need(targetAt(trust.TrustPath, digest), sealift.MaxTarget); err != nil {
		return err
	}
	_, err = CheckTargets(root, targets, r.Trust)
	return err
}

// documents reads what the bins list.
func (r *published) documents() error {
	for _, bin := range Bins() {
		m := metadata.Targets()
		if err := unmarshal(r.Roles[bin].Content, m); err != nil {
			return err
		}
		for path, file := range m.Signed.Targets {
			if len(file.Hashes["sha256"]) != len(sealift.Digest{}) {
				return fmt.Errorf("%s lists %.80q without its SHA-256", bin, path)
			}
			content, err := r.need(targetAt(path, sealift.Digest(file.Hashes["sha256"])), sealift.MaxTarget)
			if err != nil {
				return err
			}
			if err := file.VerifyLengthHashes(content); err != nil {
				return fmt.Errorf("%.80q: %w", path, err)
			}
			r.Documents[path] = content
		}
	}
	return nil
}

// read reads the metadata of a role into m. Its signatures are for CheckOnline
// and CheckTargets.
func read[T metadata.Roles](r *published, role, path string, most int64, m *metadata.Metadata[T]) error {
	content, err := r.need(path, most)
	if err != nil {
		return err
	}
	if err := unmarshal(content, m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var version int64
	var expires time.Time
	switch signed := any(&m.Signed).(type) {
	case *metadata.TimestampType:
		version, expires = signed.Version, signed.Expires
	case *metadata.SnapshotType:
		version, expires = signed.Version, signed.Expires
	case *metadata.TargetsType:
		version, expires = signed.Version, signed.Expires
	}
	r.Roles[role] = RoleMetadata{role, version, expires, content}
	return nil
}
