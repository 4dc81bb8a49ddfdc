package bundle

import (
	"crypto/rand"
	"fmt"
	"io"
)

// ContentKey is the 256-bit key that one release's blobs are sealed with. It
// never prints itself, except where fmt cannot call its methods: do not hand
// fmt a struct that keeps one in an unexported field.
type ContentKey [32]byte

// NewContentKey returns a fresh random key.
func NewContentKey() ContentKey {
	var key ContentKey
	rand.Read(key[:]) // never fails: crypto/rand
	return key
}

const redactedContentKey = "[content key]"

// String returns "[content key]".
func (ContentKey) String() string { return redactedContentKey }

// Format implements fmt.Formatter: every verb prints "[content key]".
func (ContentKey) Format(f fmt.State, _ rune) { io.WriteString(f, redactedContentKey) }

// MarshalJSON returns "[content key]" as a JSON string.
func (ContentKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedContentKey + `"`), nil }

// MarshalText returns "[content key]".
func (ContentKey) MarshalText() ([]byte, error) { return []byte(redactedContentKey), nil }
