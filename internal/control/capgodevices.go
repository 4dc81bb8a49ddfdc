package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListCapgoDevices implements GET /apps/{app}/capgo-devices.
func (h *handler) ListCapgoDevices(w http.ResponseWriter, r *http.Request, app api.InApp, params api.ListCapgoDevicesParams) {
	h.do(w, r, access.ListDevices, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var like service.DevicePage
		if like.Limit, err = pageLimit(params.Limit); err != nil {
			return nil, err
		}
		if err := searched(&like, api.ListDevicesParams{Channel: params.Channel, Platform: params.Platform, Behind: params.Behind, Version: params.Version, Prefix: params.Prefix}); err != nil {
			return nil, err
		}
		devices, counts, err := h.Devices.CapgoDevices(r.Context(), id, service.CapgoPage{
			Limit: like.Limit + 1, Behind: like.Behind, Prefix: like.Prefix, Channel: like.Channel, Platform: like.Platform, Version: like.Version,
		})
		if err != nil {
			return nil, err
		}
		list := api.CapgoDeviceList{Counts: api.CapgoCounts{Known: counts.Known, Day: counts.Day, Week: counts.Week}}
		if len(devices) > like.Limit {
			devices = devices[:like.Limit]
			list.Next = string(devices[len(devices)-1].ID)
		}
		list.Devices = each(devices, capgoDeviceOut)
		return list, nil
	})
}

func capgoDeviceOut(d service.CapgoDevice) api.CapgoDevice {
	return api.CapgoDevice{
		ID: string(d.ID), Platform: string(d.Platform), Version: d.Version, Build: d.Build, Plugin: d.Plugin, Channel: string(d.Channel), Chosen: string(d.Chosen),
		Production: d.Production, Emulator: d.Emulator, Began: d.Began.UTC(), Seen: d.Seen.UTC(),
		Events: each(d.Events, func(e service.CapgoEvent) api.CapgoEvent {
			return api.CapgoEvent{At: e.At.UTC(), Received: e.Received.UTC(), Action: e.Action, Version: e.Version, Old: e.Old, Detail: e.Detail}
		}),
	}
}
