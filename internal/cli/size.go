package cli

import (
	"math"
	"strconv"
	"strings"

	"github.com/sealift/sealift"
)

// byteSize is a number of bytes, as people write it: 64MiB, or 67108864.
type byteSize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	digits, shift := string(text), 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return sealift.Errorf(sealift.KindInvalid, "parsing size", "%.40q is no size", text).
			WithHint("use a number of bytes, or one with KiB, MiB or GiB behind it, such as 64MiB")
	}
	*b = byteSize(n << shift)
	return nil
}
