package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Tokens keeps access tokens.
type Tokens interface {
	// CreateToken makes a token. Its secret is returned this once. KindDenied
	// where by may not grant the role, KindNotFound if there is no such app.
	CreateToken(ctx context.Context, by access.Caller, want NewToken) (MadeToken, error)
	// Tokens returns every token, by creation.
	Tokens(ctx context.Context) ([]Token, error)
	// RevokeToken ends a token at once; doing so again is no error. KindNotFound
	// if there is none, KindDenied where by may not end one of its role,
	// KindConflict with reason "last-owner" for the last one of an owner.
	RevokeToken(ctx context.Context, by access.Caller, id string) error
}

// NewToken is an access token of a service, to be made.
type NewToken struct {
	Role access.Role
	// Actions are the only ones of the role's that it is good for; "" for all.
	Actions access.Actions
	App     sealift.AppID // the only one that it is good for; "" for all
	Label   string        // what it is for, in a person's words; may be empty
	Life    time.Duration // how long it is good for; more than 0
}

// MadeToken is one that was made.
type MadeToken struct {
	Secret access.Token
	Token
}

// Token is an access token without its secret.
type Token struct {
	ID      string
	Kind    access.Kind
	Role    access.Role
	Actions access.Actions
	App     sealift.AppID
	Label   string
	Creator string // id of the token, or part of the system, that made it
	Created time.Time
	Expires time.Time // zero for never
	Revoked bool
	Forged  bool // not written by the vault: it signs nobody in
}
