// Package access says who is asking and what they may do.
//
// Who: a caller of the people-facing API presents a Token as
// "Authorization: Bearer <token>". Authenticator.Authenticate finds the token's
// row by its id, compares SHA-256 of the secret in constant time, checks
// expiry and revocation, has the MAC of the row checked, and returns a
// Principal. Every failure looks the same from outside: one error, one reason,
// and an answer that takes FailureTime from the question, whether the token was
// malformed, unknown, wrong, expired, revoked or forged.
//
// What: Principal.Allow looks one cell up in a plain table of role × action, and
// compares the app with the principal's, who may be bound to one. What is not in
// the table is refused.
//
// A token is stored as SHA-256 of its secret, without salt and without a slow
// hash. Those defend secrets that people choose; this one is 256 random bits,
// so neither a dictionary nor a table of hashes helps whoever steals the store,
// and a slow hash on every request would only serve an attacker who wants the
// server busy.
package access

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// ReasonUnauthenticated is the reason of a KindDenied error where the caller is
// nobody we know; one that we know but refuse has another reason.
const ReasonUnauthenticated = "unauthenticated"

// FailureTime is how long a failed sign-in takes, from question to answer. It
// is longer than a look-up takes under load, so that the time does not tell an
// unknown id from a wrong secret.
const FailureTime = 100 * time.Millisecond

// Directory finds stored tokens.
type Directory interface {
	// AccessToken returns the row of the token with the given id, and
	// KindNotFound if there is none.
	AccessToken(ctx context.Context, id string) (store.Token, error)
}

// InStore is the directory of the tokens in s.
func InStore(s store.Store) Directory { return directory{s} }

type directory struct{ store store.Store }

func (d directory) AccessToken(ctx context.Context, id string) (token store.Token, err error) {
	err = d.store.View(ctx, func(tx store.Tx) error {
		token, err = tx.Token(ctx, id)
		return err
	})
	return token, err
}

// Rows knows which rows the vault wrote; *vault.Vault does.
type Rows interface {
	// CheckRow refuses one that something else wrote or changed. KindSealed
	// means that it cannot tell while the vault is sealed.
	CheckRow(r store.Authentic) error
}

// Principal is a caller who proved who they are.
type Principal struct {
	ID   string // the token's id
	Kind Kind
	Role Role
	App  sealift.AppID // the only app that they may touch; empty for all
}

// CallerKind says what sort of caller an audit entry names.
type CallerKind string

// The kinds of caller of the people-facing API.
const (
	CallerPerson  CallerKind = "person"
	CallerService CallerKind = "service"
)

// Caller is who asks, as every service behind the people-facing API is told
// for its audit entry.
type Caller struct {
	Kind    CallerKind
	ID      string // the token's id
	Address string // the IP address that the request came from, without a port
	Role    Role
	App     sealift.AppID // the only app that they may touch; empty for all
}

// CallerFrom is p asking from address.
func (p Principal) CallerFrom(address string) Caller {
	kind := CallerService
	if p.Kind == KindOwner {
		kind = CallerPerson
	}
	return Caller{Kind: kind, ID: p.ID, Address: address, Role: p.Role, App: p.App}
}

// Actor names the caller in the log.
func (c Caller) Actor() audit.Actor {
	kind := audit.Service
	if c.Kind == CallerPerson {
		kind = audit.Person
	}
	return audit.Actor{Kind: kind, ID: c.ID, Address: c.Address}
}

// Authenticator signs callers in.
type Authenticator struct {
	Directory Directory
	Rows      Rows
	// Now is the clock that expiry is checked against.
	Now func() time.Time
}

// Authenticate returns the principal that the bearer token, without the word
// "Bearer", proves. A refusal is KindDenied with ReasonUnauthenticated; any
// other kind means that the directory could not be asked; KindSealed, that the
// token is good for all that anybody can tell, and the vault sealed.
func (a *Authenticator) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	answerAt := time.NewTimer(FailureTime)
	defer answerAt.Stop()
	principal, err := a.check(ctx, bearer)
	if err == nil {
		return principal, nil
	}
	select {
	case <-answerAt.C:
	case <-ctx.Done():
	}
	return Principal{}, err
}

func (a *Authenticator) check(ctx context.Context, bearer string) (Principal, error) {
	token, err := ParseToken(bearer)
	if err != nil {
		return Principal{}, refused()
	}
	row, err := a.Directory.AccessToken(ctx, token.ID())
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return Principal{}, sealift.Errorf(sealift.KindOf(err), "signing in", "%w", err)
	}
	known := err == nil
	hash := token.Hash()
	matches := subtle.ConstantTimeCompare(hash[:], row.Hash[:]) == 1
	expired := !row.Expires.IsZero() && !a.Now().Before(row.Expires)
	// The kind is in the token's text, which nothing signs: believe the row.
	if !known || !matches || row.ID != token.ID() || row.Kind != string(token.Kind()) || expired || row.Revoked {
		return Principal{}, refused()
	}
	switch err := a.Rows.CheckRow(row); {
	case sealift.KindOf(err) == sealift.KindDenied: // a forger is told no more than a guesser
		return Principal{}, refused()
	case err != nil:
		return Principal{}, err
	}
	role, err := ParseRole(row.Role)
	if err != nil {
		return Principal{}, sealift.Errorf(sealift.KindInternal, "signing in", "token %s: %w", row.ID, err)
	}
	return Principal{ID: row.ID, Kind: token.Kind(), Role: role, App: row.App}, nil
}

func refused() error {
	return sealift.Errorf(sealift.KindDenied, "signing in", "the access token is missing, unknown, expired or revoked").
		WithReason(ReasonUnauthenticated).
		WithHint("set SEALIFT_TOKEN to a token of this server, such as the one in keys/owner.token")
}
