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

var capgoDevice1 = service.CapgoDevice{
	ID: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "ios", Version: "1.2.0", Build: "1.0.0", Plugin: "8.51.23", Channel: "production", Chosen: "beta", Production: true, Emulator: true,
	Began: time.Unix(3, 0), Seen: time.Unix(4, 0), Events: []service.CapgoEvent{{At: time.Unix(5, 0), Received: time.Unix(6, 0), Action: "set", Version: "1.2.0", Old: "builtin", Detail: "x"}},
}

func (s *services) CapgoDevices(_ context.Context, app sealift.AppID, page service.CapgoPage) ([]service.CapgoDevice, service.CapgoCounts, error) {
	return []service.CapgoDevice{capgoDevice1, {ID: "ff"}}[:min(2, page.Limit)], service.CapgoCounts{Known: 9, Day: 3, Week: 5}, s.note(app, page)
}

func TestCapgoDevices(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	got, err := c.CapgoDevices(t.Context(), "com.acme.shop", api.ListCapgoDevicesParams{Limit: 1, Prefix: "b3", Version: "1.2.0", Channel: "production", Platform: "ios"})
	check(t, "devices", err, got, api.CapgoDeviceList{
		Devices: []api.CapgoDevice{{
			ID: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "ios", Version: "1.2.0", Build: "1.0.0", Plugin: "8.51.23", Channel: "production", Chosen: "beta", Production: true, Emulator: true,
			Began: time.Unix(3, 0).UTC(), Seen: time.Unix(4, 0).UTC(),
			Events: []api.CapgoEvent{{At: time.Unix(5, 0).UTC(), Received: time.Unix(6, 0).UTC(), Action: "set", Version: "1.2.0", Old: "builtin", Detail: "x"}},
		}},
		Counts: api.CapgoCounts{Known: 9, Day: 3, Week: 5}, Next: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e",
	})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.CapgoPage{Limit: 2, Prefix: "b3", Version: "1.2.0", Channel: "production", Platform: "ios"}})
	for _, query := range []string{"limit=101", "prefix=XY", "behind=1", "version=one", "channel=No"} {
		if got := f.do("GET", acme+"/capgo-devices?"+query, "owner", ""); got.status != 400 || f.services.last() != nil {
			t.Errorf("%s: %d", query, got.status)
		}
	}
}
