package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/rollout"
)

const production = sealift.Channel("production")

func TestPlans(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	changed := time.Unix(25, 0).UTC()
	text, err := plan1.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Plan(t.Context(), shop, production)
	check(t, "plan", err, got, api.ChannelPlan{App: "com.acme.shop", Channel: "production", Plan: text, Creator: "alice", Changed: &changed})
	check(t, "asked", nil, f.services.last(), []any{shop, production})

	want := rollout.DefaultPlan()
	if text, err = want.Encode(); err != nil {
		t.Fatal(err)
	}
	got, err = c.SetPlan(t.Context(), shop, production, text)
	check(t, "set", err, got, api.ChannelPlan{App: "com.acme.shop", Channel: "production", Plan: text})
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), shop, production, &want})
	got, err = c.ClearPlan(t.Context(), shop, production)
	check(t, "clear", err, got, api.ChannelPlan{App: "com.acme.shop", Channel: "production"})
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), shop, production, (*rollout.Plan)(nil)})

	for _, plan := range []string{`{}`, `[]`, `null`, `{"stages":[{"percent":10,"duration":"1h"},{"percent":5,"duration":"1h"}]}`, `{"stages":[{"percent":100,"duration":"1h"}],"halts":{}}`} {
		_, err := c.SetPlan(t.Context(), shop, production, api.Plan(plan))
		if sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("%s: %v", plan, err)
		}
	}
}

// A release with a plan of its own is for who may set the channel's, and one that is
// held for everybody who publishes.
func TestReserveWithPlan(t *testing.T) {
	f := newFixture(t, roles{})
	plan := rollout.DefaultPlan()
	text, err := plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	draft := api.NewDraft{Platform: "web", Runtime: "*", Version: "1.0.0", Plan: text, Hold: true}
	want := service.Reservation{App: shop, Channel: production, Platform: "web", Runtime: "*", Version: "1.0.0", Act: sealift.ActRelease, Plan: &plan, Hold: true}
	_, err = f.client(access.RoleReleaseManager).Reserve(t.Context(), shop, production, draft)
	check(t, "asked", err, f.services.last(), []any{caller(access.RoleReleaseManager), want})
	_, err = f.client(access.RoleDeveloper).Reserve(t.Context(), shop, production, draft)
	if sealift.KindOf(err) != sealift.KindDenied || !strings.Contains(err.Error(), "rollout.plan") {
		t.Errorf("a developer with a plan: %v", err)
	}
	f.services.last()
	draft.Plan = nil
	want.Plan = nil
	_, err = f.client(access.RoleDeveloper).Reserve(t.Context(), shop, production, draft)
	check(t, "asked", err, f.services.last(), []any{caller(access.RoleDeveloper), want})
	draft.Plan = api.Plan(`{"stages":[]}`)
	_, err = f.client(access.RoleReleaseManager).Reserve(t.Context(), shop, production, draft)
	if sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a plan that is none: %v", err)
	}
}
