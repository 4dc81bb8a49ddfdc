package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/sealift/sealift"
)

// PasswordHash is a person's password as it is kept: Argon2id (RFC 9106) in the
// PHC string format,
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//
// with a salt of 16 and a hash of 32 bytes in unpadded base64. The parameters
// are OWASP's first choice for servers: 19 MiB and 2 passes. The vault's own
// passphrase, which is tried once a start, has costlier ones.
type PasswordHash string

const (
	passwordMemory = 19 << 10 // KiB
	passwordPasses = 2
	passwordLanes  = 1
	passwordSalt   = 16 // bytes
	passwordKey    = 32 // bytes
)

// passwordParams is what every hash of this release begins with.
var passwordParams = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, passwordMemory, passwordPasses, passwordLanes)

// Hasher hashes and checks passwords, a few at a time: each takes 19 MiB and 20
// ms of a core. Make it with NewHasher.
type Hasher struct {
	turns chan struct{}
	dummy PasswordHash
}

// NewHasher returns a Hasher.
func NewHasher() *Hasher {
	h := &Hasher{turns: make(chan struct{}, sealift.MaxPasswordHashes)}
	h.dummy = hashPassword(rand.Text())
	return h
}

// CheckPassword returns nil for a password that may be set, and else
// KindInvalid with reason "password" and what is wrong with it. login is the
// person's: NIST SP 800-63B-4 section 3.1.1.2 wants what is specific to the
// context refused.
func CheckPassword(password, login string) error {
	weak := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, "setting a password", format, args...).
			WithReason("password").WithHint("use five random words or more")
	}
	name, _, _ := strings.Cut(login, "@")
	switch lower := strings.ToLower(password); {
	case utf8.RuneCountInString(password) < sealift.MinPassword:
		return weak("it has fewer than %d characters", sealift.MinPassword)
	case len(password) > sealift.MaxPassphrase:
		return weak("it has more than %d bytes", sealift.MaxPassphrase)
	case !utf8.ValidString(password):
		return weak("it is not UTF-8")
	case name != "" && strings.Contains(lower, strings.ToLower(name)):
		return weak("it holds your login")
	case strings.Trim(lower, lower[:1]) == "":
		return weak("it is one character, again and again")
	}
	return nil
}

// Hash returns what to keep of a password. It waits for its turn.
func (h *Hasher) Hash(ctx context.Context, password string) (PasswordHash, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return hashPassword(password), nil
}

// Verify reports whether password is the one of kept. Where kept is empty, as for
// somebody who has none, it takes as long and the answer is no. It waits for its
// turn.
func (h *Hasher) Verify(ctx context.Context, kept PasswordHash, password string) (bool, error) {
	if len(password) > sealift.MaxPassphrase {
		return false, nil
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	known := kept != ""
	if !known {
		kept = h.dummy
	}
	salt, key, err := kept.parse()
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, passwordPasses, passwordMemory, passwordLanes, passwordKey)
	defer clear(got)
	return subtle.ConstantTimeCompare(got, key) == 1 && known, nil
}

func (h *Hasher) enter(ctx context.Context) error {
	select {
	case h.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hasher) leave() { <-h.turns }

func hashPassword(password string) PasswordHash {
	salt := make([]byte, passwordSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	key := argon2.IDKey([]byte(password), salt, passwordPasses, passwordMemory, passwordLanes, passwordKey)
	b64 := base64.RawStdEncoding
	return PasswordHash(passwordParams + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key))
}

// parse reads what Hash wrote. The row that it comes from has a MAC, so other
// parameters are those of another release.
func (p PasswordHash) parse() (salt, key []byte, err error) {
	rest, ours := strings.CutPrefix(string(p), passwordParams)
	first, second, _ := strings.Cut(rest, "$")
	b64 := base64.RawStdEncoding.Strict()
	if salt, err = b64.DecodeString(first); err == nil {
		key, err = b64.DecodeString(second)
	}
	if !ours || err != nil || len(salt) != passwordSalt || len(key) != passwordKey {
		return nil, nil, sealift.Errorf(sealift.KindInternal, "reading a password's hash", "it is not of the form that this release writes").
			WithHint("use the release of sealift that set it, or reset the person with: sealift user reset-mfa")
	}
	return salt, key, nil
}
