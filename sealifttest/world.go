package sealifttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// World is one installation: its keys, its documents and what it published.
// Its methods may be called from several goroutines.
type World struct {
	Vault sealift.VaultID

	// The keys, for tests that play the thief of one.
	RootKeys, TargetsKeys         []crypto.Signer
	Director, Snapshot, Timestamp crypto.Signer
	ReleaseCA, DeviceCA           CA
	LogKey                        note.Signer

	// Cosigners sign every checkpoint behind LogKey. They must not ask the World
	// what time it is, which is at work then.
	Cosigners []note.Signer

	// Trust and Deny are what the next SignTargets or Direct publishes, and Channels
	// the channels.json of each app that has one.
	Trust    trust.Trust
	Deny     trust.Deny
	Channels map[sealift.AppID]trust.Channels

	// SelfAssign are the channels that devices may put themselves on.
	SelfAssign map[sealift.Channel]bool

	// BendGrant changes what is granted to a device before it is signed: a
	// thief of the vault's answer key.
	BendGrant func(req trust.Request, device bundle.PublicKey, grant *trust.EpochGrant) error

	mu     sync.Mutex
	now    time.Time
	files  map[string][]byte // published, by path below /v1/
	roles  map[string][]byte // newest metadata by role
	honest map[string][]byte // what roles was before FastForward
	root   tufrepo.Root
	// directors are all that ever signed.
	directors []crypto.PublicKey
	targets   int64
	log       log
	desk      desk
	epochs    map[string][]*bundle.PrivateKey // by epoch.json's path, in their order from 1
	counter   map[sealift.AppID]sealift.Counter
	history   []*Published
	offered   *Published // last
}

// CA is a certificate authority with its key.
type CA struct {
	Key         crypto.Signer
	Certificate *x509.Certificate
}

// New makes an installation at the time now: one root key, one targets key,
// and an empty repository.
func New(now time.Time) (*World, error) {
	w := &World{
		now:   now.UTC().Truncate(time.Second),
		files: map[string][]byte{}, roles: map[string][]byte{},
		epochs: map[string][]*bundle.PrivateKey{}, counter: map[sealift.AppID]sealift.Counter{}, Channels: map[sealift.AppID]trust.Channels{}, SelfAssign: map[sealift.Channel]bool{},
		Deny: trust.Deny{Revoked: []trust.Revocation{}, SuspendedCAs: []sealift.Digest{}, Floors: map[sealift.AppID]trust.Floor{}},
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	w.Vault = sealift.VaultID(hex.EncodeToString(id))
	if err := w.makeKeys(); err != nil {
		return nil, fmt.Errorf("making keys: %w", err)
	}
	if err := w.RotateRoot(nil); err != nil {
		return nil, err
	}
	if err := w.SignTargets(); err != nil {
		return nil, err
	}
	return w, w.Direct()
}

// Clone returns a World with the same keys and the same past, which goes its
// own way from here: cheaper than another one.
func (w *World) Clone() *World {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &World{
		Vault: w.Vault, RootKeys: slices.Clone(w.RootKeys), TargetsKeys: slices.Clone(w.TargetsKeys),
		Director: w.Director, Snapshot: w.Snapshot, Timestamp: w.Timestamp,
		ReleaseCA: w.ReleaseCA, DeviceCA: w.DeviceCA, LogKey: w.LogKey, Cosigners: w.Cosigners, Trust: w.Trust, Deny: w.Deny, Channels: maps.Clone(w.Channels), SelfAssign: maps.Clone(w.SelfAssign), BendGrant: w.BendGrant,
		now: w.now, files: maps.Clone(w.files), roles: maps.Clone(w.roles), honest: maps.Clone(w.honest),
		root: w.root, targets: w.targets, log: log{w.log.size, slices.Clone(w.log.hashes)},
		epochs: maps.Clone(w.epochs), counter: maps.Clone(w.counter), history: slices.Clone(w.history), directors: slices.Clone(w.directors),
	}
	c.Trust.ReleaseCAs, c.Trust.DeviceCAs = slices.Clone(w.Trust.ReleaseCAs), slices.Clone(w.Trust.DeviceCAs)
	c.Trust.Revoked, c.Trust.Apps = slices.Clone(w.Trust.Revoked), maps.Clone(w.Trust.Apps)
	c.Deny.Revoked, c.Deny.SuspendedCAs = slices.Clone(w.Deny.Revoked), slices.Clone(w.Deny.SuspendedCAs)
	c.Deny.Floors = maps.Clone(w.Deny.Floors)
	for path, keys := range c.epochs {
		c.epochs[path] = slices.Clone(keys)
	}
	for i, p := range c.history { // a thief bends the candidate of a copy
		own := *p
		c.history[i] = &own
		if p == w.offered {
			c.offered = &own
		}
	}
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	c.desk.key, c.desk.certificate = w.desk.key, w.desk.certificate
	c.desk.tokens, c.desk.devices, c.desk.nonces = maps.Clone(w.desk.tokens), maps.Clone(w.desk.devices), maps.Clone(w.desk.nonces)
	return c
}

func (w *World) makeKeys() error {
	for _, key := range []*crypto.Signer{&w.Director, &w.Snapshot, &w.Timestamp} {
		*key = NewKey()
	}
	w.RootKeys, w.TargetsKeys = []crypto.Signer{NewKey()}, []crypto.Signer{NewKey()}
	var err error
	if w.ReleaseCA, err = NewCA("release CA", w.now); err != nil {
		return err
	}
	if w.DeviceCA, err = NewCA("device CA", w.now); err != nil {
		return err
	}
	var public string
	if w.LogKey, public, err = newLogKey(w.Vault); err != nil {
		return err
	}
	w.Trust = trust.Trust{
		Vault:      w.Vault,
		ReleaseCAs: []trust.CA{{Certificate: w.ReleaseCA.Certificate.Raw}},
		DeviceCAs:  []trust.CA{{Certificate: w.DeviceCA.Certificate.Raw}},
		Log:        trust.Log{Keys: []string{public}},
		Revoked:    []trust.Revocation{},
		Apps:       map[sealift.AppID]trust.AppTrust{},
	}
	return w.desk.open(w)
}

// NewKey makes an Ed25519 key.
func NewKey() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return key
}

// NewCA makes a self-signed P-384 CA, valid from a day before now for a year.
func NewCA(name string, now time.Time) (CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return CA{}, err
	}
	template, err := trust.CATemplate(name, now.AddDate(0, 0, -1), now.AddDate(1, 0, 0))
	if err != nil {
		return CA{}, err
	}
	der, err := trust.Issue(template, template, key.Public(), key)
	if err != nil {
		return CA{}, err
	}
	certificate, err := trust.ParseCA(der)
	return CA{key, certificate}, err
}

// Now returns the world's time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance moves the world's time on. Nothing is signed anew: call Direct.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// RotateRoot signs the next root.json. change may set other keys on the World
// before; the roots before it stay published. The first call makes version 1.
func (w *World) RotateRoot(change func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.RootKeys
	if change != nil {
		change()
	}
	one := func(keys ...crypto.Signer) tufrepo.Role {
		role := tufrepo.Role{Threshold: len(keys)}
		for _, key := range keys {
			role.Keys = append(role.Keys, key.Public())
		}
		return role
	}
	w.root = tufrepo.Root{
		Version: w.root.Version + 1, Expires: w.now.Add(sealift.RootLife),
		Root: one(w.RootKeys...), Targets: one(w.TargetsKeys...),
		Snapshot: one(w.Snapshot), Timestamp: one(w.Timestamp),
	}
	signed, err := tufrepo.SignRoot(w.root, append(append([]crypto.Signer{}, before...), w.RootKeys...))
	if err != nil {
		return fmt.Errorf("signing root: %w", err)
	}
	w.files[tufrepo.MetadataPath("root", w.root.Version)] = signed
	return nil
}

// SignTargets signs the next targets.json over Trust. Call Direct to bring it
// into the snapshot.
func (w *World) SignTargets() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	content, err := w.Trust.Encode()
	if err != nil {
		return err
	}
	w.targets++
	signed, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: w.targets, Expires: w.now.Add(sealift.TargetsLife), Trust: content,
		Director: tufrepo.Role{Keys: []crypto.PublicKey{w.Director.Public()}, Threshold: 1},
	}, w.TargetsKeys)
	if err != nil {
		return fmt.Errorf("signing targets: %w", err)
	}
	w.roles["targets"] = signed
	w.files[tufrepo.MetadataPath("targets", w.targets)] = signed
	w.files[tufrepo.TargetPath(trust.TrustPath, content)] = content
	return nil
}

// Direct publishes Deny and the given targets: bins, snapshot, timestamp.
func (w *World) Direct(changes ...tufrepo.Target) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.direct(changes, w.now.Add(24*time.Hour))
}

// Redirect is Direct with every online document signed anew, as after a
// change of an online key.
func (w *World) Redirect(changes ...tufrepo.Target) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.direct(changes, w.now.AddDate(100, 0, 0))
}

func (w *World) direct(changes []tufrepo.Target, renewBefore time.Time) error {
	return w.directAbove(nil, changes, renewBefore)
}

// directAbove is direct with versions above those given, by role.
func (w *World) directAbove(above map[string]int64, changes []tufrepo.Target, renewBefore time.Time) error {
	deny, err := w.Deny.Encode()
	if err != nil {
		return err
	}
	changes = append(changes, tufrepo.Target{Path: trust.DenyPath, Content: deny})
	for app, channels := range w.Channels {
		content, err := channels.Encode()
		if err != nil {
			return err
		}
		changes = append(changes, tufrepo.Target{Path: trust.ChannelsPath(app), Content: content})
	}
	update, err := tufrepo.Direct(
		func(role string) ([]byte, error) { return w.roles[role], nil }, changes,
		tufrepo.Online{Director: w.Director, Snapshot: w.Snapshot, Timestamp: w.Timestamp, Earlier: w.directors, Above: above, TimestampLife: sealift.TimestampLife},
		w.now, renewBefore)
	if err != nil {
		return fmt.Errorf("directing: %w", err)
	}
	own := w.Director.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !slices.ContainsFunc(w.directors, own.Equal) {
		w.directors = append(w.directors, w.Director.Public())
	}
	for _, role := range update.Roles {
		w.roles[role.Role] = role.Content
	}
	for _, file := range update.Files {
		w.files[file.Path] = file.Content
	}
	return nil
}

// FirstRoot returns version 1 of root.json: what a device is built with.
func (w *World) FirstRoot() []byte { return w.File("metadata/1.root.json") }

// File returns a published file, nil if there is none.
func (w *World) File(path string) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[path]
}

// Files returns a copy of all that is published: a moment of the repository
// that an attacker may show again later.
func (w *World) Files() map[string][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.files)
}

// SetFile publishes content at path without any signature.
func (w *World) SetFile(path string, content []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[path] = content
}
