// Package tufrepo writes the TUF metadata of a Sealift repository (TUF
// specification 1.0) and is pure: keys, time and the metadata of before come in
// as arguments, files go out.
//
// A repository has five kinds of role:
//
//	root       m of n people, offline       SignRoot
//	targets    m of n people, offline       SignTargets: lists trust.json, delegates the rest
//	bins-00…ff the director, online         Direct: 256 succinct bins (TAP 15) of all other targets
//	snapshot   online                       Direct
//	timestamp  online                       Direct; bears "issued", the source of trusted time
//
// All bins are signed by one key and none says which of them it is. So that an
// edge cannot serve one in place of another, and make a target seem never to
// have been there, no two bins ever have the same version: that of bins-a4 is
// 0xa4 modulo 256, and a device demands the version that the snapshot names. The
// bins' SHA-256 in the snapshot would do the same, at four times its size and
// two and a half times the work of reading it in every check.
//
// The online roles change together: Direct takes the targets that change,
// signs the bins they hash to, then the snapshot, then the timestamp, and
// returns the files in the order in which they must be written. Until the last
// one, timestamp.json, is in place, a device sees the repository of before.
package tufrepo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// BinBits makes 2^8 bins: with 10,000 targets a bin has 40, and a device loads
// the few that it needs.
const BinBits = 8

// BinPrefix begins the names of the bins.
const BinPrefix = "bins"

// Issued is the name of the field of timestamp metadata that says when it was
// signed, in the form of trust.Time.
const Issued = "issued"

// Role is a set of keys of which Threshold must sign.
type Role struct {
	Keys      []crypto.PublicKey
	Threshold int
}

// Root is what one version of root.json says.
type Root struct {
	Version   int64
	Expires   time.Time
	Root      Role
	Targets   Role
	Snapshot  Role
	Timestamp Role
}

// SignRoot signs a root by the given keys: those of its own root role and, if
// it follows another root, enough of that one's.
func SignRoot(r Root, signers []crypto.Signer) ([]byte, error) {
	m, err := newRoot(r)
	if err != nil {
		return nil, err
	}
	return signAll(m, signers)
}

// DraftRoot is SignRoot by nobody yet: see AddRootSignatures.
func DraftRoot(r Root) ([]byte, error) {
	m, err := newRoot(r)
	if err != nil {
		return nil, err
	}
	return m.ToBytes(false)
}

func newRoot(r Root) (*metadata.Metadata[metadata.RootType], error) {
	m := metadata.Root(r.Expires.UTC().Truncate(time.Second))
	m.Signed.Version = r.Version
	m.Signed.ConsistentSnapshot = true
	for name, role := range map[string]Role{
		metadata.ROOT: r.Root, metadata.TARGETS: r.Targets,
		metadata.SNAPSHOT: r.Snapshot, metadata.TIMESTAMP: r.Timestamp,
	} {
		if role.Threshold < 1 || role.Threshold > len(role.Keys) {
			return nil, fmt.Errorf("role %s: %d of %d keys cannot be", name, role.Threshold, len(role.Keys))
		}
		for _, pub := range role.Keys {
			key, err := keyOf(pub)
			if err != nil {
				return nil, fmt.Errorf("role %s: %w", name, err)
			}
			if err := m.Signed.AddKey(key, name); err != nil {
				return nil, err
			}
		}
		m.Signed.Roles[name].Threshold = role.Threshold
	}
	return m, nil
}

// Targets is what one version of targets.json says.
type Targets struct {
	Version  int64
	Expires  time.Time
	Trust    []byte // trust.json
	Director Role   // signs every bin
}

// SignTargets signs targets.json.
func SignTargets(t Targets, signers []crypto.Signer) ([]byte, error) {
	m, err := newTargets(t)
	if err != nil {
		return nil, err
	}
	return signAll(m, signers)
}

// DraftTargets is SignTargets by nobody yet: see AddTargetsSignatures.
func DraftTargets(t Targets) ([]byte, error) {
	m, err := newTargets(t)
	if err != nil {
		return nil, err
	}
	return m.ToBytes(false)
}

func newTargets(t Targets) (*metadata.Metadata[metadata.TargetsType], error) {
	m := metadata.Targets(t.Expires.UTC().Truncate(time.Second))
	m.Signed.Version = t.Version
	m.Signed.Targets[trust.TrustPath] = targetFile(t.Trust)
	if t.Director.Threshold < 1 || t.Director.Threshold > len(t.Director.Keys) {
		return nil, fmt.Errorf("director: %d of %d keys cannot be", t.Director.Threshold, len(t.Director.Keys))
	}
	succinct := &metadata.SuccinctRoles{Threshold: t.Director.Threshold, BitLength: BinBits, NamePrefix: BinPrefix}
	keys := map[string]*metadata.Key{}
	for _, pub := range t.Director.Keys {
		key, err := keyOf(pub)
		if err != nil {
			return nil, fmt.Errorf("director: %w", err)
		}
		id, err := key.ID()
		if err != nil {
			return nil, err
		}
		keys[id] = key
		succinct.KeyIDs = append(succinct.KeyIDs, id)
	}
	m.Signed.Delegations = &metadata.Delegations{Keys: keys, SuccinctRoles: succinct}
	return m, nil
}

// Target is a director target: a small document at a path, or its removal.
type Target struct {
	Path    string
	Content []byte // nil removes it
}

// File is one file of the published tree, named by the path below the
// server's /v1/ as the edge serves it.
type File struct {
	Path    string
	Content []byte
}

// MetadataPath returns where a role's metadata of one version is published.
// Only the timestamp has no version in its name.
func MetadataPath(role string, version int64) string {
	if role == metadata.TIMESTAMP {
		return "metadata/timestamp.json"
	}
	return fmt.Sprintf("metadata/%d.%s.json", version, role)
}

// TargetPath returns where a target is published: with consistent snapshots
// its SHA-256 stands before its name (TUF specification 1.0, section 6.2).
func TargetPath(target string, content []byte) string {
	return targetAt(target, sealift.DigestOf(content))
}

func targetAt(target string, digest sealift.Digest) string {
	dir, name := path.Split(target)
	return "targets/" + dir + digest.String() + "." + name
}

// BinOf returns the name of the bin that holds a target path.
func BinOf(target string) string {
	return bins.GetRolesForTarget(target)[0].Name
}

// Bins returns the names of all bins in order.
func Bins() []string { return bins.GetRoles() }

var bins = &metadata.SuccinctRoles{BitLength: BinBits, NamePrefix: BinPrefix}

func targetFile(content []byte) *metadata.TargetFiles {
	sum := sha256.Sum256(content)
	return &metadata.TargetFiles{Length: int64(len(content)), Hashes: metadata.Hashes{"sha256": sum[:]}}
}

func signAll[T metadata.Roles](m *metadata.Metadata[T], signers []crypto.Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("no key to sign with")
	}
	m.ClearSignatures()
	signed := map[string]bool{}
	for _, s := range signers {
		key, err := keyOf(s.Public())
		if err != nil {
			return nil, err
		}
		id, err := key.ID()
		if err != nil {
			return nil, err
		}
		if signed[id] {
			continue // TUF refuses two signatures of one key
		}
		signed[id] = true
		if _, err := m.Sign(signer{s}); err != nil {
			return nil, err
		}
	}
	return m.ToBytes(false)
}

// keyOf refuses what go-tuf would mislabel: it calls every ECDSA key P-256.
func keyOf(pub crypto.PublicKey) (*metadata.Key, error) {
	if k, ok := pub.(*ecdsa.PublicKey); ok && k.Curve != elliptic.P256() {
		return nil, errors.New("TUF keys on P-256, Ed25519 or RSA are allowed, not on " + k.Curve.Params().Name)
	}
	return metadata.KeyFromPublicKey(pub)
}

// signer fits a crypto.Signer, which may sit in a vault or a token, to go-tuf.
type signer struct{ key crypto.Signer }

// PublicKey implements signature.Signer.
func (s signer) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.key.Public(), nil
}

// SignMessage implements signature.Signer with the schemes of TUF's section
// 4.2: ed25519, ecdsa-sha2-nistp256 and rsassa-pss-sha256.
func (s signer) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	data, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	switch s.key.Public().(type) {
	case ed25519.PublicKey:
		return s.key.Sign(rand.Reader, data, crypto.Hash(0))
	case *rsa.PublicKey:
		return s.key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	return s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// unmarshal reads metadata that this repository signed before. It demands the
// role's type: a version that was misread as 0 would begin again at 1, and no
// device would follow.
func unmarshal[T metadata.Roles](data []byte, into *metadata.Metadata[T]) error {
	_, err := parse(into, data)
	return err
}

// parse reads metadata that may be a stranger's. What go-tuf cannot handle, such as
// null in the place of a target, makes it panic: that is an error here.
func parse[T metadata.Roles](into *metadata.Metadata[T], data []byte) (m *metadata.Metadata[T], err error) {
	err = guard(func() (err error) {
		m, err = into.FromBytes(data)
		return err
	})
	return m, err
}

// verify holds the signatures of m to what the delegator says of a role; so it may
// meet a key of a form that makes go-tuf panic.
func verify[D metadata.Roles](delegator *metadata.Metadata[D], role string, m any) error {
	return guard(func() error { return delegator.VerifyDelegate(role, m) })
}

func guard(call func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("metadata of a form that cannot be handled: %v", cause)
		}
	}()
	return call()
}
