// Package access says who is asking, how they have proven it, and what they may
// do.
//
// Who: a caller of the people-facing API presents a Token as
// "Authorization: Bearer <token>". Authenticator.Authenticate finds the token's
// row by its id, compares SHA-256 of the secret in constant time, checks
// expiry and revocation, has the MAC of the row checked, and returns a
// Principal. Every failure looks the same from outside: one error, one reason,
// and an answer that takes FailureTime from the question, whether the token was
// malformed, unknown, wrong, expired, revoked or forged. Whoever asked Authenticate
// to is told inside of a secret that was good once (Ended).
//
// A session's row says whose it is and nothing of what they may do: role, app
// and state are read from the person's own row at every request. So a role that
// changes, or a person who is disabled, changes every session with it. A person
// whom others have yet to confirm has no role.
//
// What: Principal.Allow looks one cell up in a plain table of role × action, and
// compares the app with the principal's, who may be bound to one; a token may
// be bound to actions, too. What is not in the table is refused. An action in
// the second table, stepUp, is moreover for a person who has proven themselves
// within sealift.StepUpAge, and never for a service.
//
// Proof: a person signs in with a password and a one-time code (TOTP, RFC 6238),
// with a password and a recovery code, with a passkey, or by the word of an Issuer
// (OpenID Connect Core 1.0). The primitives are here, each bounded
// and without a store; package people keeps the rows and puts them together.
// Limiter bounds guessing.
//
// A token is stored as SHA-256 of its secret, without salt and without a slow
// hash. Those defend secrets that people choose, and a password has them; a
// token is 256 random bits, so neither a dictionary nor a table of hashes helps
// whoever steals the store, and a slow hash on every request would only serve
// an attacker who wants the server busy.
package access

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
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

// Found is a row of a directory, and what the vault says of it.
type Found[R store.Authentic] struct {
	Row R
	// Wrong is why it is not the vault's: of KindDenied where something else wrote
	// it, put it back or changed it; of KindSealed where nobody can tell while the
	// vault is; of KindConflict where it was changed while it was read. nil where
	// it is the vault's.
	Wrong error
}

// Directory finds stored tokens.
type Directory interface {
	// AccessToken returns the row of the token with the given id, and
	// KindNotFound if there is none.
	AccessToken(ctx context.Context, id string) (Found[store.Token], error)
	// Session returns the row of a session, and of the person it stands for;
	// KindNotFound if there is none.
	Session(ctx context.Context, id string) (Found[store.Session], Found[store.Person], error)
	// HasOwner reports whether there is an owner with a name, who may sign in and
	// whom the vault let in.
	HasOwner(ctx context.Context) (bool, error)
}

// Sessions keeps sessions alive.
type Sessions interface {
	// Touch notes that a session is in use.
	Touch(ctx context.Context, session store.Session) error
}

// Principal is a caller who proved who they are.
type Principal struct {
	ID   string // the person's, or the token's
	Kind Kind
	Role Role
	App  sealift.AppID // the only app that they may touch; empty for all
	// Actions are the only ones of the role's that they may do; nil for all.
	Actions Actions
	// Unconfirmed is somebody whom nobody has confirmed yet since they accepted
	// an invitation: they have no role, and their own account is all they may use.
	Unconfirmed bool
	Proof
}

// CallerKind says what sort of caller an audit entry names.
type CallerKind string

// The kinds of caller of the people-facing API.
const (
	CallerPerson  CallerKind = "person"
	CallerService CallerKind = "service"
	// CallerSystem is Sealift itself: nobody signs in as it.
	CallerSystem CallerKind = "system"
)

// Machine is the id of the caller who does what roll-outs do by themselves. No person
// and no token has it: theirs are random.
const Machine = "rollout"

// Caller is who asks, as every service behind the people-facing API is told
// for its audit entry.
type Caller struct {
	Kind    CallerKind
	ID      string // the person's, or the token's
	Address string // the IP address that the request came from, without a port
	Role    Role
	App     sealift.AppID // the only app that they may touch; empty for all
	Actions Actions       // the only ones that they may do; empty for all
	Proof
}

// CallerFrom is p asking from address.
func (p Principal) CallerFrom(address string) Caller {
	kind := CallerService
	if p.Kind == KindOwner || p.Kind == KindSession {
		kind = CallerPerson
	}
	return Caller{Kind: kind, ID: p.ID, Address: address, Role: p.Role, App: p.App, Actions: p.Actions, Proof: p.Proof}
}

// Allow returns nil if the caller may do action too, on the app that they were let
// in for; else KindDenied, as Principal.Allow.
func (c Caller) Allow(action Action) error {
	return Principal{Role: c.Role, Actions: c.Actions}.Allow(action, c.App)
}

// Actor names the caller in the log.
func (c Caller) Actor() audit.Actor {
	kind := audit.Service
	switch c.Kind {
	case CallerPerson:
		kind = audit.Person
	case CallerSystem:
		kind = audit.System
	}
	return audit.Actor{Kind: kind, ID: c.ID, Session: c.Session, Address: c.Address}
}

// Authenticator signs callers in.
type Authenticator struct {
	Directory Directory
	Sessions  Sessions
	// Now is the clock that expiry is checked against.
	Now func() time.Time
}

// Authenticate returns the principal that the bearer token, without the word
// "Bearer", proves. A refusal is KindDenied with ReasonUnauthenticated; any
// other kind means that the directory could not be asked; KindSealed, that the
// token is good for all that anybody can tell, and the vault sealed. Of a secret
// that counts no more ended is told before the answer, within its FailureTime, so
// that the time does not tell the caller; it may be nil.
func (a *Authenticator) Authenticate(ctx context.Context, bearer string, ended func(Ended)) (Principal, error) {
	answerAt := time.NewTimer(FailureTime)
	defer answerAt.Stop()
	principal, err := a.check(ctx, bearer)
	for tries := 1; sealift.KindOf(err) == sealift.KindConflict && tries < maxTries; tries++ {
		principal, err = a.check(ctx, bearer) // a row was changed while it was read
	}
	if err == nil {
		return principal, nil
	}
	if over := new(Ended); errors.As(err, &over) {
		if ended != nil {
			ended(*over)
		}
		err = refused()
	}
	select {
	case <-answerAt.C:
	case <-ctx.Done():
	}
	return Principal{}, err
}

// maxTries is how often somebody is looked up whose rows change meanwhile.
const maxTries = 3

func (a *Authenticator) check(ctx context.Context, bearer string) (Principal, error) {
	token, err := ParseToken(bearer)
	if err != nil {
		return Principal{}, refused()
	}
	switch token.Kind() {
	case KindOwner, KindService:
		return a.checkToken(ctx, token)
	case KindSession:
		return a.checkSession(ctx, token)
	}
	return Principal{}, refused()
}

func (a *Authenticator) checkToken(ctx context.Context, token Token) (Principal, error) {
	found, err := a.Directory.AccessToken(ctx, token.ID())
	row := found.Row
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return Principal{}, sealift.Errorf(sealift.KindOf(err), "signing in", "%w", err)
	}
	known := err == nil
	// The kind is in the token's text, which nothing signs: believe the row.
	if !known || !matches(token, row.Hash) || row.ID != token.ID() || row.Kind != string(token.Kind()) {
		return Principal{}, refused()
	}
	if reason, over := tokenEnd(found, a.Now()); over {
		return Principal{}, &Ended{Principal{ID: row.ID, Kind: token.Kind()}, reason}
	}
	if found.Wrong != nil {
		return Principal{}, found.Wrong
	}
	role, err := ParseRole(row.Role)
	if err != nil {
		return Principal{}, sealift.Errorf(sealift.KindInternal, "signing in", "token %s: %w", row.ID, err)
	}
	p := Principal{ID: row.ID, Kind: token.Kind(), Role: role, App: row.App, Actions: Actions(row.Actions)}
	if p.Kind == KindOwner {
		if p.Proof, err = a.ownersProof(ctx, row); err != nil {
			return Principal{}, err
		}
	}
	return p, nil
}

// ownersProof is what an owner's token is worth where a step-up is wanted.
// Before there is an owner with a name it is all that there is. One that was
// made with the vault's own secret is proof of that secret for a while, or
// nobody could help the only owner, who has lost a phone.
func (a *Authenticator) ownersProof(ctx context.Context, row store.Token) (Proof, error) {
	owned, err := a.Directory.HasOwner(ctx)
	if err != nil {
		return Proof{}, sealift.Errorf(sealift.KindOf(err), "signing in", "%w", err)
	}
	proof := Proof{Setup: !owned}
	if row.Creator != FoundingCreator {
		proof.Proven = row.Created
	}
	return proof, nil
}

// FoundingCreator is who made the first owner's token, as its row has it.
const FoundingCreator = "init"

// IsOwner reports whether p is an owner, of all apps, who may sign in.
func IsOwner(p store.Person) bool {
	return p.Role == string(RoleOwner) && p.App == "" && p.State == store.PersonActive
}

func (a *Authenticator) checkSession(ctx context.Context, token Token) (Principal, error) {
	found, who, err := a.Directory.Session(ctx, token.ID())
	row, person := found.Row, who.Row
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return Principal{}, sealift.Errorf(sealift.KindOf(err), "signing in", "%w", err)
	}
	known, now := err == nil, a.Now()
	if !known || !matches(token, row.Hash) || row.ID != token.ID() || row.Kind != string(KindSession) || person.ID != row.Person {
		return Principal{}, refused()
	}
	if reason, over := sessionEnd(found, who, now); over {
		return Principal{}, &Ended{Principal{ID: person.ID, Kind: KindSession, Proof: Proof{Session: row.ID}}, reason}
	}
	if err := cmp.Or(found.Wrong, who.Wrong); err != nil {
		return Principal{}, err
	}
	role, err := ParseRole(person.Role)
	if err != nil {
		return Principal{}, sealift.Errorf(sealift.KindInternal, "signing in", "person %s: %w", person.ID, err)
	}
	if now.Sub(row.Seen) >= sealift.SessionTouch {
		// Where that fails the session only ends sooner.
		_ = a.Sessions.Touch(ctx, row)
	}
	p := Principal{
		ID: person.ID, Kind: KindSession, Role: role, App: person.App,
		Proof: Proof{Session: row.ID, AMR: AMR(row.AMR), Proven: row.Proven},
	}
	if person.State != store.PersonActive {
		p.Role, p.Unconfirmed = "", true
	}
	return p, nil
}

// MaySignIn reports whether p has accepted an invitation, and was not disabled. Who
// was not confirmed yet signs in, to show with which passkey.
func MaySignIn(p store.Person) bool {
	return p.State == store.PersonActive || p.State == store.PersonAccepted
}

func matches(token Token, stored sealift.Digest) bool {
	hash := token.Hash()
	return subtle.ConstantTimeCompare(hash[:], stored[:]) == 1
}

func refused() error {
	return sealift.Errorf(sealift.KindDenied, "signing in", "the access token is missing, unknown, expired or revoked").
		WithReason(ReasonUnauthenticated).
		WithHint("sign in with: sealift login; or set SEALIFT_TOKEN to a token of this server")
}
