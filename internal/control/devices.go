package control

import (
	"net/http"
	"strings"

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
		if err := searched(&page, params); err != nil {
			return nil, err
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
		counts, err := h.Devices.CountDevices(r.Context(), id)
		list.Counts = api.DeviceCounts{Active: counts.Active, Revoked: counts.Revoked, Erased: counts.Erased, Outdated: counts.Outdated}
		return list, err
	})
}

// searched reads what devices are looked for.
func searched(page *service.DevicePage, params api.ListDevicesParams) (err error) {
	if page.Channel, page.Platform, err = filters(params.Channel, params.Platform); err != nil {
		return err
	}
	if params.Behind != "" {
		if page.Behind, err = sealift.ParseDeviceID(params.Behind); err != nil {
			return err
		}
	}
	if params.Version != "" {
		if page.Version, err = sealift.ParseVersion(params.Version); err != nil {
			return err
		}
	}
	if params.Label != "" {
		if page.Label, err = sealift.ParseLabel(params.Label); err != nil {
			return err
		}
	}
	page.Outdated = params.Outdated
	page.Prefix, page.State, page.Since, page.Until = params.Prefix, string(params.State), params.SeenSince, params.SeenBefore
	if len(page.Prefix) > 32 || strings.Trim(page.Prefix, "0123456789abcdef") != "" {
		return sealift.Errorf(sealift.KindInvalid, "reading request", "no id of a device begins with %q", cut(page.Prefix)).
			WithHint("use up to 32 lower-case hex digits")
	}
	if page.Outdated && params.State != "" && params.State != api.DeviceStateActive {
		return sealift.Errorf(sealift.KindInvalid, "reading request", "only active devices are outdated, and %s ones are asked for", cut(page.State)).
			WithHint("leave the state out")
	}
	switch params.State {
	case "", api.DeviceStateActive, api.DeviceStateRevoked, api.DeviceStateErased:
		return nil
	}
	return sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no state of a device", cut(page.State)).
		WithHint("a device is active, revoked or erased")
}

// RevokeDevices implements POST /apps/{app}/device-revocations.
func (h *handler) RevokeDevices(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.RevokeDevices, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, which, err := deviceAct(w, r, app)
		if err != nil {
			return nil, err
		}
		out, err := h.Devices.RevokeDevices(r.Context(), by, id, which)
		return api.Revocation{Devices: each(out.Devices, deviceIDOut), Epochs: each(out.Epochs, channelOut)}, err
	})
}

// EraseDevices implements POST /apps/{app}/device-erasures.
func (h *handler) EraseDevices(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.EraseDevices, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, which, err := deviceAct(w, r, app)
		if err != nil {
			return nil, err
		}
		erased, err := h.Devices.EraseDevices(r.Context(), by, id, which)
		return api.Erasure{Devices: each(erased, deviceIDOut)}, err
	})
}

func deviceIDOut(id sealift.DeviceID) string { return string(id) }

// deviceAct reads which devices something is to be done to, and why.
func deviceAct(w http.ResponseWriter, r *http.Request, app api.InApp) (id sealift.AppID, which service.DeviceAct, err error) {
	if id, err = sealift.ParseAppID(app); err != nil {
		return id, which, err
	}
	var body api.DeviceAct
	if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
		return id, which, err
	}
	which, err = actOn(body.Devices, body.Reason)
	return id, which, err
}

// actOn checks which devices something is to be done to, and why.
func actOn(devices []string, reason string) (which service.DeviceAct, err error) {
	if len(devices) < 1 || len(devices) > sealift.MaxPage {
		return which, sealift.Errorf(sealift.KindInvalid, readingBody, "%d devices are not allowed", len(devices)).
			WithHint("name 1 to %d", sealift.MaxPage)
	}
	for _, text := range devices {
		device, err := sealift.ParseDeviceID(text)
		if err != nil {
			return which, err
		}
		which.Devices = append(which.Devices, device)
	}
	which.Reason = reason
	return which, checkReason(reason)
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
	out.Labels = each(d.Labels, func(l sealift.Label) string { return string(l) })
	if d.Assigned != nil {
		assigned := assignmentOut(*d.Assigned)
		out.Assigned = &assigned
	}
	if r := d.Report; r != nil {
		out.Runtime, out.Channel, out.Client = string(r.Runtime), string(r.Channel), r.Client
		out.Build, out.Emulator, out.Excluded = api.Build(r.Build), r.Emulator, r.Excluded
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
	if !s.Patch.IsZero() {
		out.Patch = s.Patch.String()
	}
	return out
}
