package sealift

import "time"

// Everything that comes from outside is bounded, and every bound stands here
// with its reason. Sizes are in bytes.
const (
	// MaxRoot and the four below bound TUF metadata. A root with 20 RSA-4096
	// keys is 30 KiB; a snapshot of 4,096 bins is 300 KiB; a bin with 400
	// offers is 150 KiB.
	MaxRoot      = 512 << 10
	MaxTimestamp = 16 << 10
	MaxSnapshot  = 2 << 20
	MaxTargets   = 4 << 20
	// MaxRootRotations is how many roots a device follows in one refresh: 256
	// yearly ceremonies, or a bad week.
	MaxRootRotations = 256

	// MaxDelegations is how many roles a device visits for one target: ours is
	// in its bin or nowhere; 32 is what other TUF clients allow.
	MaxDelegations = 32

	// MaxTarget bounds trust.json, deny.json, offer.json and epoch.json: go-tuf
	// holds them in memory whole. 1 MiB is 5,000 revoked serials.
	MaxTarget = 1 << 20
	// MaxRelease bounds release.json; 64 blobs with an RSA-4096 chain are 40 KiB.
	MaxRelease = 256 << 10
	// MaxProof bounds a log proof: 64 hashes and a checkpoint are 8 KiB.
	MaxProof = 32 << 10
	// MaxWitnesses bounds the witnesses that cosign the log: with the log's own
	// they are 16 signatures, which every reader of a C2SP signed note must take.
	MaxWitnesses = 15
	// MaxWitnessAnswer bounds what a witness answers with: signature lines of
	// several keys, or a size; ML-DSA-44 lines have 3 KiB each.
	MaxWitnessAnswer = 16 << 10
	// MaxLogTile is the size of a full C2SP hash tile: 256 SHA-256 hashes.
	MaxLogTile = 256 * 32
	// MaxMessage bounds a device request and the vault's answer to it; the
	// largest, an enrolment with a hybrid key, is 4 KiB.
	MaxMessage = 32 << 10
	// MaxEpochKeys is how many epochs' keys a device keeps: that of what is
	// installed, of what comes, and of channels left a while ago. Others are asked
	// for again.
	MaxEpochKeys = 16
	// MessagesPerMinute is how many device messages one network (an IPv4 address
	// or an IPv6 /64) may send: a device sends one to enrol, one an epoch and one
	// report a day, so this serves some hundred new devices a minute behind one
	// address, and 100,000 that report. Each message of a stranger costs the vault a
	// signature and two log entries.
	MessagesPerMinute = 120
	// MaxThrottled is how many networks, or devices, are counted at a time, 60 to
	// 100 bytes each; those beyond share one count.
	MaxThrottled = 100_000
	// MaxJSONDepth bounds nesting in every document; ours nest to 8.
	MaxJSONDepth = 32

	// MaxArchive bounds a bundle's archive. Phones have little room and the
	// device needs both the old and the new bundle on disk.
	MaxArchive = 4 << 30
	// MaxSealedOverhead is what compression and sealing may add to an archive
	// of MaxArchive bytes: zstd frames 3 bytes a block, AES-GCM-HKDF 16 bytes a
	// segment and a header; 1/128 of the archive plus 64 KiB holds both.
	MaxSealedOverhead = MaxArchive/128 + 64<<10
	// MaxFiles bounds the files in a bundle; the largest web bundles seen have
	// 20,000.
	MaxFiles = 200_000
	// MaxPath bounds a path in a bundle, in bytes; MaxPathElement one element.
	// Common file systems take 255 bytes an element and PATH_MAX is 4,096 with
	// the folder it is installed in.
	MaxPath        = 1024
	MaxPathElement = 255
	// MaxZstdWindow bounds the memory a decoder is made to allocate.
	MaxZstdWindow = 8 << 20
	// MaxZipDepth bounds how deep the check for native code looks into zips
	// within zips, since a zip can hold itself; MaxZipHeaders bounds the
	// headers it looks at in all zips of one bundle, and the zips within them: a
	// local and a central one for as many files as a bundle may have.
	MaxZipDepth   = 3
	MaxZipHeaders = 2 * MaxFiles
	// MaxFileInflations bounds the compressed entries it looks into in one file
	// and the zips within it, and MaxInflations those of one bundle: crafted
	// headers can name the same bytes again and again. Office documents have a
	// few thousand entries, the largest zips of source code seen 10,000, and the
	// largest web bundles seen 20,000 files. Each becomes 4 KiB at the most, so
	// 64 MiB a file and 128 MiB a bundle, and takes 20 µs, or 1 ms if it is
	// crafted to: half a minute a bundle.
	MaxFileInflations = 16 << 10
	MaxInflations     = 32 << 10
	// MaxSecretKey bounds the stored form of an HPKE private key; it has 90
	// bytes.
	MaxSecretKey = 256

	// MaxBlobs bounds the blobs a release names: one full and the patches.
	MaxBlobs = 64
	// MaxSignatures bounds a release's envelope: its leaf and MaxCosigners, which
	// is how many people an app may have in a room, and more.
	MaxSignatures = 1 + MaxCosigners
	MaxCosigners  = 31
	// MaxDenials bounds the denials that wait to be confirmed by people: 2,000
	// revoked serials are a fifth of MaxTarget, and long before, a ceremony is due.
	MaxDenials = 2000
	// MaxCandidates bounds an offer; a canary, a hotfix and a few runtimes.
	MaxCandidates = 16
	// MaxSalt bounds the salt of a candidate's buckets; ours are 32 hex digits.
	MaxSalt = 64
	// MaxCounterStep is the most by which a release's counter may exceed the
	// highest a device confirmed: a stolen CA cannot use the counters up.
	MaxCounterStep = 1_000_000
	// MaxReservations is how many counters may be reserved beyond the last
	// published one: a failed publish takes one. It is under MaxCounterStep, so
	// that devices still follow, and so large that only somebody who means it
	// gets there.
	MaxReservations = 900_000
	// ReservationsPerHour is how many counters of an app one person or token may reserve:
	// six a minute, of whoever tries a failing publish again and again. Each is a row and
	// two entries for good, and without it one stolen token would be through
	// MaxReservations in a quarter of an hour, and nobody could publish any more.
	ReservationsPerHour = 360
	// MaxReason bounds texts that people write into signed documents.
	MaxReason = 1024

	// MaxState bounds the file in which a device keeps its state: 256 bins, the
	// installed releases and those never to be taken again are 80 KiB.
	MaxState = 512 << 10
	// MaxRefusedReleases is how many releases that failed on it a device
	// remembers; the oldest make room.
	MaxRefusedReleases = 256
	// MaxCachedTargets is how many small targets a device keeps on disk: those of
	// a check are 4, and some of the day before.
	MaxCachedTargets = 64
	// MaxRedirects bounds the redirects of one request, all within one server.
	MaxRedirects = 3
	// MaxResumes bounds how often one download goes on after a broken
	// connection before the caller is told.
	MaxResumes = 8

	// MaxAPIBody bounds a JSON body of the people-facing API.
	MaxAPIBody = 1 << 20
	// MaxCeremonyBody bounds the one that is larger: MaxRoot, MaxTargets and
	// MaxTarget in base64.
	MaxCeremonyBody = 8 << 20

	// MaxSealRecord bounds the record that holds the wrapped root key; a wrap
	// is 400 bytes. MaxSealWraps bounds its wraps: each passphrase wrap costs
	// one Argon2id to try.
	MaxSealRecord = 64 << 10
	MaxSealWraps  = 8
	// MaxKEKs bounds its key-encryption keys: the one that seals, and the one
	// before it while a rotation re-wraps what is under it; and two more, since a
	// record may come from a release that keeps others.
	MaxKEKs = 4
	// RewrapBatch is how many keys and secrets one transaction of such a rotation
	// re-wraps, each with an entry in the log: it holds up every other transaction
	// for some 30 ms. RewrapTime is how long the server goes on at a stretch.
	RewrapBatch = 50
	RewrapTime  = 10 * time.Second
	// The bounds of Argon2id parameters read from a record: RFC 9106's first
	// option (2 GiB, one pass) passes, a terabyte does not. Memory is in KiB.
	// Below the least no record was ever written.
	MinArgon2Memory  = 8 << 10
	MaxArgon2Memory  = 2 << 20
	MaxArgon2Time    = 16
	MaxArgon2Threads = 16
	// MinPassphrase is the least length of a vault's passphrase in bytes (NIST
	// SP 800-63B section 5.1.1.1); MaxPassphrase bounds what is hashed.
	MinPassphrase = 8
	MaxPassphrase = 1 << 10
	// A vault is sealed under at most MaxShares shares, of which at least
	// MinShareThreshold are needed: one would be a passphrase, and more people
	// than 20 are not called together in the night. The check of each is 44 bytes
	// of the seal record.
	MinShareThreshold = 2
	MaxShares         = 20
	// UnsealsPerMinute is how often one network may try to open a vault over the
	// API, where nobody is signed in: people who read 20 shares to one another at
	// one desk get there in two minutes. PassphrasesPerMinute bounds what is tried
	// from everywhere together of passphrases and recovery keys, each of which costs
	// an Argon2id: a quarter of the time of two cores. Whoever is on the server's own
	// machine is not counted with the others, and so never locked out by them.
	UnsealsPerMinute     = 12
	PassphrasesPerMinute = 60
	// MaxUnsealBody bounds the body of such a request: a passphrase of
	// MaxPassphrase bytes in JSON.
	MaxUnsealBody = 8 << 10
	// MaxTokenURI bounds the PKCS#11 URI of a key in a token; those that name
	// every attribute have 300 bytes.
	MaxTokenURI = 1 << 10
	// MinPassword is the least length of a person's password in characters. NIST SP
	// 800-63B-4 section 3.1.1.2 wants 8 where there is a second factor, and a
	// list of leaked passwords; there is no such list here, so more.
	MinPassword = 12
	// MaxPasswordHashes is how many passwords are hashed at a time: each takes 19
	// MiB and a core.
	MaxPasswordHashes = 2
	// MaxLogin bounds a login, in bytes: an e-mail address (RFC 5321 section
	// 4.5.3.1).
	MaxLogin = 254
	// MaxPersons bounds how many people there are; every sign-in with an owner's
	// token looks at all of them, and whoever has more has a directory of their
	// own.
	MaxPersons = 10_000
	// RecoveryCodes is how many recovery codes a person is given, as elsewhere.
	RecoveryCodes = 10
	// MaxSessions bounds the sessions of one person: a browser, a laptop, a few
	// terminals. The one that was used longest ago makes room.
	MaxSessions = 32
	// MaxPasskeys bounds the passkeys of one person: two in use, one in a safe, and
	// some more.
	MaxPasskeys = 16
	// SignInsPerMinute is how many sign-ins with a passkey, or in a browser, one
	// network may begin: an office in the morning.
	SignInsPerMinute = 60
	// MaxCeremonies bounds the registrations and sign-ins that are under way, a few
	// KiB each.
	MaxCeremonies = 1000
	// MaxIssuerSettings bounds the file that names an OpenID Connect issuer, and
	// MaxIssuerAnswer what one says: a discovery document, its keys, a token. Big
	// issuers' have 10 KiB.
	MaxIssuerSettings = 16 << 10
	MaxIssuerAnswer   = 256 << 10
	// MaxSubject bounds the name by which an issuer knows a person (OpenID Connect
	// Core 1.0 section 2: 255 ASCII characters).
	MaxSubject = 255
	// MaxKeyLabel bounds a key's id, owner and label and a secret's name, in bytes.
	MaxKeyLabel = 256
	// MaxSecret bounds a secret other than a key that the vault wraps; an
	// enrolment secret is 32 bytes, a provider's credential 4 KiB.
	MaxSecret = 16 << 10
	// MaxImport bounds the text of a private key that is imported: RSA-4096 as PEM
	// is 3.2 KiB.
	MaxImport = 16 << 10
	// MaxSignedMessage bounds what an Ed25519 key signs for a service, which it
	// can only sign whole: a manifest of 600 files.
	MaxSignedMessage = 64 << 10
	// MaxCertificate bounds the DER certificate that is kept with a key.
	MaxCertificate = 64 << 10

	// MaxTokenMessage bounds a message between a program and its PKCS#11 helper:
	// the longest asks for an Ed25519 signature over MaxTargets bytes, in base64.
	MaxTokenMessage = 6 << 20
	// MaxTokenRequests is how many requests a helper has under way at a time; the
	// others wait. Tokens sign 10 to 2,000 times a second, and no faster for more.
	MaxTokenRequests = 32
	// MaxTokenKeys bounds the keys listed of one token; the largest hold some hundred.
	MaxTokenKeys = 1000

	// MaxBackupHeader bounds the description at a backup's begin: 50 tables, and
	// the newest counter of 10,000 apps, are 700 KiB.
	MaxBackupHeader = 2 << 20
	// MaxBackupPart bounds a piece of a backup's rows: 4 MiB, and the row that
	// crosses them, which is MaxTargets in base64 at the most.
	MaxBackupPart = 16 << 20
	// MaxBackupManifest bounds the list of those pieces: 200,000 of them are
	// 800 GB of rows.
	MaxBackupManifest = 32 << 20
	// MaxRecipients bounds a file of age recipients or identities; a hybrid one
	// has 2 KiB.
	MaxRecipients = 256 << 10
	// RestoreCounters is by how much a restored vault skips counters beyond
	// those it knows of: as many releases as may have been reserved since the
	// backup. It leaves devices that never updated within MaxCounterStep, and
	// reservations within MaxReservations, after ninety restores without a
	// release.
	RestoreCounters = 10_000
	// RestoreVersions is by how much it skips versions of metadata, which have
	// no step: as many signatures as may have been made since the backup. For a
	// bin, whose versions go up by 256, these are 65,536. It goes into 2^53,
	// where some readers of JSON stop counting, 500 million times.
	RestoreVersions = 1 << 24

	// MaxBlob bounds a sealed blob, and so an upload.
	MaxBlob = MaxArchive + MaxSealedOverhead
	// MaxHeader bounds the header of an HTTP request. The largest of ours has a
	// token of 164 bytes; what proxies and browsers add fits in 16 KiB.
	MaxHeader = 16 << 10
	// MaxLabel bounds what a person calls a thing, in bytes.
	MaxLabel = 128
	// MaxPage is the most that one request of the people-facing API lists.
	MaxPage = 100
	// MaxEntriesLooked bounds how far back one request searches the log: 20,000
	// entries take about 100 ms to read. MaxLeaves is the most leaves that one
	// request reads; audit.Leaves bounds their bytes.
	MaxEntriesLooked = 20_000
	MaxLeaves        = 1000
	// MaxEnrolments bounds the uses of an enrolment token that has a bound.
	MaxEnrolments = 1_000_000
)

// A server gives up on slow clients. These are for whole requests and answers,
// none of which is larger than MaxCeremonyBody; blobs have TransferTimeout.
const (
	// HeaderTimeout bounds the arrival of a request's header: two round trips
	// on a bad mobile line.
	HeaderTimeout = 10 * time.Second
	// RequestTimeout bounds the arrival of a whole request: MaxAPIBody at
	// 35 KB/s, MaxMessage at the device's own MinRate.
	RequestTimeout = 30 * time.Second
	// AnswerTimeout bounds a request from its header to the end of its answer,
	// with what the server does in between; the most is a submission, for which
	// the vault opens and inspects a bundle: MaxArchive at 50 MB/s is 86 s.
	AnswerTimeout = 5 * time.Minute
	// KeepAliveTimeout is how long a connection may stay open with no request.
	KeepAliveTimeout = 2 * time.Minute
	// TransferTimeout bounds each piece of a blob's upload or download, and is
	// set anew for every piece. A piece is at most TransferPiece bytes, so that
	// no transfer that a device goes on with, at MinRate, is cut off.
	TransferTimeout = MinRateWindow
	TransferPiece   = 32 << 10
	// ShareLife is how long a share that somebody gave waits in memory for the
	// next one: time to ring up whoever holds it.
	ShareLife = 15 * time.Minute
	// SessionLife and SessionIdle end a person's session, counted from its
	// beginning and from its last use: within what NIST SP 800-63B-4 section
	// 2.2.3 wants at AAL2, 24 hours and one. SessionTouch is how exactly the last
	// use is noted: noting each would make every reading a writing.
	SessionLife  = 12 * time.Hour
	SessionIdle  = time.Hour
	SessionTouch = time.Minute
	// StepUpAge is how old a proof of who somebody is may be for what matters
	// most: long enough to do what one had in mind, too short to leave a desk.
	StepUpAge = 5 * time.Minute
	// InvitationLife is how long an invitation is good for: over a weekend.
	InvitationLife = 72 * time.Hour
	// CeremonyLife is how long somebody has to finish what takes two requests: to
	// find their phone, and scan a code.
	CeremonyLife = 10 * time.Minute
	// IssuerTimeout is how long an issuer may take for all that one request of a
	// sign-in asks of it: the person waits. IssuerMemory is how long what it says of
	// its endpoints is believed.
	IssuerTimeout = 10 * time.Second
	IssuerMemory  = time.Hour
	// OwnerTokenLife is how long an owner's token is good for: a day for setting
	// up, until there is an owner with a name.
	OwnerTokenLife = 24 * time.Hour
	// MaxSignInWait is the longest that somebody has to wait who tries to sign in
	// after others, or they themselves, have failed again and again: with it, a
	// hundred guesses a day. SignInMemory is how long failures are remembered
	// after that.
	MaxSignInWait = 15 * time.Minute
	SignInMemory  = 24 * time.Hour
	// MaxTokenLife bounds how long an access or enrolment token is good for: what
	// nobody renews within a year, nobody remembers.
	MaxTokenLife = 366 * 24 * time.Hour
)

// A token that hangs must not hold up the vault for longer than people wait.
const (
	// TokenTimeout bounds one request to a PKCS#11 token: a smart card takes a
	// second to sign with RSA-4096. It may pass inside a transaction.
	TokenTimeout = 5 * time.Second
	// TokenGenerateTimeout bounds the generation of a key: a smart card may look
	// for RSA-4096 primes for a minute and more.
	TokenGenerateTimeout = 3 * time.Minute
	// TokenStartTimeout bounds the start of the helper, with the vendor's module.
	TokenStartTimeout = 15 * time.Second
)

const (
	// MetadataTimeout bounds one fetch of a small document, all told.
	MetadataTimeout = 30 * time.Second
	// ConnectTimeout bounds dialling and the TLS handshake.
	ConnectTimeout = 10 * time.Second
	// WitnessTimeout bounds one question to a witness, all told: it verifies 64
	// hashes and a signature and writes one row.
	WitnessTimeout = 20 * time.Second
	// MaxWitnessClock is how far the time of a cosignature may be from our own: a
	// later look at it must be able to believe what it says of its age.
	MaxWitnessClock = 10 * time.Minute
	// IdleTimeout is how long a download may deliver nothing.
	IdleTimeout = 30 * time.Second
	// MinRate, in bytes a second over MinRateWindow, is the slowest download
	// that a device goes on with: below it an attacker holds the update back
	// while seeming to deliver it (TUF's slow retrieval attack).
	MinRate       = 1 << 10
	MinRateWindow = time.Minute
	// MaxVerdictAge is how long after it was verified a release may be put in
	// place without asking again what is revoked and what time it is. A download
	// at MinRate can be drawn out for weeks; most take less than this, and need
	// no second round. It is little beside TimestampPeriod, by which a device
	// that asked just before a revocation is late anyhow.
	MaxVerdictAge = 10 * time.Minute

	// LeafValidity is half of a leaf's life: it is valid from signedAt minus
	// this to signedAt plus this.
	LeafValidity = 10 * time.Minute
	// MaxPublishAge is how old a release's signedAt may be when the CA
	// certifies it: approvals take days, not months.
	MaxPublishAge = 30 * 24 * time.Hour
	// MaxClockAhead is how far ahead of the vault's clock a publisher's may be.
	MaxClockAhead = 5 * time.Minute
	// MaxRequestAge is how old a device request may be. A device dates requests
	// by the timestamp metadata it verified, which lives up to 7 days; the
	// vault keeps nonces for longer than this.
	MaxRequestAge = 8 * 24 * time.Hour
)

// A database is another machine's, and may hang.
const (
	// DatabaseTimeout bounds one statement of a transaction, and its commit: the
	// longest reads some 20,000 rows, which takes a tenth of a second.
	DatabaseTimeout = 30 * time.Second
	// StoreBusyTimeout is how long a transaction that writes waits for one of
	// another process, such as a command run beside the server.
	StoreBusyTimeout = 10 * time.Second
	// MaxIdleTransaction is how long a transaction may rest between two of its
	// statements before the database ends it: then its process hangs, and holds
	// up all others. The longest rest is an Argon2id of some seconds.
	MaxIdleTransaction = 2 * time.Minute
	// ServerGCPercent is how much garbage a server lets lie, in percent of what is in
	// use (GOGC): 5 MiB more than at Go's 100, for a tenth of the processor time of
	// a signature.
	ServerGCPercent = 200
	// MaxSigners is how many keys in software a vault keeps parsed, and MaxSignerAge
	// for how long: under load, that spares all but a few of the parsings, and a key
	// that nobody uses is not in memory.
	MaxSigners   = 32
	MaxSignerAge = 10 * time.Second
	// MaxGroup is how many Updates of a store share one commit: one sync for 64 of
	// them costs each little enough, and from 65 on PostgreSQL keeps the numbers
	// of a transaction's savepoints on disk.
	MaxGroup = 64
	// MaxGroupTime is the age at which a group of Updates takes no more of them:
	// the first one waits for the last.
	MaxGroupTime = 50 * time.Millisecond
	// ApprovalLife is how long people have to approve something: a week, so that one
	// of them may be away.
	ApprovalLife = 7 * 24 * time.Hour
	// MaxApprovals is how many people a policy may ask for; more are a meeting.
	MaxApprovals = 10
	// MaxOpenRequests is how many requests for approval may wait at a time. Whoever
	// may publish can ask, and must not fill the store by that. MaxOwnRequests is how
	// many of them one person may have asked, by themselves and by their tokens:
	// it takes ten people to keep everybody else from asking.
	MaxOpenRequests = 500
	MaxOwnRequests  = 50
	// MaxEvidence bounds the evidence of one approval: a document of at most
	// MaxReason bytes and some, and an assertion of less than a kilobyte.
	MaxEvidence = 64 << 10
	// MaxDSN bounds a connection string; those with every setting have 500 bytes.
	MaxDSN = 1 << 10
)

// Lives of TUF metadata, from its signing to its expiry. Timestamp may be set
// between MinTimestampLife and MaxTimestampLife.
const (
	RootLife         = 365 * 24 * time.Hour
	TargetsLife      = 365 * 24 * time.Hour
	BinsLife         = 14 * 24 * time.Hour
	SnapshotLife     = 14 * 24 * time.Hour
	TimestampLife    = 3 * 24 * time.Hour
	MinTimestampLife = 24 * time.Hour
	MaxTimestampLife = 7 * 24 * time.Hour
	// MaxRetirement is how far ahead a key's end may be set: as long as the
	// longest cryptoperiod, after which nothing that it signed is in use.
	MaxRetirement = 3 * 365 * 24 * time.Hour
	// LeastCALife is what a certificate of a release CA that is brought from
	// outside must have before it: time for a ceremony to list it and for a
	// rotation to replace it.
	LeastCALife = 90 * 24 * time.Hour
	// RotateShare is the part of a cryptoperiod before its end in which the vault
	// rotates a key by itself: a fifth of a year are 73 days, enough for people to
	// hold a ceremony where devices do not know the standby yet.
	RotateShare = 5
	// TimestampPeriod is how often the vault signs the timestamp anew.
	TimestampPeriod = time.Hour
)
