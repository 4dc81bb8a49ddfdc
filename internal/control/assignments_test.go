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

var channelLabel1 = service.ChannelLabel{Label: "tester", Channel: "beta", Priority: 3, Settling: true, Changed: time.Unix(27, 0)}

func (s *services) LabelDevices(_ context.Context, by access.Caller, app sealift.AppID, want service.NewLabel) (service.Labelled, error) {
	return service.Labelled{Devices: want.Devices, Assignments: []service.Assignment{assignment1}}, s.note(by, app, want)
}

func (s *services) ChannelLabels(_ context.Context, app sealift.AppID) ([]service.ChannelLabel, error) {
	return []service.ChannelLabel{channelLabel1}, s.note(app)
}

func (s *services) SetChannelLabel(_ context.Context, by access.Caller, app sealift.AppID, want service.ChannelLabel) (service.ChannelLabel, error) {
	return channelLabel1, s.note(by, app, want)
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

func TestLabels(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	asked := func(want any) {
		t.Helper()
		if all := f.services.last(); len(all) == 0 {
			t.Error("nobody was asked")
		} else {
			check(t, "asked", nil, all[len(all)-1], want)
		}
	}
	devices := []string{string(device1.ID)}
	for _, remove := range []bool{false, true} {
		out, err := c.LabelDevices(t.Context(), "com.acme.shop", api.NewLabel{Devices: devices, Label: "tester", Remove: remove, Reason: "tests it"})
		check(t, "labelled", err, out, api.Labelled{Devices: devices, Assignments: []api.Assignment{assigned1}})
		asked(service.NewLabel{Label: "tester", Remove: remove, DeviceAct: service.DeviceAct{Devices: []sealift.DeviceID{device1.ID}, Reason: "tests it"}})
	}
	want := api.ChannelLabel{Label: "tester", Channel: "beta", Priority: 3, Settling: true, Changed: time.Unix(27, 0).UTC()}
	list, err := c.ChannelLabels(t.Context(), "com.acme.shop")
	check(t, "labels", err, list, []api.ChannelLabel{want})
	asked(sealift.AppID("com.acme.shop"))
	set, err := c.SetChannelLabel(t.Context(), "com.acme.shop", "tester", api.NewChannelLabel{Channel: "beta", Priority: -4})
	check(t, "set", err, set, want)
	asked(service.ChannelLabel{Label: "tester", Channel: "beta", Priority: -4})
	if err := c.RemoveChannelLabel(t.Context(), "com.acme.shop", "tester"); err != nil {
		t.Error(err)
	}
	asked(service.ChannelLabel{Label: "tester"})
	_, err = c.Devices(t.Context(), "com.acme.shop", api.ListDevicesParams{Label: "tester"})
	check(t, "searched", err, f.services.last()[1], any(service.DevicePage{Limit: 51, Label: "tester"}))

	for _, bad := range [][3]string{
		{"POST", "/device-labels", `{"devices":["` + devices[0] + `"],"label":"No","reason":"x"}`},
		{"POST", "/device-labels", `{"devices":[],"label":"tester","reason":"x"}`},
		{"PUT", "/channel-labels/No", `{"channel":"beta"}`},
		{"PUT", "/channel-labels/tester", `{"channel":""}`},
		{"PUT", "/channel-labels/tester", `{"channel":"beta","priority":1000001}`},
		{"DELETE", "/channel-labels/a_b", ""},
		{"GET", "/devices?label=a_b", ""},
	} {
		f.wantProblem(f.do(bad[0], acme+bad[1], "owner", bad[2]), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
