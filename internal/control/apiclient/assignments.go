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

// LabelDevices gives devices of an app a label, or takes it off them.
func (c *Client) LabelDevices(ctx context.Context, app sealift.AppID, want api.NewLabel) (api.Labelled, error) {
	return decoded[api.Labelled](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.LabelDevices(ctx, string(app), want)
	})
}

// ChannelLabels returns the labels that put devices of an app on channels, the
// highest priority first.
func (c *Client) ChannelLabels(ctx context.Context, app sealift.AppID) ([]api.ChannelLabel, error) {
	list, err := decoded[api.ChannelLabelList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListChannelLabels(ctx, string(app))
	})
	return list.Labels, err
}

// SetChannelLabel has a label put devices that carry it on a channel.
func (c *Client) SetChannelLabel(ctx context.Context, app sealift.AppID, label sealift.Label, want api.NewChannelLabel) (api.ChannelLabel, error) {
	return decoded[api.ChannelLabel](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.SetChannelLabel(ctx, string(app), string(label), want)
	})
}

// RemoveChannelLabel has it put them nowhere any more.
func (c *Client) RemoveChannelLabel(ctx context.Context, app sealift.AppID, label sealift.Label) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.RemoveChannelLabel(ctx, string(app), string(label))
	})
	return err
}
