package service

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
)

// People keeps who may act in their own name.
type People interface {
	// Persons returns everybody who was not removed, by when they were invited.
	Persons(ctx context.Context) ([]Person, error)
	// Invite makes a person and the invitation by which they set how they sign
	// in; it is returned this once. KindDenied where by may not grant the role,
	// KindConflict with reason "login" if somebody has it, KindNotFound if there
	// is no such app.
	Invite(ctx context.Context, by access.Caller, want NewPerson) (Invited, error)
	// ChangePerson changes role, scope and state; what a person is already is no
	// error. KindNotFound if there is no such person, KindDenied where by may
	// not, KindConflict with reason "last-owner".
	ChangePerson(ctx context.Context, by access.Caller, id string, want PersonChange) (Person, error)
	// ResetPerson takes from a person all that they sign in with, and every
	// session, and returns a new invitation. Errors are those of ChangePerson.
	ResetPerson(ctx context.Context, by access.Caller, id string) (Invited, error)
	// ConfirmPerson lets a person act who has accepted an invitation, once others
	// than whoever invited them have made sure that it was they; and notes it of one
	// who may act already. KindConflict with reason "invited" where they have not
	// accepted, "confirmed" where that was done, "acceptance" where accepted is not
	// when they did.
	ConfirmPerson(ctx context.Context, by access.Caller, id string, accepted time.Time) (Person, error)
	// RemovePerson ends a person for ever: the login is free again. Doing so
	// again is no error. Errors are those of ChangePerson.
	RemovePerson(ctx context.Context, by access.Caller, id string) error
}

// NewPerson is somebody to be invited.
type NewPerson struct {
	Login string // an e-mail address, in lower case
	Name  string // may be empty: they say themselves
	Role  access.Role
	App   sealift.AppID // the only app that they may touch; "" for all
}

// PersonChange is what is to change; nil stays.
type PersonChange struct {
	Role  *access.Role
	App   *sealift.AppID
	State *store.PersonState // PersonActive or PersonDisabled
}

// Person is somebody who may act, or was invited to.
type Person struct {
	ID      string
	Login   string
	Name    string
	Role    access.Role
	App     sealift.AppID
	State   store.PersonState
	Creator string // id of the actor who invited them
	Created time.Time
	Methods []string // what they sign in with: "password", "totp", "passkey", "issuer"
	Forged  bool     // not written by the vault: they do not get in

	Inviter      string // id of the actor who made the last invitation
	InvitedFrom  string // IP address
	Accepted     time.Time
	AcceptedFrom string // IP address
	AcceptedWith string // the program, in its own words
	Confirmed    string // id of the actor who had others confirm them; empty for nobody
}

// Invited is a person and their invitation.
type Invited struct {
	Person
	Secret  access.Token
	Expires time.Time
}

// Accounts lets people sign in, and keep what they sign in with.
type Accounts interface {
	// BeginAcceptance shows an invited person who they are to be, and a secret
	// for their authenticator app. KindDenied with reason "invitation" for one
	// that is unknown, used or expired.
	BeginAcceptance(ctx context.Context, from Origin, invitation string) (Acceptance, error)
	// FinishAcceptance sets what an invited person signs in with, and signs them
	// in. The invitation is over. KindDenied with reason "code" where the code is
	// not the authenticator's; it may then be tried again.
	FinishAcceptance(ctx context.Context, from Origin, want AcceptanceEnd) (Accepted, error)
	// SignIn signs a person in. KindDenied with reason "unauthenticated",
	// whatever is wrong; KindExhausted with reason "rate" where too many have
	// failed before.
	SignIn(ctx context.Context, from Origin, want SignIn) (SignedIn, error)

	// Account shows a caller to themselves. KindDenied with reason "person" for
	// one who is none, as of all below.
	Account(ctx context.Context, by access.Caller) (Account, error)
	// StepUp proves the second factor again. KindDenied with reason "code" for a
	// wrong one, KindExhausted with reason "rate" after too many.
	StepUp(ctx context.Context, by access.Caller, code string) (Session, error)
	// NewRecoveryCodes exchanges a caller's recovery codes. It wants a fresh proof.
	NewRecoveryCodes(ctx context.Context, by access.Caller) ([]string, error)
	// SetPassword exchanges a caller's password and ends their other sessions.
	// It wants a fresh proof.
	SetPassword(ctx context.Context, by access.Caller, password string) error
	// BeginTOTP returns a secret for another authenticator app. It wants a fresh
	// proof.
	BeginTOTP(ctx context.Context, by access.Caller) (TOTP, error)
	// FinishTOTP exchanges the authenticator app for the one that shows code.
	FinishTOTP(ctx context.Context, by access.Caller, ceremony, code string) error
	// Sessions returns a caller's sessions, by creation; or those of another
	// person, for who may manage people.
	Sessions(ctx context.Context, by access.Caller, person string) ([]Session, error)
	// EndSession ends a session at once: one's own, or anybody's for who may
	// manage people. KindNotFound if there is none that they may end.
	EndSession(ctx context.Context, by access.Caller, id string) error
}

// Passkeys are the part of Accounts that takes a browser. KindConflict with reason
// "no-origin" where the server does not know how browsers reach it.
type Passkeys interface {
	// BeginPasskey asks for a new passkey of the caller's. It wants a fresh proof.
	BeginPasskey(ctx context.Context, by access.Caller) (PasskeyCeremony, error)
	// FinishPasskey takes it. KindDenied with reason "passkey" for one that does
	// not verify, KindNotFound with reason "ceremony" where it was not asked for.
	FinishPasskey(ctx context.Context, by access.Caller, ceremony, label string, answer json.RawMessage) (Passkey, error)
	// Passkeys returns the caller's, by creation.
	Passkeys(ctx context.Context, by access.Caller) ([]Passkey, error)
	// RemovePasskey ends one of the caller's. It wants a fresh proof.
	RemovePasskey(ctx context.Context, by access.Caller, id string) error

	// BeginPasskeySignIn asks for any passkey of this vault's.
	BeginPasskeySignIn(ctx context.Context, from Origin) (PasskeyCeremony, error)
	// FinishPasskeySignIn signs its person in. Errors are those of SignIn.
	FinishPasskeySignIn(ctx context.Context, from Origin, ceremony string, answer json.RawMessage) (SignedIn, error)

	// BeginRequest begins a sign-in that somebody confirms in a browser.
	BeginRequest(ctx context.Context, from Origin) (SignInRequest, error)
	// BeginStepUp begins a fresh proof for the caller's session, which they give in
	// another one, in a browser. program and doing are what asks and what for, in
	// its own words.
	BeginStepUp(ctx context.Context, by access.Caller, program, doing string) (SignInRequest, error)
	// ShowRequest says where the request with a code came from, and what it is for.
	// One of BeginStepUp is shown to its own person alone, in another session.
	ShowRequest(ctx context.Context, by access.Caller, code string) (Asked, error)
	// ConfirmRequest signs whoever began the request with a code in as the
	// caller; or gives the session of BeginStepUp the caller's proof, no fresher
	// than it is. It wants a fresh proof.
	ConfirmRequest(ctx context.Context, by access.Caller, code string) error
	// PollRequest returns the session, once; KindDenied with reason "pending"
	// until somebody has confirmed it.
	PollRequest(ctx context.Context, from Origin, secret string) (SignedIn, error)
}

// OIDC lets people sign in by an issuer's word (OpenID Connect Core 1.0). Nobody is
// made or promoted by it: who signs in was invited, and has accepted.
type OIDC interface {
	// IssuerName is the identifier of the issuer; "" where there is none.
	IssuerName(ctx context.Context, from Origin) (string, error)
	// CheckIssuer asks the issuer what a sign-in needs of it, now; the zero value
	// where there is none.
	CheckIssuer(ctx context.Context) (IssuerState, error)
	// BeginOIDC returns what a browser is sent to the issuer with. KindConflict with
	// reason "no-issuer" where there is none, KindNetwork with reason "issuer-away".
	BeginOIDC(ctx context.Context, from Origin) (OIDCCeremony, error)
	// FinishOIDC takes what the browser comes back with. KindDenied with reason
	// "second-factor" where the issuer does not say that it asked for more than one
	// factor: ProveOIDC goes on. Else errors are those of SignIn and BeginOIDC;
	// KindNotFound with reason "ceremony".
	FinishOIDC(ctx context.Context, from Origin, ceremony, state, code string) (SignedIn, error)
	// ProveOIDC adds a code of the person's authenticator app. Errors are those of
	// SignIn; another code may then be tried.
	ProveOIDC(ctx context.Context, from Origin, ceremony, code string) (SignedIn, error)
}

// IssuerState is whether people can sign in at the issuer.
type IssuerState struct {
	Issuer   string
	ClientID string
	Problem  string // what keeps them from it; empty for nothing
}

// OIDCCeremony is a sign-in at an issuer.
type OIDCCeremony struct {
	Ceremony string // stays in the browser that began
	URL      string // where that goes
	Expires  time.Time
}

// PasskeyCeremony is what a browser is asked.
type PasskeyCeremony struct {
	Ceremony string
	Options  json.RawMessage // for navigator.credentials
	Expires  time.Time
}

// Passkey is one of a person's.
type Passkey struct {
	ID      string
	Label   string
	Created time.Time
	Used    time.Time // zero for never
}

// SignInRequest is a sign-in that is to be confirmed in a browser.
type SignInRequest struct {
	Secret  string // to ask what has become of it
	Code    string // shown on both screens
	URL     string // where to confirm it
	Expires time.Time
}

// Origin is where a request came from that nobody has signed in for.
type Origin struct {
	Address string // IP address, without a port
	Label   string // the program, in its own words; may be empty
}

// Asked is what a person is asked to confirm in a browser.
type Asked struct {
	Origin
	StepUp bool   // a fresh proof for a session of theirs; else a new session
	Doing  string // what the proof is for, in the program's words
}

// TOTP is a new secret for an authenticator app, to be proven by a code.
type TOTP struct {
	Ceremony string
	Secret   string // base32
	URI      string // for a QR code
	Expires  time.Time
}

// Acceptance is what an invited person is shown.
type Acceptance struct {
	Login string
	Name  string
	Role  access.Role
	App   sealift.AppID
	TOTP
}

// AcceptanceEnd is what an invited person sets.
type AcceptanceEnd struct {
	Invitation string
	Ceremony   string
	Name       string
	Password   string
	Code       string
}

// Accepted is an invited person who has signed in for the first time.
type Accepted struct {
	SignedIn
	RecoveryCodes []string
	State         store.PersonState // whether they may act, or are to be confirmed first
}

// SignIn is what a person proves themselves with: a password, and one of the
// other two.
type SignIn struct {
	Login        string
	Password     string
	Code         string
	RecoveryCode string
}

// SignedIn is a session, with its secret.
type SignedIn struct {
	Secret access.Token
	Session
	RecoveryCodesLeft int
}

// Session is somebody's, who has signed in.
type Session struct {
	ID      string
	Person  string // id
	Label   string
	Address string
	AMR     access.AMR
	Created time.Time
	Seen    time.Time
	Proven  time.Time
	Expires time.Time
	Present bool // it is the caller's own
}

// Account is a caller to themselves.
type Account struct {
	Person
	Session           Session
	RecoveryCodesLeft int
}
