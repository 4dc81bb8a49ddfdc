// Package sealift is the vocabulary of Sealift: the words that the trust
// documents, the device library, the vault and the edge share, as types whose
// values are valid once they exist.
//
// An App has Channels; a Release of a bundle is published for an app, a
// channel, a Platform and a RuntimeRange, carries a Version that people read
// and a Counter that machines compare, and is named by a Digest. Everything
// here is text on the wire and comparable in memory. Nothing here reads a
// clock, a file or a socket, and nothing outside the standard library is
// imported.
//
// Every Parse function refuses what it does not understand with an *Error of
// KindInvalid that says what was read and what is allowed.
package sealift

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
)

// AppID names what is updated, in reverse-DNS form: "com.acme.shop". It is
// 3 to 128 bytes of ASCII letters, digits, '-' and '_' in at least two labels
// separated by single dots. App ids are compared byte by byte.
type AppID string

// Channel is a named line of releases that a group of devices follows:
// "production". It is 1 to 64 bytes of lower-case ASCII letters, digits and
// inner '-' and '_'.
type Channel string

// Platform is the kind of host a release is for: "ios", "android", "web". It
// is 1 to 32 bytes of lower-case ASCII letters, digits and inner '-'.
type Platform string

// VaultID names one vault for ever: 32 lower-case hex digits (128 random
// bits). It is bound into every device message and every trust.json.
type VaultID string

// DeviceID names an enrolled installation: 32 lower-case hex digits, the first
// 16 bytes of SHA-256 over the device's identity key (DER SubjectPublicKeyInfo,
// RFC 5280 section 4.1.2.7). Nobody can enrol under an id whose key they lack.
type DeviceID string

// Counter orders the releases of one app across its channels and platforms. It
// is allocated by the vault, starts at 1 and only grows.
type Counter uint64

// Act says what a release is for, and is bound into its leaf certificate.
type Act string

// The acts of a release.
const (
	ActRelease   Act = "release"   // a bundle published by its author
	ActRollback  Act = "rollback"  // an older, approved version under a new counter
	ActPromotion Act = "promotion" // the same blobs, moved on to another channel
	ActReissue   Act = "reissue"   // the same content under a new certificate
)

var (
	appPattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)+$`)
	channelPattern  = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$`)
	platformPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	hex128Pattern   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// ParseAppID checks s against the form of an AppID.
func ParseAppID(s string) (AppID, error) {
	if len(s) < 3 || len(s) > 128 || !appPattern.MatchString(s) {
		return "", invalid("parsing app id", s, `use reverse-DNS form such as com.acme.shop: two or more labels of letters, digits, "-" and "_", at most 128 bytes`)
	}
	return AppID(s), nil
}

// ParseChannel checks s against the form of a Channel.
func ParseChannel(s string) (Channel, error) {
	if len(s) > 64 || !channelPattern.MatchString(s) {
		return "", invalid("parsing channel", s, `use lower-case letters, digits and inner "-" or "_", at most 64 bytes, such as production`)
	}
	return Channel(s), nil
}

// ParsePlatform checks s against the form of a Platform.
func ParsePlatform(s string) (Platform, error) {
	if len(s) > 32 || !platformPattern.MatchString(s) {
		return "", invalid("parsing platform", s, `use lower-case letters, digits and inner "-", at most 32 bytes, such as ios, android or web`)
	}
	return Platform(s), nil
}

// ParseVaultID checks s against the form of a VaultID.
func ParseVaultID(s string) (VaultID, error) {
	if !hex128Pattern.MatchString(s) {
		return "", invalid("parsing vault id", s, "a vault id is 32 lower-case hex digits")
	}
	return VaultID(s), nil
}

// ParseDeviceID checks s against the form of a DeviceID.
func ParseDeviceID(s string) (DeviceID, error) {
	if !hex128Pattern.MatchString(s) {
		return "", invalid("parsing device id", s, "a device id is 32 lower-case hex digits")
	}
	return DeviceID(s), nil
}

// ParseAct accepts the four acts of a release.
func ParseAct(s string) (Act, error) {
	switch a := Act(s); a {
	case ActRelease, ActRollback, ActPromotion, ActReissue:
		return a, nil
	}
	return "", invalid("parsing act", s, "an act is release, rollback, promotion or reissue")
}

// DeviceIDOf derives the id of the device whose identity key has the given DER
// SubjectPublicKeyInfo.
func DeviceIDOf(spki []byte) DeviceID {
	sum := sha256.Sum256(spki)
	return DeviceID(hex.EncodeToString(sum[:16]))
}

// Digest is a SHA-256 (FIPS 180-4). Its text form is 64 lower-case hex digits.
type Digest [sha256.Size]byte

// DigestOf returns the SHA-256 of b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// DigestReader returns the SHA-256 and the length in bytes of all that r
// yields. An error of r is returned as it is.
func DigestReader(r io.Reader) (Digest, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return Digest(h.Sum(nil)), n, err
}

// ParseDigest reads 64 lower-case hex digits.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*len(d) || strings.ToLower(s) != s {
		return d, invalid("parsing SHA-256", s, "a SHA-256 is 64 lower-case hex digits")
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, invalid("parsing SHA-256", s, "a SHA-256 is 64 lower-case hex digits")
	}
	return d, nil
}

// String returns 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it is ParseDigest.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
