package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
)

// Rules are what trust.json and deny.json say to the devices of one app, ready
// for use: the union of both, which can only refuse more than either.
type Rules struct {
	vault     sealift.VaultID
	app       sealift.AppID
	cas       []*x509.Certificate
	suspended map[sealift.Digest]bool
	deviceCAs []*x509.Certificate
	logOrigin string
	logKeys   note.Verifiers
	logIDs    []sealift.Digest // of the log's verifier keys, as trust.json spells them, sorted
	revoked   map[Revocation]bool
	floor     Floor
	cosigners []crypto.PublicKey
	needed    int
}

// NewRules combines trust.json with deny.json for one app. Its error is of
// KindMetadata: a document that cannot be used in full is not used at all.
func NewRules(t *Trust, d *Deny, app sealift.AppID) (*Rules, error) {
	r := &Rules{
		vault: t.Vault, app: app,
		suspended: map[sealift.Digest]bool{},
		revoked:   map[Revocation]bool{},
		logOrigin: LogOrigin(t.Vault),
	}
	own := t.Of(app)
	err := errors.Join(r.addCAs(t), r.addLog(t.Log), r.addCosigners(own), r.addFloor(own.Floor), r.addFloor(d.Floors[app]),
		checkSerials(t.Revoked), checkSerials(d.Revoked))
	if err != nil {
		return nil, malformed(sealift.KindMetadata, "reading whom to trust", err)
	}
	for _, revoked := range slices.Concat(t.Revoked, d.Revoked) {
		r.revoked[revoked] = true
	}
	for _, issuer := range d.SuspendedCAs {
		r.suspended[issuer] = true
	}
	return r, nil
}

func (r *Rules) addCAs(t *Trust) error {
	for _, ca := range t.ReleaseCAs {
		cert, err := ParseCA(ca.Certificate)
		if err != nil {
			return fmt.Errorf("release CA: %w", err)
		}
		r.cas = append(r.cas, cert)
	}
	for _, ca := range t.DeviceCAs {
		cert, err := ParseCA(ca.Certificate)
		if err != nil {
			return fmt.Errorf("device CA: %w", err)
		}
		r.deviceCAs = append(r.deviceCAs, cert)
	}
	if len(r.cas) == 0 || len(r.deviceCAs) == 0 {
		return errors.New("no release CA or no device CA")
	}
	return nil
}

func (r *Rules) addLog(l Log) error {
	var list []note.Verifier
	for _, key := range l.Keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return fmt.Errorf("log key: %w", err)
		}
		if v.Name() != r.logOrigin {
			return fmt.Errorf("a log key of %q, not of %q", v.Name(), r.logOrigin)
		}
		list = append(list, v)
		r.logIDs = append(r.logIDs, sealift.DigestOf([]byte(key)))
	}
	if len(list) == 0 {
		return errors.New("no log key")
	}
	slices.SortFunc(r.logIDs, func(a, b sealift.Digest) int { return bytes.Compare(a[:], b[:]) })
	r.logKeys = note.VerifierList(list...)
	return nil
}

func (r *Rules) addCosigners(a AppTrust) error {
	distinct := map[string]bool{}
	for _, c := range a.Cosigners {
		pub, err := x509.ParsePKIXPublicKey(c.PublicKey)
		if err != nil {
			return fmt.Errorf("co-signer: %w", err)
		}
		alg, err := AlgorithmOf(pub)
		if err != nil {
			return fmt.Errorf("co-signer: %w", err)
		}
		if alg != c.Algorithm {
			return fmt.Errorf("co-signer: a key of %s called %.40q", alg, c.Algorithm)
		}
		if id := string(c.PublicKey); !distinct[id] {
			distinct[id] = true
			r.cosigners = append(r.cosigners, pub)
		}
	}
	if len(r.cosigners) > sealift.MaxCosigners {
		return fmt.Errorf("%d co-signers, at most %d are allowed", len(r.cosigners), sealift.MaxCosigners)
	}
	if a.CosignersNeeded < 0 || a.CosignersNeeded > len(r.cosigners) {
		return fmt.Errorf("%d co-signers needed of %d distinct ones", a.CosignersNeeded, len(r.cosigners))
	}
	r.needed = a.CosignersNeeded
	return nil
}

// checkSerials refuses a serial that is spelled otherwise than SerialOf does:
// it would revoke nothing, without a word.
func checkSerials(list []Revocation) error {
	for _, revoked := range list {
		n, ok := new(big.Int).SetString(revoked.Serial, 16)
		if !ok || n.Sign() < 0 || n.Text(16) != revoked.Serial {
			return fmt.Errorf("revoked serial %.80q is not lower-case hex without leading zeros", revoked.Serial)
		}
	}
	return nil
}

// addFloor raises the floor to f where f is higher.
func (r *Rules) addFloor(f Floor) error {
	if f.Version != "" {
		if _, err := sealift.ParseVersion(string(f.Version)); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	r.floor = r.floor.Or(f)
	return nil
}

// Or returns the higher of two floors, of the counter and of the version by
// themselves. Versions that are there must be of their form.
func (f Floor) Or(other Floor) Floor {
	f.Counter = max(f.Counter, other.Counter)
	if f.Version == "" || other.Version != "" && f.Version.Compare(other.Version) < 0 {
		f.Version = other.Version
	}
	return f
}

// LeafOf returns the name by which the certificate of a release would be revoked.
// KindChain where no release CA of trust.json issued it: nobody takes it anyhow.
func (r *Rules) LeafOf(f *ReleaseFile) (Revocation, error) {
	const op = "reading the release's certificate"
	leaf, err := x509.ParseCertificate(f.leaf)
	if err != nil {
		return Revocation{}, malformed(sealift.KindChain, op, err)
	}
	ca := issuerAmong(r.cas, leaf)
	if ca == nil {
		return Revocation{}, sealift.Errorf(sealift.KindChain, op, "no release CA of trust.json issued it").WithReason("unknown-ca").
			WithHint("no device takes it anyhow; there is nothing to revoke")
	}
	return Revocation{IssuerOf(ca), SerialOf(leaf)}, nil
}

// Refuses says why devices refuse a release by its certificate or its place,
// whoever offers it: "revoked", "ca-suspended" or "floor"; "" if they do not.
func (r *Rules) Refuses(leaf Revocation, counter sealift.Counter, version sealift.Version) string {
	switch {
	case r.revoked[leaf]:
		return "revoked"
	case r.suspended[leaf.Issuer]:
		return "ca-suspended"
	case r.Under(counter, version):
		return "floor"
	}
	return ""
}

// Floor returns the floor under which nothing is installed, nor may run.
func (r *Rules) Floor() Floor { return r.floor }

// Vault returns the vault that these rules are of.
func (r *Rules) Vault() sealift.VaultID { return r.vault }

// Under reports whether a release with this counter and version is under the
// floor: outdated, to be blocked.
func (r *Rules) Under(counter sealift.Counter, version sealift.Version) bool {
	return r.checkFloor(counter, version) != nil
}

func (r *Rules) checkFloor(counter sealift.Counter, version sealift.Version) error {
	return r.floor.check(counter, version)
}

// Holds reports whether a release with this counter and version is at the floor or
// above it.
func (f Floor) Holds(counter sealift.Counter, version sealift.Version) bool {
	return f.check(counter, version) == nil
}

func (f Floor) check(counter sealift.Counter, version sealift.Version) error {
	if counter < f.Counter {
		return reasoned("floor", fmt.Errorf("counter %d is under the floor of %d", counter, f.Counter))
	}
	if f.Version != "" && version.Compare(f.Version) < 0 {
		return reasoned("floor", fmt.Errorf("version %s is under the floor of %s", version, f.Version))
	}
	return nil
}

func marshalSPKI(pub crypto.PublicKey) ([]byte, error) { return x509.MarshalPKIXPublicKey(pub) }

// PublicKeys returns the keys that t makes devices believe: of the CAs and of
// the log.
func (t *Trust) PublicKeys() ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for _, ca := range slices.Concat(t.ReleaseCAs, t.DeviceCAs) {
		cert, err := ParseCA(ca.Certificate)
		if err != nil {
			return nil, malformed(sealift.KindMetadata, "reading whom to trust", err)
		}
		keys = append(keys, cert.PublicKey)
	}
	for _, text := range t.Log.Keys {
		key, err := logPublicKey(text)
		if err != nil {
			return nil, malformed(sealift.KindMetadata, "reading whom to trust", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Follows reports, as an error, why t may not follow old: a vault keeps its
// name, floors never fall, and what was revoked stays revoked.
func (t *Trust) Follows(old *Trust) error {
	if t.Vault != old.Vault {
		return fmt.Errorf("it is of vault %s, not of %s", t.Vault, old.Vault)
	}
	for _, revoked := range old.Revoked {
		if !slices.Contains(t.Revoked, revoked) {
			return fmt.Errorf("certificate %s was revoked and would be trusted again", revoked.Serial)
		}
	}
	apps := map[sealift.AppID]bool{"": true} // "" stands for the apps that neither names
	for app := range old.Apps {
		apps[app] = true
	}
	for app := range t.Apps {
		if _, err := sealift.ParseAppID(string(app)); err != nil { // one named "" would stand before the defaults, here and for people
			return err
		}
		apps[app] = true
	}
	for app := range apps {
		if _, err := NewRules(t, &Deny{}, app); err != nil { // no app's devices may be left with rules that they cannot read
			return err
		}
		before, after := old.Of(app).Floor, t.Of(app).Floor
		if after.Counter < before.Counter || before.Version != "" && (after.Version == "" || after.Version.Compare(before.Version) < 0) {
			return fmt.Errorf("the floor of %q would fall from %v to %v", app, before, after)
		}
	}
	return nil
}

// Of returns what t says of app: its own entry, else the defaults.
func (t *Trust) Of(app sealift.AppID) AppTrust {
	if own, named := t.Apps[app]; named {
		return own
	}
	return t.Defaults
}
