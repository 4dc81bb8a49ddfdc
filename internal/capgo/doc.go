// Package capgo has the bundle formats of Capgo's plugin for Capacitor apps, as
// the plugin's released code reads them: how a bundle for such devices is made,
// what a device is told of it, and how it opens it. It is pure: it opens nothing,
// reads no clock and holds no private key.
//
// # Keys
//
// An app has one RSA key of 2048 bits and public exponent 65537; devices take no
// other size. The public half is in the app's store build, as PKCS #1 PEM. KeyID is
// the first 20 characters of that PEM's body.
//
// What devices trust is encoded with the private key: RFC 8017's EMSA-PKCS1-v1_5
// with no DigestInfo before the data (block type 1 of RFC 2313), 256 bytes:
//
//	00 01 FF … FF 00 ‖ data
//
// The public key recovers the data. That is a signature of RFC 8017 section 8.2 in
// all but the name of its hash, so an Encoder is asked for it, which is the vault.
//
// # One bundle
//
// A zip with all files, and each file on its own, of which a device takes those that
// it lacks ("delta"). Zip and files are encrypted with AES-128 in CBC mode (SP
// 800-38A) and the padding of PKCS #7 (RFC 5652 section 6.3), all with one key and one
// initialization vector (Session); nothing stands before the ciphertext.
//
//	session key   base64(IV, 16 bytes) ":" base64(encode(AES key, 16 bytes))
//	V3 hash       hex(encode(SHA-256 of the plaintext, 32 bytes))
//	V2 hash       base64(encode(base64-decode(hex of that SHA-256), 48 bytes))
//
// Plugins from 5.30, 6.30, 7.30 and 8 on read V3, those before V2, and each refuses
// the other. The hash of the zip is of the zip before encryption; that of a file of
// the file as it is installed.
//
// A file of at least 8,192 bytes that brotli (RFC 7932) makes at least 11 bytes
// shorter is compressed before it is encrypted, and has ".br" behind its name; so
// has one whose path ends in ".br", since a device would decompress it anyhow.
//
// The zip has index.html at its root, every entry deflated (RFC 1951), sizes and
// CRC in the local headers, no data descriptors and nothing between the entries, so
// that readers from its front and from its end see the same files.
//
// # What devices refuse
//
// No index.html at the root; a name with a space, a backslash or a ".." in it; a file
// without content; more than sealift.MaxCapgoFiles files (a bound of ours).
//
// # Projects
//
// An app's capacitor.config.json has the plugin's settings under plugins and
// CapacitorUpdater: where devices ask, and which public key they know (Project). It is
// written by people: read without ambiguity, and changed byte by byte.
//
// # What this does not give
//
// The encoded hashes are 32 bytes bound to no app, version, channel or time, the list
// of files is not signed as a whole, CBC authenticates nothing, and whoever has the
// app has the public key, and so every bundle. See docs/threat-model.md.
package capgo
