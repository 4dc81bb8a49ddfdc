package store

import (
	"time"

	"github.com/sealift/sealift"
)

// Key is one version of a key. The vault alone gives the texts their meaning,
// and authenticates all columns by MAC.
type Key struct {
	ID          string
	Version     uint64 // from 1
	Purpose     string
	Algorithm   string
	Provider    string
	Owner       string
	Label       string
	State       string
	Created     time.Time
	NotBefore   time.Time
	NotAfter    time.Time
	Changed     time.Time // when State was last set
	Public      []byte
	Certificate []byte        // DER; may be empty
	DataKey     []byte        // wrapped; empty once destroyed
	Private     []byte        // sealed under the data key; empty once destroyed
	KEK         string        // id of the key-encryption key that wraps DataKey
	App         sealift.AppID // that it is for; "" for none in particular
	Imported    bool          // it was made elsewhere
	Exportable  bool          // its private half may be given out
	RetireAt    time.Time     // when it is to be destroyed; zero for no such time
	FleetWindow int64         // seconds in which a device must have been seen to hold its end up until RetireAt; 0 for RetireAt alone
	MAC         []byte
}

// Secret is a wrapped secret that is not a key.
type Secret struct {
	Name    string
	Wrapped []byte
}

// KeyFilter picks keys; an empty field matches all.
type KeyFilter struct {
	ID      string
	Purpose string
	State   string
	Label   string
}

// AuditEntry is one leaf of the log.
type AuditEntry struct {
	Index int64
	Leaf  []byte
}

// Checkpoint is a signed state of the log.
type Checkpoint struct {
	Size int64
	Note []byte
}

// App is an app.
type App struct {
	ID            sealift.AppID
	Device        bool // bundles may hold native code
	OpenEnrolment bool
	Created       time.Time
	Patches       int    // against how many older releases a new one has patches
	PatchLimit    int64  // how long an archive may be that is patched, in bytes
	BlastRadius   int64  // how many devices one stage may reach before people look; 0 for any number
	MAC           []byte // see Authentic
}

// Channel is a channel of an app.
type Channel struct {
	App     sealift.AppID
	Name    sealift.Channel
	Created time.Time
}

// Epoch is one generation of a channel's key.
type Epoch struct {
	App        sealift.AppID
	Channel    sealift.Channel
	Number     uint64
	KeyID      string
	KeyVersion uint64
	KEM        uint16 // RFC 9180 section 7, as are the two below
	KDF        uint16
	AEAD       uint16
	PublicKey  []byte
	Created    time.Time
	MAC        []byte // see Authentic
}

// Coordinates are what a published release is unique by.
type Coordinates struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
}

// DraftState is how far a draft has come.
type DraftState string

// The states of a draft.
const (
	DraftReserved  DraftState = "reserved"
	DraftSubmitted DraftState = "submitted" // signed, and waits for what is missing yet
	DraftPublished DraftState = "published"
	DraftAbandoned DraftState = "abandoned"
)

// Draft is a reserved counter, and what its publisher signed for it.
type Draft struct {
	ID string
	Coordinates
	Counter   sealift.Counter
	Act       sealift.Act
	State     DraftState
	Requester string
	Created   time.Time
	Expires   time.Time
	Submitted time.Time      // zero until then
	Release   sealift.Digest // of release.json, once published
	Envelope  []byte         // DSSE, with the signatures so far; nil until submitted
	CSR       []byte         // of the leaf, DER; nil until submitted
	Plan      []byte         // JSON of the rollout.Plan it begins with; nil for the channel's, until submitted
	Hold      bool           // the roll-out begins paused
	Source    sealift.Digest // of the release.json that the vault made it of; zero for a publisher's
	MAC       []byte         // see Authentic
}

// Blob is a sealed blob that is stored in the published tree.
type Blob struct {
	App     sealift.AppID
	Digest  sealift.Digest
	Length  int64
	Created time.Time
}

// Release is a published release.
type Release struct {
	Coordinates
	Digest      sealift.Digest // of release.json
	Payload     sealift.Digest
	Counter     sealift.Counter
	Act         sealift.Act
	SignedAt    time.Time
	Created     time.Time
	Archive     sealift.Digest
	ArchiveSize int64
	Blob        sealift.Digest // the full one
	BlobSize    int64
	File        []byte // release.json
	Proof       []byte
	LogIndex    int64
	Issuer      sealift.Digest // of the leaf
	Serial      string
}

// ReleaseFilter picks releases; a zero field matches all.
type ReleaseFilter struct {
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
	Counter  sealift.Counter
	Act      sealift.Act
	Before   sealift.Counter // only smaller counters
	Limit    int             // 0 for no limit
}

// Metadata is signed TUF metadata of one role.
type Metadata struct {
	Role    string
	Version int64
	Expires time.Time
	Content []byte
}

// Outgoing is a file that waits to be written to the published tree.
type Outgoing struct {
	Seq     int64
	Key     string
	Content []byte
}

// DenialKind is what a denial refuses.
type DenialKind string

// The kinds of denial.
const (
	DenyRelease DenialKind = "release" // one certificate: issuer and serial
	DenyCA      DenialKind = "ca"      // all that a release CA certified: issuer
	DenyFloor   DenialKind = "floor"   // all of an app under counter or version
)

// DenialState is whether a denial stands in deny.json.
type DenialState string

// The states of a denial.
const (
	DenialActive    DenialState = "active"    // it is in deny.json
	DenialConfirmed DenialState = "confirmed" // trust.json holds it, so deny.json need not
	DenialLifted    DenialState = "lifted"    // somebody took it back
)

// Denial is one thing that the director refuses.
type Denial struct {
	ID      string
	Kind    DenialKind
	App     sealift.AppID   // empty for a CA
	Counter sealift.Counter // of the release, or the floor; 0 for none
	Version sealift.Version // of the release, or the floor; empty for none
	Issuer  sealift.Digest  // of the certificate, or the CA; zero for a floor
	Serial  string
	Reason  string // in a person's words
	Creator string // id of the actor who made it
	Created time.Time
	State   DenialState
	Changed time.Time // when State was last set
	MAC     []byte    // see Authentic
}

// Token is an access token of a person or a service.
type Token struct {
	ID      string
	Kind    string
	Role    string
	Actions string         // the only ones of the role's, space-separated; empty for all
	App     sealift.AppID  // the only app that it is good for; empty for all
	Label   string         // what it is for, in a person's words
	Creator string         // id of the actor who made it
	Hash    sealift.Digest // SHA-256 of the secret
	Created time.Time
	Expires time.Time // zero for never
	Revoked bool
	MAC     []byte // see Authentic
}

// PersonState is whether a person may sign in.
type PersonState string

// The states of a person.
const (
	PersonInvited  PersonState = "invited"  // has no credentials yet
	PersonAccepted PersonState = "accepted" // has credentials, and may do nothing until others have confirmed who it was
	PersonActive   PersonState = "active"
	PersonDisabled PersonState = "disabled"
	PersonRemoved  PersonState = "removed" // for ever: the row is for the log to name
)

// Person is somebody who acts on the vault in their own name.
type Person struct {
	ID      string
	Login   string // an e-mail address, in lower case
	Name    string
	Role    string
	App     sealift.AppID // the only app that they may touch; empty for all
	State   PersonState
	Creator string // id of the actor who first invited them
	Created time.Time
	Issuer  string // OpenID Connect: whose word is taken for who they are; empty for nobody's
	Subject string // and by what name that issuer knows them

	Inviter      string    // id of the actor who made their last invitation, and held it
	InvitedFrom  string    // IP address that it was made from
	Accepted     time.Time // when it was accepted; zero while it was not
	AcceptedFrom string    // from which IP address
	AcceptedWith string    // and with what program, in its own words
	Confirmed    string    // id of the actor who then had others confirm them; empty for nobody

	MAC []byte // see Authentic
}

// Credential is one thing that a person proves themselves with. Package people
// alone gives Data its meaning.
type Credential struct {
	ID      string
	Person  string // id
	Kind    string
	Label   string
	Counter int64 // grows with each use, so that nothing serves twice
	Created time.Time
	Used    time.Time // zero for never
	Data    []byte
	MAC     []byte // see Authentic
}

// Session is a token that stands for a person: for a while, once they have
// proven themselves; or once, to set their credentials.
type Session struct {
	ID      string
	Person  string // id
	Kind    string
	Label   string         // the program that it is for, in its own words
	Address string         // IP address that it was made from
	AMR     string         // how the person proved themselves: RFC 8176, space-separated
	Hash    sealift.Digest // SHA-256 of the secret
	Created time.Time
	Seen    time.Time // when it was last used, within a minute
	Proven  time.Time // when the person last proved themselves by more than one factor
	Expires time.Time
	MAC     []byte // see Authentic
}

// Policy says how many people must stand behind an action.
type Policy struct {
	App     sealift.AppID   // empty for the installation
	Channel sealift.Channel // of App; empty for all of them
	Action  string
	Version uint64 // grows with every change
	Needed  int64  // how many; 0 for nobody, -1 where it was taken back, and others count again
	Roles   string // of those who may approve, space-separated and sorted
	Creator string // id of the actor who set it
	Created time.Time
	MAC     []byte // see Authentic
}

// ApprovalState is how far a request for approval has come.
type ApprovalState string

// The states of a request for approval.
const (
	ApprovalOpen     ApprovalState = "open"     // people are asked
	ApprovalGranted  ApprovalState = "granted"  // enough of them approved; what was asked for is yet to be done
	ApprovalUsed     ApprovalState = "used"     // and it was taken up, once
	ApprovalFailed   ApprovalState = "failed"   // and it could not be done: Outcome says why
	ApprovalRejected ApprovalState = "rejected" // somebody said no
	ApprovalVoid     ApprovalState = "void"     // taken back, too old, or what it went by has changed
)

// ApprovalRequest asks people to stand behind one act, exactly as it stands here.
type ApprovalRequest struct {
	ID            string
	Action        string
	App           sealift.AppID // empty for the installation
	Subject       string        // what it is about: the id of a draft, key or person
	Requester     string        // id of the person or token that asked
	Person        string        // id of the person who answers for the requester, and never approves; empty where nobody with a name does
	PolicyVersion uint64
	KeyVersion    uint64 // of the key that it is about; 0 where it is about none
	Needed        int64
	State         ApprovalState
	Outcome       string // why it is rejected, failed or void; in words
	Nonce         string
	Created       time.Time
	Expires       time.Time
	Changed       time.Time      // when the state was set
	Payload       sealift.Digest // of the payload that is to be signed; zero where there is none
	Parameters    []byte         // canonical JSON of everything that is asked for
	MAC           []byte         // see Authentic
}

// ApprovalFilter picks requests; an empty field matches all.
type ApprovalFilter struct {
	State   ApprovalState
	Action  string
	Subject string
	Limit   int
}

// Approval is a person's yes to a request, with its evidence.
type Approval struct {
	Request    string // id
	Person     string // id
	Credential string // id of the passkey
	Created    time.Time
	Evidence   []byte // JSON of the WebAuthn assertion
	MAC        []byte // see Authentic
}

// EnrolmentToken lets devices enrol. Its secret is among the wrapped secrets.
type EnrolmentToken struct {
	ID      string
	App     sealift.AppID
	Label   string
	Created time.Time
	Expires time.Time
	MaxUses int64 // 0 for any number
	Uses    int64
	MAC     []byte // see Authentic
}

// DeviceState is whether a device may ask for anything.
type DeviceState string

// The states of a device.
const (
	DeviceActive  DeviceState = "active"
	DeviceRevoked DeviceState = "revoked"
)

// Device is an enrolled installation.
type Device struct {
	App       sealift.AppID
	ID        sealift.DeviceID
	Identity  []byte // DER SubjectPublicKeyInfo
	KEM       uint16
	KDF       uint16
	AEAD      uint16
	PublicKey []byte // HPKE
	Platform  sealift.Platform
	Runtime   sealift.Version
	Token     string // id of the enrolment token; empty where the app enrols openly
	State     DeviceState
	Enrolled  time.Time
	MAC       []byte // see Authentic
}

// DeviceReport is how a device was when it was seen last, by its own account.
type DeviceReport struct {
	App      sealift.AppID
	Device   sealift.DeviceID
	Seen     time.Time // when it last said something that its key signed
	Reported time.Time // when it last reported; zero for never
	Through  uint64    // the highest sequence of its steps that is kept, or once was
	Lost     uint64    // how many steps it dropped unsent
	Root     int64     // the version of root.json that it trusts; 0 for none that is known
	Targets  int64     // and of targets.json
	Channel  sealift.Channel
	Version  sealift.Version // that is installed; empty for none
	Counter  sealift.Counter
	State    []byte // JSON of trust.DeviceState; empty before the first report
	// What rules of channels look at, out of State.
	Runtime  sealift.Version
	Build    string // a trust.Build
	Emulator bool
}

// Fleet counts devices.
type Fleet struct {
	Devices int64
	Behind  int64     // how many of them are below the versions asked for
	Oldest  time.Time // when the one of these was seen that was not for the longest; zero for none
}

// Nonce is one that a device used.
type Nonce struct {
	Device  sealift.DeviceID
	Nonce   string
	Expires time.Time
}

// Table is a table of a store, by what SQL calls it and its columns.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// Backup is one that was made, or that could not be.
type Backup struct {
	Created time.Time // when it was begun
	File    string    // where it was written, by its path on the server's machine
	Length  int64     // bytes
	Digest  sealift.Digest
	Problem string // why there is none; empty for a good one
}

// Restore is the coming back of this store from a backup.
type Restore struct {
	Restored time.Time
	Created  time.Time // when the backup was begun
	Entries  int64     // how many log entries the backup held
	Lost     int64     // how many of those after it are known by their hashes alone
	// Known is whether the published tree of before was there to go on from, so
	// that the log does. Otherwise devices that saw more of it follow a new log
	// only, which people vouch for.
	Known bool
	// Directed is whether everything online was signed anew since, above all
	// that was published.
	Directed bool
	// LogVersion is the first version of the log key that is the new log's; 0
	// until it is made, and where none is needed.
	LogVersion uint64
	Settled    bool // there is nothing left to do
	// MAC is empty until the vault has done something: it is sealed while it is
	// restored. What counts until then is the log's entry of it. See Authentic.
	MAC []byte
}
