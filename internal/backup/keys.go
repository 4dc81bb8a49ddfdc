package backup

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"

	"github.com/sealift/sealift"
)

// Recipient is whom a backup is encrypted to, of any kind that age knows.
type Recipient = age.Recipient

// Identity is what opens a backup.
type Identity = age.Identity

// Recipients reads a file of age recipients, one a line ("age1…", "age1pq1…"):
// the public halves of the keys that people keep for the day of a restore.
func Recipients(path string) ([]age.Recipient, error) {
	const op = "reading the recipients"
	f, err := os.Open(path)
	if err != nil {
		return nil, ioError(op, err)
	}
	defer f.Close()
	recipients, err := age.ParseRecipients(io.LimitReader(f, sealift.MaxRecipients))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", path, err).WithReason("recipients").
			WithHint("one recipient a line, as sealift backup keygen and age-keygen print them: age1…")
	}
	return recipients, nil
}

// Identities reads the content of a file of age identities, one a line
// ("AGE-SECRET-KEY-…").
func Identities(content []byte) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil {
		// The error of age may hold the line, which is secret.
		return nil, sealift.Errorf(sealift.KindInvalid, "reading the identities", "it is no file of age identities").WithReason("identity").
			WithHint("name a file that sealift backup keygen or age-keygen wrote; take a passphrase off it with: age -d")
	}
	return identities, nil
}

// NewIdentity makes a recovery identity, ML-KEM-768 with X25519 as age has it, and
// returns it as the content of a file, and its recipient.
func NewIdentity(now time.Time) (file []byte, recipient string, err error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, "", sealift.Errorf(sealift.KindInternal, "making a recovery identity", "%w", err)
	}
	recipient = identity.Recipient().String()
	return fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), recipient, identity.String()), recipient, nil
}
