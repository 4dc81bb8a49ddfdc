package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// RollBack takes devices back to an older release.
func (c *Client) RollBack(ctx context.Context, app sealift.AppID, want api.NewRollback) (api.RolledBack, error) {
	return decoded[api.RolledBack](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.RollBack(ctx, string(app), want)
	})
}
