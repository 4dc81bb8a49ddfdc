package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func TestDevices(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOperator)
	list, err := c.Devices(t.Context(), "com.acme.shop", api.ListDevicesParams{Limit: 1, Channel: "production", Behind: string(device1.ID)})
	if err != nil {
		t.Fatal(err)
	}
	reported := time.Unix(20, 0).UTC()
	want := api.Device{
		App: "com.acme.shop", ID: string(device1.ID), State: api.DeviceStateActive, Token: "token1", Platform: "web", Runtime: "1.1.0",
		Enrolled: time.Unix(18, 0).UTC(), Seen: time.Unix(19, 0).UTC(), Reported: &reported, Lost: 4, Forged: true, Channel: "production", Build: api.BuildDevelopment, Emulator: true, Excluded: "build", Client: "acme/3",
		Metadata: &api.DeviceMetadata{Root: 2, Targets: 3, Snapshot: 4, Timestamp: 5}, Epochs: []string{sealift.Digest{9}.String()},
		Installed: &api.DeviceRelease{Release: sealift.Digest{1}.String(), Version: "1.4.0", Counter: 17},
	}
	want.Assigned, want.Labels = &assigned1, []string{"tester"}
	check(t, "devices", nil, list, api.DeviceList{Devices: []api.Device{want}, Next: string(device1.ID), Counts: api.DeviceCounts{Active: 3, Revoked: 2, Erased: 1, Outdated: 7}})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.DevicePage{Limit: 2, Behind: device1.ID, Channel: "production"}})
	list, err = c.Devices(t.Context(), "com.acme.shop", api.ListDevicesParams{})
	if err != nil || len(list.Devices) != 2 || list.Next != "" || list.Devices[1].Reported != nil || list.Devices[1].Metadata != nil {
		t.Errorf("%+v, %v", list, err)
	}

	f.services.last()
	want.Assigned, want.Labels = nil, nil
	detail, err := c.Device(t.Context(), "com.acme.shop", string(device1.ID), api.GetDeviceParams{Limit: 1, Before: 9})
	step := api.DeviceStep{
		Sequence: 7, Received: time.Unix(21, 0).UTC(), Time: time.Unix(22, 0).UTC(), Step: api.DeviceStepStepRefused, Release: sealift.Digest{1}.String(),
		Version: "1.4.0", Counter: 17, Channel: "production", Kind: "integrity", Reason: "blob-digest", Took: 23,
	}
	check(t, "device", err, detail, api.DeviceDetail{Device: want, Steps: []api.DeviceStep{step}, Next: 7})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), device1.ID, uint64(9), 2})
	for _, query := range []string{"?limit=101", "?limit=-1", "?behind=x", "?channel=X", "?prefix=X", "?prefix=" + string(device1.ID) + "0", "?version=1", "?platform=I%20OS", "?state=gone", "?state=revoked&outdated=true", "?seen_since=today", "/x", "/" + string(device1.ID) + "?limit=101", "/" + string(device1.ID) + "?before=-1"} {
		f.wantProblem(f.do("GET", acme+"/devices"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

func TestDeviceSearch(t *testing.T) {
	f := newFixture(t, roles{})
	since, before := time.Unix(30, 0).UTC(), time.Unix(40, 0).UTC()
	_, err := f.client(access.RoleOperator).Devices(t.Context(), "com.acme.shop", api.ListDevicesParams{
		Platform: "ios", Version: "1.4.0", State: "active", Prefix: "0a", Outdated: true, SeenSince: since, SeenBefore: before,
	})
	check(t, "asked", err, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.DevicePage{
		Limit: 51, Platform: "ios", Version: "1.4.0", State: "active", Prefix: "0a", Outdated: true, Since: since, Until: before,
	}})
}

func TestDeviceActs(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOwner)
	act := api.DeviceAct{Devices: []string{string(device1.ID)}, Reason: "stolen"}
	want := service.DeviceAct{Devices: []sealift.DeviceID{device1.ID}, Reason: "stolen"}
	revoked, err := c.RevokeDevices(t.Context(), "com.acme.shop", act)
	if err != nil || len(revoked.Devices) != 1 || len(revoked.Epochs) != 1 || revoked.Epochs[0].Name != "production" {
		t.Errorf("%+v, %v", revoked, err)
	}
	if asked := f.services.last(); len(asked) != 3 {
		t.Errorf("asked %v", asked)
	} else {
		check(t, "asked", nil, asked[2], any(want))
	}
	erased, err := c.EraseDevices(t.Context(), "com.acme.shop", act)
	check(t, "erased", err, erased, api.Erasure{Devices: act.Devices})
	f.services.last()
	many := strings.Repeat(`"`+string(device1.ID)+`",`, 100) + `"` + string(device1.ID) + `"`
	for _, body := range []string{`{"devices":[],"reason":"x"}`, `{"devices":["x"],"reason":"x"}`, `{"devices":["` + string(device1.ID) + `"],"reason":" "}`, `{"devices":[` + many + `],"reason":"x"}`} {
		f.wantProblem(f.do("POST", acme+"/device-revocations", "owner", body), 400, sealift.KindInvalid, "")
		f.wantProblem(f.do("POST", acme+"/device-erasures", "owner", body), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
