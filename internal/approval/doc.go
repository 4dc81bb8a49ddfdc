// Package approval lets nobody act alone where a policy says so: a number of
// distinct people, none of them the one who asks, stand behind an act with their
// passkeys before it is done.
//
// # Policies
//
// A policy says for an action, of one channel of an app, of an app or of the whole
// installation, how many people must approve and which roles may. The narrower one
// goes before the wider one, whichever asks for more: production may want two people
// where beta wants none. A channel without one of its own goes by the strictest of its
// app's and of those of the app's other channels. Without one nobody is asked, which is how an installation
// begins: with one person there is nobody to ask. A policy is refused for which
// there are not enough people with a passkey, not counting whoever sets it. To
// change one, or to set a narrower one before it, wants the approvals that it asks
// for itself, so nobody weakens it alone; and its version grows, which voids what was asked under the one before.
//
//	release   a release is certified                      internal/release
//	urgent    likewise, one that says that it is urgent
//	rollback  likewise, one that takes devices back
//	rollout   a roll-out goes on or ends early; with which plan they begin; Rollouts, Plans, Publishing,
//	          the cap that holds them                                       Apps
//	deny      devices refuse something at once, or no longer  Denials
//	key       a key changes its state, is rotated, imported or exported  Keys
//	role      people are confirmed, may do something else, get tokens    People, Tokens
//
// An urgent release goes by the policy for urgent ones where there is one, and by
// that for releases where there is none or it is off; those of the narrower
// scope both go before those of a wider one, so that no policy of the installation
// weakens what an app asks for. To set one for urgent releases first wants, therefore, the
// approvals that releases want. It is the same with roll-backs.
//
// # Devices
//
// A policy of a channel is about its devices. What leads them to a channel that is not at
// least as strict (AtLeastAsStrict), about any of release, urgent, rollback and rollout, goes
// by the policy of the channel that they leave: an assignment or its end, a label or what
// it leads to, the default, and that devices may put themselves there (Assigning, Apps).
// Of a device that no person assigned, the vault does not know which channel that is: it
// may be any.
//
// Nor does a policy weaken another one: one because of which a channel would be asked less
// about is refused, unless those who approve it are asked as strictly.
//
// What led devices to such a channel before there was the policy does so still. It is told
// (AppPolicies), with which policy each channel goes by and whose that is, by the functions that decide.
//
// # Requests
//
// Whoever does such a thing is told that it waits, and a request stands in the
// store with everything that was asked for. Once it is granted they do the same
// again, and it is done: the request is used up in a transaction before, so that
// it serves once, and never for other parameters than were approved, nor for
// somebody else. A release needs no second attempt: the draft waits by itself, and
// the request is used up in the transaction that certifies it.
//
//	open ─► granted ─► used | failed
//	  └────────┴─────► rejected, void (taken back, too old, or the policy changed)
//
// What a request goes by is looked at when it is used, not when people said yes:
// who approved is still active, still has a role that may, and the policy is of
// the same version. Whoever answers for the requester never counts: the person
// themselves, or who made the token, or the token that made it. Where that leads
// to nobody with a name, as from an owner's token, one more person is needed: it
// may be any of them who holds it.
//
// Whoever invites somebody, or has what they sign in with exchanged, holds the
// invitation and could accept it. So nobody is asked about an invitation: they are
// asked about the person, who exists by then and may do nothing yet, with what is
// known of who accepted it, from where, and with which passkeys. Of that whoever
// invited approves nothing, as whoever asks; and where nobody with a name answers for
// the invitation, one more person is needed. Whether the passkeys are those of the
// person who was meant, approvers find out by asking them: no server can.
//
// # Approvals
//
// An approval is an assertion of a passkey (W3C Web Authentication level 3,
// section 7.2) with its user verified, whose challenge is
//
//	SHA-256("sealift-approval-v1" ‖ document)
//
// 32 bytes, where document is the canonical JSON (OLPC, as TUF has it) of
//
//	{"action":"release","app":"com.acme.shop","expires":"2026-03-08T12:00:00Z","keyVersion":0,"needed":2,
//	 "nonce":"…","parameters":{"channel":"production","counter":"7",…},"payload":"…64 hex digits, or empty…",
//	 "person":"…","policyVersion":3,"request":"…","requester":"…","subject":"…","vault":"…"}
//
// So what people saw is what they signed: another vault, request, version or
// digest has another challenge. The assertion, with the public key that it
// verifies under, is kept as evidence, and Verify checks it without any vault.
//
// Policies, requests and approvals bear a MAC under the vault's root key. One that
// SQL wrote or changed fails closed: a forged policy stops what it is about, a
// forged approval does not count.
package approval
