package control_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	openapi "github.com/sealift/sealift/api"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
)

// operation is one operation of openapi.yaml, with a request that succeeds.
type operation struct {
	id, method, path, body string
	status                 int
	action                 access.Action // "" for anyone
}

const (
	digest64 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	acme     = control.Prefix + "/apps/com.acme.shop"

	acceptance = `{"invitation":"x","ceremony":"y","name":"Alice","password":"five random words","code":"492039"}`
)

var operations = []operation{
	{"getStatus", "GET", control.Prefix + "/status", "", 200, ""},
	{"unsealVault", "POST", control.Prefix + "/vault/unseal", `{"secret":"five random words"}`, 200, ""},
	{"resetUnseal", "POST", control.Prefix + "/vault/unseal/reset", `{"secret":"five random words"}`, 204, ""},
	{"rotateKEK", "POST", control.Prefix + "/vault/rotations", `{"reason":"yearly"}`, 200, access.RotateKEK},
	{"continueRotation", "POST", control.Prefix + "/vault/rotations/0123456789abcdef0123456789abcdef", "", 200, access.AwaitRotation},
	{"sealVault", "POST", control.Prefix + "/vault/seal", "", 204, access.SealVault},
	{"listApps", "GET", control.Prefix + "/apps", "", 200, access.ListApps},
	{"createApp", "POST", control.Prefix + "/apps", `{"id":"com.acme.shop"}`, 201, access.CreateApp},
	{"getApp", "GET", acme, "", 200, access.ListApps},
	{"changeApp", "PATCH", acme, `{"patches":0,"blastRadius":500}`, 200, access.ChangeApp},
	{"listChannels", "GET", acme + "/channels", "", 200, access.ListChannels},
	{"createChannel", "POST", acme + "/channels", `{"name":"production"}`, 201, access.CreateChannel},
	{"getChannel", "GET", acme + "/channels/production", "", 200, access.ListChannels},
	{"changeChannel", "PATCH", acme + "/channels/production", `{"private":true}`, 200, access.ChangeChannel},
	{"createEnrolmentToken", "POST", acme + "/enrolment-tokens", `{}`, 201, access.IssueEnrolment},
	{"reserveDraft", "POST", acme + "/channels/production/drafts", `{"platform":"web","runtime":"*","version":"1.0.0"}`, 201, access.Publish},
	{"listPatchBases", "GET", acme + "/channels/production/patch-bases?platform=web&have=" + digest64 + "&have=" + digest64, "", 200, access.Publish},
	{"uploadBlob", "PUT", acme + "/blobs/" + digest64, "blob", 204, access.Publish},
	{"abandonDraft", "DELETE", acme + "/drafts/5c1d7a0e", "", 204, access.Publish},
	{"listDrafts", "GET", acme + "/drafts", "", 200, access.ListReleases},
	{"getDraft", "GET", acme + "/drafts/5c1d7a0e", "", 200, access.ListReleases},
	{"rollBack", "POST", acme + "/rollbacks", `{"channel":"production","platform":"web","to":"1.3.0","from":["1.4.0"],"life":"48h","reason":"white screen"}`, 200, access.RollBack},
	{"promoteRelease", "POST", acme + "/promotions", `{"from":"staging","to":"production","version":"1.4.0","platform":"web"}`, 200, access.Promote},
	{"cosignDraft", "POST", acme + "/drafts/5c1d7a0e/cosignatures", `{"envelope":"e30="}`, 200, access.Cosign},
	{"submitDraft", "POST", acme + "/drafts/5c1d7a0e/submit", `{"envelope":"e30=","csr":"MAA="}`, 200, access.Publish},
	{"listReleases", "GET", acme + "/releases", "", 200, access.ListReleases},
	{"getRelease", "GET", acme + "/releases/1.4.0", "", 200, access.ListReleases},
	{"listRollouts", "GET", acme + "/rollouts?channel=production&platform=web&all=true", "", 200, access.ListReleases},
	{"getRollout", "GET", acme + "/rollouts/17", "", 200, access.ListReleases},
	{"pauseRollout", "POST", acme + "/rollouts/17/pause", `{"reason":"it crashes"}`, 200, access.PauseRollouts},
	{"withdrawRelease", "POST", acme + "/rollouts/17/withdraw", `{"reason":"it loses orders"}`, 200, access.PauseRollouts},
	{"steerRollout", "POST", acme + "/rollouts/17/steer", `{"do":"resume","reason":"it does not"}`, 200, access.SteerRollouts},
	{"getPlan", "GET", acme + "/channels/production/plan", "", 200, access.ListReleases},
	{"setPlan", "PUT", acme + "/channels/production/plan", `{"stages":[{"percent":100,"duration":"1h"}]}`, 200, access.PlanRollouts},
	{"clearPlan", "DELETE", acme + "/channels/production/plan", "", 200, access.PlanRollouts},
	{"listDevices", "GET", acme + "/devices?limit=3&channel=production&behind=0123456789abcdef0123456789abcdef", "", 200, access.ListDevices},
	{"listCapgoDevices", "GET", acme + "/capgo-devices?limit=3&channel=production&platform=ios&version=1.0.0&prefix=01&behind=0123456789abcdef0123456789abcdef", "", 200, access.ListDevices},
	{"getStats", "GET", acme + "/stats?channel=production&platform=web&version=1.0.0&since=2026-03-01T00:00:00Z&limit=3", "", 200, access.ListDevices},
	{"getDevice", "GET", acme + "/devices/0123456789abcdef0123456789abcdef?limit=2&before=9", "", 200, access.ListDevices},
	{"revokeDevices", "POST", acme + "/device-revocations", `{"devices":["0123456789abcdef0123456789abcdef"],"reason":"stolen"}`, 200, access.RevokeDevices},
	{"eraseDevices", "POST", acme + "/device-erasures", `{"devices":["0123456789abcdef0123456789abcdef"],"reason":"asked to"}`, 200, access.EraseDevices},
	{"assignDevices", "POST", acme + "/device-assignments", `{"devices":["0123456789abcdef0123456789abcdef"],"channel":"beta","reason":"tests it"}`, 200, access.AssignDevices},
	{"getFloor", "GET", acme + "/floor?version=1.2.0&counter=3", "", 200, access.ListDenials},
	{"labelDevices", "POST", acme + "/device-labels", `{"devices":["0123456789abcdef0123456789abcdef"],"label":"beta","reason":"tests it"}`, 200, access.AssignDevices},
	{"listChannelLabels", "GET", acme + "/channel-labels", "", 200, access.ListChannels},
	{"setChannelLabel", "PUT", acme + "/channel-labels/beta", `{"channel":"beta","priority":3}`, 200, access.ChangeChannel},
	{"removeChannelLabel", "DELETE", acme + "/channel-labels/beta", "", 204, access.ChangeChannel},
	{"listDenials", "GET", control.Prefix + "/denials", "", 200, access.ListDenials},
	{"addDenial", "POST", control.Prefix + "/denials", `{"kind":"release","app":"com.acme.shop","release":"17","reason":"it leaks"}`, 201, access.ChangeDenials},
	{"liftDenial", "POST", control.Prefix + "/denials/909432b7adc8a37f/lift", `{"reason":"it does not"}`, 200, access.LiftDenials},
	{"listPolicies", "GET", control.Prefix + "/policies", "", 200, access.ListPolicies},
	{"listAppPolicies", "GET", acme + "/policies", "", 200, access.ListPolicies},
	{"setPolicy", "PUT", control.Prefix + "/policies", `{"action":"release","needed":2,"roles":["owner"]}`, 200, access.ChangePolicies},
	{"listApprovals", "GET", control.Prefix + "/approvals?state=open&action=release&limit=3", "", 200, access.ListApprovals},
	{"getApproval", "GET", control.Prefix + "/approvals/909432b7adc8a37f", "", 200, access.ListApprovals},
	{"giveApproval", "POST", control.Prefix + "/approvals/909432b7adc8a37f/approve", `{"credential":{}}`, 200, access.Decide},
	{"rejectApproval", "POST", control.Prefix + "/approvals/909432b7adc8a37f/reject", `{"reason":"it leaks"}`, 200, access.Decide},
	{"getTrust", "GET", control.Prefix + "/trust", "", 200, access.ReadRoot},
	{"getRoot", "GET", control.Prefix + "/root", "", 200, access.ReadRoot},
	{"acceptRoot", "POST", control.Prefix + "/root", `{"root":"e30="}`, 200, access.AcceptRoot},
	{"getAnchors", "GET", control.Prefix + "/anchors", "", 200, access.ListKeys},
	{"listKeys", "GET", control.Prefix + "/keys", "", 200, access.ListKeys},
	{"setKeyState", "POST", control.Prefix + "/keys/state", `{"id":"release-ca","version":1,"to":"suspended","reason":"lost"}`, 200, access.ChangeKeys},
	{"listReleaseKeys", "GET", acme + "/release-keys", "", 200, access.ListKeys},
	{"createKey", "POST", control.Prefix + "/keys", `{"id":"ci","purpose":"artifact-signing","app":"com.acme.shop","owner":"alice"}`, 201, access.CreateKeys},
	{"importKey", "POST", control.Prefix + "/keys/import", `{"id":"ci","purpose":"capgo-app","app":"com.acme.shop","owner":"alice","pem":"eA=="}`, 201, access.ImportKeys},
	{"exportKey", "POST", control.Prefix + "/keys/export", `{"id":"ci","version":1,"reason":"moving"}`, 200, access.ExportKeys},
	{"getCapgoKey", "GET", acme + "/capgo-key", "", 200, access.ListApps},
	{"signWithKey", "POST", acme + "/keys/ci/signatures", `{"message":""}`, 200, access.SignWithKeys},
	{"requestCertificate", "POST", control.Prefix + "/keys/csr", `{"id":"release-ca","version":2}`, 200, access.ChangeKeys},
	{"installCertificate", "POST", control.Prefix + "/keys/certificate", `{"id":"release-ca","version":2,"certificate":"eA=="}`, 200, access.ChangeKeys},
	{"rotateKey", "POST", control.Prefix + "/keys/rotate", `{"id":"timestamp","reason":"yearly"}`, 200, access.ChangeKeys},
	{"retireKey", "POST", control.Prefix + "/keys/retire", `{"id":"timestamp","version":1,"reason":"yearly"}`, 200, access.ChangeKeys},
	{"listTokens", "GET", control.Prefix + "/tokens", "", 200, access.ListTokens},
	{"createToken", "POST", control.Prefix + "/tokens", `{"role":"developer"}`, 201, access.ManageTokens},
	{"revokeToken", "DELETE", control.Prefix + "/tokens/0123456789abcdef", "", 204, access.RevokeTokens},
	{"listPersons", "GET", control.Prefix + "/persons", "", 200, access.ListPersons},
	{"invitePerson", "POST", control.Prefix + "/persons", `{"login":"alice@example.com","role":"developer"}`, 201, access.ManagePersons},
	{"changePerson", "PATCH", control.Prefix + "/persons/0123456789abcdef", `{"state":"disabled"}`, 200, access.ManagePersons},
	{"removePerson", "DELETE", control.Prefix + "/persons/alice@example.com", "", 204, access.ManagePersons},
	{"resetPerson", "POST", control.Prefix + "/persons/0123456789abcdef/reset", "", 200, access.ManagePersons},
	{"confirmPerson", "POST", control.Prefix + "/persons/0123456789abcdef/confirm", `{"accepted":"2026-03-01T12:00:00.000001Z"}`, 200, access.ManagePersons},
	{"beginAcceptance", "POST", control.Prefix + "/invitations/begin", `{"invitation":"x"}`, 200, ""},
	{"acceptInvitation", "POST", control.Prefix + "/invitations/accept", acceptance, 201, ""},
	{"listSessions", "GET", control.Prefix + "/sessions", "", 200, access.UseAccount},
	{"createSession", "POST", control.Prefix + "/sessions", `{"login":"alice@example.com","password":"secret","code":"492039"}`, 201, ""},
	{"endSession", "DELETE", control.Prefix + "/sessions/0123456789abcdef", "", 204, access.UseAccount},
	{"getIssuer", "GET", control.Prefix + "/sessions/oidc", "", 200, ""},
	{"checkIssuer", "POST", control.Prefix + "/sessions/oidc/check", "", 200, access.ListPersons},
	{"beginOIDC", "POST", control.Prefix + "/sessions/oidc/begin", "", 200, ""},
	{"finishOIDC", "POST", control.Prefix + "/sessions/oidc/finish", `{"ceremony":"x","state":"y","code":"z"}`, 201, ""},
	{"proveOIDC", "POST", control.Prefix + "/sessions/oidc/prove", `{"ceremony":"x","code":"492039"}`, 201, ""},
	{"beginPasskeySignIn", "POST", control.Prefix + "/sessions/passkey/begin", "", 200, ""},
	{"finishPasskeySignIn", "POST", control.Prefix + "/sessions/passkey/finish", `{"ceremony":"x","credential":{"id":"y"}}`, 201, ""},
	{"beginSignInRequest", "POST", control.Prefix + "/sign-in-requests", "", 201, ""},
	{"pollSignInRequest", "POST", control.Prefix + "/sign-in-requests/poll", `{"secret":"x"}`, 201, ""},
	{"getSignInRequest", "GET", control.Prefix + "/sign-in-requests/K3VX-M2PQ", "", 200, access.UseAccount},
	{"confirmSignInRequest", "POST", control.Prefix + "/sign-in-requests/K3VX-M2PQ", "", 204, access.UseAccount},
	{"listPasskeys", "GET", control.Prefix + "/passkeys", "", 200, access.UseAccount},
	{"beginPasskey", "POST", control.Prefix + "/passkeys/begin", "", 200, access.UseAccount},
	{"finishPasskey", "POST", control.Prefix + "/passkeys/finish", `{"ceremony":"x","credential":{"id":"y"}}`, 201, access.UseAccount},
	{"removePasskey", "DELETE", control.Prefix + "/passkeys/0123456789abcdef", "", 204, access.UseAccount},
	{"getAccount", "GET", control.Prefix + "/account", "", 200, access.UseAccount},
	{"stepUp", "POST", control.Prefix + "/account/step-up", `{"code":"492 039"}`, 200, access.UseAccount},
	{"beginStepUp", "POST", control.Prefix + "/account/step-up/requests", `{"for":"sealift token create"}`, 201, access.UseAccount},
	{"newRecoveryCodes", "POST", control.Prefix + "/account/recovery-codes", "", 200, access.UseAccount},
	{"setPassword", "PUT", control.Prefix + "/account/password", `{"password":"five random words"}`, 204, access.UseAccount},
	{"beginTOTP", "POST", control.Prefix + "/account/totp", "", 200, access.UseAccount},
	{"finishTOTP", "PUT", control.Prefix + "/account/totp", `{"ceremony":"x","code":"492039"}`, 204, access.UseAccount},
	{"listEntries", "GET", control.Prefix + "/audit/entries", "", 200, access.ReadLog},
	{"beginExport", "POST", control.Prefix + "/audit/exports", "", 200, access.ReadLog},
	{"listLeaves", "GET", control.Prefix + "/audit/leaves?first=0", "", 200, access.ReadLog},
	{"listCheckpoints", "GET", control.Prefix + "/audit/checkpoints?least=0", "", 200, access.ReadLog},
	{"listBackups", "GET", control.Prefix + "/backups", "", 200, access.ListBackups},
	{"listWitnesses", "GET", control.Prefix + "/audit/witnesses", "", 200, access.ReadLog},
	{"proveEntry", "GET", control.Prefix + "/audit/proofs/0", "", 200, access.ReadLog},
}

var everyRole = []access.Role{
	access.RoleOwner, access.RoleSecurityOfficer, access.RoleReleaseManager, access.RoleDeveloper, access.RoleAuditor, access.RoleOperator,
}

func (f *fixture) run(o operation, bearer string) answer {
	f.t.Helper()
	if o.id == "uploadBlob" {
		return f.do(o.method, o.path, bearer, o.body, "Content-Type", "application/octet-stream")
	}
	return f.do(o.method, o.path, bearer, o.body)
}

func TestOperationsAreThoseOfTheDescription(t *testing.T) {
	described := regexp.MustCompile(`operationId: (\w+)`).FindAllStringSubmatch(string(openapi.Document), -1)
	if len(described) != len(operations) {
		t.Errorf("%d operations are described, %d are tested", len(described), len(operations))
	}
	for _, o := range operations {
		if !strings.Contains(string(openapi.Document), "operationId: "+o.id+"\n") {
			t.Errorf("%s is not described", o.id)
		}
	}
}

// The description says who may; it must be who may.
func TestRolesAreThoseOfTheDescription(t *testing.T) {
	for _, o := range operations {
		_, text, _ := strings.Cut(string(openapi.Document), "operationId: "+o.id+"\n")
		text, _, _ = strings.Cut(text, "operationId:")
		match := regexp.MustCompile(`Roles: ([a-z_, ]+)\.`).FindStringSubmatch(text)
		if o.action == "" {
			if match != nil || !strings.Contains(text, "security: []") {
				t.Errorf("%s is for anyone", o.id)
			}
			continue
		}
		var may []string
		for _, role := range everyRole {
			if access.Allow(role, o.action) == nil {
				may = append(may, string(role))
			}
		}
		want := strings.Join(may, ", ")
		if len(may) == len(everyRole) {
			want = "all"
		}
		if match == nil || match[1] != want {
			t.Errorf("%s: the description has %q, the table %q", o.id, match, want)
		}
	}
}

// ofOneself is what wants a fresh proof of the operations that everybody has on their
// own account: package people asks for it, since showing oneself wants none.
var ofOneself = map[string]bool{"setPassword": true, "newRecoveryCodes": true, "beginTOTP": true, "finishTOTP": true,
	"beginPasskey": true, "finishPasskey": true, "removePasskey": true, "confirmSignInRequest": true}

// The description says what wants a fresh proof; it must be what does, in every
// operation.
func TestStepUpIsThatOfTheDescription(t *testing.T) {
	f := newFixture(t, stale{})
	for _, o := range operations {
		_, text, _ := strings.Cut(string(openapi.Document), "operationId: "+o.id+"\n")
		text, _, _ = strings.Cut(text, "operationId:")
		described := regexp.MustCompile(`Wants a\s+fresh proof\.`).MatchString(text)
		if o.action == "" || o.action == access.UseAccount {
			if described != ofOneself[o.id] {
				t.Errorf("%s: described is %t", o.id, described)
			}
			continue
		}
		if got := (access.Proof{}).StepUp(o.action, time.Now()) != nil; got != described {
			t.Errorf("%s: the table has %t, the description %t", o.id, got, described)
		}
		a := f.run(o, "owner")
		if !described {
			if a.status != o.status {
				t.Errorf("%s: %d %s", o.id, a.status, a.body)
			}
			f.services.last()
			continue
		}
		f.wantProblem(a, 403, sealift.KindDenied, access.ReasonStepUp)
		if asked := f.services.last(); asked != nil {
			t.Errorf("%s: a service was asked %v", o.id, asked)
		}
	}
}

// stale signs in as roles does whoever proved themselves an hour ago.
type stale struct{}

func (stale) Authenticate(ctx context.Context, bearer string, _ func(access.Ended)) (access.Principal, error) {
	p, err := roles{}.Authenticate(ctx, bearer, nil)
	p.Proven = time.Now().Add(-time.Hour)
	return p, err
}

func TestEveryRoleInEveryOperation(t *testing.T) {
	f := newFixture(t, roles{})
	for _, o := range operations {
		for _, role := range everyRole {
			a := f.run(o, string(role))
			asked := f.services.last()
			if o.action != "" && access.Allow(role, o.action) != nil {
				f.wantProblem(a, 403, sealift.KindDenied, "role")
				if asked != nil {
					t.Errorf("%s as %s was refused, but a service was asked %v", o.id, role, asked)
				}
			} else if a.status != o.status || (asked == nil) != (o.id == "getStatus") {
				t.Errorf("%s as %s: %d %s", o.id, role, a.status, a.body)
			}
			if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", o.id, a.header)
			}
		}
	}
}

func TestNobodyWithoutATokenIsServed(t *testing.T) {
	f := newFixture(t, roles{})
	for _, o := range operations {
		for _, bearer := range []string{"", "nobody"} {
			a := f.run(o, bearer)
			if o.action == "" {
				if a.status != o.status {
					t.Errorf("%s: %d", o.id, a.status)
				}
				f.services.last()
				continue
			}
			f.wantProblem(a, 401, sealift.KindDenied, access.ReasonUnauthenticated)
			if a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: headers %v", o.id, a.header)
			}
		}
	}
	f.wantProblem(f.do("GET", control.Prefix+"/apps", "", "", "Authorization", "Basic owner"), 401, sealift.KindDenied, access.ReasonUnauthenticated)
	f.wantProblem(f.do("GET", control.Prefix+"/apps?token=owner", "", ""), 401, sealift.KindDenied, access.ReasonUnauthenticated)
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// ofPeople are what anyone may ask of a vault that is not sealed.
var ofPeople = map[string]bool{"beginAcceptance": true, "acceptInvitation": true, "createSession": true,
	"getIssuer": true, "beginOIDC": true, "finishOIDC": true, "proveOIDC": true,
	"beginPasskeySignIn": true, "finishPasskeySignIn": true, "beginSignInRequest": true, "pollSignInRequest": true}

func TestASealedVaultAnswersItsStatusOnly(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.sealed = true
	for _, o := range operations {
		a := f.run(o, "owner")
		if o.action == "" && !ofPeople[o.id] {
			if a.status != o.status || o.id == "getStatus" && !strings.Contains(a.body, `"sealed":true`) {
				t.Errorf("%s: %d %s", o.id, a.status, a.body)
			}
			f.services.last()
			continue
		}
		f.wantProblem(a, 503, sealift.KindSealed, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

// With the real authenticator: a good token serves, another takes its time.
func TestSignInWithTokens(t *testing.T) {
	token := access.NewToken(access.KindOwner, sealift.Digest{1})
	directory := oneToken{token.Row(access.RoleOwner, time.Now(), time.Time{})}
	f := newFixture(t, &access.Authenticator{Directory: directory, Now: time.Now})
	if a := f.do("GET", control.Prefix+"/apps", token.Reveal(), ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	start := time.Now()
	other := access.NewToken(access.KindOwner, sealift.Digest{1})
	f.wantProblem(f.do("GET", control.Prefix+"/apps", other.Reveal(), ""), 401, sealift.KindDenied, access.ReasonUnauthenticated)
	if took := time.Since(start); took < access.FailureTime {
		t.Errorf("a refusal took %s", took)
	}
	for _, secret := range []string{token.Reveal(), other.Reveal(), strings.Split(token.Reveal(), "_")[3]} {
		if strings.Contains(f.log.String(), secret) {
			t.Error("the log has a token")
		}
	}
	if !strings.Contains(f.log.String(), "who="+token.ID()) {
		t.Errorf("the log lacks the caller: %s", f.log)
	}
}

func TestEveryServiceErrorArrives(t *testing.T) {
	f := newFixture(t, roles{})
	for _, o := range operations {
		if o.id == "getStatus" {
			continue
		}
		f.services.err = sealift.Errorf(sealift.KindConflict, "doing x", "y").WithReason("word").WithHint("do z")
		f.wantProblem(f.run(o, "owner"), 409, sealift.KindConflict, "word")
		f.services.err = nil
		f.services.panics = true
		f.wantProblem(f.run(o, "owner"), 500, sealift.KindInternal, "")
		f.services.panics = false
	}
}
