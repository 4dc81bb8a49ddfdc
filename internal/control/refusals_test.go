package control_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/service"
)

// TestEveryRefusalIsEntered: no operation forgets to say that it refused somebody, or
// says so of whoever it served.
func TestEveryRefusalIsEntered(t *testing.T) {
	for name, c := range map[string]struct {
		signIn control.SignIn
		reason func(o operation) string // that is wanted; empty for none
	}{
		"auditor":     {asRole(access.RoleAuditor), func(o operation) string { return reasonOf(access.Allow(access.RoleAuditor, o.action)) }},
		"unconfirmed": {unconfirmed{}, func(o operation) string { return when(o.action != access.UseAccount, access.ReasonUnconfirmed) }},
		"stale":       {stale{}, func(o operation) string { return reasonOf(access.Proof{Session: "x"}.StepUp(o.action, time.Now())) }},
		"scoped": {scoped{}, func(o operation) string {
			return when(!access.Actions("release.publish").Have(o.action), access.ReasonScope)
		}},
	} {
		f := newFixture(t, c.signIn)
		for _, o := range operations {
			if o.action == "" {
				continue
			}
			a := f.run(o, "owner")
			got := f.services.refused()
			reason := c.reason(o)
			if reason == "" {
				if a.status != o.status || got != nil {
					t.Errorf("%s, %s: %d, entered %+v", name, o.id, a.status, got)
				}
				continue
			}
			f.wantProblem(a, 403, sealift.KindDenied, reason)
			if len(got) != 1 {
				t.Errorf("%s, %s: entered %+v", name, o.id, got)
				continue
			}
			app := sealift.AppID("")
			if strings.HasPrefix(o.path, acme) {
				app = "com.acme.shop"
			}
			r := got[0]
			if r.Action != o.action || r.App != app || r.Reason != reason || !strings.HasPrefix(r.Operation, o.method+" "+control.Prefix) ||
				r.By.ID == "" || r.By.Session == "" || r.By.Address != "127.0.0.1" {
				t.Errorf("%s, %s: entered %+v", name, o.id, r)
			}
		}
	}
}

func reasonOf(err error) string { return sealift.ReasonOf(err) }

func when(is bool, reason string) string {
	if is {
		return reason
	}
	return ""
}

// asRole signs everybody in as somebody of a role.
type asRole access.Role

func (r asRole) Authenticate(ctx context.Context, _ string, _ func(access.Ended)) (access.Principal, error) {
	return roles{}.Authenticate(ctx, string(r), nil)
}

// TestServicesRefusalsAreEnteredOnce: what a service refused is an entry of the API's
// where it is about who may, and none of the service's.
func TestServicesRefusalsAreEnteredOnce(t *testing.T) {
	f := newFixture(t, roles{})
	refusal := sealift.Errorf(sealift.KindDenied, "showing", "no").WithReason(access.ReasonPerson)
	for _, c := range []struct {
		err  error
		want int
	}{
		{refusal, 1},
		{audit.Entered(refusal), 0},
		{sealift.Errorf(sealift.KindConflict, "showing", "no").WithReason(access.ReasonUnconfirmed), 0},
		{sealift.Errorf(sealift.KindDenied, "showing", "no").WithReason("code"), 0},
	} {
		f.services.err = c.err
		a := f.do("GET", control.Prefix+"/account", "owner", "")
		if got := f.services.refused(); len(got) != c.want || a.status < 400 || !strings.Contains(a.body, "showing: no") {
			t.Errorf("%v: %s, entered %+v", c.err, a.body, got)
		}
	}
	f.services.err = nil
	open := `{"id":"com.acme.shop","openEnrolment":true}`
	f.wantProblem(f.do("POST", control.Prefix+"/apps", "release_manager", open), 403, sealift.KindDenied, access.ReasonRole)
	if got := f.services.refused(); len(got) != 1 || got[0].Action != access.CreateApp || got[0].Operation != "POST /api/v1/apps" {
		t.Errorf("entered %+v", got)
	}
}

// TestEndedSecrets: whoever brings a secret that counts no more learns no more than
// anybody else, and is in the log; so is not who brings one that never did.
func TestEndedSecrets(t *testing.T) {
	token := access.NewToken(access.KindService, sealift.Digest{1})
	row := token.Row(access.RoleDeveloper, time.Now(), time.Time{})
	row.Revoked = true
	f := newFixture(t, &access.Authenticator{Directory: oneToken{row}, Now: time.Now})
	path := control.Prefix + "/apps/com.acme.shop/channels"
	unknown := f.do("GET", path, access.NewToken(access.KindService, sealift.Digest{1}).Reveal(), "")
	if got := f.services.refused(); got != nil {
		t.Errorf("of nobody: %+v", got)
	}
	ended := f.do("GET", path, token.Reveal(), "")
	f.wantProblem(ended, 401, sealift.KindDenied, access.ReasonUnauthenticated)
	if ended.body != unknown.body {
		t.Errorf("%s tells more than %s", ended.body, unknown.body)
	}
	want := []service.Refusal{{
		By:     access.Caller{Kind: access.CallerService, ID: token.ID(), Address: "127.0.0.1"},
		Action: access.ListChannels, App: "com.acme.shop", Operation: "GET /api/v1/apps/{app}/channels", Reason: access.ReasonRevoked,
	}}
	if diff := cmp.Diff(want, f.services.refused()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(f.log.String(), "who="+token.ID()) {
		t.Errorf("the line of the request lacks whose it was: %s", f.log)
	}
}

// TestRefusalWithoutALog: a refusal that does not get into the log is one all the
// same, and the server's log has what the other lacks.
func TestRefusalWithoutALog(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.full = errors.New("disk full")
	f.wantProblem(f.do("POST", control.Prefix+"/tokens", "auditor", `{}`), http.StatusForbidden, sealift.KindDenied, access.ReasonRole)
	for _, want := range []string{"a refusal is not in the log", "who=id-of-auditor", "action=token.manage", "reason=role", "disk full"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, f.log)
		}
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
	f.services.refused()
	f.services.sealed = true
	f.wantProblem(f.do("POST", control.Prefix+"/tokens", "auditor", `{}`), http.StatusForbidden, sealift.KindDenied, access.ReasonRole)
	if got := f.services.refused(); got != nil || strings.Count(f.log.String(), "a refusal is not in the log") != 2 {
		t.Errorf("sealed: entered %+v, %s", got, f.log)
	}
}

// TestAppOfARefusal: what stands in a path gets into the log if it is the id of an app.
func TestAppOfARefusal(t *testing.T) {
	f := newFixture(t, asRole(access.RoleAuditor))
	for path, want := range map[string]sealift.AppID{"com.acme.none": "com.acme.none", "%00%FF": "", strings.Repeat("x", 5000): ""} {
		f.do("POST", control.Prefix+"/apps/"+path+"/channels", "", `{}`)
		if got := f.services.refused(); len(got) != 1 || got[0].App != want || got[0].Operation != "POST /api/v1/apps/{app}/channels" {
			t.Errorf("%.20s: %+v", path, got)
		}
	}
}
