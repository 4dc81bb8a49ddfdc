package sealift

import (
	"strconv"
	"strings"
)

// Share is a part of the devices, in ten-thousandths: 1 is one device of
// 10,000. Where people and documents name one it is percent, a decimal number
// with at most two places: 0.5, 12.25, 100.
type Share int

// Everybody is all devices.
const Everybody Share = 10_000

// ParseShare reads percent: "0.5" is a Share of 50. It refuses what is below 0
// or above 100, and a third place after the point.
func ParseShare(s string) (Share, error) {
	whole, places, point := strings.Cut(s, ".")
	if !isNumber(whole) || len(whole) < 1 || len(whole) > 3 || !isNumber(places) || len(places) > 2 || point && places == "" {
		return 0, invalid("parsing percent", s, "use 0 to 100 with at most two places, such as 0.5, 10 or 12.25")
	}
	n, err := strconv.Atoi(whole + (places + "00")[:2])
	if err != nil || Share(n) > Everybody {
		return 0, invalid("parsing percent", s, "use 0 to 100 with at most two places, such as 0.5, 10 or 12.25")
	}
	return Share(n), nil
}

// String returns percent, in the shortest form: "0.5".
func (s Share) String() string { return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) }

// MarshalJSON writes percent as a number.
func (s Share) MarshalJSON() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalJSON reads a number of percent. An exponent is refused: one value
// has few spellings, and people read them.
func (s *Share) UnmarshalJSON(data []byte) error {
	n, err := ParseShare(string(data))
	if err != nil {
		return err
	}
	*s = n
	return nil
}
