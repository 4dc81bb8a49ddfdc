package trust

import (
	"errors"
	"fmt"

	"github.com/sealift/sealift"
)

// ReleasePayloadType is the DSSE payload type of Release.
const ReleasePayloadType = "application/vnd.sealift.release.v1+json"

// Release is the signed payload of release.json.
type Release struct {
	Vault      sealift.VaultID      `json:"vault"`
	App        sealift.AppID        `json:"app"`
	Channel    sealift.Channel      `json:"channel"`
	Platform   sealift.Platform     `json:"platform"`
	Runtime    sealift.RuntimeRange `json:"runtime"`
	Version    sealift.Version      `json:"version"`
	Counter    sealift.Counter      `json:"counter"`
	Act        sealift.Act          `json:"act"`
	SignedAt   Time                 `json:"signedAt"`
	Archive    Pointer              `json:"archive"` // the bundle's identity
	Blobs      []Blob               `json:"blobs"`   // exactly one of them full
	Epoch      EpochRef             `json:"epoch"`
	ContentKey SealedKey            `json:"contentKey"`
	Rollback   *Rollback            `json:"rollback,omitempty"` // with ActRollback only
	Urgent     *Urgent              `json:"urgent,omitempty"`   // nil for one that can wait
	Critical   []string             `json:"critical,omitempty"`
}

// BlobKind says how a blob carries the archive.
type BlobKind string

// The kinds of blob.
const (
	BlobFull  BlobKind = "full"  // the whole archive
	BlobPatch BlobKind = "patch" // the archive against the older archive Base
)

// Blob names one sealed form of the archive.
type Blob struct {
	Kind   BlobKind        `json:"kind"`
	Base   *sealift.Digest `json:"base,omitempty"` // archive digest, for patches
	Digest sealift.Digest  `json:"sha256"`
	Length int64           `json:"length"` // bytes
}

// EpochRef names the key to which the content key is sealed. The digest of the
// public key is signed here, so that a device throws away a key that an edge
// made up.
type EpochRef struct {
	Number    uint64         `json:"number"`
	PublicKey sealift.Digest `json:"publicKey"` // SHA-256 of the KEM public key's bytes
}

// SealedKey is an HPKE (RFC 9180) single-shot base-mode message, with the ids
// of its suite.
type SealedKey struct {
	KEM    uint16 `json:"kem"`
	KDF    uint16 `json:"kdf"`
	AEAD   uint16 `json:"aead"`
	Sealed []byte `json:"sealed"` // enc || ciphertext
}

// Rollback is a signed authorisation to go back. It names the releases from
// which a device may go, so it cannot be used on another one, and ends at
// NotAfter, so it cannot be used later.
type Rollback struct {
	From     []sealift.Digest `json:"from"` // SHA-256 of release.json files
	NotAfter Time             `json:"notAfter"`
	Reason   string           `json:"reason"` // for people, at most sealift.MaxReason bytes
}

// Urgent says that a release waits for nothing: neither for the stages of a
// roll-out nor for a device's quiet hours. A device of before there was this
// field reads over it, and takes the release as any other.
type Urgent struct {
	Reason string `json:"reason,omitempty"` // for people, at most sealift.MaxReason bytes
}

// Full returns the blob that needs no base.
func (r *Release) Full() Blob {
	for _, b := range r.Blobs {
		if b.Kind == BlobFull {
			return b
		}
	}
	return Blob{} // check refuses such a release
}

// Patch returns the shortest patch against the older archive base; ok is false
// if there is none that is shorter than the full blob.
func (r *Release) Patch(base sealift.Digest) (patch Blob, ok bool) {
	patch = r.Full()
	for _, b := range r.Blobs {
		if b.Kind == BlobPatch && b.Base != nil && *b.Base == base && b.Length < patch.Length {
			patch, ok = b, true
		}
	}
	return patch, ok
}

// Patches returns the blobs that need a base.
func (r *Release) Patches() []Blob {
	var patches []Blob
	for _, b := range r.Blobs {
		if b.Kind == BlobPatch {
			patches = append(patches, b)
		}
	}
	return patches
}

// Encode returns the payload bytes to sign, or an error if a device would not
// read them.
func (r *Release) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, malformed(sealift.KindInvalid, "writing the release", err)
	}
	return encode(r)
}

// ParseRelease reads a payload whose bytes are vouched for already.
func ParseRelease(payload []byte) (*Release, error) {
	var r Release
	if err := decode(payload, sealift.MaxRelease, &r); err != nil {
		return nil, err
	}
	return &r, r.check()
}

// check tests each field by itself and against the others, so that the steps
// can rely on the shape.
func (r *Release) check() error {
	_, vaultErr := sealift.ParseVaultID(string(r.Vault))
	_, appErr := sealift.ParseAppID(string(r.App))
	_, channelErr := sealift.ParseChannel(string(r.Channel))
	_, platformErr := sealift.ParsePlatform(string(r.Platform))
	_, runtimeErr := sealift.ParseRuntimeRange(string(r.Runtime))
	_, versionErr := sealift.ParseVersion(string(r.Version))
	_, actErr := sealift.ParseAct(string(r.Act))
	if err := errors.Join(vaultErr, appErr, channelErr, platformErr, runtimeErr, versionErr, actErr); err != nil {
		return err
	}
	switch {
	case r.Counter == 0:
		return errors.New("counter 0; counters start at 1")
	case r.SignedAt.IsZero():
		return errors.New("no signedAt")
	case r.Archive.Digest.IsZero() || r.Archive.Length < 1 || r.Archive.Length > sealift.MaxArchive:
		return fmt.Errorf("archive of %d bytes, 1 to %d are allowed", r.Archive.Length, int64(sealift.MaxArchive))
	case r.Epoch.Number == 0 || r.Epoch.PublicKey.IsZero():
		return errors.New("no epoch")
	case len(r.ContentKey.Sealed) == 0 || len(r.ContentKey.Sealed) > sealift.MaxMessage:
		return fmt.Errorf("sealed content key of %d bytes", len(r.ContentKey.Sealed))
	case r.Urgent != nil && len(r.Urgent.Reason) > sealift.MaxReason:
		return fmt.Errorf("a reason to be urgent of %d bytes, at most %d are allowed", len(r.Urgent.Reason), sealift.MaxReason)
	}
	if err := r.checkBlobs(); err != nil {
		return err
	}
	return r.checkRollback()
}

func (r *Release) checkBlobs() error {
	if len(r.Blobs) > sealift.MaxBlobs {
		return fmt.Errorf("%d blobs, at most %d are allowed", len(r.Blobs), sealift.MaxBlobs)
	}
	full := 0
	for i, b := range r.Blobs {
		if b.Digest.IsZero() || b.Length < 1 || b.Length > r.Archive.Length+sealift.MaxSealedOverhead {
			return fmt.Errorf("blob %d: %d bytes for an archive of %d", i, b.Length, r.Archive.Length)
		}
		switch {
		case b.Kind == BlobFull && b.Base == nil:
			full++
		case b.Kind == BlobPatch && b.Base != nil && !b.Base.IsZero():
		default:
			return fmt.Errorf("blob %d: kind %.20q with or without a base as it must not be", i, b.Kind)
		}
	}
	if full != 1 {
		return fmt.Errorf("%d full blobs, exactly one is allowed", full)
	}
	return nil
}

func (r *Release) checkRollback() error {
	if r.Rollback == nil {
		if r.Act == sealift.ActRollback {
			return errors.New("a roll-back without its authorisation")
		}
		return nil
	}
	switch {
	case r.Act != sealift.ActRollback:
		return fmt.Errorf("a roll-back authorisation in a %s", r.Act)
	case len(r.Rollback.From) == 0 || len(r.Rollback.From) > sealift.MaxBlobs:
		return fmt.Errorf("a roll-back from %d releases, 1 to %d are allowed", len(r.Rollback.From), sealift.MaxBlobs)
	case r.Rollback.NotAfter.IsZero():
		return errors.New("a roll-back without an end")
	case len(r.Rollback.Reason) > sealift.MaxReason:
		return fmt.Errorf("a reason of %d bytes, at most %d are allowed", len(r.Rollback.Reason), sealift.MaxReason)
	}
	return nil
}
