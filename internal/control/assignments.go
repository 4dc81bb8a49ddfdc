package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// AssignDevices implements POST /apps/{app}/device-assignments.
func (h *handler) AssignDevices(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.AssignDevices, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		want, err := newAssignment(w, r)
		if err != nil {
			return nil, err
		}
		made, err := h.Assigning.AssignDevices(r.Context(), by, id, want)
		return api.AssignmentList{Assignments: each(made, assignmentOut)}, err
	})
}

func newAssignment(w http.ResponseWriter, r *http.Request) (want service.NewAssignment, err error) {
	var body api.NewAssignment
	if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
		return want, err
	}
	if want.DeviceAct, err = actOn(body.Devices, body.Reason); err != nil {
		return want, err
	}
	if body.Channel != "" {
		if want.Channel, err = sealift.ParseChannel(body.Channel); err != nil {
			return want, err
		}
	}
	if body.Until != nil {
		want.Until = *body.Until
	}
	if want.Channel == "" && !want.Until.IsZero() {
		return want, sealift.Errorf(sealift.KindInvalid, readingBody, "an end without a channel").WithHint("name the channel that devices are to be on until then")
	}
	return want, nil
}

func assignmentOut(a service.Assignment) api.Assignment {
	return api.Assignment{
		Device: string(a.Device), Channel: string(a.Channel), Until: timeOut(a.Until), Origin: api.AssignmentOrigin(a.Origin), Sequence: a.Sequence, Changed: a.Changed.UTC(),
	}
}
