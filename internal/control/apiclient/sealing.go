package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift/internal/control/api"
)

// Unseal gives what opens the vault: a passphrase, a recovery key or one share.
// It needs no token.
func (c *Client) Unseal(ctx context.Context, secret string) (api.UnsealProgress, error) {
	return decoded[api.UnsealProgress](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.UnsealVault(ctx, api.UnsealSecret{Secret: secret})
	})
}

// ResetUnseal has the shares forgotten that were given so far, and shows one for
// it. It needs no token.
func (c *Client) ResetUnseal(ctx context.Context, share string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ResetUnseal(ctx, api.UnsealSecret{Secret: share})
	})
	return err
}

// Seal seals the vault.
func (c *Client) Seal(ctx context.Context) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.SealVault(ctx) })
	return err
}

// RotateKEK exchanges the key-encryption key.
func (c *Client) RotateKEK(ctx context.Context, reason string) (api.Rotation, error) {
	return decoded[api.Rotation](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.RotateKEK(ctx, api.NewRotation{Reason: reason})
	})
}

// ContinueRotation goes on with a rotation.
func (c *Client) ContinueRotation(ctx context.Context, kek string) (api.Rotation, error) {
	return decoded[api.Rotation](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ContinueRotation(ctx, kek) })
}
