// Package ceremony is what people do with their own keys, away from the
// server: found an installation, and sign the next root and the next trust.json,
// together or each in their own place.
//
// A keys folder holds
//
//	root-1.key, targets-1.key …  a private key each (PKCS #8, PEM) as an age
//	                             file (C2SP age v1) under a passphrase of its own
//	inventory.json               which keys there are: name, role, public key, and the
//	                             PKCS #11 URI of one that is in a token; no secret
//	root.json                    the newest root; what devices are built with
//	targets.json, trust.json     the newest of each, to be signed anew later
//	rotation.json                a proposal of the next root that the server may not have taken yet
//
// A root or targets key may be in a PKCS#11 token instead: P-256, made there and
// never out of it. Its PIN is then what its passphrase would be.
//
// # Proposals
//
// What is to be signed next, a root.json, or a targets.json with its trust.json,
// or all three, is a Proposal. It is made by nobody's signature (ProposeRoot,
// Propose), held to a folder and put into words (Review), signed by whoever is
// here (Sign), carried to the next person, and published when every quorum that it
// needs is there (Needs):
//
//	root.json      m of the root keys of the root before, and m of its own
//	targets.json   m of the targets keys of the root.json beside it, or else of the
//	               present one
//
// A root whose targets role is another one brings a targets.json. The folder
// follows what enough people signed (Finish, Adopt), and its inventory is derived
// from the root then: what that lists is in use, what it does not is retired. A key
// that was made and that no root lists is pending.
//
// Names are never used twice: the key that replaces root-1 of a single root is
// root-2. Every file is written whole or not at all, and a key is on disk
// before anything that needs it is published: an interrupted ceremony leaves at
// most a key that nobody trusts yet.
//
// Whoever holds a quorum of these keys can replace every other key. So the
// folder belongs on media of its own, and each key with a person of its own.
package ceremony
