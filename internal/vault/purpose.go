package vault

import (
	"slices"
	"time"

	"github.com/sealift/sealift"
)

// Purpose is the one thing that a key is for. A key never changes its purpose
// and serves no second one (SP 800-57 part 1 rev. 5, section 5.2).
type Purpose string

// The purposes. No other is accepted.
const (
	PurposeDirector        Purpose = "director"         // signs the director's TUF metadata
	PurposeSnapshot        Purpose = "snapshot"         // signs TUF snapshots
	PurposeTimestamp       Purpose = "timestamp"        // signs TUF timestamps
	PurposeReleaseCA       Purpose = "release-ca"       // certifies the leaf key of a release
	PurposeDeviceCA        Purpose = "device-ca"        // certifies the key that answers devices
	PurposeAnswer          Purpose = "answer"           // signs answers to device requests
	PurposeLog             Purpose = "log"              // signs checkpoints of the log
	PurposeEpoch           Purpose = "epoch"            // opens the content keys of a channel's releases
	PurposeEnrolmentSecret Purpose = "enrolment-secret" // authenticates enrolments
	PurposeWrapping        Purpose = "wrapping"         // wraps data keys of other parts
	PurposeArtifactSigning Purpose = "artifact-signing" // signs digests that a service of the people's own presents
	PurposeCapgoApp        Purpose = "capgo-app"        // encodes what devices that run Capgo's plugin trust, which know one RSA-2048 key
)

// Operation is what a private key does. Its purpose fixes it.
type Operation string

// The operations.
const (
	OpSign   Operation = "sign"   // SigningKey: signs a digest or message
	OpExport Operation = "export" // HolderKey: hands the private seed to who is to hold it
	OpMAC    Operation = "mac"    // MACKey: computes a MAC
	OpWrap   Operation = "wrap"   // WrappingKey: seals and opens small plaintexts
	OpEncode Operation = "encode" // EncodingKey: encodes what devices that run Capgo's plugin decode
)

const year = 365 * 24 * time.Hour

// policy is what a purpose allows.
type policy struct {
	op         Operation
	algorithms []Algorithm   // the first is the default
	period     time.Duration // the cryptoperiod where the request names none
	longest    time.Duration // the longest that a request may name (SP 800-57 part 1, section 5.3.6)
	noSuspend  bool          // suspending it would stop the fleet: it is replaced instead
	standby    bool          // devices must know it beforehand: it has a version to come from its first day on
	certifies  bool          // it is a CA's, and proves that it is held before it is active
	services   bool          // people make keys of it for their own services; else the vault makes them for itself
	imports    bool          // its key may come from outside, where others hold it since before there was a vault
	exports    bool          // its key may be created so that it can be given out
}

// policies is the closed list of purposes. The timestamp is signed with a
// checkpoint of the log and, once in a while, with a new certificate of the
// answer key in one transaction: without the log's key or the device CA there is
// none. A key of PurposeCapgoApp is in a store build, and serves for as long as
// somebody runs that; a shorter period would end their updates.
var policies = map[Purpose]policy{
	PurposeDirector:        {op: OpSign, algorithms: []Algorithm{Ed25519, ECDSAP256}, period: year, longest: 3 * year, noSuspend: true, standby: true},
	PurposeSnapshot:        {op: OpSign, algorithms: []Algorithm{Ed25519, ECDSAP256}, period: year, longest: 3 * year, noSuspend: true, standby: true},
	PurposeTimestamp:       {op: OpSign, algorithms: []Algorithm{Ed25519, ECDSAP256}, period: year, longest: 3 * year, noSuspend: true, standby: true},
	PurposeReleaseCA:       {op: OpSign, algorithms: []Algorithm{ECDSAP384, RSA4096}, period: year, longest: 3 * year, standby: true, certifies: true},
	PurposeDeviceCA:        {op: OpSign, algorithms: []Algorithm{ECDSAP384, RSA4096}, period: year, longest: 3 * year, noSuspend: true, standby: true, certifies: true},
	PurposeAnswer:          {op: OpSign, algorithms: []Algorithm{ECDSAP256}, period: year, longest: 3 * year},
	PurposeLog:             {op: OpSign, algorithms: []Algorithm{Ed25519}, period: year, longest: 3 * year, noSuspend: true, standby: true},
	PurposeEpoch:           {op: OpExport, algorithms: []Algorithm{HPKEHybrid, HPKEP256}, period: year, longest: 3 * year},
	PurposeEnrolmentSecret: {op: OpMAC, algorithms: []Algorithm{HMACSHA256}, period: year, longest: 2 * year},
	PurposeWrapping:        {op: OpWrap, algorithms: []Algorithm{AES256}, period: year, longest: 2 * year},
	PurposeArtifactSigning: {op: OpSign, algorithms: []Algorithm{ECDSAP256, ECDSAP384, Ed25519, RSA4096}, period: year, longest: 3 * year, services: true, exports: true},
	PurposeCapgoApp:        {op: OpEncode, algorithms: []Algorithm{RSA2048}, period: 10 * year, longest: 10 * year, services: true, imports: true, exports: true},
}

// Purposes returns all purposes, sorted.
func Purposes() []Purpose {
	all := make([]Purpose, 0, len(policies))
	for p := range policies {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// ParsePurpose accepts the purposes of the closed list.
func ParsePurpose(s string) (Purpose, error) {
	if _, ok := policies[Purpose(s)]; !ok {
		return "", sealift.Errorf(sealift.KindInvalid, "parsing key purpose", "%.40q is not a purpose", s).
			WithHint("purposes are %v", Purposes())
	}
	return Purpose(s), nil
}

// Operation returns what keys of this purpose do; "" for an unknown purpose.
func (p Purpose) Operation() Operation { return policies[p].op }

// Algorithms returns the algorithms that the purpose allows, its default first.
func (p Purpose) Algorithms() []Algorithm { return slices.Clone(policies[p].algorithms) }

// Cryptoperiod returns how long a key of this purpose is active unless its
// CreateRequest says otherwise, and the longest that it may say.
func (p Purpose) Cryptoperiod() (usual, longest time.Duration) {
	return policies[p].period, policies[p].longest
}

// HasStandby reports whether devices must know a key of this purpose before it
// is used, so that its next version is made, and vouched for by people, while
// the present one is in use.
func (p Purpose) HasStandby() bool { return policies[p].standby }

// ForServices reports whether people make keys of this purpose, for services of
// their own. All others the vault makes for itself, and replaces by itself.
func (p Purpose) ForServices() bool { return policies[p].services }

// Imports reports whether a key of this purpose may come from outside.
func (p Purpose) Imports() bool { return policies[p].imports }
