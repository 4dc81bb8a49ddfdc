package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift/internal/control/api"
)

// Tokens returns all access tokens, by creation, without their secrets.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	list, err := decoded[api.TokenList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListTokens(ctx) })
	return list.Tokens, err
}

// CreateToken makes an access token, which is returned this once.
func (c *Client) CreateToken(ctx context.Context, token api.NewToken) (api.MadeToken, error) {
	return decoded[api.MadeToken](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.CreateToken(ctx, token) })
}

// RevokeToken ends an access token at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RevokeToken(ctx, id) })
	return err
}
