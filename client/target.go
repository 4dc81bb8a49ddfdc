package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
)

// targetsDir is where small targets are kept, named by their SHA-256.
const targetsDir = "targets"

// TopLevel returns the content of a target that targets.json itself lists. It
// never looks into a delegated role: a thief of the director's key, who got
// the people at the top to stop listing trust.json, could otherwise bring his
// own.
func (m *Metadata) TopLevel(ctx context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return nil, notRefreshed(name)
	}
	file := m.up.GetTopLevelTargets()[name]
	if file == nil {
		return nil, sealift.Errorf(sealift.KindMetadata, "reading "+name, "targets.json does not list it").WithReason("missing").
			WithHint("check that the root and the server belong together")
	}
	return m.small(ctx, file)
}

// directors names the keys that vouch for what Delegated returns.
func (m *Metadata) directors() (sealift.Digest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return sealift.Digest{}, notRefreshed("targets.json")
	}
	return directors(&m.up.GetTrustedMetadataSet().Targets[metadata.TARGETS].Signed), nil
}

// Delegated returns the content of a target of the director: one that stands
// in the bin its name falls into, and nowhere else. KindNotFound says that the
// bin was read and does not list it.
func (m *Metadata) Delegated(ctx context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return nil, notRefreshed(name)
	}
	var file *metadata.TargetFiles
	look := func() (err error) { file, err = m.inBin(ctx, name); return err }
	err := guard(look)
	if m.cacheToBlame(err) {
		err = guard(look)
	}
	if err != nil {
		return nil, metadataError("reading "+name, err)
	}
	if file == nil {
		return nil, sealift.Errorf(sealift.KindNotFound, "reading "+name, "the director's metadata does not list it").WithReason("missing")
	}
	return m.small(ctx, file)
}

// inBin loads the bin of a target and returns what it says, or nil.
func (m *Metadata) inBin(ctx context.Context, name string) (*metadata.TargetFiles, error) {
	top := m.up.GetTrustedMetadataSet().Targets[metadata.TARGETS].Signed
	if top.Targets[name] != nil {
		return nil, errors.New("targets.json lists it, where only the director should")
	}
	if top.Delegations == nil || top.Delegations.SuccinctRoles == nil {
		return nil, errors.New("targets.json does not delegate to bins")
	}
	bin := top.Delegations.SuccinctRoles.GetRolesForTarget(name)[0].Name
	m.fetch.ctx = ctx
	_, err := m.up.GetTargetInfo(name)
	set := m.up.GetTrustedMetadataSet()
	loaded := set.Targets[bin]
	if loaded == nil {
		return nil, err
	}
	// An error with the bin loaded says that the target is not in it, or
	// stems from roles below the bin, which do not count here.
	if err := m.settle(set); err != nil {
		return nil, err
	}
	return loaded.Signed.Targets[name], nil
}

func notRefreshed(name string) error {
	return sealift.Errorf(sealift.KindMetadata, "reading "+name, "the metadata was not refreshed, or not with success").WithReason("stale")
}

// small returns the content of a small target, from the disk if it is there
// and still what the metadata says.
func (m *Metadata) small(ctx context.Context, file *metadata.TargetFiles) ([]byte, error) {
	t := &Target{Path: file.Path, Length: file.Length, file: file}
	digest := file.Hashes["sha256"]
	if len(digest) != len(sealift.Digest{}) {
		return nil, sealift.Errorf(sealift.KindMetadata, "reading "+t.Path, "its metadata has no SHA-256").WithReason("malformed")
	}
	name := path.Join(targetsDir, sealift.Digest(digest).String())
	if data, err := m.cache.files.ReadFile(name, sealift.MaxTarget); err == nil && t.Check(data) == nil {
		return data, nil
	}
	data, err := m.fetchTarget(ctx, t)
	if err != nil {
		return nil, err
	}
	m.pruneTargets()
	err = m.cache.files.MkdirAll(targetsDir)
	if err == nil {
		err = m.cache.files.WriteFile(name, data, 0o644)
	}
	if err != nil {
		return nil, diskError("storing "+t.Path, err)
	}
	return data, nil
}

// pruneTargets empties a full cache of small targets: those still needed come
// back at once.
func (m *Metadata) pruneTargets() {
	names, err := m.cache.files.Names(targetsDir)
	if err != nil || len(names) >= sealift.MaxCachedTargets {
		_ = m.cache.files.RemoveAll(targetsDir)
	}
}

// Target is what verified metadata says of one file.
type Target struct {
	Path   string
	Length int64 // bytes
	file   *metadata.TargetFiles
}

// Check compares data with the length and every hash that the metadata names.
// Its error is of KindMetadata.
func (t *Target) Check(data []byte) error {
	if err := t.file.VerifyLengthHashes(data); err != nil {
		return sealift.Errorf(sealift.KindMetadata, "checking "+t.Path, "%w", err).WithReason("mismatch").
			WithHint("the server holds another file than its metadata says; try again later and tell its owner")
	}
	return nil
}

// Lookup finds a target in any role, as the TUF specification 1.0 section 5.6.7
// says: for repositories that are not Sealift's.
func (m *Metadata) Lookup(ctx context.Context, name string) (*Target, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return nil, notRefreshed(name)
	}
	m.fetch.ctx = ctx
	var file *metadata.TargetFiles
	look := func() (err error) { file, err = m.up.GetTargetInfo(name); return err }
	err := guard(look)
	if m.cacheToBlame(err) {
		err = guard(look)
	}
	if settled := m.settle(m.up.GetTrustedMetadataSet()); err == nil {
		err = settled
	}
	if err == nil {
		err = guard(m.checkDelegators)
	}
	// go-tuf has no type for this.
	if err != nil && err.Error() == fmt.Sprintf("target %s not found", name) {
		return nil, sealift.Errorf(sealift.KindNotFound, "looking "+name+" up", "no role lists it").WithReason("missing")
	}
	if err != nil {
		return nil, metadataError("looking "+name+" up", err)
	}
	return &Target{Path: name, Length: file.Length, file: file}, nil
}

// checkDelegators verifies roles to which several others delegate once for
// each of these: go-tuf verifies a role for the first one that leads to it and
// then takes it for the others' too.
func (m *Metadata) checkDelegators() error {
	loaded := m.up.GetTrustedMetadataSet().Targets
	delegators := map[string][]string{}
	for parent, targets := range loaded {
		if targets.Signed.Delegations == nil {
			continue
		}
		for _, role := range targets.Signed.Delegations.Roles {
			if loaded[role.Name] != nil {
				delegators[role.Name] = append(delegators[role.Name], parent)
			}
		}
	}
	for role, parents := range delegators {
		if len(parents) == 1 {
			continue
		}
		for _, parent := range parents {
			if err := loaded[parent].VerifyDelegate(role, loaded[role]); err != nil {
				return fmt.Errorf("role %q, to which %q delegates too: %w", role, parent, err)
			}
		}
	}
	return nil
}

// Fetch downloads a target and checks it. Targets are held in memory, so one
// of more than sealift.MaxTarget bytes is refused.
func (m *Metadata) Fetch(ctx context.Context, t *Target) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return nil, notRefreshed(t.Path)
	}
	return m.fetchTarget(ctx, t)
}

func (m *Metadata) fetchTarget(ctx context.Context, t *Target) ([]byte, error) {
	op := "fetching " + t.Path
	if t.Length < 0 || t.Length > sealift.MaxTarget {
		return nil, sealift.Errorf(sealift.KindMetadata, op, "%d bytes, at most %d are allowed", t.Length, sealift.MaxTarget).WithReason("too-long")
	}
	address, err := m.targetAddress(t)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindMetadata, op, "%w", err).WithReason("malformed")
	}
	data, err := m.wire.get(ctx, address, t.Length)
	if err != nil {
		return nil, err
	}
	return data, t.Check(data)
}

// targetAddress puts the hash before the name where the repository's snapshots
// are consistent (TUF specification 1.0, section 6.2): SHA-256 if it is there.
func (m *Metadata) targetAddress(t *Target) (string, error) {
	if m.cfg.TargetsURL == "" {
		return "", errors.New("no address of targets was given")
	}
	segments := strings.Split(t.Path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	if m.up.GetTrustedMetadataSet().Root.Signed.ConsistentSnapshot {
		algorithms := slices.Sorted(maps.Keys(t.file.Hashes)) // sha256 comes before sha512
		if len(algorithms) == 0 {
			return "", errors.New("no hash")
		}
		last := len(segments) - 1
		segments[last] = fmt.Sprintf("%x.%s", []byte(t.file.Hashes[algorithms[0]]), segments[last])
	}
	return m.cfg.TargetsURL + strings.Join(segments, "/"), nil
}
