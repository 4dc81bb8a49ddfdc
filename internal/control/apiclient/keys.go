package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift/internal/control/api"
)

// Keys returns the versions of the vault's keys that match, by id and version.
func (c *Client) Keys(ctx context.Context, only api.ListKeysParams) ([]api.Key, error) {
	list, err := decoded[api.KeyList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListKeys(ctx, &only) })
	return list.Keys, err
}

// SetKeyState suspends an active key, or restores a suspended one.
func (c *Client) SetKeyState(ctx context.Context, change api.KeyChange) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.SetKeyState(ctx, change) })
}
