package vault

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
)

// The sealers by the names that stand in a record. One that a release does not
// know is left alone, as another release wrote it.
const (
	sealerArgon2id = "argon2id" // a passphrase or a recovery key
	sealerShamir   = "shamir"   // shares that people hold
	sealerPKCS11   = "pkcs11"   // a key in a token
)

// wrap is the root key, sealed by one sealer. Every wrap of a record holds the
// same root key; any one of them opens the vault.
type wrap struct {
	Sealer  string          `json:"sealer"`
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

// Way is what anyone may know of what opens a vault on a path.
type Way struct {
	Sealer    string // "argon2id", "shamir" or "pkcs11"; empty where there is no such path
	Threshold int    // of shares: how many of them are needed
	Shares    int    // of shares: how many there are
	Token     string // of a token: the key's URI
	Set       string // of shares: what their texts call their set
	Given     int    // of shares: how many were given so far, in this process
}

// Describe says what opens a path, for people: "a passphrase", "3 of 5 unseal
// shares".
func (w Way) Describe(p Path) string {
	switch {
	case w.Sealer == "":
		return "nothing"
	case w.Sealer == sealerShamir:
		return fmt.Sprintf("%d of %d %s shares", w.Threshold, w.Shares, p)
	case w.Sealer == sealerPKCS11:
		return strings.TrimSpace("a token " + w.Token)
	case w.Sealer == sealerArgon2id && p == PathRecovery:
		return "the recovery key"
	case w.Sealer == sealerArgon2id:
		return "a passphrase"
	}
	return "what this release does not know: " + clip(w.Sealer)
}

// Sealer makes a wrap of the root key. It is a Passphrase, a RecoveryKey, a
// *Deal of shares or a Token.
type Sealer interface {
	// check refuses what will not do on a path of a vault, before anything is
	// computed.
	check(vault sealift.VaultID, p Path) error
	// seal wraps the root key. It may be slow.
	seal(ctx context.Context, root []byte, on sealing) (wrap, error)
}

// Opener opens a wrap of the root key. It is a Passphrase, a RecoveryKey,
// Shares or a Token.
type Opener interface {
	// fits reports whether it is meant for a wrap: only then is the wrap tried.
	fits(w wrap) bool
	// open returns the root key; the caller clears it. A *sealift.Error is for
	// whoever brought the Opener, and any other error means that it is not what
	// opens w, or that w was changed: which, cannot be told.
	open(ctx context.Context, vault sealift.VaultID, w wrap) (root []byte, err error)
	// costly reports whether open takes an Argon2id.
	costly() bool
}

// sealing is where a wrap belongs, and what its key derivation is to cost.
type sealing struct {
	vault  sealift.VaultID
	path   Path
	argon2 func() argon2Params
}

// Secrets are what a vault is sealed under, one on each path: any of them opens
// it. Where one is nil, Init makes no such path and Rekey leaves it as it is.
type Secrets struct {
	Unseal   Sealer // a Passphrase, *Deal or Token
	Recovery Sealer // a RecoveryKey or *Deal
}

// each calls fn with each secret that is there.
func (s Secrets) each(fn func(p Path, by Sealer) error) error {
	for _, on := range []struct {
		path Path
		by   Sealer
	}{{PathUnseal, s.Unseal}, {PathRecovery, s.Recovery}} {
		if on.by == nil {
			continue
		}
		if err := fn(on.path, on.by); err != nil {
			return err
		}
	}
	return nil
}

// check refuses secrets that will not do. whole demands one to unseal with.
func (s Secrets) check(vault sealift.VaultID, whole bool) error {
	if whole && s.Unseal == nil {
		return sealift.Errorf(sealift.KindInvalid, "sealing the vault", "nothing is named that opens it").WithReason(ReasonPassphrase)
	}
	return s.each(func(p Path, by Sealer) error { return by.check(vault, p) })
}

// associated binds a wrap to its vault and its parameters.
func (w wrap) associated(vault sealift.VaultID) []byte {
	return join("sealift/vault/root-wrap/v1", []byte(vault), []byte(w.Sealer), []byte(w.ID), w.Params)
}

// check refuses parameters of a known sealer that no release wrote.
func (w wrap) check() (err error) {
	switch w.Sealer {
	case sealerArgon2id:
		_, err = w.argon2()
	case sealerShamir:
		_, err = w.shamir()
	case sealerPKCS11:
		_, err = w.pkcs11()
	}
	return err
}

// openRoot opens the root key under the key that a sealer has come to.
func (w wrap) openRoot(vault sealift.VaultID, key []byte) ([]byte, error) {
	return wholeRoot(openWith(key, w.Wrapped, w.associated(vault)))
}

func wholeRoot(root []byte, err error) ([]byte, error) {
	if err == nil && len(root) != keySize {
		clear(root)
		return nil, errOpen
	}
	return root, err
}

// newWrap is a wrap that lacks the wrapped key.
func newWrap(sealer, id string, params any, on sealing) (wrap, error) {
	encoded, err := json.Marshal(params)
	if err != nil {
		return wrap{}, fmt.Errorf("parameters of sealer %s: %w", sealer, err)
	}
	return wrap{Sealer: sealer, Path: on.path, ID: id, Params: encoded}, nil
}

// newID returns 128 random bits as 32 hex digits.
func newID() string { return hex.EncodeToString(random(16)) }
