package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

var assignment1 = service.Assignment{
	Device: device1.ID, Channel: "beta", Until: time.Unix(24, 0), Origin: "person", Sequence: 25, Changed: time.Unix(26, 0),
}

func (s *services) AssignDevices(_ context.Context, by access.Caller, app sealift.AppID, want service.NewAssignment) ([]service.Assignment, error) {
	return []service.Assignment{assignment1}, s.note(by, app, want)
}

var assigned1 = func() api.Assignment {
	until := time.Unix(24, 0).UTC()
	return api.Assignment{
		Device: string(device1.ID), Channel: "beta", Until: &until, Origin: api.AssignmentOriginPerson, Sequence: 25, Changed: time.Unix(26, 0).UTC(),
	}
}()

func TestAssignDevices(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOperator)
	until := time.Unix(30, 0).UTC()
	act := service.DeviceAct{Devices: []sealift.DeviceID{device1.ID}, Reason: "tests it"}
	for _, want := range []service.NewAssignment{{DeviceAct: act, Channel: "beta", Until: until}, {DeviceAct: act, Channel: "beta"}, {DeviceAct: act}} {
		body := api.NewAssignment{Devices: []string{string(device1.ID)}, Channel: string(want.Channel), Reason: "tests it"}
		if !want.Until.IsZero() {
			body.Until = &want.Until
		}
		list, err := c.AssignDevices(t.Context(), "com.acme.shop", body)
		check(t, "assigned", err, list, api.AssignmentList{Assignments: []api.Assignment{assigned1}})
		if asked := f.services.last(); len(asked) != 3 {
			t.Errorf("asked %v", asked)
		} else {
			check(t, "asked", nil, asked[2], any(want))
		}
	}
	for _, rest := range []string{`"channel":"B!"`, `"channel":"beta","until":"tomorrow"`, `"until":"2026-01-01T00:00:00Z"`} {
		f.wantProblem(f.do("POST", acme+"/device-assignments", "owner", `{"devices":["`+string(device1.ID)+`"],"reason":"x",`+rest+`}`), 400, sealift.KindInvalid, "")
	}
	for _, body := range []string{`{"devices":[],"reason":"x"}`, `{"devices":["x"],"reason":"x"}`, `{"devices":["` + string(device1.ID) + `"],"reason":" "}`} {
		f.wantProblem(f.do("POST", acme+"/device-assignments", "owner", body), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
