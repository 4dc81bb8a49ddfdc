// Package ceremony is what people do with their own keys, away from the
// server: found an installation, and sign the next root.
//
// A keys folder holds
//
//	root-1.key, targets-1.key …  a private key each (PKCS #8, PEM) as an age
//	                             file (C2SP age v1) under a passphrase of its own
//	inventory.json               which keys there are: name, role, public key, and the
//	                             PKCS #11 URI of one that is in a token; no secret
//	root.json                    the newest root; what devices are built with
//	targets.json, trust.json     the newest of each, to be signed anew later
//	rotation.json                a signed root that the server may not have taken yet
//
// A root or targets key may be in a PKCS#11 token instead: P-256, made there and
// never out of it. Its PIN is then what its passphrase would be.
//
// Names are never used twice: the key that replaces root-1 of a single root is
// root-2. Every file is written whole or not at all, and a key is on disk
// before anything that needs it is published: an interrupted ceremony leaves at
// most a key that nobody trusts yet.
//
// Whoever holds a quorum of these keys can replace every other key. So the
// folder belongs on media of its own, and each key with a person of its own.
package ceremony
