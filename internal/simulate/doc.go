// Package simulate plays a roll-out on a fleet that does not exist, in no time,
// to try a plan before it is used.
//
// Whether a device takes a release, whether a roll-out goes on and whether it
// halts is decided by package rollout, the code that real devices and the server
// run. What is made up are the devices:
//
//   - A device looks for updates at intervals between half of and one and a half
//     times a mean, so it is not in step with any other.
//   - One that takes the release says how it went after a while: a part of them
//     fails in one way, the others confirm.
//   - A part of those that take it is switched off, and never heard of again,
//     which is no fault of the release and looks like one.
//
// The halt rule looks when a number of devices have said how it went, and every
// minute. Everything follows from the seed: the same model gives the same
// result.
package simulate
