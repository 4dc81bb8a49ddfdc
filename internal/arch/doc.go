// Package arch holds no code, only tests: of which package may import which,
// of documentation, and of the habits that the project keeps everywhere. They
// read the source, so they see every file whatever its build tags, and they
// judge packages that are written later without being told of them.
//
// The import policy stands as text in policy_test.go, in the manner of Go's own
// go/build/deps_test.go; change it there, with the reason in the commit. Each
// rule is a function from a parsed tree to its findings, and each is shown red
// and green by a fixture in testdata, so that a rule that stopped looking is
// noticed.
package arch
