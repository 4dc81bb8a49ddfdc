// Package release is the vault's side of delivering: apps and channels, the
// way of a release from its reservation to the devices, and the director that
// signs what is current.
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
// # Crashes
//
// Everything that is signed is a row first. The files that a transaction
// signed wait in an outbox, in the order in which devices may see them, and
// are removed from it once written: a crash anywhere leaves the old offer
// standing or brings the new one whole when the server comes back.
package release
