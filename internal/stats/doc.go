// Package stats counts what came of releases on devices, and gives roll-outs what
// they are judged by.
//
// # How a device counts
//
// A device counts once for each release that it took: in the hour of the vault's
// clock in which its first word of it came, be that a download, an installation or
// a failure; its own clock decides nothing. It counts with one outcome at most, the
// one of the highest rank that it ever reported, whatever the order:
//
//	not-stored < refused < confirmed < rolled-back
//
// So a download that failed and then succeeded is a success, and what was taken
// back stays taken back. Of two reports of the same rank the first gives the
// reason. What a release failed of follows from the step and the error's kind
// (trust.ReportStep):
//
//	rolled-back                                       rolled-back
//	refused: chain, signature, version, integrity,
//	         invalid                                  refused
//	refused: exhausted, internal                      not-stored
//	refused: any other                                none: it says nothing of the release
//
// A release that a device refuses before it fetches anything counts as taken, so
// that failures are always a part of what was taken. A step that names a release
// which the app does not have counts as unknown, and nowhere else.
//
// # Who is evidence
//
// A device that enrolled with a token was vouched for by whoever gave it the token,
// and is evidence. Where an app enrols openly anybody can make up devices: of one
// network, an IPv4 /24 or an IPv6 /48 of the address that the edge saw,
// sealift.UnvouchedPerHour devices a release and hour are evidence. The rest are
// counted as unvouched: people see them, and no roll-out is judged by them.
//
// A device that was revoked is evidence no more, whatever it said (Disown): its counts
// move to those of the unvouched.
//
// # What is counted beside
//
// How the bundle came to a device that verified it: whole, or from a patch. And, as
// differences by hour, how many devices run a release: by what they say that they have
// installed, which History tells backwards from now.
//
// # What is kept
//
// Counts by hour stay when devices are erased, and go after sealift.MaxStatsAge, as
// does what is known of each device. Both are sums of claims and give nobody a
// right, so they bear no MAC.
package stats
