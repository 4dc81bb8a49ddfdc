package trust

import (
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
)

// Paths of the TUF targets. OfferPath and EpochPath depend on the app.
const (
	TrustPath = "trust.json" // only ever a top-level target
	DenyPath  = "deny.json"
)

// OfferPath returns the target path of an offer.json.
func OfferPath(app sealift.AppID, channel sealift.Channel, platform sealift.Platform) string {
	return fmt.Sprintf("%s/%s/%s/offer.json", app, channel, platform)
}

// ParseOfferPath reads what OfferPath wrote; ok is false for any other path.
func ParseOfferPath(path string) (app sealift.AppID, channel sealift.Channel, platform sealift.Platform, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 4 {
		return "", "", "", false
	}
	app, channel, platform = sealift.AppID(parts[0]), sealift.Channel(parts[1]), sealift.Platform(parts[2])
	return app, channel, platform, OfferPath(app, channel, platform) == path
}

// EpochPath returns the target path of an epoch.json.
func EpochPath(app sealift.AppID, channel sealift.Channel) string {
	return fmt.Sprintf("%s/%s/epoch.json", app, channel)
}

// Trust is trust.json: whom a device believes, signed through targets.json by
// people, offline.
type Trust struct {
	Vault      sealift.VaultID `json:"vault"`
	ReleaseCAs []CA            `json:"releaseCAs"` // active and standby; a device takes any of them
	DeviceCAs  []CA            `json:"deviceCAs"`
	Log        Log             `json:"log"`
	Revoked    []Revocation    `json:"revoked"`
	// Defaults holds for every app that Apps does not name, so that a new app
	// needs no offline key.
	Defaults AppTrust                   `json:"defaults"`
	Apps     map[sealift.AppID]AppTrust `json:"apps"`
	Critical []string                   `json:"critical,omitempty"`
}

// CA is a certificate authority: its certificate, DER.
type CA struct {
	Certificate []byte `json:"certificate"`
}

// Log names the keys that may sign the log's checkpoints, as verifier keys of
// golang.org/x/mod/sumdb/note ("name+hash+key"). All bear the name LogOrigin.
type Log struct {
	Keys []string `json:"keys"`
}

// LogOrigin is the name of a vault's log: the first line of its checkpoints
// (C2SP tlog-checkpoint) and the name of its keys.
func LogOrigin(vault sealift.VaultID) string { return "sealift/" + string(vault) }

// Revocation takes one certificate out of use for good.
type Revocation struct {
	Issuer sealift.Digest `json:"issuer"` // SHA-256 of the CA's SubjectPublicKeyInfo, DER
	Serial string         `json:"serial"` // lower-case hex without leading zeros
}

// Floor is the least that a device accepts, roll-backs included. Floors never
// fall. The zero Floor bounds nothing.
type Floor struct {
	Counter sealift.Counter `json:"counter,omitempty"`
	Version sealift.Version `json:"version,omitempty"`
}

// AppTrust is what trust.json says of one app.
type AppTrust struct {
	Floor     Floor      `json:"floor"`
	Cosigners []Cosigner `json:"cosigners,omitempty"`
	// CosignersNeeded of Cosigners must have signed every release.
	CosignersNeeded int `json:"cosignersNeeded,omitempty"`
}

// Cosigner is a key that people hold outside the vault.
type Cosigner struct {
	Algorithm Algorithm `json:"algorithm"`
	PublicKey []byte    `json:"publicKey"` // DER SubjectPublicKeyInfo
}

// Deny is deny.json: what may be refused at once, signed by the online
// director. Devices apply its union with Trust; it can only refuse.
type Deny struct {
	Revoked []Revocation `json:"revoked"`
	// SuspendedCAs are release CAs, by SHA-256 of their SubjectPublicKeyInfo.
	SuspendedCAs []sealift.Digest        `json:"suspendedCAs"`
	Floors       map[sealift.AppID]Floor `json:"floors"`
	Critical     []string                `json:"critical,omitempty"`
}

// Offer is offer.json: the candidates for one app, channel and platform, in
// the order in which a device considers them.
type Offer struct {
	App        sealift.AppID    `json:"app"`
	Channel    sealift.Channel  `json:"channel"`
	Platform   sealift.Platform `json:"platform"`
	Candidates []Candidate      `json:"candidates"`
	Critical   []string         `json:"critical,omitempty"`
}

// Candidate points at one release and says which share of the devices may
// take it.
type Candidate struct {
	Release Pointer `json:"release"` // release.json
	Proof   Pointer `json:"proof"`   // its log proof
	// Version, Counter, From (of a roll-back) and Runtime repeat what the release
	// says, so that a device passes over what it cannot take without fetching it.
	// Step 3 checks what is signed.
	Version sealift.Version      `json:"version"`
	Counter sealift.Counter      `json:"counter"`
	From    []sealift.Digest     `json:"from,omitempty"`
	Runtime sealift.RuntimeRange `json:"runtime"`
	Share   sealift.Share        `json:"percent"` // 0.01 to 100
	Salt    string               `json:"salt"`    // of the bucket; new for each release; at most sealift.MaxSalt bytes
	Stage   int                  `json:"stage"`   // which stage of the plan this is, from 0
}

// Pointer names bytes that are stored elsewhere.
type Pointer struct {
	Digest sealift.Digest `json:"sha256"`
	Length int64          `json:"length"` // bytes
}

// Epoch is epoch.json: the key to which publishers seal a channel's content
// keys.
type Epoch struct {
	App       sealift.AppID   `json:"app"`
	Channel   sealift.Channel `json:"channel"`
	Number    uint64          `json:"number"` // from 1
	KEM       uint16          `json:"kem"`    // RFC 9180 section 7, as are the two below
	KDF       uint16          `json:"kdf"`
	AEAD      uint16          `json:"aead"`
	PublicKey []byte          `json:"publicKey"`
	Critical  []string        `json:"critical,omitempty"`
}

// ParseTrust reads trust.json. It does not check the certificates and keys
// within: NewRules does.
func ParseTrust(data []byte) (*Trust, error) {
	var t Trust
	if err := decode(data, sealift.MaxTarget, &t); err != nil {
		return nil, malformed(sealift.KindMetadata, "reading trust.json", err)
	}
	if _, err := sealift.ParseVaultID(string(t.Vault)); err != nil {
		return nil, malformed(sealift.KindMetadata, "reading trust.json", err)
	}
	return &t, nil
}

// ParseDeny reads deny.json.
func ParseDeny(data []byte) (*Deny, error) {
	var d Deny
	if err := decode(data, sealift.MaxTarget, &d); err != nil {
		return nil, malformed(sealift.KindMetadata, "reading deny.json", err)
	}
	return &d, nil
}

// ParseOffer reads the offer.json of one app, channel and platform, and
// refuses one that speaks of another: the director may have put it there by
// mistake.
func ParseOffer(data []byte, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) (*Offer, error) {
	var o Offer
	if err := decode(data, sealift.MaxTarget, &o); err != nil {
		return nil, malformed(sealift.KindMetadata, "reading offer.json", err)
	}
	if err := o.check(app, channel, platform); err != nil {
		return nil, malformed(sealift.KindMetadata, "reading offer.json", err)
	}
	return &o, nil
}

func (o *Offer) check(app sealift.AppID, channel sealift.Channel, platform sealift.Platform) error {
	if o.App != app || o.Channel != channel || o.Platform != platform {
		return fmt.Errorf("it is for %s/%s/%s, not for %s/%s/%s", o.App, o.Channel, o.Platform, app, channel, platform)
	}
	n := len(o.Candidates)
	if n > sealift.MaxCandidates {
		return fmt.Errorf("%d candidates, at most %d are allowed", n, sealift.MaxCandidates)
	}
	for i, c := range o.Candidates {
		if c.Release.Digest.IsZero() || c.Release.Length < 1 || c.Release.Length > sealift.MaxRelease {
			return fmt.Errorf("candidate %d: release.json of %d bytes, 1 to %d are allowed", i, c.Release.Length, sealift.MaxRelease)
		}
		if c.Proof.Digest.IsZero() || c.Proof.Length < 1 || c.Proof.Length > sealift.MaxProof {
			return fmt.Errorf("candidate %d: proof of %d bytes, 1 to %d are allowed", i, c.Proof.Length, sealift.MaxProof)
		}
		if c.Share < 1 || c.Share > sealift.Everybody {
			return fmt.Errorf("candidate %d: %s percent, 0.01 to 100 are allowed", i, c.Share)
		}
		if len(c.Salt) > sealift.MaxSalt {
			return fmt.Errorf("candidate %d: a salt of %d bytes, at most %d are allowed", i, len(c.Salt), sealift.MaxSalt)
		}
		if _, err := sealift.ParseRuntimeRange(string(c.Runtime)); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		if _, err := sealift.ParseVersion(string(c.Version)); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		if c.Counter < 1 || len(c.From) > sealift.MaxBlobs {
			return fmt.Errorf("candidate %d: counter %d, from %d releases; 1 and more, from at most %d, are allowed", i, c.Counter, len(c.From), sealift.MaxBlobs)
		}
	}
	return nil
}

// Candidate returns what an offer says of a release: its file and its proof, for
// a share of the devices. The stage is the caller's to set.
func (r *Release) Candidate(file, proof []byte, share sealift.Share, salt string) Candidate {
	c := Candidate{
		Release: Pointer{sealift.DigestOf(file), int64(len(file))}, Proof: Pointer{sealift.DigestOf(proof), int64(len(proof))},
		Version: r.Version, Counter: r.Counter, Runtime: r.Runtime, Share: share, Salt: salt,
	}
	if r.Rollback != nil {
		c.From = r.Rollback.From
	}
	return c
}

// ParseEpoch reads the epoch.json of one app and channel. Whether the suite
// and the key are usable is for package bundle to say.
func ParseEpoch(data []byte, app sealift.AppID, channel sealift.Channel) (*Epoch, error) {
	var e Epoch
	err := decode(data, sealift.MaxTarget, &e)
	switch {
	case err != nil:
	case e.App != app || e.Channel != channel:
		err = fmt.Errorf("it is for %s/%s, not for %s/%s", e.App, e.Channel, app, channel)
	case e.Number == 0 || len(e.PublicKey) == 0:
		err = fmt.Errorf("it names no epoch or no key")
	}
	if err != nil {
		return nil, malformed(sealift.KindMetadata, "reading epoch.json", err)
	}
	return &e, nil
}

// Encode returns the bytes that are signed as trust.json.
func (t *Trust) Encode() ([]byte, error) { return encode(t) }

// Encode returns the bytes that are signed as deny.json.
func (d *Deny) Encode() ([]byte, error) { return encode(d) }

// Encode returns the bytes that are signed as offer.json, or an error if they
// would be refused.
func (o *Offer) Encode() ([]byte, error) {
	if err := o.check(o.App, o.Channel, o.Platform); err != nil {
		return nil, malformed(sealift.KindInvalid, "writing offer.json", err)
	}
	return encode(o)
}

// Encode returns the bytes that are signed as epoch.json.
func (e *Epoch) Encode() ([]byte, error) { return encode(e) }

// IssuerOf returns the name by which revocations speak of a CA: the SHA-256 of
// its SubjectPublicKeyInfo.
func IssuerOf(ca *x509.Certificate) sealift.Digest {
	return sealift.DigestOf(ca.RawSubjectPublicKeyInfo)
}

// SerialOf returns the serial of a certificate as revocations spell it.
func SerialOf(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }
