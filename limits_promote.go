package sealift

// MaxPromotions is how many releases one promotion moves on: those of a version on
// all platforms and runtimes. Each is signed in one and the same transaction, some
// 10 ms apiece, and everybody else who publishes waits for it.
const MaxPromotions = 32
