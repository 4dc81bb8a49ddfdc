package cli

import (
	"testing"

	"github.com/sealift/sealift"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "67108864": 64 << 20, "64MiB": 64 << 20, "3KiB": 3 << 10, "2GiB": 2 << 30, "9223372036854775807": 1<<63 - 1, "8589934591GiB": (1<<33 - 1) << 30,
	} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "+1", "1.5MiB", "64 MiB", "64mib", "64MB", "1KiBMiB", "0x10", "9223372036854775808", "8589934592GiB"} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
