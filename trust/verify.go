package trust

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
)

// Device is what a device knows of itself when it judges a release.
type Device struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.Version // of the native host
	// Confirmed is the highest counter that this device ever confirmed, 0 if
	// none. It is kept apart from that of the installed release, which a
	// roll-back may lower in all but counter.
	Confirmed sealift.Counter
	// Installed is what runs now, nil if nothing.
	Installed *Installed
}

// Installed names the release that a device runs.
type Installed struct {
	Release sealift.Digest // of release.json
	Version sealift.Version
	// Sound is false when the installed release no longer passes steps 1 and
	// 2 (Rules.CheckInstalled), as after its certificate was revoked: then only
	// floors bound the counter, so that a device which followed a thief finds its
	// way back.
	Sound bool
}

// Evidence is what a device fetched for one candidate of an offer.
type Evidence struct {
	Release *ReleaseFile
	Proof   []byte          // C2SP tlog-proof
	Seen    Seen            // the log's state that this device verified last
	Tiles   tlog.TileReader // the log's tiles, read when Seen is not the proof's state
}

// Verified is a release that passed steps 1 to 3. Only Verify makes one that
// passed.
type Verified struct {
	Release *Release
	Digest  sealift.Digest // of release.json
	Payload sealift.Digest // SHA-256 of the signed payload
	Issuer  sealift.Digest // of the leaf, as in Revocation
	Serial  string
	Log     Seen // keep this as the next Seen
}

// Verify takes a release through steps 1 to 3 for a device at the time now,
// which is the later of its clock and its trusted time. The error is a
// *sealift.Error of the step's kind, or of KindNetwork if tiles could not be
// read.
func (r *Rules) Verify(d Device, e Evidence, now time.Time) (*Verified, error) {
	v, err := r.Authenticate(e)
	if err != nil {
		return nil, err
	}
	if err := r.CheckVersion(d, v.Release, now); err != nil {
		return nil, err
	}
	return v, nil
}

// Authenticate takes a release through steps 1 and 2, which do not depend on
// the device: who wrote it, and that the log holds it.
func (r *Rules) Authenticate(e Evidence) (*Verified, error) {
	v, leaf, err := r.CheckChain(e.Release)
	if err != nil {
		return nil, err
	}
	v.Log, err = r.CheckSignature(e, leaf)
	if err != nil {
		return nil, err
	}
	return v, nil
}

const chainOp = "step 1, checking the certificate chain"

// CheckChain is step 1. It returns the release with its log state still
// unverified, and the leaf's key for step 2.
func (r *Rules) CheckChain(f *ReleaseFile) (*Verified, crypto.PublicKey, error) {
	v, leaf, err := r.checkChain(f)
	if err != nil {
		return nil, nil, refusal(sealift.KindChain, chainOp, "malformed", err)
	}
	return v, leaf, nil
}

func (r *Rules) checkChain(f *ReleaseFile) (*Verified, crypto.PublicKey, error) {
	leaf, err := x509.ParseCertificate(f.leaf)
	if err != nil {
		return nil, nil, err
	}
	ca := issuerAmong(r.cas, leaf)
	if ca == nil {
		return nil, nil, reasoned("unknown-ca", errors.New("no release CA of trust.json issued the leaf"))
	}
	if !onlyCodeSigning(leaf) {
		return nil, nil, reasoned("eku", errors.New("the leaf is not for code signing, or for more than that"))
	}
	if err := checkLeafProfile(leaf); err != nil {
		return nil, nil, reasoned("profile", err)
	}
	if r.suspended[IssuerOf(ca)] {
		return nil, nil, reasoned("ca-suspended", fmt.Errorf("the release CA %s is suspended", IssuerOf(ca)))
	}
	revocation := Revocation{IssuerOf(ca), SerialOf(leaf)}
	if r.revoked[revocation] {
		return nil, nil, reasoned("revoked", fmt.Errorf("the leaf %s is revoked", revocation.Serial))
	}
	release, err := bound(leaf, f.Payload())
	if err != nil {
		return nil, nil, err
	}
	if err := checkValidity(leaf, ca, release.SignedAt.Time); err != nil {
		return nil, nil, reasoned("expired", err)
	}
	return &Verified{
		Release: release,
		Digest:  f.Digest,
		Payload: sealift.DigestOf(f.Payload()),
		Issuer:  revocation.Issuer,
		Serial:  revocation.Serial,
	}, leaf.PublicKey, nil
}

// issuerAmong returns the CA whose key signed cert, or nil.
func issuerAmong(cas []*x509.Certificate, cert *x509.Certificate) *x509.Certificate {
	for _, ca := range cas {
		if cert.CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// bound reads the payload only after its digest matched the one that the CA
// certified, and holds every bound field to what it says.
func bound(leaf *x509.Certificate, payload []byte) (*Release, error) {
	b, err := parseBinding(leaf.URIs[0].String())
	if err != nil {
		return nil, reasoned("binding", err)
	}
	if b.Payload != sealift.DigestOf(payload) {
		return nil, reasoned("binding", errors.New("the leaf was made for another payload"))
	}
	release, err := ParseRelease(payload)
	if err != nil {
		return nil, err
	}
	if want := BindingOf(release, payload); b != want {
		return nil, reasoned("binding", fmt.Errorf("the leaf binds %s, the payload is %s", b.URI(), want.URI()))
	}
	return release, nil
}

// checkValidity demands signedAt in the lives of the leaf and of its CA
// (RFC 5280 section 6.1.3). It runs the standard library's path validation, so
// that name constraints and the like of a CA count as well.
func checkValidity(leaf, ca *x509.Certificate, signedAt time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: signedAt,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	})
	if err != nil {
		return fmt.Errorf("at signedAt, %s: %w", signedAt.Format(timeForm), err)
	}
	return nil
}

const signatureOp = "step 2, checking the signature"

// CheckSignature is step 2: the leaf signed the exact payload, so did enough
// co-signers, and the log holds it. It returns the log's state to keep.
func (r *Rules) CheckSignature(e Evidence, leaf crypto.PublicKey) (Seen, error) {
	if err := r.checkSigners(e.Release, leaf); err != nil {
		return e.Seen, err
	}
	signed := e.Release.signed
	seen, err := r.checkProof(e.Proof, LogEntry(sealift.DigestOf(signed.Payload)), e.Seen, e.Tiles)
	if err == nil {
		return seen, nil
	}
	if sealift.KindOf(err) == sealift.KindNetwork {
		return e.Seen, err
	}
	return e.Seen, refusal(sealift.KindSignature, signatureOp, "log", err)
}

// checkSigners is step 2 without the log.
func (r *Rules) checkSigners(f *ReleaseFile, leaf crypto.PublicKey) error {
	if err := f.signed.verify(ReleasePayloadType, 1, leaf); err != nil {
		return refusal(sealift.KindSignature, signatureOp, "signature", err)
	}
	if r.needed > 0 {
		if err := f.signed.verify(ReleasePayloadType, r.needed, r.cosigners...); err != nil {
			return refusal(sealift.KindSignature, signatureOp, "cosigners", fmt.Errorf("%d co-signers are needed: %w", r.needed, err))
		}
	}
	return nil
}

// CheckInstalled takes a release that passed all steps once through steps 1 and 2
// again, without the log: that one held it was proven then, and the key that
// proved it may rightly be gone from trust.json by now.
func (r *Rules) CheckInstalled(f *ReleaseFile) error {
	_, leaf, err := r.CheckChain(f)
	if err != nil {
		return err
	}
	return r.checkSigners(f, leaf)
}

const versionOp = "step 3, checking the version"

// CheckVersion is step 3: the release is meant for this device, and takes it
// forward or back by authority.
func (r *Rules) CheckVersion(d Device, release *Release, now time.Time) error {
	err := r.checkScope(d, release)
	if err == nil {
		err = r.checkForward(d, release, now)
	}
	if err != nil {
		return refusal(sealift.KindVersion, versionOp, "version", err)
	}
	return nil
}

func (r *Rules) checkScope(d Device, release *Release) error {
	for _, field := range []struct{ name, have, want string }{
		{"vault", string(release.Vault), string(r.vault)},
		{"app", string(release.App), string(d.App)},
		{"channel", string(release.Channel), string(d.Channel)},
		{"platform", string(release.Platform), string(d.Platform)},
	} {
		if field.have != field.want {
			return reasoned(field.name, fmt.Errorf("the release is for %s %s, this device is of %s", field.name, field.have, field.want))
		}
	}
	if r.app != d.App {
		return reasoned("app", fmt.Errorf("the rules are for app %s, this device is of %s", r.app, d.App))
	}
	if !release.Runtime.Contains(d.Runtime) {
		return reasoned("runtime", fmt.Errorf("the release needs runtime %s, this device has %s", release.Runtime, d.Runtime))
	}
	return nil
}

func (r *Rules) checkForward(d Device, release *Release, now time.Time) error {
	if err := r.checkFloor(release.Counter, release.Version); err != nil {
		return err
	}
	if most := max(d.Confirmed, r.floor.Counter) + sealift.MaxCounterStep; release.Counter > most {
		return reasoned("counter-step", fmt.Errorf("counter %d, at most %d is taken in one step", release.Counter, most))
	}
	sound := d.Installed == nil || d.Installed.Sound
	if sound && release.Counter <= d.Confirmed {
		return reasoned("counter", fmt.Errorf("counter %d is not above %d, which this device confirmed", release.Counter, d.Confirmed))
	}
	if !sound || d.Installed == nil || release.Version.Compare(d.Installed.Version) > 0 {
		return nil
	}
	if release.Rollback != nil {
		return checkRollback(d, release.Rollback, now)
	}
	return reasoned("not-newer", fmt.Errorf("version %s is not newer than %s, which is installed", release.Version, d.Installed.Version))
}

// checkRollback decides whether a roll-back lets this device go back. Devices
// for which its version is newer need no authority.
func checkRollback(d Device, back *Rollback, now time.Time) error {
	if now.After(back.NotAfter.Time) {
		return reasoned("rollback-expired", fmt.Errorf("the roll-back ended at %s", back.NotAfter.Format(timeForm)))
	}
	if !slices.Contains(back.From, d.Installed.Release) {
		return reasoned("rollback-from", errors.New("the roll-back does not name the release that is installed"))
	}
	return nil
}

// CheckBlob is the first half of step 4: what was fetched has the length and
// the SHA-256 that the release names. It comes before the first byte is
// decrypted, since every enrolled device knows the content key and could forge
// sealed segments.
func CheckBlob(want Blob, digest sealift.Digest, length int64) error {
	const op = "step 4, checking the blob"
	if length != want.Length {
		return sealift.Errorf(sealift.KindIntegrity, op, "%d bytes, the release names %d", length, want.Length).WithReason("blob-length")
	}
	if digest != want.Digest {
		return sealift.Errorf(sealift.KindIntegrity, op, "SHA-256 %s, the release names %s", digest, want.Digest).WithReason("blob-digest")
	}
	return nil
}
