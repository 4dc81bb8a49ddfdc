package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// AssignDevices puts devices of an app on a channel, or takes them off theirs.
func (c *Client) AssignDevices(ctx context.Context, app sealift.AppID, want api.NewAssignment) (api.AssignmentList, error) {
	return decoded[api.AssignmentList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.AssignDevices(ctx, string(app), want)
	})
}
