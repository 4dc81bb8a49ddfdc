// Package trust holds the signed documents of Sealift and the four steps by
// which a device decides whether to install a release. It is pure: it opens no
// file and no connection and reads no clock. "Now", the log's tiles and every
// document come in as arguments.
//
// # Who vouches for what
//
//	root.json ──┬─► targets.json ─────► trust.json        people, offline
//	 (people,   │     │ succinct bins     │
//	  offline)  │     ▼                   ├─► release CA ──► leaf ──► release.json
//	            │   deny.json             │                           (DSSE payload)
//	            │   offer.json ───────────┼──────────────────────────► digest
//	            │   epoch.json            ├─► log key ─────► checkpoint ─► proof
//	            │     ▲ director          ├─► device CA ───► vault's answers
//	            └─► snapshot, timestamp   └─► floors, revocations, co-signers
//
// TUF (The Update Framework, 1.0) says what is current; X.509 (RFC 5280) says
// who wrote it. The director can point a device at any release that is validly
// signed, unrevoked and at or above the floors, and at nothing else.
//
// # Documents
//
// All are JSON, decoded without ambiguity (package strictjson). Digests are 64
// lower-case hex digits, binary is base64 with padding, times are RFC 3339 in
// UTC with whole seconds. Unknown fields are read over unless the document
// names them in its "critical" list, in the manner of RFC 7515 section 4.1.11:
// then it is refused.
//
//   - Trust (trust.json), Deny (deny.json), Offer (offer.json) and Epoch
//     (epoch.json) are TUF targets.
//   - Release is the payload of release.json: a DSSE envelope beside the leaf
//     certificate that binds it.
//   - Proof is a C2SP tlog-proof of LogEntry(SHA-256(payload)).
//   - Request and Answer are the messages between device and vault.
//
// # The four steps
//
// Verify runs them in this order; each fails with an *sealift.Error of its own
// kind, and nothing of a later step is looked at once an earlier one failed.
//
//  1. chain (KindChain): a release CA of trust.json issued the leaf under the
//     profile, for code signing, not revoked; everything that its SAN URI binds
//     agrees with the payload, and signedAt lies in the leaf's validity.
//  2. signature (KindSignature): DSSE over the exact bytes by the leaf, enough
//     co-signatures where the app demands them, and the log's proof under a
//     checkpoint consistent with the last one seen.
//  3. version (KindVersion): the release is for this vault, app, channel,
//     platform and runtime, its counter and version go up and are not under a
//     floor, or it is a roll-back of exactly the installed release.
//  4. integrity (KindIntegrity): CheckBlob before the first byte of a blob is
//     decrypted, and package bundle for everything within.
package trust
