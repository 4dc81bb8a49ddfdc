// Package sealifttest is a Sealift vault and edge in memory, for the tests of
// those who build on package client, and for our own.
//
// A World holds every key of an installation, real ones, made by the standard
// library, and signs real documents with them: what it publishes passes the
// same checks as what a vault publishes. It serves them as an http.Handler,
// grants epochs to devices that enrol, and keeps its own time, which a test
// sets. A Hostile edge stands between a World, or a real server, and a device,
// and does what an attacker who owns the delivery could do. Attacks lists what
// that is, and what thieves of some keys could do besides; PatchAttacks those on
// patches, which a device gets around.
//
//	World ── Publish ──► files ──► ServeHTTP ──► [Hostile] ──► device
//	  │                             ▲
//	  └── root, targets, CA, log ───┘  all keys at hand: a test can also be
//	                                   the thief of any one of them
//
// Keys live in memory and are never written. Nothing here is for production.
package sealifttest
