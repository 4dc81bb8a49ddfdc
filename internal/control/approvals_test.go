package control_test

import (
	"context"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// TestPolicyOfChannel: a policy of a channel is set as one, and listed as one.
func TestPolicyOfChannel(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOwner)
	good := api.NewPolicy{App: "com.acme.shop", Channel: "production", Action: "release", Needed: 2, Roles: []api.Role{"owner"}}
	got, err := c.SetPolicy(t.Context(), good)
	if err != nil || got.Channel != "production" {
		t.Errorf("set %+v, %v", got, err)
	}
	check(t, "asked", nil, f.services.last(), []any{
		caller(access.RoleOwner), service.NewPolicy{App: "com.acme.shop", Channel: "production", Action: "release", Needed: 2, Roles: []access.Role{"owner"}},
	})
	good.Channel = "not a channel"
	if _, err := c.SetPolicy(t.Context(), good); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a bad channel: %v", err)
	}
	list, err := c.Policies(t.Context())
	if err != nil || list.Policies[0].Channel != "production" {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func (s *services) AppPolicies(_ context.Context, app sealift.AppID) (service.AppPolicies, error) {
	return service.AppPolicies{Policies: []service.ChannelPolicy{borrowed1}, Doors: []service.Door{door1}}, s.note("policies of", app)
}

var (
	borrowed1 = service.ChannelPolicy{Channel: "beta", Action: "urgent", From: service.FromStrictest, Policy: policy1}
	door1     = service.Door{By: service.DoorLabel, Channel: "beta", Label: "tester", Devices: 3, Stricter: "production", Because: "about release, it asks less"}
)

// borrowed1Out is borrowed1 as people are told of it.
var borrowed1Out = []api.ChannelPolicy{{Channel: "beta", Action: "urgent", From: "strictest", Of: "production", About: "release", Needed: 2, Roles: []api.Role{"owner"}, Version: 3}}

// TestAppPolicies: what a channel goes by is told with whose it is, and so is by what
// devices come around it.
func TestAppPolicies(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	got, err := c.AppPolicies(t.Context(), "com.acme.shop")
	check(t, "policies", err, got.Policies, borrowed1Out)
	check(t, "doors", err, got.Doors, []api.PolicyDoor{{By: "label", Channel: "beta", Label: "tester", Devices: 3, Stricter: "production", Because: "about release, it asks less"}})
	if _, err := c.AppPolicies(t.Context(), "not an app"); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("a bad app: %v", err)
	}
}

// TestApprovalFilters: what no request can be is refused, and no empty list, which
// looks as if nobody were asked for anything.
func TestApprovalFilters(t *testing.T) {
	f := newFixture(t, roles{})
	for _, query := range []string{"limit=101", "limit=-1", "limit=x", "state=opne", "action=publish"} {
		f.wantProblem(f.do("GET", control.Prefix+"/approvals?"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
