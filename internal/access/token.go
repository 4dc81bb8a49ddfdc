package access

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Kind says for whom a token was made.
type Kind string

// The kinds of token.
const (
	KindOwner      Kind = "owner"      // for setting up: from the offline ceremony, or by the vault's own secret
	KindService    Kind = "service"    // a machine's, such as a CI job's
	KindSession    Kind = "session"    // a person's, who has proven themselves by more than one factor
	KindInvitation Kind = "invitation" // lets a person set how they sign in, once; it signs nobody in
)

// Token signs its bearer in. Its text form, which is a secret, is
//
//	sealift_<kind>_<id>_<secret>_<root>
//
// where kind is one of those above, id is 16, and secret and root 64 lower-case
// hex digits. (base64url may contain '_'; base32 leaves spare bits, and with
// them several texts for one token; and of hex, root is what sha256sum prints.)
// root is the SHA-256 of the vault's first root.json, so that a command line
// pins the root of trust with the token that came out of the ceremony, instead
// of trusting whoever answers first.
//
// Printing, logging or marshalling a token shows its kind and id only; Reveal
// is the one way to its text. The zero value is no token.
type Token struct {
	kind Kind
	id   string
	// A closure, because fmt prints what is in somebody's unexported field
	// without asking for String, and follows a pointer for a verb it dislikes.
	secret func() [32]byte
	root   sealift.Digest
}

// NewToken makes a token with a random id of 64 bits and a random secret of 256
// bits, for the vault whose first root.json has SHA-256 root.
func NewToken(kind Kind, root sealift.Digest) Token {
	var id [8]byte
	var secret [32]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails: it ends the program instead
	_, _ = rand.Read(secret[:])
	return makeToken(kind, hex.EncodeToString(id[:]), secret, root)
}

func makeToken(kind Kind, id string, secret [32]byte, root sealift.Digest) Token {
	return Token{kind: kind, id: id, secret: func() [32]byte { return secret }, root: root}
}

// ParseToken reads the text form. Its KindInvalid error never repeats what was
// read.
func ParseToken(s string) (Token, error) {
	malformed := sealift.Errorf(sealift.KindInvalid, "parsing access token", "it is not of the form sealift_<kind>_<id>_<secret>_<root>").
		WithHint("use the token exactly as it was issued")
	if len(s) > maxTokenText {
		return Token{}, malformed
	}
	parts := strings.Split(s, "_")
	if len(parts) != 5 || parts[0] != "sealift" || !isHex(parts[2], 16) || !isHex(parts[3], 64) || !isHex(parts[4], 64) {
		return Token{}, malformed
	}
	kind := Kind(parts[1])
	switch kind {
	case KindOwner, KindService, KindSession, KindInvitation:
	default:
		return Token{}, malformed
	}
	var secret [32]byte
	var root sealift.Digest
	_, _ = hex.Decode(secret[:], []byte(parts[3])) // isHex has seen them
	_, _ = hex.Decode(root[:], []byte(parts[4]))
	return makeToken(kind, parts[2], secret, root), nil
}

// maxTokenText is the length of an invitation's text, the longest.
const maxTokenText = len("sealift_invitation_") + 16 + 1 + 64 + 1 + 64

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// ID names the token: 16 lower-case hex digits. It is no secret.
func (t Token) ID() string { return t.id }

// Kind says for whom the token was made.
func (t Token) Kind() Kind { return t.kind }

// Root is the SHA-256 of the first root.json of the vault that issued t.
func (t Token) Root() sealift.Digest { return t.root }

// Hash is the SHA-256 of the secret: what is stored. It is zero for the zero
// value.
func (t Token) Hash() sealift.Digest {
	if t.secret == nil {
		return sealift.Digest{}
	}
	secret := t.secret()
	return sealift.DigestOf(secret[:])
}

// Row is what to store of t: made at created, refused from expires on, or never
// if that is zero.
func (t Token) Row(role Role, created, expires time.Time) store.Token {
	return store.Token{ID: t.id, Kind: string(t.kind), Role: string(role), Hash: t.Hash(), Created: created, Expires: expires}
}

// Reveal returns the text form, secret included; "" for the zero value.
func (t Token) Reveal() string {
	if t.secret == nil {
		return ""
	}
	secret := t.secret()
	return strings.Join([]string{"sealift", string(t.kind), t.id, hex.EncodeToString(secret[:]), t.root.String()}, "_")
}

// String returns "[owner token <id>]".
func (t Token) String() string { return "[" + string(t.kind) + " token " + t.id + "]" }

// Format implements fmt.Formatter: every verb prints String.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText returns String, so that no encoder writes the secret unasked.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
