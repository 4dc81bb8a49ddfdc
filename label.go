package sealift

import "regexp"

// Label is a word that people give devices, such as "beta" or "store-17".
type Label string

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// ParseLabel checks s against the form of a Label.
func ParseLabel(s string) (Label, error) {
	if len(s) > 32 || !labelPattern.MatchString(s) {
		return "", invalid("parsing label", s, `use lower-case letters, digits and inner "-" or ".", at most 32 bytes, such as beta`)
	}
	return Label(s), nil
}
