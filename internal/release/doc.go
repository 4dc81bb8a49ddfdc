// Package release is the vault's side of delivering: apps and channels, the
// way of a release from its reservation to the devices, how it is rolled out and
// taken back, what devices must refuse, and the director that signs what is current.
//
// # The way of a release
//
//	Reserve     the vault allocates a counter                       draft
//	UploadBlob  the sealed blob lands in the published tree         ciphertext
//	Submit      checks, then in one transaction:
//	              the release CA certifies the publisher's leaf     release.json
//	              the log takes SHA-256(payload)                    proof
//	              the director offers it                            bins, snapshot, timestamp
//	            and afterwards the files are written, in that order
//
// Before the CA's key is touched, the device's own verifier runs over the
// candidate (lint.go), signed by a throwaway CA, and the blob is opened as a
// device would open it (inspect.go), so that what the vault signs is what a
// device installs.
//
// What people have yet to sign or approve is a draft that waits (pending.go), and is
// certified by the transaction that brings the last of it.
//
// Promote and RollBack go the same way without a publisher: the vault makes a release
// of one that is there (author.go), and asks whoever a publish there would ask. Nothing
// else makes a release but a re-issue: a hotfix of a lower version than a canary takes
// the next counter, so the canary is issued anew above it (reissue.go).
//
// # Roll-outs
//
// Each release has a roll-out: a row with a MAC and the plan that it was submitted under.
// Package rollout says where it goes; what people do (steer.go) and what the time and
// devices' reports bring (Look) are entries both. An offer is composed of all roll-outs of
// a channel and platform (offer.go): a later release leaves the share of an earlier one
// as it is. No more devices than the app's cap are offered what they have not
// confirmed (cap.go). On a halt a plan may have the roll-back prepared, as a draft that
// waits for people always.
//
// # Channels, floors and denials
//
// Which devices a channel is for is a row that the director signs as channels.json
// (channelrules.go); on which channel a device is belongs to package fleet. A floor is a
// denial (deny.go): before it is signed the vault looks what it would leave (floor.go).
//
// # Crashes
//
// Everything that is signed is a row first. The files that a transaction
// signed wait in an outbox, in the order in which devices may see them, and
// are removed from it once written: a crash anywhere leaves the old offer
// standing or brings the new one whole when the server comes back.
package release
