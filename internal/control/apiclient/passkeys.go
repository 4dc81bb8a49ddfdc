package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift/internal/control/api"
)

// BeginSignInRequest begins a sign-in that a person confirms in a browser; it
// needs no token.
func (c *Client) BeginSignInRequest(ctx context.Context) (api.SignInRequest, error) {
	return decoded[api.SignInRequest](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.BeginSignInRequest(ctx) })
}

// PollSignInRequest asks what has become of it; it needs no token. KindDenied
// with reason "pending" until somebody has confirmed it.
func (c *Client) PollSignInRequest(ctx context.Context, secret string) (api.SignedIn, error) {
	return decoded[api.SignedIn](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.PollSignInRequest(ctx, api.SignInPoll{Secret: secret})
	})
}

// ConfirmSignInRequest signs whoever began the request with a code in as the
// caller.
func (c *Client) ConfirmSignInRequest(ctx context.Context, code string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ConfirmSignInRequest(ctx, code) })
	return err
}

// Passkeys returns the caller's passkeys.
func (c *Client) Passkeys(ctx context.Context) ([]api.Passkey, error) {
	list, err := decoded[api.PasskeyList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListPasskeys(ctx) })
	return list.Passkeys, err
}

// RemovePasskey ends one of the caller's passkeys.
func (c *Client) RemovePasskey(ctx context.Context, id string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RemovePasskey(ctx, id) })
	return err
}
