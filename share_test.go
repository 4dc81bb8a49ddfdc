package sealift_test

import (
	"encoding/json"
	"testing"

	"github.com/sealift/sealift"
)

func TestShare(t *testing.T) {
	for text, want := range map[string]sealift.Share{"0": 0, "1": 100, "0.01": 1, "0.5": 50, "12.25": 1225, "100": 10_000, "100.00": 10_000, "033": 3300} {
		got, err := sealift.ParseShare(text)
		if err != nil || got != want {
			t.Errorf("ParseShare(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", ".", ".5", "1.", "-1", "+1", "100.01", "101", "1000", "0.001", "1e1", "1,5", "٣", " 1", `"1"`, "null", "NaN"} {
		wantInvalid(t, bad, func() (any, error) { s, err := sealift.ParseShare(bad); return s, err })
	}
}

// What is written is read again as the same, for every share there is.
func TestShareJSON(t *testing.T) {
	for s := sealift.Share(0); s <= sealift.Everybody; s++ {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got sealift.Share
		if err := json.Unmarshal(data, &got); err != nil || got != s {
			t.Fatalf("%s: %d, %v, want %d", data, got, err, s)
		}
	}
	var s sealift.Share
	for _, bad := range []string{`"5"`, `1e1`, `-1`, `100.5`, `{}`, `[]`, `true`} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s is read as %d", bad, s)
		}
	}
}
