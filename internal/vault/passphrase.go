package vault

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"

	"golang.org/x/crypto/argon2"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Passphrase seals and opens PathUnseal by Argon2id. It has
// sealift.MinPassphrase to sealift.MaxPassphrase bytes, prints as what it is
// and no more, and is the caller's to clear.
type Passphrase []byte

// RecoveryKey seals and opens PathRecovery by Argon2id. It is as NewRecoveryKey
// makes it, prints as what it is and no more, and is the caller's to clear.
type RecoveryKey []byte

// SecretOf returns what a text that somebody gave is: a RecoveryKey if it is
// marked as one, else a Passphrase. It aliases text.
func SecretOf(text []byte) Opener {
	if bytes.HasPrefix(text, []byte(recoveryPrefix)) {
		return RecoveryKey(text)
	}
	return Passphrase(text)
}

// recoveryPrefix marks the text of a recovery key.
const recoveryPrefix = "sealift-recovery-"

// NewRecoveryKey returns a recovery key: the prefix and 256 random bits as 64
// hex digits, for a file or a sheet of paper. The caller clears it.
func NewRecoveryKey() RecoveryKey {
	key := random(keySize)
	defer clear(key)
	return hex.AppendEncode([]byte(recoveryPrefix), key)
}

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

// stretch is the slow part: hundreds of milliseconds and p.Memory KiB.
func (p argon2Params) stretch(secret []byte) []byte {
	// What it took goes back at once, or the garbage collector would let the
	// process grow to twice that before it looks again.
	defer debug.FreeOSMemory()
	return argon2.IDKey(secret, p.Salt, p.Time, p.Memory, p.Threads, keySize)
}

// argon2 reads the parameters of a wrap under a passphrase or recovery key.
func (w wrap) argon2() (argon2Params, error) {
	var p argon2Params
	if err := strictjson.Unmarshal(w.Params, sealift.MaxSealRecord, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

func sealArgon2(root, secret []byte, on sealing) (wrap, error) {
	params := on.argon2()
	w, err := newWrap(sealerArgon2id, newID(), params, on)
	if err != nil {
		return wrap{}, err
	}
	key := params.stretch(secret)
	defer clear(key)
	w.Wrapped, err = sealWith(key, root, w.associated(on.vault))
	return w, err
}

func openArgon2(vault sealift.VaultID, w wrap, secret []byte) ([]byte, error) {
	if len(secret) > sealift.MaxPassphrase {
		return nil, errOpen
	}
	params, err := w.argon2()
	if err != nil {
		return nil, err
	}
	key := params.stretch(secret)
	defer clear(key)
	return w.openRoot(vault, key)
}

func (s Passphrase) fits(w wrap) bool { return w.Sealer == sealerArgon2id && w.Path == PathUnseal }
func (s Passphrase) costly() bool     { return true }

func (s Passphrase) open(_ context.Context, vault sealift.VaultID, w wrap) ([]byte, error) {
	return openArgon2(vault, w, s)
}

func (s Passphrase) seal(_ context.Context, root []byte, on sealing) (wrap, error) {
	return sealArgon2(root, s, on)
}

// check refuses a passphrase that is too short to protect anything, and a secret
// of another kind in its place.
func (s Passphrase) check(_ sealift.VaultID, p Path) error {
	const doing = "choosing the vault's passphrase"
	n := len(s)
	switch {
	case p != PathUnseal:
		return sealift.Errorf(sealift.KindInvalid, doing, "the recovery path is under a recovery key or shares").WithReason(ReasonRecovery)
	case n < sealift.MinPassphrase || n > sealift.MaxPassphrase:
		return sealift.Errorf(sealift.KindInvalid, doing, "it has %d bytes; %d to %d are allowed",
			n, sealift.MinPassphrase, sealift.MaxPassphrase).WithReason(ReasonPassphrase).
			WithHint("four or more words picked at random are long enough and can be remembered")
	case bytes.HasPrefix(s, []byte(recoveryPrefix)):
		return sealift.Errorf(sealift.KindInvalid, doing, "it is a recovery key").WithReason(ReasonPassphrase).
			WithHint("choose a passphrase of its own: the recovery key stays where no server is")
	case bytes.HasPrefix(s, []byte(sharePrefix)):
		return sealift.Errorf(sealift.KindInvalid, doing, "it is a share").WithReason(ReasonPassphrase).
			WithHint("choose a passphrase of its own: shares stay with those who hold them")
	}
	return nil
}

// Format hides the passphrase from every verb.
func (s Passphrase) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[passphrase]") }

// MarshalJSON hides the passphrase.
func (s Passphrase) MarshalJSON() ([]byte, error) { return []byte(`"[passphrase]"`), nil }

func (s RecoveryKey) fits(w wrap) bool { return w.Sealer == sealerArgon2id && w.Path == PathRecovery }
func (s RecoveryKey) costly() bool     { return true }

func (s RecoveryKey) open(_ context.Context, vault sealift.VaultID, w wrap) ([]byte, error) {
	return openArgon2(vault, w, s)
}

func (s RecoveryKey) seal(_ context.Context, root []byte, on sealing) (wrap, error) {
	return sealArgon2(root, s, on)
}

func (s RecoveryKey) check(_ sealift.VaultID, p Path) error {
	const doing = "taking a recovery key"
	switch {
	case p != PathRecovery:
		return sealift.Errorf(sealift.KindInvalid, doing, "it is not what a server starts with").WithReason(ReasonPassphrase).
			WithHint("choose a passphrase of its own: the recovery key stays where no server is")
	case len(s) != len(recoveryPrefix)+2*keySize || !bytes.HasPrefix(s, []byte(recoveryPrefix)):
		return sealift.Errorf(sealift.KindInvalid, doing, "it is not of the form %s and 64 hex digits", recoveryPrefix).WithReason(ReasonRecovery)
	}
	return nil
}

// Format hides the recovery key from every verb.
func (s RecoveryKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[recovery key]") }

// MarshalJSON hides the recovery key.
func (s RecoveryKey) MarshalJSON() ([]byte, error) { return []byte(`"[recovery key]"`), nil }
