package vault

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// sealerArgon2id is the sealer of a passphrase.
const sealerArgon2id = "argon2id"

// argon2Params are the parameters of Argon2id (RFC 9106, section 3.1). They
// stand in the record, so that a later release can raise them and still read
// this one's.
type argon2Params struct {
	Time    uint32 `json:"time"`      // passes
	Memory  uint32 `json:"memoryKiB"` // KiB
	Threads uint8  `json:"threads"`   // lanes
	Salt    []byte `json:"salt"`
}

// recommendedArgon2 is the second recommended option of RFC 9106, section 4,
// for a machine where 2 GiB is too much: three passes over 64 MiB in four
// lanes with a 128-bit salt.
func recommendedArgon2() argon2Params {
	return argon2Params{Time: 3, Memory: 64 << 10, Threads: 4, Salt: random(16)}
}

// check refuses parameters that no release wrote, before they cost anything:
// the record comes from a disk that others can write to.
func (p argon2Params) check() error {
	switch {
	case p.Time < 1 || p.Time > sealift.MaxArgon2Time:
		return fmt.Errorf("Argon2id with %d passes; 1 to %d are allowed", p.Time, sealift.MaxArgon2Time)
	case p.Memory < sealift.MinArgon2Memory || p.Memory > sealift.MaxArgon2Memory:
		return fmt.Errorf("Argon2id with %d KiB; %d to %d are allowed", p.Memory, sealift.MinArgon2Memory, sealift.MaxArgon2Memory)
	case p.Threads < 1 || p.Threads > sealift.MaxArgon2Threads:
		return fmt.Errorf("Argon2id with %d lanes; 1 to %d are allowed", p.Threads, sealift.MaxArgon2Threads)
	case len(p.Salt) < 16 || len(p.Salt) > 64:
		return fmt.Errorf("Argon2id with a salt of %d bytes; 16 to 64 are allowed", len(p.Salt))
	}
	return nil
}

// wrap is the root key, sealed by one sealer. Every wrap of a record holds the
// same root key; any one of them opens the vault.
type wrap struct {
	Sealer  string          `json:"sealer"` // "argon2id"; others are left alone
	Path    Path            `json:"path,omitempty"`
	ID      string          `json:"id"`     // 32 hex digits
	Params  json.RawMessage `json:"params"` // the sealer's own, as it wrote them
	Wrapped []byte          `json:"wrapped"`
}

// Path says which of two independent ways to the root key a wrap is.
type Path string

// The paths. Losing the secret of one must never lose the vault.
const (
	PathUnseal   Path = ""         // every day: whoever starts the server has it
	PathRecovery Path = "recovery" // kept elsewhere, for the day on which the other is lost
)

// String returns "unseal" or "recovery".
func (p Path) String() string {
	if p == PathUnseal {
		return "unseal"
	}
	return string(p)
}

// Secrets are what opens a vault: any one of them does.
type Secrets struct {
	Passphrase []byte // sealift.MinPassphrase to sealift.MaxPassphrase bytes, for PathUnseal
	Recovery   []byte // as NewRecoveryKey makes it, for PathRecovery
}

// recoveryPrefix marks the text of a recovery key.
const recoveryPrefix = "sealift-recovery-"

// NewRecoveryKey returns a recovery key: the prefix and 256 random bits as 64
// hex digits, for a file or a sheet of paper. The caller clears it.
func NewRecoveryKey() []byte {
	key := random(keySize)
	defer clear(key)
	return hex.AppendEncode([]byte(recoveryPrefix), key)
}

// associated binds a wrap to its vault and its parameters.
func (w wrap) associated(vault sealift.VaultID) []byte {
	return join("sealift/vault/root-wrap/v1", []byte(vault), []byte(w.Sealer), []byte(w.ID), w.Params)
}

// argon2 reads the parameters of a passphrase wrap.
func (w wrap) argon2() (argon2Params, error) {
	var p argon2Params
	if err := strictjson.Unmarshal(w.Params, sealift.MaxSealRecord, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

// stretch is the slow part: hundreds of milliseconds and p.Memory KiB.
func (p argon2Params) stretch(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, p.Salt, p.Time, p.Memory, p.Threads, keySize)
}

// newPassphraseWrap seals root under the secret of a path. It is slow.
func newPassphraseWrap(vault sealift.VaultID, path Path, root, passphrase []byte, params argon2Params) (wrap, error) {
	encoded, err := json.Marshal(params)
	if err != nil {
		return wrap{}, err
	}
	w := wrap{Sealer: sealerArgon2id, Path: path, ID: newID(), Params: encoded}
	key := params.stretch(passphrase)
	defer clear(key)
	w.Wrapped, err = sealWith(key, root, w.associated(vault))
	return w, err
}

// open returns the root key. It is slow, and fails with errOpen for a wrong
// passphrase and a changed record alike.
func (w wrap) open(vault sealift.VaultID, passphrase []byte) ([]byte, error) {
	params, err := w.argon2()
	if err != nil {
		return nil, err
	}
	key := params.stretch(passphrase)
	defer clear(key)
	root, err := openWith(key, w.Wrapped, w.associated(vault))
	if err == nil && len(root) != keySize {
		return nil, errOpen
	}
	return root, err
}

// check refuses secrets that will not do. whole demands a passphrase.
func (s Secrets) check(whole bool) error {
	if s.Passphrase != nil || whole {
		if err := checkPassphrase(s.Passphrase); err != nil {
			return err
		}
		if bytes.HasPrefix(s.Passphrase, []byte(recoveryPrefix)) {
			return sealift.Errorf(sealift.KindInvalid, "choosing the vault's passphrase", "it is a recovery key").WithReason("passphrase").
				WithHint("choose a passphrase of its own: the recovery key stays where no server is")
		}
	}
	if s.Recovery != nil && (len(s.Recovery) != len(recoveryPrefix)+2*keySize || !bytes.HasPrefix(s.Recovery, []byte(recoveryPrefix))) {
		return sealift.Errorf(sealift.KindInvalid, "taking a recovery key", "it is not of the form %s and 64 hex digits", recoveryPrefix).WithReason("recovery")
	}
	return nil
}

// checkPassphrase refuses a passphrase that is too short to protect anything.
func checkPassphrase(passphrase []byte) error {
	if n := len(passphrase); n < sealift.MinPassphrase || n > sealift.MaxPassphrase {
		return sealift.Errorf(sealift.KindInvalid, "choosing the vault's passphrase", "it has %d bytes; %d to %d are allowed",
			n, sealift.MinPassphrase, sealift.MaxPassphrase).WithReason("passphrase").
			WithHint("four or more words picked at random are long enough and can be remembered")
	}
	return nil
}

// newID returns 128 random bits as 32 hex digits.
func newID() string { return hex.EncodeToString(random(16)) }
