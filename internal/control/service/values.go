package service

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// AppKind says what an app's bundles may hold.
type AppKind string

// The kinds of app.
const (
	// AppWeb bundles hold interpreted code only, as the rules of the app
	// stores demand, and an index.html.
	AppWeb AppKind = "web"
	// AppDevice bundles may hold native code.
	AppDevice AppKind = "device"
)

// NewApp is an app to be made.
type NewApp struct {
	ID            sealift.AppID
	Kind          AppKind
	OpenEnrolment bool // devices enrol without a token
}

// App is an app.
type App struct {
	NewApp
	AppSettings
	Created time.Time
}

// AppSettings are what people set for an app as it lives.
type AppSettings struct {
	// Patches is against how many older releases a new one has patches, 0 to
	// sealift.MaxPatches; PatchLimit is how long an archive may be that is patched,
	// 1 to sealift.MaxPatchArchive bytes.
	Patches    int
	PatchLimit int64
	// BlastRadius is how many devices a stage of a roll-out may reach without
	// people, up to sealift.MaxBlastRadius; 0 is any number.
	BlastRadius int64
}

// AppChange is what is to change of an app's settings; nil is to stay.
type AppChange struct {
	Patches     *int
	PatchLimit  *int64
	BlastRadius *int64
}

// NewEnrolmentToken is an enrolment token to be made.
type NewEnrolmentToken struct {
	Label string        // what it is for, in a person's words; may be empty
	Uses  int           // how many devices may enrol with it; 0 for any number
	Life  time.Duration // how long it is good for; more than 0
}

// EnrolmentToken is one that was made.
type EnrolmentToken struct {
	Token   sealift.EnrolmentToken
	Expires time.Time
}

// Reservation is what a publisher wants a counter for.
type Reservation struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
	Act      sealift.Act
	Plan     *rollout.Plan // with which its roll-out begins; nil for that of the channel, until it is submitted
	Hold     bool          // its roll-out begins paused
}

// Draft is a reserved counter, to be submitted before it expires.
type Draft struct {
	ID      string // 1 to 64 bytes of [0-9a-z-]
	Counter sealift.Counter
	Vault   sealift.VaultID
	Expires time.Time
}

// PatchBase is an older release that a new one should have a patch from.
type PatchBase struct {
	Archive Content
	Version sealift.Version
	Counter sealift.Counter
	Devices int64 // that say they run it
}

// Submission is a draft's release as its publisher signed it.
type Submission struct {
	Envelope []byte // DSSE envelope (JSON) over the release payload, signed by the leaf key
	CSR      []byte // PKCS #10 request of the leaf key, DER
	Capgo    *Capgo // nil where devices with Capgo's plugin are not to have it
}

// Capgo is what a publisher made of a release for devices that run Capgo's plugin.
type Capgo struct {
	Session capgo.Session // with which all of it is encrypted
	Plan    capgo.Plan
}

// CapgoRelease tells of a release that such devices may have.
type CapgoRelease struct {
	KeyID string  // by which they name the key that encoded it
	Zip   Content // encrypted, as it lies in the published tree
	Files int
}

// MissingCosignatures is what a draft waits for where trust.json demands
// co-signers for its app.
const MissingCosignatures = "co-signatures"

// Missing is one thing that a submitted draft waits for.
type Missing struct {
	What string
	Have int
	Need int
	By   []string // whose are there
	From []string // whose would count and are not there
}

// DraftState is how far a draft has come.
type DraftState string

// The states of a draft.
const (
	DraftReserved  DraftState = "reserved"
	DraftSubmitted DraftState = "submitted" // it waits for what is missing
	DraftPublished DraftState = "published"
	DraftAbandoned DraftState = "abandoned"
)

// DraftDetail is all there is to say of a draft.
type DraftDetail struct {
	Reservation
	ID        string
	State     DraftState
	Counter   sealift.Counter
	Requester string
	Created   time.Time
	Expires   time.Time
	Submitted time.Time // zero until then, as are those below
	Payload   sealift.Digest
	Archive   Content
	Urgent    *trust.Urgent   // as it was signed
	Rollback  *trust.Rollback // likewise
	Missing   []Missing       // only in DraftSubmitted
	Problem   string          // why it would be refused though nothing were missing
	Envelope  []byte          // DSSE, with the signatures so far; not in lists
	Release   *Release        // only in DraftPublished
	Capgo     bool            // devices with Capgo's plugin take it as well
}

// DenialKind is what a denial refuses.
type DenialKind string

// The kinds of denial.
const (
	DenyRelease DenialKind = "release" // one release, by its certificate
	DenyCA      DenialKind = "ca"      // all that a release CA certified
	DenyFloor   DenialKind = "floor"   // all of an app under a counter or a version
)

// NewDenial is a denial to be made.
type NewDenial struct {
	Kind    DenialKind
	App     sealift.AppID   // of the release or the floor
	Release Which           // the release
	Issuer  sealift.Digest  // the CA: SHA-256 of its SubjectPublicKeyInfo
	Counter sealift.Counter // the floor: 0 for none
	Version sealift.Version // the floor: "" for none
	Force   bool            // the floor: even if nothing that is offered somewhere holds it, or no release is there
	Reason  string          // in a person's words, for the log; never empty
}

// DenialState is whether a denial stands.
type DenialState string

// The states of a denial.
const (
	DenialActive    DenialState = "active"    // it is in deny.json
	DenialConfirmed DenialState = "confirmed" // people wrote it into trust.json
	DenialLifted    DenialState = "lifted"    // somebody took it back
)

// Denial is one thing that is or was refused at once.
type Denial struct {
	ID      string
	Kind    DenialKind
	App     sealift.AppID   // "" for a CA
	Counter sealift.Counter // of the release, or the floor
	Version sealift.Version // of the release, or the floor
	Issuer  sealift.Digest  // of the certificate, or the CA; zero for a floor
	Serial  string
	Reason  string
	Creator string
	Created time.Time
	State   DenialState
	Changed time.Time
	Forged  bool // not written by the vault
}

// ReleaseState is how far a release has come.
type ReleaseState string

// The states of a release.
const (
	ReleasePublished ReleaseState = "published" // devices may be offered it
	ReleaseWithdrawn ReleaseState = "withdrawn" // devices are not offered it any more
	ReleaseRevoked   ReleaseState = "revoked"   // its certificate is: devices refuse it
	ReleaseSuspended ReleaseState = "suspended" // the CA that certified it is: devices refuse it
	ReleaseBlocked   ReleaseState = "blocked"   // it is under the floor: devices neither install nor run it
)

// Release is the summary of a release.
type Release struct {
	App       sealift.AppID
	Channel   sealift.Channel
	Platform  sealift.Platform
	Runtime   sealift.RuntimeRange
	Version   sealift.Version
	Counter   sealift.Counter
	Act       sealift.Act
	State     ReleaseState
	Digest    sealift.Digest // of its release.json
	Archive   Content        // the bundle's identity
	Blob      Content        // the full sealed blob
	Issuer    sealift.Digest // the CA that certified it, as in trust.Revocation
	Serial    string
	SignedAt  time.Time
	Published time.Time
	Urgent    *trust.Urgent   // as it was signed; nil for one that can wait
	Rollback  *trust.Rollback // likewise; nil for one that takes no device back
	Patches   []Patch
	Capgo     *CapgoRelease // nil where devices with Capgo's plugin have none of it; not in lists
}

// Patch is a release's sealed blob for devices that have an older archive.
type Patch struct {
	Base sealift.Digest // the older archive's
	Blob Content
}

// ReleaseKeys are the two keys that were made for one release and serve no other.
type ReleaseKeys struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Version  sealift.Version
	Counter  sealift.Counter
	Release  sealift.Digest // of release.json
	Leaf     LeafKey
	Content  ContentKey
}

// LeafKey signed one release and was destroyed by its publisher at once.
type LeafKey struct {
	Issuer sealift.Digest // SHA-256 of its CA's SubjectPublicKeyInfo
	Serial string         // of its certificate
	Public sealift.Digest // of its SubjectPublicKeyInfo
	Signed time.Time      // its one signature
	Ends   time.Time      // of its certificate: nothing that it would sign later counts
}

// ContentKey opens the bundle of one release. It is nowhere in the clear but on
// devices that took the release: it ends when what it is sealed to ends.
type ContentKey struct {
	Epoch      uint64
	Key        string // id of the epoch's key in the vault
	Version    uint64
	EpochState string // of that version
}

// Content names bytes.
type Content struct {
	Digest sealift.Digest
	Length int64
}

// Page asks for a part of the releases of an app.
type Page struct {
	Limit    int              // 1 to 101: a page and one more, to see whether there is another
	Before   sealift.Counter  // only releases with a smaller counter; 0 for all
	Channel  sealift.Channel  // only of this channel; "" for all
	Platform sealift.Platform // only for this platform; "" for all
}

// Which names a release of an app: by exactly one of the first three fields,
// and a version also by channel and platform where it needs them.
type Which struct {
	Digest   sealift.Digest // of its release.json; zero for none
	Counter  sealift.Counter
	Version  sealift.Version
	Channel  sealift.Channel
	Platform sealift.Platform
}

// Documents are signed documents, byte by byte.
type Documents struct {
	Root, Targets, Trust, Deny []byte
}

// Ceremony is what people bring from an offline ceremony: a root, or Targets and
// Trust, or all three.
type Ceremony struct {
	Root    []byte // the next root.json; nil to keep the present one
	Targets []byte // targets.json; nil to keep it, and trust.json
	Trust   []byte // trust.json
}

// Root is a root.json in few words.
type Root struct {
	Version int64
	Digest  sealift.Digest
	Expires time.Time
	// Targets is the version of the targets.json that stands under it.
	Targets       int64
	TargetsExpire time.Time
	// Refused are releases that are offered and that devices refuse under it, a
	// line each with why. Only AcceptRoot looks for them.
	Refused []string
}

// Anchors are what the next ceremony should list: of every online key the
// version in use and its standby, and what is needed to verify what was signed
// before.
type Anchors struct {
	Vault sealift.VaultID
	Keys  []AnchorKey // by id and version
	Trust []byte      // trust.json as it should be: with the CAs and log keys, all else as it is
}

// AnchorKey is one of the vault's public keys.
type AnchorKey struct {
	ID      string
	Version uint64
	Purpose string // director, snapshot, timestamp, release-ca, device-ca or log
	State   string
	Public  []byte // DER SubjectPublicKeyInfo
	Vouched string // the newest signed document that lists it, "root 3"; "" for none
}

// Status is what anyone may know of a vault.
type Status struct {
	Vault  sealift.VaultID
	Sealed bool
	Unseal SealWay // what opens it every day
	// Recovery is what opens it when that is lost; without a sealer, nothing does.
	Recovery SealWay
}

// SealWay is what opens a vault on one of its two paths.
type SealWay struct {
	Sealer    string // "argon2id", "shamir" or "pkcs11"
	Threshold int    // of shares: how many are needed
	Shares    int    // of shares: how many there are
	Set       string // of shares: what their texts call their set
	Given     int    // of shares: how many were given so far
}

// Progress is what came of an attempt to unseal.
type Progress struct {
	Open      bool
	Path      string // of shares: "unseal" or "recovery"
	Given     int    // of shares: so far; 0 once it is open
	Threshold int    // of shares
}

// Rotation is how far a rotation of the key-encryption key has come.
type Rotation struct {
	KEK  string // id of the one that seals
	Done bool   // nothing is under another one any more
}
