package control_test

import (
	"encoding/json"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func TestPromote(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	got, err := c.Promote(t.Context(), "com.acme.shop", api.NewPromotion{From: "staging", To: "production", Version: "1.4.0", Platform: "web"})
	if err != nil || len(got.Drafts) != 1 || got.Drafts[0].ID == "" || got.Drafts[0].Envelope != nil || len(got.Already) != 1 || got.Already[0].Counter != 17 {
		t.Errorf("promoted %+v, %v", got, err)
	}
	check(t, "asked", nil, f.services.last(), []any{
		caller(access.RoleDeveloper), sealift.AppID("com.acme.shop"), service.Promotion{From: "staging", To: "production", Version: "1.4.0", Platform: "web"},
	})
	good := api.NewPromotion{From: "staging", To: "production", Version: "1.4.0"}
	_, err = c.Promote(t.Context(), "com.acme.shop", good)
	check(t, "asked of all", err, f.services.last(), []any{caller(access.RoleDeveloper), sealift.AppID("com.acme.shop"), service.Promotion{From: "staging", To: "production", Version: "1.4.0"}})
	plan := json.RawMessage(`{"stages":[{"percent":100,"duration":"24h"}]}`)
	good.Plan, good.Hold = plan, true
	if _, err := c.Promote(t.Context(), "com.acme.shop", good); sealift.ReasonOf(err) != access.ReasonRole || f.services.last() != nil {
		t.Errorf("a developer brings a plan: %v", err)
	}
	_, err = f.client(access.RoleReleaseManager).Promote(t.Context(), "com.acme.shop", good)
	asked, _ := f.services.last()[2].(service.Promotion)
	if err != nil || !asked.Hold || asked.Plan == nil || len(asked.Plan.Stages) != 1 {
		t.Errorf("asked for %+v, %v", asked, err)
	}
	good.Plan, good.Hold = nil, false
	for name, bend := range map[string]func(*api.NewPromotion){
		"no source":      func(p *api.NewPromotion) { p.From = "" },
		"a bad source":   func(p *api.NewPromotion) { p.From = "not a channel" },
		"no target":      func(p *api.NewPromotion) { p.To = "" },
		"no version":     func(p *api.NewPromotion) { p.Version = "" },
		"a bad version":  func(p *api.NewPromotion) { p.Version = "one" },
		"a bad plan":     func(p *api.NewPromotion) { p.Plan = json.RawMessage(`{"stages":[]}`) },
		"a bad platform": func(p *api.NewPromotion) { p.Platform = "../web" },
	} {
		bent := good
		bend(&bent)
		if _, err := c.Promote(t.Context(), "com.acme.shop", bent); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
