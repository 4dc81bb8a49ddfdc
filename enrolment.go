package sealift

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// EnrolmentToken lets an installation enrol with an app. Its text form, which
// is a secret, is
//
//	sealift_enrol_<id>_<secret>_<root>
//
// where id is 16, and secret and root 64 lower-case hex digits: hex, since
// base64url may contain '_', and so that root is what sha256sum prints for the
// first root.json of the vault, which the device thereby pins instead of
// trusting whoever answers first. The secret never travels: it keys the HMAC
// in the device's enrolment request.
//
// Printing, logging or marshalling a token shows its id only; Reveal is the one
// way to its text. The zero value is no token.
type EnrolmentToken struct {
	id string
	// A closure, because fmt prints what is in somebody's unexported field
	// without asking for String, and follows a pointer for a verb it dislikes.
	secret func() [32]byte
	root   Digest
}

const enrolmentPrefix = "sealift_enrol_"

// NewEnrolmentToken makes a token with a random id of 64 bits and a random
// secret of 256 bits, for the vault whose first root.json has SHA-256 root.
func NewEnrolmentToken(root Digest) EnrolmentToken {
	var id [8]byte
	var secret [32]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails: it ends the program instead
	_, _ = rand.Read(secret[:])
	return enrolmentToken(hex.EncodeToString(id[:]), secret, root)
}

func enrolmentToken(id string, secret [32]byte, root Digest) EnrolmentToken {
	return EnrolmentToken{id: id, secret: func() [32]byte { return secret }, root: root}
}

// ParseEnrolmentToken reads the text form. Its KindInvalid error never repeats
// what was read.
func ParseEnrolmentToken(s string) (EnrolmentToken, error) {
	parts := strings.Split(strings.TrimPrefix(s, enrolmentPrefix), "_")
	if !strings.HasPrefix(s, enrolmentPrefix) || len(parts) != 3 || !isHex(parts[0], 16) || !isHex(parts[1], 64) || !isHex(parts[2], 64) {
		return EnrolmentToken{}, Errorf(KindInvalid, "parsing enrolment token", "it is not of the form %s<id>_<secret>_<root>", enrolmentPrefix).
			WithHint("use the token exactly as it was issued; a new one comes from: sealift enrol token --app APP --out FILE")
	}
	var secret [32]byte
	var root Digest
	_, _ = hex.Decode(secret[:], []byte(parts[1])) // isHex has seen them
	_, _ = hex.Decode(root[:], []byte(parts[2]))
	return enrolmentToken(parts[0], secret, root), nil
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// ID names the token: 16 lower-case hex digits. It is no secret.
func (t EnrolmentToken) ID() string { return t.id }

// Secret returns a copy of the 32 secret bytes; nil for the zero value.
func (t EnrolmentToken) Secret() []byte {
	if t.secret == nil {
		return nil
	}
	secret := t.secret()
	return secret[:]
}

// Root is the SHA-256 of the first root.json of the vault that issued t.
func (t EnrolmentToken) Root() Digest { return t.root }

// Reveal returns the text form, secret included; "" for the zero value.
func (t EnrolmentToken) Reveal() string {
	if t.secret == nil {
		return ""
	}
	return enrolmentPrefix + t.id + "_" + hex.EncodeToString(t.Secret()) + "_" + t.root.String()
}

// String returns "[enrolment token <id>]".
func (t EnrolmentToken) String() string { return "[enrolment token " + t.id + "]" }

// Format implements fmt.Formatter: every verb prints String.
func (t EnrolmentToken) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText returns String, so that no encoder writes the secret unasked.
func (t EnrolmentToken) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
