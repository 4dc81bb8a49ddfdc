// Package vault holds keys that have a life: sealed at rest, each for one
// purpose, owned, dated, in one state at a time, and never used without an
// entry in the log.
//
// # Sealed at rest
//
//	passphrase ───────── Argon2id ─────────────────►
//	m of n shares ────── Shamir, HKDF ─────────────►  root key ──► key-encryption key ──► data key ──► private key
//	a token's key ───────────────── (AES-GCM there)►      │                               (one a key or secret)
//	recovery key ─────── Argon2id ─────────────────►      ├── HKDF ──► key-encryption key of the standbys ──► data key ──► standby
//	m of n shares ────── Shamir, HKDF ─────────────►      └── HKDF ──► MAC keys of the seal record and of the rows
//
// A version that is pre-active is a standby, and its data key is under a
// key-encryption key of its own: HKDF-SHA256 (RFC 5869) of the root key with
// sealift/vault/standby-kek/v1 and the vault id. It is derived when a standby
// is made, proves that it is held, or is activated, which wraps its data key
// anew, and is in memory at no other time.
//
// Every arrow is AES-256-GCM (SP 800-38D) with a random 96-bit nonce in front
// of the ciphertext. Associated data and messages of MACs are lists of fields:
// a format name and then each field with its length in front as a big-endian
// uint32; integers are 8 bytes big-endian, times are microseconds since 1970.
//
//	root key            sealift/vault/root-wrap/v1, vault id, sealer, wrap id, the sealer's parameters as JSON
//	key-encryption key  sealift/vault/kek/v1, vault id, id
//	data key            sealift/vault/data-key/v1, vault id, key-encryption key's id, associated data of what it seals
//	private key         sealift/vault/key/v1, key id, version, purpose
//	secret              sealift/vault/secret/v1, name
//
// so that nothing opens in another's place. The seal record is JSON:
//
//	{"format":"sealift/vault-seal/v1","vault":"00…ff",
//	 "wraps":[{"sealer":"argon2id","id":"…","params":{"time":3,"memoryKiB":65536,"threads":4,"salt":"…"},"wrapped":"…"}],
//	 "kek":"…","keks":[{"id":"…","wrapped":"…"}],"mac":"…"}
//
// Every wrap holds the same root key, and any of them opens the vault. There are
// two paths with one wrap each, so that losing what opens the one never loses
// the vault: without "path" it is what opens the vault every day, a passphrase,
// shares or a token; with "path":"recovery" it is for the day on which that is
// lost, a recovery key or shares, kept where no server is. Rekey exchanges what is on
// either path, for another of the same sealer or of another one; Drill proves
// it. A sealer that this release does not know is left as it is. The parameters,
// by sealer:
//
//	argon2id  {"time":3,"memoryKiB":65536,"threads":4,"salt":"…"}
//	shamir    {"group":"ristretto255","threshold":3,"checks":["…","…","…","…","…"]}
//	pkcs11    {"uri":"pkcs11:token=sealift;object=unseal"}
//
// Those of Argon2id are RFC 9106's second recommended option; what is read is
// bounded before it is computed.
//
// # The key-encryption key
//
// RotateKEK makes a new key-encryption key and puts it into the record beside the
// one before: "kek" names the one that seals. Rewrap then seals each data key that
// is under the old one under the new one, a few a transaction, and takes the old
// one out of the record when nothing is under it. No private key and no data key
// is in the clear but for the data key within one re-wrap, and no sealed body
// changes. Everything else goes on meanwhile, since both are held; whatever stops
// it, the next Rewrap goes on, which a server calls by itself. The standbys' key
// is derived from the root key and is not part of it.
//
// # Shares
//
// What is shared is no bytes but a scalar of ristretto255 (RFC 9496), drawn for
// this one set of shares: share i of n is the value at i of a random polynomial
// of degree m-1 whose value at 0 is the scalar (Shamir 1979; circl's
// secretsharing). The key of the wrap is
//
//	HKDF-SHA256(scalar as 32 bytes little-endian; info = sealift/vault/shamir/v1, vault id, wrap id)
//
// Shamir's scheme does not notice a wrong share: it yields another scalar, and
// so another key, and the wrap's AES-GCM refuses that. To say which share it was, the
// record keeps a check of each, SHA-256 over the fields sealift/vault/share/v1,
// vault id, wrap id, index, value. A value is 252 random bits, and m-1 of them
// say nothing of the others, so the checks help nobody to guess one.
//
// A share is one line of text. Its parts after the prefix: the first 8 digits of
// the vault's id and of the wrap's, the index, the value, and the first 8 digits
// of SHA-256 over all of the line before the last "-".
//
//	sealift-share-00112233-5f0e1d2c-03-<64 hex digits>-9a8b7c6d
//
// So a share that is mistyped, of another vault, of an older set or given twice
// is told before anything is computed.
//
// # Integrity
//
// mac is HMAC-SHA256 over all else, so a wrap that was taken out is
// noticed. Each key's row carries an HMAC-SHA256 over all its columns, which is
// checked at every use and listing: a row that was changed by SQL does nothing
// any more, and the error names it. Other rows that say who may do what
// (store.Authentic) bear one too: Tx.Authenticate makes it, CheckRow checks it.
//
// A MAC does not tell a row from one of before. So each transaction that wrote
// such rows, or keys', ends with a statement in the log (audit.Statement): what
// MAC each has now, or that it is gone. Statements form a chain: each bears an
// HMAC-SHA256 over its rows, its place in the log, and the place and MAC of the
// one before. What they say in the end is kept in memory, from the first unsealing
// on, and each row is held against it: CheckRow, CheckGone, CheckWhole.
//
// In memory the root key, the key-encryption keys and the MAC key are in one
// page, which on Linux is locked (mlock), left out of core dumps
// (MADV_DONTDUMP) and zeroed by Seal; HardenProcess forbids dumps and tracing
// of the whole process. That is all: copies that the crypto packages and the
// garbage collector make of keys while they are used are not wiped, root may
// read everything, and other systems than Linux have none of it.
//
// # A key's life
//
// A key has an id and versions, and each version is a row: purpose, algorithm,
// provider, owner, label, state, cryptoperiod, public key, certificate. The
// purpose says which algorithms may serve it and the one thing it does:
//
//	sign    director, snapshot, timestamp, release-ca, device-ca, answer, log;
//	        for services of the people's own: artifact-signing
//	encode  capgo-app: what devices that run Capgo's plugin decode, and nothing that
//	        anybody presents: only a release that is being published has it done
//	export  epoch: the private key is handed out, to be sealed to devices
//	mac     enrolment-secret
//	wrap    wrapping
//
// A key is made here and stays here: one purpose, capgo-app, permits that it is
// imported, which its row says for good, and a key is exported only if its
// purpose permits it and it was created so. Tokens hold keys that sign or wrap;
// epoch keys (ML-KEM-768 + X25519, P-256) and enrolment secrets are handed out,
// and RSA-2048 is for imports, so these are in software always.
//
// States are those of SP 800-57 part 1 rev. 5, section 7:
//
//	pre-active   → active, compromised, destroyed
//	active       → suspended, deactivated, compromised
//	suspended    → active, deactivated, compromised
//	deactivated  → compromised, destroyed
//	compromised  → destroyed
//
// Only an active key within its cryptoperiod signs or authenticates. A standby
// of a CA signs its own certificate or certificate request, and so proves that
// it is held, before it is active. A key that
// is deactivated, or past its cryptoperiod, still opens what was sealed to it.
// director, snapshot, timestamp, log and device-ca are never suspended: that
// would stop the fleet.
//
// # Where a key is
//
// The provider "software" keeps the private half in its row, sealed as above. The
// provider "pkcs11" keeps it in a token that never gives it out, and in its row,
// sealed in the same place, the URI that names it there (RFC 7512), without how
// to reach the token: that is told to the process that runs. Purpose, state,
// cryptoperiod, MAC and log are the same for both: the entry is appended, and
// then the token is asked. Its signature is checked with the public key of the
// row before anyone gets it.
//
// Tokens hold the keys that sign and those that wrap. They hold no epoch, since
// its private half is handed out and tokens have no hybrid KEM, and no enrolment
// secret, which is part of a text that people are given. The next version of a
// key is made where the newest one is, unless it is given a material.
//
// # Use
//
// Use is the one way to a private key, and Signer is Use for code that wants a
// crypto.Signer. The entry is appended first, in the caller's transaction: no
// entry, no signature. The transaction is a Tx, which Update makes:
//
//   - If it commits, its entries are durable before Update returns, and so
//     before anything that was signed in it can leave.
//   - If it is rolled back, its effects are gone. Refused and failed uses are
//     then recorded in a transaction of their own, and so are the uses that
//     succeeded, as abandoned: a signature was computed, though by the rules
//     nobody has it. If the process dies between, neither effect nor entry nor
//     signature is left.
//
// A function that was given a key could pass a signature out by a variable. Do
// is the form that does not: it returns what its function computed only after
// the commit.
//
// Init, Unseal, Give, Reset, Seal, Rekey, Drill and RotateKEK are in the log as well, whatever came of them. A sealed
// vault tells its Status and records refusals; it does nothing else.
//
// # What it does not do
//
// The MACs do not notice a row, or the whole store, that is put back to what
// it once was, nor a row that is removed. The log tells: the entry of each
// change names the MAC that the row had after it. Destroying a key erases its row; older
// pages and backups hold the sealed private key still.
package vault
