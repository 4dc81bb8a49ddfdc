package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

func TestDenials(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	want := api.Denial{
		ID: "909432b7adc8a37f", Kind: api.DenialKindRelease, App: "com.acme.shop", Counter: 17, Version: "1.4.0", Issuer: sealift.Digest{7}.String(), Serial: "7f",
		Reason: "it leaks", Creator: "alice", Created: time.Unix(11, 0).UTC(), State: api.DenialStateActive, Changed: time.Unix(12, 0).UTC(), Forged: true,
	}
	list, err := c.Denials(t.Context())
	check(t, "denials", err, list, []api.Denial{want})
	f.services.last()
	for _, q := range []struct {
		body api.NewDenial
		asks service.NewDenial
	}{
		{api.NewDenial{Kind: "release", App: "com.acme.shop", Release: "17"}, service.NewDenial{Kind: service.DenyRelease, App: "com.acme.shop", Release: service.Which{Counter: 17}}},
		{api.NewDenial{Kind: "release", App: "com.acme.shop", Release: sealift.Digest{1}.String()}, service.NewDenial{Kind: service.DenyRelease, App: "com.acme.shop", Release: service.Which{Digest: sealift.Digest{1}}}},
		{api.NewDenial{Kind: "ca", Issuer: sealift.Digest{2}.String()}, service.NewDenial{Kind: service.DenyCA, Issuer: sealift.Digest{2}}},
		{api.NewDenial{Kind: "floor", App: "com.acme.shop", Counter: 4}, service.NewDenial{Kind: service.DenyFloor, App: "com.acme.shop", Counter: 4}},
		{api.NewDenial{Kind: "floor", App: "com.acme.shop", Version: "1.2.0", Force: true}, service.NewDenial{Kind: service.DenyFloor, App: "com.acme.shop", Version: "1.2.0", Force: true}},
		{api.NewDenial{Kind: "floor", App: "com.acme.shop", Version: "1.2.0"}, service.NewDenial{Kind: service.DenyFloor, App: "com.acme.shop", Version: "1.2.0"}},
	} {
		q.body.Reason, q.asks.Reason = "it leaks", "it leaks"
		got, err := c.Deny(t.Context(), q.body)
		check(t, "deny", err, got, want)
		check(t, "asked", nil, f.services.last(), []any{caller(access.RoleSecurityOfficer), q.asks})
	}
	good := api.NewDenial{Kind: "release", App: "com.acme.shop", Release: "17", Reason: "x"}
	for name, bend := range map[string]func(*api.NewDenial){
		"no reason":     func(d *api.NewDenial) { d.Reason = " " },
		"a long reason": func(d *api.NewDenial) { d.Reason = strings.Repeat("x", sealift.MaxReason+1) },
		"a zero byte":   func(d *api.NewDenial) { d.Reason = "it\x00leaks" }, // PostgreSQL would not take it
		"no kind":       func(d *api.NewDenial) { d.Kind = "" },
		"another kind":  func(d *api.NewDenial) { d.Kind = "floor" },
		"no app":        func(d *api.NewDenial) { d.App = "" },
		"a bad app":     func(d *api.NewDenial) { d.App = "shop" },
		"by version":    func(d *api.NewDenial) { d.Release = "1.4.0" },
		"a bad release": func(d *api.NewDenial) { d.Release = "x" },
		"two things":    func(d *api.NewDenial) { d.Issuer = sealift.Digest{2}.String() },
		"and a floor":   func(d *api.NewDenial) { d.Counter = 3 },
		"a CA of an app": func(d *api.NewDenial) {
			*d = api.NewDenial{Kind: "ca", App: d.App, Issuer: sealift.Digest{2}.String(), Reason: "x"}
		},
		"a bad issuer":      func(d *api.NewDenial) { *d = api.NewDenial{Kind: "ca", Issuer: "x", Reason: "x"} },
		"a forced release":  func(d *api.NewDenial) { d.Force = true },
		"only forced":       func(d *api.NewDenial) { *d = api.NewDenial{Kind: "floor", App: d.App, Force: true, Reason: "x"} },
		"an empty floor":    func(d *api.NewDenial) { *d = api.NewDenial{Kind: "floor", App: d.App, Reason: "x"} },
		"a bad version":     func(d *api.NewDenial) { *d = api.NewDenial{Kind: "floor", App: d.App, Version: "1", Reason: "x"} },
		"a floor of no app": func(d *api.NewDenial) { *d = api.NewDenial{Kind: "floor", Version: "1.0.0", Reason: "x"} },
	} {
		bad := good
		bend(&bad)
		if _, err := c.Deny(t.Context(), bad); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	floor, err := c.Floor(t.Context(), "com.acme.shop", api.GetFloorParams{Version: "1.2.0", Counter: 3})
	check(t, "floor", err, floor, api.AppFloor{
		App: "com.acme.shop", Trust: api.Floor{Counter: 3}, Deny: api.Floor{Version: "1.2.0"}, Floor: api.Floor{Counter: 3, Version: "1.2.0"}, Active: 9, Under: 4,
		Versions: []api.VersionCount{{Version: "1.0.0", Counter: 1, Devices: 4}}, Unserved: []api.Place{{Channel: "beta", Platform: "ios", Devices: 6}},
	})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), trust.Floor{Counter: 3, Version: "1.2.0"}})
	if _, err := c.Floor(t.Context(), "com.acme.shop", api.GetFloorParams{Version: "1"}); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a floor of no version: %v", err)
	}
	got, err := c.LiftDenial(t.Context(), "909432b7adc8a37f", "it does not")
	check(t, "lift", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleSecurityOfficer), "909432b7adc8a37f", "it does not"})
	for id, reason := range map[string]string{"909432b7adc8a37f": "", "909432b7adc8a37": "x", "909432B7ADC8A37F": "x"} {
		if _, err := c.LiftDenial(t.Context(), id, reason); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("lifting %q for %q: %v", id, reason, err)
		}
	}
}
