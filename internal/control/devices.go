package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// ListDevices implements GET /apps/{app}/devices.
func (h *handler) ListDevices(w http.ResponseWriter, r *http.Request, app api.InApp, params api.ListDevicesParams) {
	h.do(w, r, access.ListDevices, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		page := service.DevicePage{}
		if page.Limit, err = pageLimit(params.Limit); err != nil {
			return nil, err
		}
		if page.Channel, _, err = filters(params.Channel, ""); err != nil {
			return nil, err
		}
		if params.Behind != "" {
			if page.Behind, err = sealift.ParseDeviceID(params.Behind); err != nil {
				return nil, err
			}
		}
		page.Limit++ // one more than asked for tells whether there is a next page
		devices, err := h.Devices.Devices(r.Context(), id, page)
		if err != nil {
			return nil, err
		}
		var list api.DeviceList
		if len(devices) >= page.Limit {
			devices = devices[:page.Limit-1]
			list.Next = string(devices[len(devices)-1].ID)
		}
		list.Devices = each(devices, deviceOut)
		return list, nil
	})
}

// GetDevice implements GET /apps/{app}/devices/{device}.
func (h *handler) GetDevice(w http.ResponseWriter, r *http.Request, app api.InApp, device string, params api.GetDeviceParams) {
	h.do(w, r, access.ListDevices, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		which, err := sealift.ParseDeviceID(device)
		if err != nil {
			return nil, err
		}
		limit, err := pageLimit(params.Limit)
		if err != nil {
			return nil, err
		}
		shown, steps, err := h.Devices.Device(r.Context(), id, which, params.Before, limit+1)
		if err != nil {
			return nil, err
		}
		detail := api.DeviceDetail{Device: deviceOut(shown)}
		if len(steps) > limit {
			steps = steps[:limit]
			detail.Next = steps[limit-1].Sequence
		}
		detail.Steps = each(steps, stepOut)
		return detail, nil
	})
}

func deviceOut(d service.Device) api.Device {
	out := api.Device{
		App: string(d.App), ID: string(d.ID), State: api.DeviceState(d.State), Token: d.Token, Platform: string(d.Platform), Runtime: string(d.Runtime),
		Enrolled: d.Enrolled.UTC(), Seen: d.Seen.UTC(), Reported: timeOut(d.Reported), Lost: d.Lost, Forged: d.Forged,
	}
	if r := d.Report; r != nil {
		out.Runtime, out.Channel, out.Client = string(r.Runtime), string(r.Channel), r.Client
		out.Metadata = &api.DeviceMetadata{Root: r.Root, Targets: r.Targets, Snapshot: r.Snapshot, Timestamp: r.Timestamp}
		out.Installed, out.Previous, out.Pending = installedOut(r.Installed), installedOut(r.Previous), installedOut(r.Pending)
		out.Epochs = each(r.Epochs, sealift.Digest.String)
	}
	return out
}

func installedOut(r *trust.ReportRelease) *api.DeviceRelease {
	if r == nil {
		return nil
	}
	return &api.DeviceRelease{Release: r.Release.String(), Version: string(r.Version), Counter: uint64(r.Counter)}
}

func stepOut(s service.DeviceStep) api.DeviceStep {
	out := api.DeviceStep{
		Sequence: s.Sequence, Received: s.Received.UTC(), Time: s.Time.UTC(), Step: api.DeviceStepStep(s.Step), Version: string(s.Version),
		Counter: uint64(s.Counter), Channel: string(s.Channel), Kind: string(s.Kind), Reason: s.Reason, Took: s.Took,
	}
	if !s.Release.IsZero() {
		out.Release = s.Release.String()
	}
	return out
}
