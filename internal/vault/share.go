package vault

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/sealift/sealift"
)

// sharePrefix marks the text of a share.
const sharePrefix = "sealift-share-"

// The parts of a share's text after the prefix, each of a fixed length and all
// but the last followed by "-": the first 8 digits of the vault's id and of the
// set's, which is the wrap's; the index, two decimal digits; the value, 64
// digits; and the check, the first 8 digits of SHA-256 over all the text before
// its own "-".
const (
	shareIDDigits    = 8
	shareIndexDigits = 2
	shareValueDigits = 2 * keySize
	shareCheckDigits = 8
	shareLength      = len(sharePrefix) + 2*(shareIDDigits+1) + shareIndexDigits + 1 + shareValueDigits + 1 + shareCheckDigits
)

// Share is one share of a set, m of which open a wrap. It prints as what it is
// and no more.
type Share struct {
	vault, set string // the first digits of their ids
	index      int    // from 1
	value      func() []byte
}

// Index returns the share's number in its set, from 1.
func (s Share) Index() int { return s.index }

// Clear zeroes the value.
func (s Share) Clear() { clear(s.value()) }

// String names the share without its value.
func (s Share) String() string { return fmt.Sprintf("[share %d of set %s]", s.index, s.set) }

// Format hides the share from every verb.
func (s Share) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalJSON hides the share.
func (s Share) MarshalJSON() ([]byte, error) { return []byte(`"[share]"`), nil }

// IsShare reports whether a text is marked as a share.
func IsShare(text []byte) bool { return bytes.HasPrefix(text, []byte(sharePrefix)) }

// ParseShare reads the text of a share, as a *Deal wrote it; white space around
// it is passed over. The error is KindInvalid with ReasonShareForm. It says
// nothing yet about whether the share is of any vault.
func ParseShare(text []byte) (Share, error) {
	text = bytes.TrimSpace(text)
	bad := func(format string, args ...any) (Share, error) {
		return Share{}, sealift.Errorf(sealift.KindInvalid, "reading a share", format, args...).WithReason(ReasonShareForm).
			WithHint("a share is one line that begins with %s and has %d characters: compare it with the paper, character by character", sharePrefix, shareLength)
	}
	if !IsShare(text) {
		return bad("it does not begin with %s", sharePrefix)
	}
	if len(text) != shareLength {
		return bad("it has %d characters, not %d", len(text), shareLength)
	}
	fields := bytes.Split(text[len(sharePrefix):], []byte("-"))
	for i, digits := range []int{shareIDDigits, shareIDDigits, shareIndexDigits, shareValueDigits, shareCheckDigits} {
		if len(fields) != 5 || len(fields[i]) != digits {
			return bad("its hyphens are not where a share has them")
		}
	}
	signed := text[:shareLength-1-shareCheckDigits]
	if subtle.ConstantTimeCompare(fields[4], shareCheck(signed)) != 1 {
		return bad("a character is mistyped: its last %d do not fit the others", shareCheckDigits)
	}
	// The check says that this is as it was written.
	index, err := strconv.Atoi(string(fields[2]))
	value := make([]byte, keySize)
	if _, err2 := hex.Decode(value, fields[3]); err != nil || err2 != nil || index < 1 || index > sealift.MaxShares {
		return bad("it is of a form that this release does not know")
	}
	return Share{string(fields[0]), string(fields[1]), index, func() []byte { return value }}, nil
}

// text is the inverse of ParseShare.
func (s Share) text() []byte {
	out := make([]byte, 0, shareLength)
	out = fmt.Appendf(out, "%s%s-%s-%02d-", sharePrefix, s.vault, s.set, s.index)
	out = hex.AppendEncode(out, s.value())
	return append(append(out, '-'), shareCheck(out)...)
}

func shareCheck(text []byte) []byte {
	sum := sha256.Sum256(text)
	return hex.AppendEncode(nil, sum[:shareCheckDigits/2])
}

// of refuses a share that is not of a vault's present set.
func (s Share) of(vault sealift.VaultID, sets ...string) error {
	const doing = "taking a share"
	if s.vault != string(vault)[:shareIDDigits] {
		return sealift.Errorf(sealift.KindSealed, doing, "it is of vault %s…, and this is %s", s.vault, vault).WithReason(ReasonShareForeign).
			WithHint("look for the share of this vault: its text begins with %s%s", sharePrefix, string(vault)[:shareIDDigits])
	}
	for _, set := range sets {
		if s.set == set[:shareIDDigits] {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindSealed, doing, "it is of set %s, and those that open this vault together are of another", s.set).WithReason(ReasonShareOld).
		WithHint("see the set with: sealift vault status; where shares were made anew since, look for the newer one and destroy this")
}
