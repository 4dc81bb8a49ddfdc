package cli

import (
	"encoding/json"
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
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"status":403,"kind":"denied","reason":"role","title":"x","detail":"it may not"}`))
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
