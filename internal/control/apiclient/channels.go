package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Channels returns the channels of app, by name.
func (c *Client) Channels(ctx context.Context, app sealift.AppID) ([]api.Channel, error) {
	list, err := decoded[api.ChannelList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListChannels(ctx, string(app))
	})
	return list.Channels, err
}

// CreateChannel makes a channel of app.
func (c *Client) CreateChannel(ctx context.Context, app sealift.AppID, name sealift.Channel) (api.Channel, error) {
	return decoded[api.Channel](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.CreateChannel(ctx, string(app), api.NewChannel{Name: string(name)})
	})
}

// Channel returns one channel of an app.
func (c *Client) Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (api.Channel, error) {
	return decoded[api.Channel](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetChannel(ctx, string(app), string(name))
	})
}

// ChangeChannel sets what change names.
func (c *Client) ChangeChannel(ctx context.Context, app sealift.AppID, name sealift.Channel, change api.ChannelChange) (api.Channel, error) {
	return decoded[api.Channel](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ChangeChannel(ctx, string(app), string(name), change)
	})
}
