// Package store is the contract of what a vault and an edge keep: rows, and
// the transactions that change them. It knows no database; storetest holds
// every implementation to the same behaviour.
//
// A Tx is many small interfaces, one a concern; a package that needs some of
// them names those. All of them share these rules:
//
//   - A row that is not there is KindNotFound, and so is one to be written that
//     belongs to an app or a channel that is not there; one that is there
//     already, or that is not as the caller said it was, is KindConflict; a full
//     disk is KindExhausted; a database that cannot be reached is KindNetwork
//     with ReasonAway. Everything else is KindInternal.
//   - After KindNotFound, KindConflict and KindDenied the transaction goes on as
//     if the call had not been made. Any other error, the end of a method's ctx
//     included, ends it: what follows is an error, and so is Update.
//   - Times are UTC with microseconds; finer ones are rounded down, and the zero
//     time comes back as it is. Byte slices are the caller's after a call and
//     the store's before it returns. An empty one is the same as nil, and comes
//     back as nil.
//   - Versions, epochs and counters go up to 2^63-2.
//   - Text is UTF-8 without NUL.
//   - Lists come in a stated order, text byte by byte, and never end in an error
//     for being empty.
package store

import (
	"context"
	"time"

	"github.com/sealift/sealift"
)

// ReasonAway is the reason of errors that say that the database is away.
const ReasonAway = "database-away"

// Store keeps rows durably.
type Store interface {
	// Update runs fn in a transaction that may write. Updates run one after
	// the other, in the order in which they came. If fn returns nil, all of it is
	// durable when Update returns nil; otherwise nothing of it remains. fn must
	// not keep its Tx, nor call Update: it would wait for itself.
	//
	// Updates that wait for one another may be made durable by one commit: fn then
	// sees what those before it did, as it would after them, and if the commit
	// fails so do all. An Update in which fn fails, panics or breaks its
	// transaction is taken back alone. The end of ctx takes it back until fn has
	// returned, and no longer. So an Update may wait for the fn of another behind
	// it, as it waits for those before it: fn should be short.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on one state of the store, no older than what Updates that
	// returned before have left. What fn writes is an error.
	View(ctx context.Context, fn func(Tx) error) error
	// Read is View for whoever reads once: each read in fn is of a state of its own,
	// no older than what Updates that returned before have left, and costs no
	// transaction. fn may be run again, where a connection was lost.
	Read(ctx context.Context, fn func(Tx) error) error
	// Counts returns what it has done since it was opened.
	Counts() Counts
	// Close waits for what runs and closes the store. Closing twice is no error.
	Close() error
}

// Counts is what a Store has done since it was opened.
type Counts struct {
	Updates int64 // that were acknowledged
	Commits int64 // that made them durable, each with one sync at least
}

// Tx is one transaction.
type Tx interface {
	SealTx
	KeyTx
	AuditTx
	AppTx
	ReleaseTx
	DocumentTx
	DenialTx
	TokenTx
	PeopleTx
	ApprovalTx
	DeviceTx
	RolloutTx
	PlanTx
	StatsTx
	CapgoDeviceTx
	FleetTx
	ChannelTx
	LabelTx
	PatchTx
	CapgoTx
	PlacedTx
	RestoreTx
	CopyTx
}

// SealTx keeps how the vault is sealed.
type SealTx interface {
	// VaultSeal returns the seal record, or KindNotFound before the first.
	VaultSeal(ctx context.Context) ([]byte, error)
	// SetVaultSeal writes it, over the one before.
	SetVaultSeal(ctx context.Context, record []byte) error
	// Secret returns a wrapped secret by its name, or KindNotFound.
	Secret(ctx context.Context, name string) ([]byte, error)
	// InsertSecret writes one; KindConflict if the name is taken.
	InsertSecret(ctx context.Context, name string, wrapped []byte) error
	// UpdateSecret replaces one that still is as old says; KindConflict otherwise,
	// KindNotFound if there is none.
	UpdateSecret(ctx context.Context, name string, wrapped, old []byte) error
	// Secrets returns those whose name comes behind the given one, at most limit,
	// by name.
	Secrets(ctx context.Context, behind string, limit int) ([]Secret, error)
	// DeleteSecret removes one; removing none is no error.
	DeleteSecret(ctx context.Context, name string) error
}

// KeyTx keeps keys, one row a version.
type KeyTx interface {
	// InsertKey writes a new version; KindConflict if it is there.
	InsertKey(ctx context.Context, key Key) error
	// Key returns one version, or KindNotFound.
	Key(ctx context.Context, id string, version uint64) (Key, error)
	// UpdateKey replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateKey(ctx context.Context, key Key, oldMAC []byte) error
	// Keys returns the keys that match every non-empty field of filter, by id
	// and version.
	Keys(ctx context.Context, filter KeyFilter) ([]Key, error)
	// KeysUnder returns the keys under a key-encryption key that come behind a
	// version of an id, which need not exist, at most limit, by id and version.
	KeysUnder(ctx context.Context, kek string, behindID string, behindVersion uint64, limit int) ([]Key, error)
}

// AuditTx keeps the log.
type AuditTx interface {
	// AuditSize returns the index of the next entry: one more than the largest,
	// and so the number of entries of a log without gaps.
	AuditSize(ctx context.Context) (int64, error)
	// AppendAudit writes the entry with the given index, which must be the
	// size before, and the tlog hashes that it completes, which must follow
	// the stored ones; KindConflict otherwise. A disk without room for it may show
	// when the Update ends, and then as the Update's error.
	AppendAudit(ctx context.Context, index int64, leaf []byte, firstHash int64, hashes [][32]byte) error
	// AuditEntries returns the leaves from index first on, at most limit, in
	// order. A gap is returned as it is: entries carry their index.
	AuditEntries(ctx context.Context, first int64, limit int) ([]AuditEntry, error)
	// AuditHashes returns the stored hashes at the given tlog indexes, in that
	// order; KindNotFound if one is missing.
	AuditHashes(ctx context.Context, indexes []int64) ([][32]byte, error)
	// Statement returns where the log's newest statement about rows stands, as
	// SetStatement noted; -1 where it never did.
	Statement(ctx context.Context) (int64, error)
	// SetStatement notes it, over the one before.
	SetStatement(ctx context.Context, index int64) error
	// InsertCheckpoint writes a signed checkpoint; one of the same size
	// replaces the one before.
	InsertCheckpoint(ctx context.Context, size int64, note []byte) error
	// LatestCheckpoint returns the checkpoint of the largest size, or
	// KindNotFound.
	LatestCheckpoint(ctx context.Context) (size int64, note []byte, err error)
	// DropCheckpoints removes those of less than the given size, as when a new
	// log begins, and returns how many there were.
	DropCheckpoints(ctx context.Context, size int64) (int64, error)
	// Checkpoints returns those of at least the given size, at most limit, by
	// size.
	Checkpoints(ctx context.Context, least int64, limit int) ([]Checkpoint, error)
}

// AppTx keeps apps, their channels, the epochs of those and the counters.
type AppTx interface {
	InsertApp(ctx context.Context, app App) error // KindConflict if its id is taken
	App(ctx context.Context, id sealift.AppID) (App, error)
	Apps(ctx context.Context) ([]App, error) // by id
	// UpdateApp replaces a row whose MAC still is oldMAC, and not the last counter;
	// KindConflict otherwise, KindNotFound if there is none.
	UpdateApp(ctx context.Context, a App, oldMAC []byte) error
	InsertChannel(ctx context.Context, c Channel) error // KindConflict if it is there, KindNotFound if its app is not
	Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (Channel, error)
	Channels(ctx context.Context, app sealift.AppID) ([]Channel, error) // by name
	// InsertEpoch writes the next epoch of a channel; its number must be the
	// newest one plus 1, from 1 on; KindConflict otherwise.
	InsertEpoch(ctx context.Context, e Epoch) error
	// Epoch returns one epoch, or the newest for number 0; KindNotFound.
	Epoch(ctx context.Context, app sealift.AppID, channel sealift.Channel, number uint64) (Epoch, error)
	// NextCounter returns the counter after the last one of app and makes it
	// the last one; the first is 1. KindNotFound if there is no such app.
	NextCounter(ctx context.Context, app sealift.AppID) (sealift.Counter, error)
	// RaiseCounter makes the last counter of app at least this one, as after a
	// restore. KindNotFound if there is no such app.
	RaiseCounter(ctx context.Context, app sealift.AppID, least sealift.Counter) error
}

// ReleaseTx keeps drafts, uploaded blobs and releases.
type ReleaseTx interface {
	InsertDraft(ctx context.Context, d Draft) error
	Draft(ctx context.Context, id string) (Draft, error)
	// UpdateDraft replaces a draft that is still in state from; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateDraft(ctx context.Context, d Draft, from DraftState) error
	// OpenDrafts returns the drafts for one release that are in DraftReserved
	// or DraftSubmitted, by counter.
	OpenDrafts(ctx context.Context, of Coordinates) ([]Draft, error)
	// SubmittedDrafts returns the drafts of app, or of all if it is empty, that
	// are in DraftSubmitted, by Submitted and then by id.
	SubmittedDrafts(ctx context.Context, app sealift.AppID) ([]Draft, error)

	// UnfinishedDrafts returns all drafts that are in DraftReserved or
	// DraftSubmitted, by id.
	UnfinishedDrafts(ctx context.Context) ([]Draft, error)

	// InsertBlob notes a stored blob; one that is noted already is no error.
	InsertBlob(ctx context.Context, b Blob) error
	Blob(ctx context.Context, app sealift.AppID, digest sealift.Digest) (Blob, error)

	// InsertRelease writes a release. KindConflict if its digest or its
	// counter is taken in the app, or, for ActRelease, its Coordinates.
	InsertRelease(ctx context.Context, r Release) error
	Release(ctx context.Context, app sealift.AppID, digest sealift.Digest) (Release, error)
	// Releases returns the releases of an app that match every non-zero field
	// of filter, newest counter first.
	Releases(ctx context.Context, app sealift.AppID, filter ReleaseFilter) ([]Release, error)
	// SetProof replaces the log proof of a release; KindNotFound if there is
	// none.
	SetProof(ctx context.Context, app sealift.AppID, digest sealift.Digest, proof []byte) error
}

// DocumentTx keeps the signed TUF metadata, the director's targets and what
// waits to be written to the published tree.
type DocumentTx interface {
	// Metadata returns the newest metadata of a role, or KindNotFound.
	Metadata(ctx context.Context, role string) (Metadata, error)
	// SetMetadata writes a version of a role that is above the newest;
	// KindConflict otherwise. Versions of root are all kept, of other roles
	// the newest one.
	SetMetadata(ctx context.Context, m Metadata) error
	// Root returns one version of root, or KindNotFound.
	Root(ctx context.Context, version int64) (Metadata, error)

	// Document returns the newest content at a target path, or KindNotFound.
	Document(ctx context.Context, path string) ([]byte, error)
	// Documents returns the paths there are.
	Documents(ctx context.Context) ([]string, error) // by path
	// SetDocument writes it, over the one before; nil removes it. Removing none
	// is no error.
	SetDocument(ctx context.Context, path string, content []byte) error

	// AppendOutbox adds a file to be written to the published tree. Its Seq is
	// above all there ever were.
	AppendOutbox(ctx context.Context, key string, content []byte) error
	// Outbox returns at most limit waiting files, oldest first.
	Outbox(ctx context.Context, limit int) ([]Outgoing, error)
	// CountOutbox returns how many wait.
	CountOutbox(ctx context.Context) (int64, error)
	// TrimOutbox removes the files up to and with seq.
	TrimOutbox(ctx context.Context, seq int64) error
}

// DenialTx keeps what is refused at once, until people confirm it offline.
type DenialTx interface {
	InsertDenial(ctx context.Context, d Denial) error
	Denial(ctx context.Context, id string) (Denial, error)
	Denials(ctx context.Context) ([]Denial, error) // by creation, then by id
	// UpdateDenial replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateDenial(ctx context.Context, d Denial, oldMAC []byte) error
}

// TokenTx keeps access tokens and enrolment tokens.
type TokenTx interface {
	InsertToken(ctx context.Context, t Token) error
	Token(ctx context.Context, id string) (Token, error)
	Tokens(ctx context.Context) ([]Token, error) // by creation, then by id
	// UpdateToken replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateToken(ctx context.Context, t Token, oldMAC []byte) error

	InsertEnrolmentToken(ctx context.Context, t EnrolmentToken) error
	EnrolmentToken(ctx context.Context, id string) (EnrolmentToken, error)
	// UpdateEnrolmentToken replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateEnrolmentToken(ctx context.Context, t EnrolmentToken, oldMAC []byte) error
}

// PeopleTx keeps people, their credentials, and the tokens that stand for them.
type PeopleTx interface {
	// InsertPerson writes a new person; KindConflict if the id is taken, or the
	// login by somebody who was not removed.
	InsertPerson(ctx context.Context, p Person) error
	Person(ctx context.Context, id string) (Person, error)
	// PersonByLogin returns who has the login and was not removed.
	PersonByLogin(ctx context.Context, login string) (Person, error)
	Persons(ctx context.Context) ([]Person, error) // by creation, then by id
	// UpdatePerson replaces a row whose MAC still is oldMAC, whose login stays
	// and who was not removed; KindConflict otherwise, KindNotFound if there is
	// none.
	UpdatePerson(ctx context.Context, p Person, oldMAC []byte) error

	InsertCredential(ctx context.Context, c Credential) error // KindConflict if its id is taken
	Credential(ctx context.Context, id string) (Credential, error)
	Credentials(ctx context.Context, person string) ([]Credential, error) // by kind, creation and id
	// UpdateCredential replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateCredential(ctx context.Context, c Credential, oldMAC []byte) error
	DeleteCredential(ctx context.Context, id string) error // KindNotFound if there is none

	InsertSession(ctx context.Context, s Session) error // KindConflict if its id is taken
	Session(ctx context.Context, id string) (Session, error)
	Sessions(ctx context.Context, person string) ([]Session, error) // by creation, then by id
	// UpdateSession replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateSession(ctx context.Context, s Session, oldMAC []byte) error
	DeleteSession(ctx context.Context, id string) error // KindNotFound if there is none
	// PruneSessions forgets the sessions that expired before the time.
	PruneSessions(ctx context.Context, before time.Time) (int64, error)
}

// ApprovalTx keeps how many people must stand behind what, and what they said.
type ApprovalTx interface {
	// PutPolicy writes a policy whose version is above that of the one before
	// for its app, channel and action; KindConflict otherwise.
	PutPolicy(ctx context.Context, p Policy) error
	Policies(ctx context.Context) ([]Policy, error) // by app, channel and action

	InsertApprovalRequest(ctx context.Context, r ApprovalRequest) error // KindConflict if its id is taken
	ApprovalRequest(ctx context.Context, id string) (ApprovalRequest, error)
	// ApprovalRequests returns at most filter.Limit requests that match every
	// non-empty field of filter, newest first.
	ApprovalRequests(ctx context.Context, filter ApprovalFilter) ([]ApprovalRequest, error)
	// UpdateApprovalRequest replaces a row whose MAC still is oldMAC;
	// KindConflict otherwise, KindNotFound if there is none.
	UpdateApprovalRequest(ctx context.Context, r ApprovalRequest, oldMAC []byte) error

	// InsertApproval writes what a person said to a request; KindConflict if
	// they said so before, KindNotFound where there is no such request or person.
	InsertApproval(ctx context.Context, a Approval) error
	Approvals(ctx context.Context, request string) ([]Approval, error) // by creation, then by person
}

// DeviceTx keeps devices and the nonces of their requests.
type DeviceTx interface {
	// PutDevice writes a device; enrolling again with the same id replaces
	// the row.
	PutDevice(ctx context.Context, d Device) error
	Device(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (Device, error)
	// PutDeviceReport writes how a device is, over what it was; KindNotFound if
	// there is no such device.
	PutDeviceReport(ctx context.Context, r DeviceReport) error
	// DeviceReport returns it, or KindNotFound before its first.
	DeviceReport(ctx context.Context, app sealift.AppID, id sealift.DeviceID) (DeviceReport, error)
	// InsertDeviceStep writes a step of a device; KindConflict if the device has
	// one of that sequence, KindNotFound if there is no such device.
	InsertDeviceStep(ctx context.Context, s DeviceStep) error
	// PruneDeviceSteps forgets all but the newest of a device, by sequence.
	PruneDeviceSteps(ctx context.Context, app sealift.AppID, id sealift.DeviceID, keep int) error
	// DeviceSteps returns at most limit steps of a device, newest first; with
	// before, only those of a smaller sequence.
	DeviceSteps(ctx context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) ([]DeviceStep, error)
	// CountFleet counts the devices of all apps that are active, enrolled with a
	// token, and were seen at since or later; one without a state was seen when it
	// enrolled.
	CountFleet(ctx context.Context, since time.Time, root, targets int64) (Fleet, error)
	// CountDevices returns how many devices of app there are by state.
	CountDevices(ctx context.Context, app sealift.AppID) (map[DeviceState]int64, error)
	// UseNonce notes a nonce until expires; KindConflict with reason "nonce"
	// if the device used it before.
	UseNonce(ctx context.Context, n Nonce) error
	// PruneNonces forgets the nonces that expired before the time.
	PruneNonces(ctx context.Context, before time.Time) (int64, error)
}

// RestoreTx keeps what became of backups, and what a restored store has to go
// on above.
type RestoreTx interface {
	// RaiseVersion makes the version that the next metadata of a role must
	// exceed at least this one.
	RaiseVersion(ctx context.Context, role string, least int64) error
	// VersionFloors returns those versions by role.
	VersionFloors(ctx context.Context) (map[string]int64, error)
	InsertBackup(ctx context.Context, b Backup) error         // KindConflict if one was begun at that time
	Backups(ctx context.Context, limit int) ([]Backup, error) // newest first
	PutRestore(ctx context.Context, r Restore) error          // over one of the same Restored
	Restores(ctx context.Context) ([]Restore, error)          // newest first
}

// CopyTx reads and fills tables whole, whatever they mean. A value in a row is an
// int64, a string or a []byte.
type CopyTx interface {
	// Schema returns the number of the last migration.
	Schema(ctx context.Context) (int64, error)
	// Tables returns all tables but the outbox, whose files can be written again
	// from the others, in an order in which they can be filled: what a row
	// belongs to comes before it.
	Tables(ctx context.Context) ([]Table, error)
	// Rows calls each with every row of a table of Tables, its values in the
	// order of the columns, until one returns an error, which Rows returns. The
	// values are the callee's, which must not use the transaction.
	Rows(ctx context.Context, table Table, each func(values []any) error) error
	// FillRow inserts a row into a table of Tables, whose columns may be in
	// another order. Names that are not the store's own, or values of another
	// number, are KindInvalid. Every other error, KindConflict and KindNotFound
	// included, ends the transaction.
	FillRow(ctx context.Context, table Table, values []any) error
}
