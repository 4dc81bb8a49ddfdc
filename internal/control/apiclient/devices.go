package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Devices returns a page of the devices of an app, by id.
func (c *Client) Devices(ctx context.Context, app sealift.AppID, page api.ListDevicesParams) (api.DeviceList, error) {
	return decoded[api.DeviceList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListDevices(ctx, string(app), &page) })
}

// Device returns a device with a page of the steps that it reported, newest first.
func (c *Client) Device(ctx context.Context, app sealift.AppID, device string, page api.GetDeviceParams) (api.DeviceDetail, error) {
	return decoded[api.DeviceDetail](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetDevice(ctx, string(app), device, &page)
	})
}

// RevokeDevices ends devices of an app, and turns its epochs.
func (c *Client) RevokeDevices(ctx context.Context, app sealift.AppID, which api.DeviceAct) (api.Revocation, error) {
	return decoded[api.Revocation](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.RevokeDevices(ctx, string(app), which)
	})
}

// EraseDevices forgets devices of an app.
func (c *Client) EraseDevices(ctx context.Context, app sealift.AppID, which api.DeviceAct) (api.Erasure, error) {
	return decoded[api.Erasure](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.EraseDevices(ctx, string(app), which) })
}

// Stats returns what came of an app's releases on its devices.
func (c *Client) Stats(ctx context.Context, app sealift.AppID, filter api.GetStatsParams) (api.Stats, error) {
	return decoded[api.Stats](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetStats(ctx, string(app), &filter) })
}

// CapgoDevices returns a page of an app's devices that have Capgo's plugin, by id.
func (c *Client) CapgoDevices(ctx context.Context, app sealift.AppID, page api.ListCapgoDevicesParams) (api.CapgoDeviceList, error) {
	return decoded[api.CapgoDeviceList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListCapgoDevices(ctx, string(app), &page)
	})
}
