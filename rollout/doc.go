// Package rollout decides who may take a release now, and whether it goes on.
// It is pure: what it says depends on its arguments alone, and the same code
// runs in devices, in the server and in simulations.
//
// # Who is in
//
// A device's bucket is
//
//	first 8 bytes of SHA-256(salt ‖ device id, both as text), big-endian, mod 10,000
//
// and it is in a share of the devices if its bucket is below it. So who is in
// stays in as the share grows; and since each release has a salt of its own,
// nobody is the canary every time. An offer has several candidates; a device
// takes the first that is for it ([Device.Choose]), so that a second release
// does not cancel the canary of a first. It passes over those that are not newer
// than what it runs, and a roll-back that does not name that: a device on a
// canary that was stopped stays there until something newer comes, or it is
// taken back.
//
// # How a roll-out goes on
//
// A [Plan] is stages, each a share, how long it lasts, how many devices must
// have confirmed meanwhile, and whether a person lets it go on. [Plan.Advance]
// moves a [State] forward with the time and what is known of the devices. A
// person's brake wins: what is paused, aborted or halted is moved by a person
// alone. [Reach] keeps the share so small that no more devices than a cap have
// been offered a release and not yet confirmed it, and a stage that it holds up does
// not end.
//
// # When it halts
//
// A device that took a release confirms it or fails in one of four ways
// ([Kinds]). For each of them [Rule.Judge] asks whether the release fails more
// often than a limit p₀, and may ask after every single report: with q₁…q₁₆
// between p₀ and 0.98, equidistant in log-odds and with equal weight,
//
//	E = ¹⁄₁₆ · Σⱼ exp( Σₛ [ kₛ·ln(qⱼ/pₛ) + (nₛ−kₛ)·ln((1−qⱼ)/(1−pₛ)) ] )
//
// where of n devices that took the release in slice s of time, k are known to
// have failed so, and pₛ is the limit of that slice. It halts when E reaches
// 4/α: by Ville's inequality a release whose devices fail at the limit or less
// often is halted with a probability of at most α ever, however often somebody
// looks (Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
// anytime-valid inference", Statistical Science 38, 2023). The 4 is for the four
// kinds.
//
// Devices that took the release and have said nothing yet count as not failed.
// E only grows with k, so this errs on the side of going on, whichever outcomes
// are reported first. A device that is silent for longer than the plan allows
// counts as failed, and silence is judged of those alone that had so long: which
// devices that are follows from when they took the release, not from what became
// of it.
//
// The limit of a slice is the plan's, or, where the release before it fails more
// often in the same slice, what that one's failures allow: an outage that
// hits both halts neither. That bound is believed only if at least 30 devices
// took the older release in that slice, if they fail significantly more often
// than the limit allows, and up to the plan's ceiling: beyond it the roll-out
// halts whatever else is wrong. With it the guarantee above is as good as the
// bound, 99 %.
//
// Before all that, a Wilson score interval of 99 % (Wilson 1927) whose lower end
// is above the limit gives a warning. Under constant looking such an interval
// errs far more often than in one of a hundred cases, so it only warns.
package rollout
