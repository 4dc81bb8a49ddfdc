package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Denials returns what devices refuse or refused at once, by creation.
func (c *Client) Denials(ctx context.Context) ([]api.Denial, error) {
	list, err := decoded[api.DenialList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListDenials(ctx) })
	return list.Denials, err
}

// Deny lets devices refuse something at once.
func (c *Client) Deny(ctx context.Context, want api.NewDenial) (api.Denial, error) {
	return decoded[api.Denial](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.AddDenial(ctx, want) })
}

// Floor returns the floor of an app and who is under it, or how that would be with
// the one in params.
func (c *Client) Floor(ctx context.Context, app sealift.AppID, params api.GetFloorParams) (api.AppFloor, error) {
	return decoded[api.AppFloor](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetFloor(ctx, string(app), &params) })
}

// LiftDenial takes a denial back.
func (c *Client) LiftDenial(ctx context.Context, id, reason string) (api.Denial, error) {
	return decoded[api.Denial](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.LiftDenial(ctx, id, api.DenialLift{Reason: reason})
	})
}
