package sealift

import (
	"regexp"
	"strings"
)

// Version is a semantic version (semver.org 2.0.0) of at most 64 bytes, with
// all three numbers and without a leading "v": "1.4.0-rc.1". Build metadata
// ("+…") is refused: it takes no part in precedence, so two different releases
// would compare equal.
type Version string

// Section 9 of semver.org 2.0.0: numbers without leading zeros, pre-release
// identifiers non-empty, numeric ones without leading zeros.
var versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$`)

// ParseVersion checks s against the form of a Version.
func ParseVersion(s string) (Version, error) {
	if len(s) > 64 || !versionPattern.MatchString(s) {
		return "", invalid("parsing version", s, `use three numbers and, if wanted, a pre-release, such as 1.4.0 or 1.4.0-rc.1; no leading "v", no "+build"`)
	}
	return Version(s), nil
}

// Compare returns -1, 0 or +1 as v precedes, equals or follows w (semver.org
// 2.0.0, section 11). Both must have come from ParseVersion.
func (v Version) Compare(w Version) int {
	vCore, vPre, _ := strings.Cut(string(v), "-")
	wCore, wPre, _ := strings.Cut(string(w), "-")
	if c := compareDotted(vCore, wCore); c != 0 {
		return c
	}
	switch {
	case vPre == wPre:
		return 0
	case vPre == "": // a release follows its pre-releases
		return 1
	case wPre == "":
		return -1
	}
	return compareDotted(vPre, wPre)
}

func compareDotted(a, b string) int {
	for {
		x, aRest, aMore := strings.Cut(a, ".")
		y, bRest, bMore := strings.Cut(b, ".")
		switch c := compareIdentifier(x, y); {
		case c != 0:
			return c
		case !aMore && !bMore:
			return 0
		case !aMore:
			return -1
		case !bMore:
			return 1
		}
		a, b = aRest, bRest
	}
}

// compareIdentifier compares numbers by value, without a bound on their
// length, and puts them before words.
func compareIdentifier(a, b string) int {
	aNum, bNum := isNumber(a), isNumber(b)
	switch {
	case aNum && bNum:
		if len(a) != len(b) {
			return sign(len(a) - len(b))
		}
	case aNum:
		return -1
	case bNum:
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// RuntimeRange is the range of native host versions that a bundle runs on: "*"
// for any, or up to eight comparators separated by single spaces, all of which
// must hold: ">=2.1.0 <3.0.0". A comparator is =, <, <=, > or >= and a Version.
type RuntimeRange string

// AnyRuntime is the range that holds every version.
const AnyRuntime RuntimeRange = "*"

const runtimeHint = `use "*" or comparators that must all hold, such as ">=2.1.0 <3.0.0"`

// ParseRuntimeRange checks s against the form of a RuntimeRange.
func ParseRuntimeRange(s string) (RuntimeRange, error) {
	if s == string(AnyRuntime) {
		return AnyRuntime, nil
	}
	fields := strings.Split(s, " ")
	if len(fields) > 8 {
		return "", invalid("parsing runtime range", s, runtimeHint)
	}
	for _, field := range fields {
		op, version := splitComparator(field)
		if op == "" {
			return "", invalid("parsing runtime range", s, runtimeHint)
		}
		if _, err := ParseVersion(version); err != nil {
			return "", invalid("parsing runtime range", s, runtimeHint)
		}
	}
	return RuntimeRange(s), nil
}

// Contains reports whether v is in the range. Both must have come from their
// Parse functions; precedence is that of Version.Compare, so "<3.0.0" contains
// 3.0.0-rc.1.
func (r RuntimeRange) Contains(v Version) bool {
	if r == AnyRuntime {
		return true
	}
	for field := range strings.SplitSeq(string(r), " ") {
		op, bound := splitComparator(field)
		c := v.Compare(Version(bound))
		var holds bool
		switch op {
		case "=":
			holds = c == 0
		case "<":
			holds = c < 0
		case "<=":
			holds = c <= 0
		case ">":
			holds = c > 0
		case ">=":
			holds = c >= 0
		}
		if !holds {
			return false
		}
	}
	return true
}

// Overlaps reports whether some version is in both r and s.
func (r RuntimeRange) Overlaps(s RuntimeRange) bool {
	switch {
	case r == AnyRuntime:
		r, s = s, r
	case s != AnyRuntime:
		r += " " + s
	}
	_, some := r.Sample()
	return some
}

// Sample returns a version in r, or false if there is none. It is one of the
// bounds, or the version right after one, which is where every non-empty range
// of comparators has a member; 0.0.0-0, the least version, for AnyRuntime.
func (r RuntimeRange) Sample() (Version, bool) {
	candidates := []Version{"0.0.0-0"}
	if r != AnyRuntime {
		for _, field := range strings.Split(string(r), " ") {
			_, bound := splitComparator(field)
			candidates = append(candidates, Version(bound), successor(bound))
		}
	}
	for _, v := range candidates {
		if _, err := ParseVersion(string(v)); err == nil && r.Contains(v) {
			return v, true
		}
	}
	return "", false
}

// successor returns the version right after one: the least pre-release of
// 1.2.4 follows 1.2.3, and 1.2.3-rc.1.0 follows 1.2.3-rc.1.
func successor(version string) Version {
	if strings.Contains(version, "-") {
		return Version(version + ".0")
	}
	dot := strings.LastIndex(version, ".")
	return Version(version[:dot+1] + increment(version[dot+1:]) + "-0")
}

// increment adds one to a decimal number of any length.
func increment(number string) string {
	digits := []byte(number)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return string(digits)
		}
		digits[i] = '0'
	}
	return "1" + string(digits)
}

func splitComparator(field string) (op, version string) {
	for _, op := range []string{"<=", ">=", "<", ">", "="} {
		if version, ok := strings.CutPrefix(field, op); ok {
			return op, version
		}
	}
	return "", ""
}
