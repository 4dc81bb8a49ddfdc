package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

// examined returns what the doctor finds of people in a server that answers so; what
// is not among the answers is denied.
func examined(t *testing.T, answers map[string]any) map[string]finding {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/api/v1")]
		if !ok {
			answer = refusal("role")
		}
		if reason, ok := answer.(refusal); ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"status":403,"kind":"denied","reason":%q,"title":"x","detail":"it may not","hint":"look at it"}`, reason)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	std, out, _ := testIO("SEALIFT_TOKEN=t", "SEALIFT_SERVER="+server.URL)
	std.JSON = true
	_ = runDoctor(t.Context(), &std, doctorCmd{}) // metadata fails: there is none
	var said struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := map[string]finding{}
	for _, f := range said.Findings {
		found[f.Check] = f
	}
	return found
}

// refusal is the reason for which a server denies something.
type refusal string

func person(login string, state api.PersonState, confirmed string, methods ...string) api.Person {
	if methods == nil {
		methods = []string{}
	}
	return api.Person{ID: "5d20c2e9c4a8b1f7", Login: login, Role: "owner", State: state, Created: time.Unix(1, 0), Methods: methods, Confirmed: confirmed}
}

func TestDoctorOnPeople(t *testing.T) {
	end := time.Now().Add(time.Hour)
	policies := api.PolicyList{Approvers: 2, Policies: []api.Policy{
		{Action: "release", Needed: 1, Roles: []api.Role{"owner"}}, {Action: "role", Needed: 1, Roles: []api.Role{"owner"}},
	}}
	except := api.PolicyList{Approvers: 2, Policies: append([]api.Policy{{Action: "release", App: "com.acme.shop", Channel: "beta"}}, policies.Policies...)}
	ann, bob := person("ann@x", "active", "i", "passkey", "password", "totp"), person("bob@x", "active", "", "passkey", "totp")
	eve := person("eve@x", "active", "i", "passkey")
	for name, test := range map[string]struct {
		persons  []api.Person
		tokens   []api.Token
		policies api.PolicyList
		issuer   api.IssuerState
		check    string
		state    string
		detail   string
	}{
		"nobody on the way":   {persons: []api.Person{ann}, check: "invitations", state: stateOK, detail: "none is open"},
		"an invitation":       {persons: []api.Person{ann, person("new@x", "invited", "")}, check: "invitations", state: stateWarning, detail: "not accepted by new@x"},
		"one who was reset":   {persons: []api.Person{ann, person("new@x", "active", "")}, check: "invitations", state: stateWarning, detail: "not accepted by new@x"},
		"one to be confirmed": {persons: []api.Person{ann, person("new@x", "accepted", "", "totp")}, check: "invitations", state: stateWarning, detail: "accepted by new@x, who may do nothing"},

		"two, of whom one invited":   {persons: []api.Person{ann, bob}, policies: policies, check: "approvers", state: stateOK, detail: "bob@x count on the word of whoever invited them"},
		"three, of whom one is sure": {persons: []api.Person{ann, bob, eve}, policies: policies, check: "approvers", state: stateWarning, detail: "bob@x count on the word"},
		"all confirmed":              {persons: []api.Person{ann, eve}, policies: policies, check: "approvers", state: stateOK, detail: "2 have passkeys"},
		"nothing to approve with":    {persons: []api.Person{ann, eve, person("new@x", "active", "i", "totp")}, policies: policies, check: "approvers", state: stateWarning, detail: "new@x may approve and have none"},
		"a channel without":          {persons: []api.Person{ann, bob}, policies: except, check: "approvals", state: stateOK, detail: "it is turned off for release to channel beta of com.acme.shop"},
		"nobody is asked":            {persons: []api.Person{ann, bob}, check: "approvers"},

		"tokens that end": {tokens: []api.Token{{ID: "t1", Kind: "service", Role: "developer", Expires: &end}}, check: "tokens", state: stateOK, detail: "1 are active"},
		"tokens that do not": {tokens: []api.Token{{ID: "t1", Kind: "service", Role: "developer"}, {ID: "t2", Kind: "service", Role: "developer", Expires: &end}},
			check: "tokens", state: stateWarning, detail: "1 of 2 that are active never end: t1"},

		"no issuer":   {check: "issuer", state: stateOK, detail: "takes nobody else's word"},
		"an issuer":   {issuer: api.IssuerState{Issuer: "https://i", ClientID: "sealift"}, check: "issuer", state: stateOK, detail: "https://i answers, as itself and with keys; this server is its client sealift"},
		"issuer away": {issuer: api.IssuerState{Issuer: "https://i", ClientID: "sealift", Problem: "no such host"}, check: "issuer", state: stateFailed, detail: "nobody signs in at https://i: no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			found := examined(t, map[string]any{
				"/status": api.Status{Vault: "v", Version: "1"}, "/persons": api.PersonList{Persons: test.persons}, "/tokens": api.TokenList{Tokens: test.tokens},
				"/policies": test.policies, "/sessions/oidc/check": test.issuer,
			})[test.check]
			if found.State != test.state || !strings.Contains(found.Detail, test.detail) || (found.State != stateOK && found.State != "") != (found.Hint != "") {
				t.Errorf("%+v", found)
			}
		})
	}
	if f := examined(t, map[string]any{"/status": api.Status{Vault: "v", Version: "1"}, "/policies": policies}); f["issuer"].State != stateNotChecked || f["approvers"].State != "" {
		t.Errorf("without the right to see: %+v", f)
	}
}

// What leads around a policy is looked for where there is one, in every app.
func TestDoctorOnDoors(t *testing.T) {
	policies := api.PolicyList{Policies: []api.Policy{{Action: "release", Needed: 1, Roles: []api.Role{"owner"}}}}
	off := api.PolicyList{Policies: []api.Policy{{Action: "release", App: "com.acme.shop"}}}
	apps := api.AppList{Apps: []api.App{{ID: "com.acme.shop"}, {ID: "com.acme.till"}}}
	closed := api.AppPolicies{Policies: []api.ChannelPolicy{{Channel: "beta", Action: "release"}}}
	open := api.AppPolicies{Policies: closed.Policies, Doors: []api.PolicyDoor{{By: "self-assign", Channel: "beta", Stricter: "production", Because: "it asks less"}}}
	for name, test := range map[string]struct {
		policies   api.PolicyList
		apps, till any
		state      string
		detail     string
		hint       string
	}{
		"nobody is asked":      {policies: off, apps: apps, till: open},
		"none":                 {policies: policies, apps: apps, till: closed, state: stateOK, detail: "no device comes unasked"},
		"one, in the last app": {policies: policies, apps: apps, till: open, state: stateWarning, detail: "com.acme.till: devices may put themselves on channel beta", hint: "sealift channel set beta --app com.acme.till --self-assign no"},
		"no channels":          {policies: policies, apps: api.AppList{}},
		"another's app":        {policies: policies, apps: apps, till: refusal("scope"), state: stateNotChecked},
		"no apps to see":       {policies: policies, apps: refusal("role"), state: stateNotChecked},
		"rows of somebody":     {policies: policies, apps: apps, till: refusal("forged"), state: stateFailed, detail: "it may not", hint: "look at it"},
		"a row is gone":        {policies: policies, apps: apps, till: refusal("row-deleted"), state: stateFailed, hint: "look at it"},
	} {
		f := examined(t, map[string]any{
			"/status": api.Status{Vault: "v", Version: "1"}, "/policies": test.policies, "/apps": test.apps,
			"/apps/com.acme.shop/policies": closed, "/apps/com.acme.till/policies": test.till,
		})["doors"]
		if f.State != test.state || !strings.Contains(f.Detail, test.detail) || !strings.Contains(f.Hint, test.hint) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
