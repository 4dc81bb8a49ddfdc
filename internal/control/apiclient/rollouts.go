package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Rollouts returns the roll-outs of an app, newest counter first.
func (c *Client) Rollouts(ctx context.Context, app sealift.AppID, params api.ListRolloutsParams) ([]api.Rollout, error) {
	list, err := decoded[api.RolloutList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListRollouts(ctx, string(app), &params)
	})
	return list.Rollouts, err
}

// Rollout returns one roll-out, with all there is to say of it.
func (c *Client) Rollout(ctx context.Context, app sealift.AppID, counter uint64) (api.Rollout, error) {
	return decoded[api.Rollout](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetRollout(ctx, string(app), counter)
	})
}

// PauseRollout stops a roll-out until somebody resumes it.
func (c *Client) PauseRollout(ctx context.Context, app sealift.AppID, counter uint64, reason string) (api.Rollout, error) {
	return decoded[api.Rollout](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.PauseRollout(ctx, string(app), counter, api.RolloutPause{Reason: reason})
	})
}

// WithdrawRelease takes a release out of the offer until somebody reinstates it.
func (c *Client) WithdrawRelease(ctx context.Context, app sealift.AppID, counter uint64, reason string) (api.Rollout, error) {
	return decoded[api.Rollout](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.WithdrawRelease(ctx, string(app), counter, api.RolloutPause{Reason: reason})
	})
}

// SteerRollout does what else people do to one.
func (c *Client) SteerRollout(ctx context.Context, app sealift.AppID, counter uint64, steer api.RolloutSteer) (api.Rollout, error) {
	return decoded[api.Rollout](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.SteerRollout(ctx, string(app), counter, steer)
	})
}
