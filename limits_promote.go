package sealift

// MaxPromotions is how many releases one promotion moves on: those of a version on
// all platforms and runtimes. All are signed in one transaction, 3 s for as many as
// this on a machine that does nine other things, and who publishes waits for it.
const MaxPromotions = 32
