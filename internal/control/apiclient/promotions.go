package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Promote moves the releases of a version on to another channel.
func (c *Client) Promote(ctx context.Context, app sealift.AppID, want api.NewPromotion) (api.Promotion, error) {
	return decoded[api.Promotion](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.PromoteRelease(ctx, string(app), want)
	})
}
