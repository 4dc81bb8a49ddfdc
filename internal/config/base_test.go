package config_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
)

func TestParseBase(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"https://updates.example.com":      "https://updates.example.com",
		"https://updates.example.com/":     "https://updates.example.com",
		"https://example.com:8443/ota/":    "https://example.com:8443/ota",
		"http://localhost:8470":            "http://localhost:8470",
		"http://10.0.2.2:8470":             "http://10.0.2.2:8470",
		"http://[::1]:8470":                "http://[::1]:8470",
		"updates.example.com":              "url",
		"ftp://updates.example.com":        "url",
		"https://":                         "url",
		"https://me:secret@example.com":    "url",
		"https://example.com/?a=b":         "url",
		"https://example.com/#top":         "url",
		"http://updates.example.com":       "plaintext",
		"http://93.184.216.34":             "plaintext",
		"https://updates.example.com/\x7f": "url",
	} {
		got, err := config.ParseBase("--capgo-url", text)
		if err != nil {
			got = sealift.ReasonOf(err)
		}
		if got != want {
			t.Errorf("%q: %q, want %q (%v)", text, got, want, err)
		}
	}
}
