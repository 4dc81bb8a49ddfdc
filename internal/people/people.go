// Package people keeps who may act on the vault through the people-facing API:
// persons, who act in their own name, and the holders of access tokens.
//
// # Persons
//
// A person is invited by somebody who may grant the role, and sets by the
// invitation, a token for one use, what they sign in with. What they are is in
// one row: login, name, role, app, state. What they prove themselves with is in
// others, a row each:
//
//	password   Data: Argon2id in the PHC string format (access.PasswordHash)
//	totp       Counter: the last time step that was used. The secret is one of
//	           the vault's, "totp/<id of the row>", sealed like a key
//	passkey    Data: the credential record (access.Passkey); Counter: of signatures
//	recovery   Data: SHA-256 of one code. Using it deletes the row
//
// and for each sign-in there is a session: a token by hash, with how and when the
// person proved themselves. Everybody proves themselves by more than one factor:
// there is no session without. A session says nothing of what its person may do;
// that is read from the person's row whenever they ask for something.
//
//	invited ─ accept ─► accepted ─ confirm ─► active ◄──► disabled
//	   │          └─ where no policy asks ──────►│            │
//	   └────────────────────┴────────────────────┴────────────┴─ remove ─► removed
//
// Whoever makes an invitation holds its secret, and could accept it themselves. So
// where a policy asks people about roles (Confirmations), who has accepted signs in
// and registers a passkey, and may do nothing else until others have confirmed them:
// see ConfirmPerson. The row says who invited them, from where it was accepted, and
// with what.
//
// Of an owner who is active there is always one more than whoever is being
// demoted, disabled or removed; but for the vault's own secret, which makes an
// owner's token (RecoverOwner), nothing else would be left that rules. What a
// person has lost is exchanged by ResetPerson, with a new invitation.
//
// # An issuer's word
//
// Where the server has an OpenID Connect issuer (access.Issuer), its word stands in
// the place of the password. It is believed of persons who are active and whose
// login is an e-mail address that the issuer has verified; the first time binds the
// issuer and its name for the person to the row, and from then on no other name is
// that person. Where the issuer does not say that it has just asked for more than
// one factor, a code is asked for.
//
// Guessing is bounded by access.Limiter. Failed sign-ins are entries in the log,
// and a flood of them is few entries with a number in each: see failures. So is what
// the API refuses to somebody whose secret is good, or was: see refusals.
//
// # Tokens
//
// A token is made by somebody who may (access.ManageTokens), for a role that
// they may grant, for one app or for all, for all that the role may do or for
// some actions, and for a stated time. Its secret is returned once and stored as
// a hash.
//
// # Rows
//
// Every row here bears a MAC under the vault's root key, and the entry of each
// change names that of the person or token: nobody makes, widens or prolongs
// anything by SQL.
//
// What it does not do: a row of before, put back by SQL, has a good MAC. So a
// token that was revoked, or a session that has ended, can be brought back by
// whoever writes to the database and kept its row; the log's entries tell.
package people

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/throttle"
	"github.com/sealift/sealift/internal/vault"
)

// Registry keeps people and tokens. It is a service.Tokens, a service.People, a
// service.Accounts, a service.Passkeys, a service.OIDC, a service.Refusals and an
// access.Sessions.
type Registry struct {
	store store.Store
	vault *vault.Vault
	now   func() time.Time

	hasher     *access.Hasher
	limiter    access.Limiter
	failures   failures
	refusals   refusals
	endings    endings
	ceremonies ceremonies
	begun      *throttle.Throttle // of what strangers begin

	origin string               // under which browsers reach the server
	party  *access.RelyingParty // nil where that is not known
	issuer *access.Issuer       // nil where nobody's word is taken

	confirms Confirmations // nil where nobody ever is
}

// Confirmations knows whether people have to be confirmed; *approval.Board does.
type Confirmations interface {
	// ConfirmsPeople reports whether others have to confirm who accepts an
	// invitation now. What it goes by may be forged: KindDenied.
	ConfirmsPeople(ctx context.Context, tx store.Tx) (bool, error)
}

// SetConfirmations says who knows that. It is for before the first use.
func (r *Registry) SetConfirmations(c Confirmations) { r.confirms = c }

// New returns the registry over a vault and its store. What it counts and what is
// under way is kept in memory: one server wants one registry.
func New(s store.Store, v *vault.Vault, now func() time.Time) *Registry {
	return &Registry{store: s, vault: v, now: now, hasher: access.NewHasher(), begun: throttle.New(sealift.SignInsPerMinute)}
}

// SetOrigin says under which origin browsers reach the server: without one there
// are no passkeys, and no page confirms a sign-in. It is for before the first
// use.
func (r *Registry) SetOrigin(origin string) (err error) {
	r.origin = origin
	r.party, err = access.NewRelyingParty(origin)
	return err
}

// SetIssuer says whose word is taken for who people are, at the page of the origin.
// It is for before the first use, and after SetOrigin: KindInvalid without one.
func (r *Registry) SetIssuer(settings access.IssuerSettings, secret string) error {
	if r.party == nil {
		return sealift.Errorf(sealift.KindInvalid, "preparing for the issuer", "the server does not know under which origin browsers reach it").
			WithReason("no-origin").WithHint("start it with --origin https://…")
	}
	r.issuer = access.NewIssuer(settings, secret, r.origin+"/people/", r.now)
	return nil
}

// newID names a person or a credential: 16 lower-case hex digits, like a token's.
func newID() string {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}

// act is vault.Act, of now: do fills in the entry.
func (r *Registry) act(ctx context.Context, by audit.Actor, action, subject string, do func(tx *vault.Tx, now time.Time, e *audit.Entry) error) error {
	e := audit.Entry{Actor: by, Action: action, Subject: subject}
	return r.vault.Act(ctx, e, func(tx *vault.Tx, e *audit.Entry) error {
		e.Time = r.now().UTC()
		return do(tx, e.Time, e)
	})
}

// firstRoot is the SHA-256 of the vault's first root.json, which tokens carry.
func firstRoot(ctx context.Context, tx store.Tx) (sealift.Digest, error) {
	first, err := tx.Root(ctx, 1)
	if err != nil {
		return sealift.Digest{}, err
	}
	return sealift.DigestOf(first.Content), nil
}
