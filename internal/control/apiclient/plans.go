package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Plan returns with which plan the roll-outs of a channel begin.
func (c *Client) Plan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (api.ChannelPlan, error) {
	return decoded[api.ChannelPlan](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetPlan(ctx, string(app), string(channel))
	})
}

// SetPlan sets it.
func (c *Client) SetPlan(ctx context.Context, app sealift.AppID, channel sealift.Channel, plan api.Plan) (api.ChannelPlan, error) {
	return decoded[api.ChannelPlan](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.SetPlan(ctx, string(app), string(channel), plan)
	})
}

// ClearPlan takes it away.
func (c *Client) ClearPlan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (api.ChannelPlan, error) {
	return decoded[api.ChannelPlan](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ClearPlan(ctx, string(app), string(channel))
	})
}
