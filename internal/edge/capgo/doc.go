// Package capgo answers apps that have Capgo's plugin (@capgo/capacitor-updater,
// versions 5 to 8), unmodified, in the protocol that it speaks. Which release a
// device is offered is decided as for devices of Sealift's own, by package rollout.
//
//	POST   /capgo/updates                what to run now
//	POST   /capgo/updates/manifest_size  how large files are (plugin 8.47)
//	POST   /capgo/stats                  what happened: an array of events, or one
//	POST   /capgo/channel_self           be on a channel
//	PUT    /capgo/channel_self           which channel am I on
//	GET    /capgo/channel_self           which channels may I be on
//	DELETE /capgo/channel_self           be on the one that I would be on otherwise
//
// # Nothing of it is authenticated
//
// A device says who it is, and anybody may say the same. What it is told is not
// signed: what the app is left with is the signature, under the app's own RSA key,
// that its plugin demands of what it installs. So what a device says gives it
// nothing, and counts as the word of one that nobody vouches for (package stats).
//
// # Reading
//
// A device's id is its UUID without hyphens, in lower case; of what is no UUID, the
// first half of a SHA-256. Texts may be numbers and truth values texts. Versions may
// have one or two numbers, and are padded. What cannot be read at all is answered as
// well, with HTTP 200 and an error that the plugin understands, since some plugins
// take any other status for a broken network.
//
// # Deciding
//
// The device is on the channel that it asked for, if that lets devices do so and the
// server keeps it; else on the one that the app names
// ("defaultChannel"), unless that is private; else on the app's default. That channel's
// rules say whether it may follow it. Then it takes the first candidate of the
// channel's offer that is for it (rollout.Device.Takes), that did not fail on it
// before, and that the rules let through which Capgo's own server has: no new major,
// minor or patch number, and nothing below the store's build. If only those were in
// the way, the answer says which ("blocked").
//
// # Replying
//
// Answers differ with the version of the plugin:
//
//	< 5.30, < 6.30, < 7.30   checksums and file hashes in the form V2
//	others                   in the form V3
//	≥ 6.25, ≥ 7.0.35         delta beside the zip
//	≥ 6.2                    may be sent back to the store's bundle: "builtin"
//	≥ 8.46                   errors have a "kind"
//
// The answer to a check waits for no storage: check-ins are written in batches, and a
// crash may lose those of sealift.CapgoLag. The answer to a report waits until it is
// durable, and is never 429: plugins then fall silent until the app starts anew.
package capgo
