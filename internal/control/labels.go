package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// LabelDevices implements POST /apps/{app}/device-labels.
func (h *handler) LabelDevices(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.AssignDevices, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.NewLabel
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want := service.NewLabel{Remove: body.Remove}
		if want.DeviceAct, err = actOn(body.Devices, body.Reason); err != nil {
			return nil, err
		}
		if want.Label, err = sealift.ParseLabel(body.Label); err != nil {
			return nil, err
		}
		out, err := h.Assigning.LabelDevices(r.Context(), by, id, want)
		return api.Labelled{Devices: each(out.Devices, deviceIDOut), Assignments: each(out.Assignments, assignmentOut)}, err
	})
}

// ListChannelLabels implements GET /apps/{app}/channel-labels.
func (h *handler) ListChannelLabels(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListChannels, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		labels, err := h.Assigning.ChannelLabels(r.Context(), id)
		return api.ChannelLabelList{Labels: each(labels, channelLabelOut)}, err
	})
}

// SetChannelLabel implements PUT /apps/{app}/channel-labels/{label}.
func (h *handler) SetChannelLabel(w http.ResponseWriter, r *http.Request, app api.InApp, label api.Label) {
	h.do(w, r, access.ChangeChannel, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, want, err := labelIn(app, label)
		if err != nil {
			return nil, err
		}
		var body api.NewChannelLabel
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if want.Channel, err = sealift.ParseChannel(body.Channel); err != nil {
			return nil, err
		}
		if want.Priority = body.Priority; want.Priority > sealift.MaxLabelPriority || want.Priority < -sealift.MaxLabelPriority {
			return nil, sealift.Errorf(sealift.KindInvalid, readingBody, "a priority of %d", want.Priority).
				WithHint("use one between -%d and %d", sealift.MaxLabelPriority, sealift.MaxLabelPriority)
		}
		out, err := h.Assigning.SetChannelLabel(r.Context(), by, id, want)
		return channelLabelOut(out), err
	})
}

// RemoveChannelLabel implements DELETE /apps/{app}/channel-labels/{label}.
func (h *handler) RemoveChannelLabel(w http.ResponseWriter, r *http.Request, app api.InApp, label api.Label) {
	h.do(w, r, access.ChangeChannel, app, http.StatusNoContent, func(by access.Caller) (any, error) {
		id, want, err := labelIn(app, label)
		if err != nil {
			return nil, err
		}
		_, err = h.Assigning.SetChannelLabel(r.Context(), by, id, want)
		return nil, err
	})
}

func labelIn(app, label string) (id sealift.AppID, want service.ChannelLabel, err error) {
	if id, err = sealift.ParseAppID(app); err != nil {
		return id, want, err
	}
	want.Label, err = sealift.ParseLabel(label)
	return id, want, err
}

func channelLabelOut(l service.ChannelLabel) api.ChannelLabel {
	return api.ChannelLabel{Label: string(l.Label), Channel: string(l.Channel), Priority: l.Priority, Settling: l.Settling, Changed: l.Changed.UTC()}
}
