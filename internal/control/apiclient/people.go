package apiclient

import (
	"context"
	"net/http"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

// Persons returns everybody who was not removed, by when they were invited.
func (c *Client) Persons(ctx context.Context) ([]api.Person, error) {
	list, err := decoded[api.PersonList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListPersons(ctx) })
	return list.Persons, err
}

// InvitePerson invites a person; the invitation is returned this once.
func (c *Client) InvitePerson(ctx context.Context, person api.NewPerson) (api.Invited, error) {
	return decoded[api.Invited](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.InvitePerson(ctx, person) })
}

// ChangePerson changes the person who has an id or a login.
func (c *Client) ChangePerson(ctx context.Context, person string, change api.PersonChange) (api.Person, error) {
	return decoded[api.Person](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ChangePerson(ctx, person, change)
	})
}

// ResetPerson takes from a person all that they sign in with; the invitation is
// returned this once.
func (c *Client) ResetPerson(ctx context.Context, person string) (api.Invited, error) {
	return decoded[api.Invited](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ResetPerson(ctx, person) })
}

// ConfirmPerson lets a person act who accepted an invitation at that time, once
// others have confirmed them.
func (c *Client) ConfirmPerson(ctx context.Context, person string, accepted time.Time) (api.Person, error) {
	return decoded[api.Person](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ConfirmPerson(ctx, person, api.Confirmation{Accepted: accepted})
	})
}

// RemovePerson ends a person for ever.
func (c *Client) RemovePerson(ctx context.Context, person string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RemovePerson(ctx, person) })
	return err
}

// BeginAcceptance says what an invitation is for; it needs no token.
func (c *Client) BeginAcceptance(ctx context.Context, invitation string) (api.Acceptance, error) {
	return decoded[api.Acceptance](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.BeginAcceptance(ctx, api.Invitation{Invitation: invitation})
	})
}

// AcceptInvitation sets how an invited person signs in; it needs no token.
func (c *Client) AcceptInvitation(ctx context.Context, how api.AcceptInvitation) (api.Accepted, error) {
	return decoded[api.Accepted](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.AcceptInvitation(ctx, how) })
}

// SignIn signs a person in; it needs no token.
func (c *Client) SignIn(ctx context.Context, with api.SignIn) (api.SignedIn, error) {
	return decoded[api.SignedIn](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.CreateSession(ctx, with) })
}

// Account returns who the caller is.
func (c *Client) Account(ctx context.Context) (api.Account, error) {
	return decoded[api.Account](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetAccount(ctx) })
}

// CheckIssuer has the server ask its OpenID Connect issuer for what a sign-in needs.
func (c *Client) CheckIssuer(ctx context.Context) (api.IssuerState, error) {
	return decoded[api.IssuerState](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.CheckIssuer(ctx) })
}

// BeginStepUp asks for a page on which the caller gives a fresh proof, for what
// doing says.
func (c *Client) BeginStepUp(ctx context.Context, doing string) (api.StepUpRequest, error) {
	return decoded[api.StepUpRequest](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.BeginStepUp(ctx, api.StepUpReason{For: doing})
	})
}

// StepUp proves the caller's second factor again.
func (c *Client) StepUp(ctx context.Context, code string) (api.Session, error) {
	return decoded[api.Session](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.StepUp(ctx, api.Code{Code: code})
	})
}

// NewRecoveryCodes exchanges the caller's recovery codes.
func (c *Client) NewRecoveryCodes(ctx context.Context) ([]string, error) {
	made, err := decoded[api.RecoveryCodes](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.NewRecoveryCodes(ctx) })
	return made.RecoveryCodes, err
}

// SetPassword exchanges the caller's password.
func (c *Client) SetPassword(ctx context.Context, password string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.SetPassword(ctx, api.Password{Password: password})
	})
	return err
}

// BeginTOTP returns a secret for another authenticator app of the caller.
func (c *Client) BeginTOTP(ctx context.Context) (api.TOTP, error) {
	return decoded[api.TOTP](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.BeginTOTP(ctx) })
}

// FinishTOTP exchanges the caller's authenticator app.
func (c *Client) FinishTOTP(ctx context.Context, proof api.TOTPProof) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.FinishTOTP(ctx, proof) })
	return err
}

// Sessions returns the sessions of a person, by id; of the caller for "".
func (c *Client) Sessions(ctx context.Context, person string) ([]api.Session, error) {
	list, err := decoded[api.SessionList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListSessions(ctx, &api.ListSessionsParams{Person: person})
	})
	return list.Sessions, err
}

// EndSession ends a session at once.
func (c *Client) EndSession(ctx context.Context, id string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.EndSession(ctx, id) })
	return err
}
