package client

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// go-tuf decodes what it is given into structs full of pointers and follows
// them, and what it has once accepted it keeps on disk and reads again. So one
// signed document without, say, the "snapshot.json" entry would stop a device
// for good. inspect therefore sees every document before go-tuf does, fetched
// or cached. It verifies nothing.

// issuedField is the field of timestamp metadata that says when it was signed.
const issuedField = "issued"

// inspect checks the shape of a role's metadata. With own, the timestamp must
// bear the issuedField of our repositories.
func inspect(role string, data []byte, own bool) error {
	if max := maxMetadata(role); int64(len(data)) > max {
		return fmt.Errorf("%d bytes, at most %d are allowed", len(data), max)
	}
	return guard(func() error { return inspectRole(role, data, own) })
}

func inspectRole(role string, data []byte, own bool) error {
	switch role {
	case metadata.ROOT:
		return inspectRoot(data)
	case metadata.TIMESTAMP:
		return inspectTimestamp(data, own)
	case metadata.SNAPSHOT:
		return inspectSnapshot(data)
	}
	return inspectTargets(data)
}

// maxMetadata bounds a role's metadata, in bytes.
func maxMetadata(role string) int64 {
	switch role {
	case metadata.ROOT:
		return sealift.MaxRoot
	case metadata.TIMESTAMP:
		return sealift.MaxTimestamp
	case metadata.SNAPSHOT:
		return sealift.MaxSnapshot
	}
	return sealift.MaxTargets
}

// checkCommon holds what the four kinds share: TUF specification 1.x, section
// 4.3.
func checkCommon(spec string, version int64, expires time.Time) error {
	switch {
	case !strings.HasPrefix(spec, "1."):
		return fmt.Errorf("spec_version %.20q, 1.x is understood", spec)
	case version < 1:
		return fmt.Errorf("version %d; versions start at 1", version)
	case expires.IsZero():
		return errors.New("no expiry")
	}
	return nil
}

func inspectRoot(data []byte) error {
	m, err := metadata.Root().FromBytes(data)
	if err != nil {
		return err
	}
	for _, name := range metadata.TOP_LEVEL_ROLE_NAMES {
		if m.Signed.Roles[name] == nil {
			return fmt.Errorf("no role %s", name)
		}
	}
	if err := checkKeys(m.Signed.Keys); err != nil {
		return err
	}
	return checkCommon(m.Signed.SpecVersion, m.Signed.Version, m.Signed.Expires)
}

func checkKeys(keys map[string]*metadata.Key) error {
	for id, key := range keys {
		if key == nil {
			return fmt.Errorf("no key under the id %.80q", id)
		}
	}
	return nil
}

func inspectTimestamp(data []byte, own bool) error {
	m, err := metadata.Timestamp().FromBytes(data)
	if err != nil {
		return err
	}
	if err := checkMeta(m.Signed.Meta, "snapshot.json"); err != nil {
		return err
	}
	if err := checkCommon(m.Signed.SpecVersion, m.Signed.Version, m.Signed.Expires); err != nil || !own {
		return err
	}
	_, err = issuedOf(m)
	return err
}

// issuedOf reads when our repository signed a timestamp. One that claims to
// come from after its own expiry would move trusted time where nothing of its
// age is valid.
func issuedOf(m *metadata.Metadata[metadata.TimestampType]) (time.Time, error) {
	text, ok := m.Signed.UnrecognizedFields[issuedField].(string)
	if !ok {
		return time.Time{}, fmt.Errorf("no %q", issuedField)
	}
	issued, err := trust.ParseIssued(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", issuedField, err)
	}
	if issued.After(m.Signed.Expires) {
		return time.Time{}, fmt.Errorf("issued at %s, after its own expiry", text)
	}
	return issued, nil
}

func inspectSnapshot(data []byte) error {
	m, err := metadata.Snapshot().FromBytes(data)
	if err != nil {
		return err
	}
	if err := checkMeta(m.Signed.Meta, "targets.json"); err != nil {
		return err
	}
	return checkCommon(m.Signed.SpecVersion, m.Signed.Version, m.Signed.Expires)
}

func checkMeta(meta map[string]*metadata.MetaFiles, needed string) error {
	for name, file := range meta {
		if file == nil || file.Version < 1 || file.Length < 0 {
			return fmt.Errorf("the entry of %.80q has no version", name)
		}
	}
	if meta[needed] == nil {
		return fmt.Errorf("no entry for %s", needed)
	}
	return nil
}

func inspectTargets(data []byte) error {
	// go-tuf writes through the pointer of every target as it decodes, and
	// panics over one that is null: hence the guard around all of this.
	m, err := metadata.Targets().FromBytes(data)
	if err != nil {
		return err
	}
	if d := m.Signed.Delegations; d != nil {
		if err := checkDelegations(d); err != nil {
			return err
		}
	}
	return checkCommon(m.Signed.SpecVersion, m.Signed.Version, m.Signed.Expires)
}

// checkDelegations refuses what go-tuf misreads: roles beside succinct roles,
// of which it drops the latter, and roles named like the four at the top,
// which it would store over them.
func checkDelegations(d *metadata.Delegations) error {
	if err := checkKeys(d.Keys); err != nil {
		return err
	}
	if s := d.SuccinctRoles; s != nil {
		if d.Roles != nil {
			return errors.New("it delegates to roles and to succinct roles")
		}
		if s.BitLength < 1 || s.BitLength > 32 {
			return fmt.Errorf("succinct roles with %d bits", s.BitLength)
		}
	}
	for _, role := range d.Roles {
		if slices.Contains(metadata.TOP_LEVEL_ROLE_NAMES[:], role.Name) || role.Name == "" {
			return fmt.Errorf("it delegates to a role named %q", role.Name)
		}
	}
	return nil
}

// guard runs a call into go-tuf and makes a panic of its an error.
func guard(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("metadata of a form that cannot be handled: %v", p)
		}
	}()
	return call()
}

var versionPrefix = regexp.MustCompile(`^[0-9]+\.`)

// roleAt tells from the address of metadata whose it is.
func roleAt(address string) string {
	name := address[strings.LastIndexByte(address, '/')+1:]
	return roleIn(versionPrefix.ReplaceAllString(name, ""))
}

// roleIn tells from the name of a cached file whose metadata it holds.
func roleIn(name string) string {
	name = strings.TrimSuffix(name, metadataSuffix)
	if role, err := url.PathUnescape(name); err == nil {
		return role
	}
	return name
}

// metadataSuffix ends the name of every metadata file.
const metadataSuffix = ".json"

// fileOf is the name under which go-tuf keeps a role's metadata.
func fileOf(role string) string { return url.PathEscape(role) + metadataSuffix }
