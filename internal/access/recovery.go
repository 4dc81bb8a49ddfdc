package access

import (
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"

	"github.com/sealift/sealift"
)

// recoverySize is how many random bytes a recovery code has: 120 bits, so that a
// plain hash keeps it (NIST SP 800-63B-4 section 3.1.2.2 wants 112 for that).
const recoverySize = 15

// NewRecoveryCodes returns sealift.RecoveryCodes codes, each for one use, such as
// "k3vx-9m2p-q7rt-d4wz-01bc-8nhe": six groups of four letters and digits that are
// not mistaken for others.
func NewRecoveryCodes() []string {
	codes := make([]string, sealift.RecoveryCodes)
	for i := range codes {
		random := make([]byte, recoverySize)
		_, _ = rand.Read(random) // never fails (crypto/rand)
		var groups []string
		for group := range slices.Chunk([]byte(recoveryText.EncodeToString(random)), 4) {
			groups = append(groups, string(group))
		}
		codes[i] = strings.Join(groups, "-")
	}
	return codes
}

// recoveryText has 32 characters, and neither i, l, o nor u among them, as
// Crockford's base32 has it.
var recoveryText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// RecoveryHash is what is kept of a recovery code: SHA-256 of its characters, in
// whatever case and with whatever between them a person types it. ok is false
// for what is none.
func RecoveryHash(code string) (hash sealift.Digest, ok bool) {
	code = strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(code))
	if raw, err := recoveryText.DecodeString(code); err != nil || len(raw) != recoverySize || len(code) != recoveryText.EncodedLen(recoverySize) {
		return sealift.Digest{}, false
	}
	return sealift.DigestOf([]byte(code)), true
}
