package control_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

var (
	secret2 = access.NewToken(access.KindService, sealift.Digest{2})
	token2  = service.Token{
		ID: secret2.ID(), Kind: access.KindService, Role: access.RoleDeveloper, App: "com.acme.shop", Label: "CI", Creator: "alice",
		Actions: "app.list release.publish", Created: time.Unix(7, 0), Expires: time.Unix(8, 0), Forged: true,
	}
	token3 = service.Token{ID: "0123456789abcdef", Kind: access.KindOwner, Role: access.RoleOwner, Created: time.Unix(6, 0), Revoked: true}
)

func (s *services) CreateToken(_ context.Context, by access.Caller, want service.NewToken) (service.MadeToken, error) {
	return service.MadeToken{Secret: secret2, Token: token2}, s.note(by, want)
}

func (s *services) Tokens(context.Context) ([]service.Token, error) {
	return []service.Token{token3, token2}, s.note("tokens")
}

func (s *services) RevokeToken(_ context.Context, by access.Caller, id string) error {
	return s.note(by, id)
}

func TestTokens(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOwner)
	expires := time.Unix(8, 0).UTC()
	wire2 := api.Token{
		ID: token2.ID, Kind: "service", Role: "developer", App: "com.acme.shop", Label: "CI", Creator: "alice",
		Actions: []string{"app.list", "release.publish"}, Created: time.Unix(7, 0).UTC(), Expires: &expires, Forged: true,
	}
	list, err := c.Tokens(t.Context())
	check(t, "tokens", err, list, []api.Token{{ID: token3.ID, Kind: "owner", Role: "owner", Created: time.Unix(6, 0).UTC(), Revoked: true}, wire2})
	f.services.last()
	made, err := c.CreateToken(t.Context(), api.NewToken{Role: "developer", Actions: []string{"release.publish"}, App: "com.acme.shop", Label: "CI", ExpiresIn: 60})
	check(t, "made", err, made, api.MadeToken{Secret: secret2.Reveal(), Token: wire2})
	check(t, "asked", nil, f.services.last()[1], any(service.NewToken{Role: access.RoleDeveloper, Actions: "release.publish", App: "com.acme.shop", Label: "CI", Life: time.Minute}))
	_, err = c.CreateToken(t.Context(), api.NewToken{Role: "auditor"})
	check(t, "asked", err, f.services.last()[1], any(service.NewToken{Role: access.RoleAuditor, Life: 90 * 24 * time.Hour}))
	if strings.Contains(f.log.String(), secret2.Reveal()) {
		t.Error("the secret is in the server's log")
	}
	for _, body := range []string{
		`{}`, `{"role":"god"}`, `{"role":"developer","app":"x"}`, `{"role":"developer","expiresIn":59}`, `{"role":"developer","expiresIn":31622401}`,
		`{"role":"developer","label":"a\nb"}`, `{"role":"developer","actions":["key.change"]}`, `{"role":"developer","actions":["root"]}`, `{"role":"developer","scope":"x"}`,
	} {
		f.wantProblem(f.do("POST", control.Prefix+"/tokens", "owner", body), 400, sealift.KindInvalid, "")
	}
	for _, id := range []string{"x", "0123456789ABCDEF", secret2.Reveal()} {
		f.wantProblem(f.do("DELETE", control.Prefix+"/tokens/"+id, "owner", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// bound signs everybody in as an owner who is bound to one app.
type bound struct{}

func (bound) Authenticate(context.Context, string, func(access.Ended)) (access.Principal, error) {
	return access.Principal{ID: "id", Kind: access.KindService, Role: access.RoleOwner, App: "com.acme.shop", Proof: access.Proof{Setup: true}}, nil
}

// Whoever is bound to an app does nothing elsewhere: no operation forgets to
// say which app it is on.
func TestScopeOfEveryOperation(t *testing.T) {
	f := newFixture(t, bound{})
	for _, o := range operations {
		if o.action == "" {
			continue
		}
		onApp := strings.HasPrefix(o.path, acme)
		// Requests for approval are told apart by their app in package approval.
		apart := o.action == access.ListPolicies || o.action == access.ListApprovals || o.action == access.Decide
		allowed := onApp || apart || o.action == access.ListApps || o.action == access.ReadRoot || o.action == access.UseAccount
		if got := f.run(o, "x"); (got.status == o.status) != allowed {
			t.Errorf("%s: status %d", o.id, got.status)
		}
		if !onApp {
			continue
		}
		o.path = strings.Replace(o.path, "com.acme.shop", "com.acme.till", 1)
		f.services.last()
		f.wantProblem(f.run(o, "x"), 403, sealift.KindDenied, "scope")
		if asked := f.services.last(); asked != nil {
			t.Errorf("%s on another app: a service was asked %v", o.id, asked)
		}
	}
	list, err := f.client(access.RoleOwner).Apps(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != "com.acme.shop" {
		t.Errorf("lists %v, %v", list, err)
	}
}

// A stolen token that is bound to publishing does nothing else: no operation forgets
// to say which action it is.
func TestActionsOfEveryOperation(t *testing.T) {
	f := newFixture(t, scoped{})
	for _, o := range operations {
		if o.action == "" {
			continue
		}
		a := f.run(o, "owner")
		asked := f.services.last()
		if access.Actions("release.publish").Have(o.action) {
			if a.status != o.status {
				t.Errorf("%s: status %d", o.id, a.status)
			}
			continue
		}
		f.wantProblem(a, 403, sealift.KindDenied, "scope")
		if asked != nil {
			t.Errorf("%s: a service was asked %v", o.id, asked)
		}
	}
}

// scoped signs in as roles does, with what may publish and nothing else.
type scoped struct{}

func (scoped) Authenticate(ctx context.Context, bearer string, _ func(access.Ended)) (access.Principal, error) {
	p, err := roles{}.Authenticate(ctx, bearer, nil)
	p.Actions = "release.publish"
	return p, err
}

// Who has accepted an invitation and was not confirmed uses their own account, and
// nothing else.
func TestUnconfirmedInEveryOperation(t *testing.T) {
	f := newFixture(t, unconfirmed{})
	for _, o := range operations {
		if o.action == "" {
			continue
		}
		a := f.run(o, "owner")
		asked := f.services.last()
		if o.action == access.UseAccount {
			if a.status != o.status {
				t.Errorf("%s: status %d", o.id, a.status)
			}
			continue
		}
		f.wantProblem(a, 403, sealift.KindDenied, access.ReasonUnconfirmed)
		if asked != nil {
			t.Errorf("%s: a service was asked %v", o.id, asked)
		}
	}
}

// unconfirmed signs in as roles does whoever nobody has confirmed.
type unconfirmed struct{}

func (unconfirmed) Authenticate(ctx context.Context, bearer string, _ func(access.Ended)) (access.Principal, error) {
	p, err := roles{}.Authenticate(ctx, bearer, nil)
	p.Role, p.Unconfirmed = "", true
	return p, err
}
