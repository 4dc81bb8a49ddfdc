// Package client is the device library: it brings an app up to date and would
// refuse a bad update even if every server were in an attacker's hands.
//
// # The way of an update
//
//	refresh   TUF metadata: what is current, who is trusted, what time it is
//	place     which channel (an assignment's, the configuration's or the app's
//	          default), and whether channels.json says that it is for this device
//	decide    the first candidate of offer.json that is for this device
//	fetch     release.json and its log proof by digest, the epoch's key if it is
//	          not held, the blob into staging: a patch or the whole bundle
//	verify    the four steps of package trust, the last one on the staged blob
//	stage     package bundle opens the blob into the idle one of two folders
//	recheck   nothing of the above has expired; and if it took longer than
//	          sealift.MaxVerdictAge, refresh and verify again, with what is
//	          trusted and revoked by then
//	swap      the link "current" moves to it, in one step
//	confirm   healthy: keep it. Otherwise the link goes back to the last good
//	          release and this one is never taken again (see Time for the one
//	          exception)
//
// What a server does wrong ends in an error of one kind per step (see
// sealift.Kind) and leaves what is installed as it is.
//
// # Time
//
// "Now" is the later of the machine's clock and trusted time: the greatest
// "issued" of the timestamps that were verified. The clock itself is never
// remembered. So a clock that is behind thaws nothing which was seen to be over,
// and one that is ahead makes metadata look expired only as long as it is ahead.
// Trusted time is bound to the timestamp role's keys: when a new root replaces
// them, what the old ones said is forgotten. That is the way back after a thief
// dated a timestamp to 2099.
//
// How long a release waits for Confirm is measured by the process that put it in
// place, monotonically: whatever the clock does meanwhile, nobody loses time or
// gains any, and a release whose time this process saw through is never taken
// again. A process that comes later has the clock alone to tell what is left of
// the wait, which is never more than the whole of it. A release that is late by
// that account is taken back, but once only: if it is still offered it gets
// another whole wait, and is never taken again if it lapses a second time. So a
// clock that is ahead for a while bans nothing, and one that was put back keeps
// nothing pending for good.
//
// Quiet hours (Config.Quiet) are spans of the day by the machine's local time, in
// which no release replaces one that is installed, unless it is signed as urgent:
// Update is a Check then, and Result says until when. They go by the clock alone:
// one that is off moves them.
//
// # Patches
//
// Where a release has a patch against exactly what is installed, which its
// archive's SHA-256 says, and both archives are within Config.PatchLimit, the
// shortest one is fetched and applied. The older archive is made anew from the
// installed folder, so nothing is stored twice: an app, or anybody else, that
// writes into that folder gives patches up. The patch is held to the same as a
// whole bundle: its length and SHA-256 before a byte is decrypted, each segment,
// every rule about paths, and the archive's length and SHA-256.
//
// Whatever is wrong with it, the patch is dropped and the whole bundle taken in its
// place, in the same Update: that says nothing about the release, and is not
// reported as its failure. Result.Delivery says which of the two came, how many
// bytes, and why a patch was dropped. It is not tried again for this release, so that
// one which stalls costs its patience once and not at each check; unless of the whole
// bundle nothing came either, which says that there was no network. A disk that is full
// is no reason to fetch more, and a patch whose process ended while it was applied is
// not tried again.
//
// # Channels
//
// A device follows the channel that it is assigned to, or else that of its
// configuration, or else the default that the app's channels.json names. Rules there say which devices a channel is for; one
// that they exclude installs nothing, which is no error: Result says why (Excluded).
// They are applied to what the host says of itself (Config.Platform, Runtime, Build,
// Emulator), so they keep order and no secrets. What is installed stays when the
// channel changes: a lower version on the new one is no way back, and a higher one
// is taken when it comes. Epoch keys are asked for by the channel of a release.
//
// # Assignments
//
// The vault may put a device on a channel, whatever its configuration says: because a
// person said so, by a label that the device bears, or because the device asked for it
// (SetChannel) and the channel lets it. The word comes as a document of the director's
// for this one device (trust.Assignment), with a sequence and an end. The device goes by
// the highest sequence that it saw until that document's end, whether it is shown an
// older one, or none: to withhold a document, or to put an old one back, moves nobody. A
// document may say that the device is on no channel any more: then its configuration
// counts again. A sequence that is more than sealift.MaxSequenceAhead ahead of the
// device's own time, a document for another device or app, and one that is malformed,
// end the check.
//
// # A device's folder
//
//	state.json        the truth: what is installed, what is being tried, what was
//	                  refused, the highest counter, versions and trusted time, and
//	                  the last assignment
//	identity.pem      the device's identity, P-256, PKCS #8
//	hpke.json         the key that epoch keys are sealed to
//	epochs/<sha256>   epoch keys, named by their public half
//	current           link to bundles/a or bundles/b
//	bundles/a, b      the installed release, and the next or the last one
//	releases/         release.json and log proof of what is in bundles
//	staging/<sha256>  a blob on its way; with .tried, a patch that is being applied
//	                  or was given up, and why
//	tuf/              cache of metadata and small targets
//	agent.lock        held while a process has the device open
//	state.lock        held while state.json is written
//
// Secrets have mode 0600, and files that others can read are refused. All of it
// may be lost but state.json and the two keys; a device that lost those enrols
// anew.
//
// # Reports
//
// Each step is written down in the state, in the very write that it is about where
// there is one, and Report tells the vault. A step goes when the vault has said, in
// a signed answer, that it is durable; until then it stays, up to
// sealift.MaxReportQueue of them, of which the oldest make room and are counted, as is
// a step that the vault cannot read. No
// update waits for a report or fails by one.
//
// # Crashes
//
// The process may be killed, and the power cut, at any moment. state.json is
// written by compare-and-swap: to a new file, synced, renamed, and the folder
// synced. A release is written to the idle folder, which nothing points to, and
// synced whole; then the state names it as pending, and from that moment the
// device has changed over. The link follows the state, at the latest when the
// folder is opened again. Going back works the same way: first the state, then
// the link. So current always shows one release, whole.
//
// What is written is decided within that comparison. Should two processes have the
// folder open after all, as on a disk whose locks do not hold, what one of them has
// seen (versions, the log, an assignment, a floor, a release that failed) is not undone
// by what the other one read before: that is KindConflict.
//
// A pending release is the last good one once it is confirmed: after its health
// check, by Confirm, or at once if the app asked for neither. Until then only
// its folder is used, and the counter that the device holds others to stays as
// it was. One that failed is remembered and never taken again.
//
// # Metadata
//
// Metadata is go-tuf's updater within bounds of its own. Every document is
// looked at before go-tuf sees it, a cached file that does not parse is moved
// aside and fetched anew, and the highest versions seen are kept apart from the
// cache (Memory). A check that finds nothing new takes two requests: is there a
// newer root, and the timestamp.
//
// It also serves TUF repositories of others (MetadataConfig.Foreign), by which
// the TUF project's conformance suite exercises the very code that devices run.
//
// # Network
//
// All bytes come through one place with a cap, a deadline or a least rate on
// everything (limits.go of package sealift). Lengths that a server announces are
// never believed, only compared. Answers are not compressed underway, and a
// redirect leads nowhere but to the same server. A broken download is gone on
// with where it broke, also by the next process.
package client
