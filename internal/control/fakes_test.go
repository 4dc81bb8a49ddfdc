package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// roles signs in whoever gives a role as their bearer token.
type roles struct{}

func (roles) Authenticate(_ context.Context, bearer string, _ func(access.Ended)) (access.Principal, error) {
	role, err := access.ParseRole(bearer)
	if err != nil {
		return access.Principal{}, sealift.Errorf(sealift.KindDenied, "signing in", "who?").WithReason(access.ReasonUnauthenticated)
	}
	return access.Principal{ID: "id-of-" + bearer, Kind: access.KindSession, Role: role, Proof: proof}, nil
}

// proof is fresh as long as a test runs.
var proof = access.Proof{Session: "0f9a7c4e1b2d3c55", AMR: access.AMRPassword, Proven: time.Now()}

// oneToken is a directory of one access token.
type oneToken struct{ row store.Token }

func (o oneToken) AccessToken(_ context.Context, id string) (found access.Found[store.Token], err error) {
	if id != o.row.ID {
		return found, sealift.Errorf(sealift.KindNotFound, "finding token", "there is none")
	}
	return access.Found[store.Token]{Row: o.row}, nil
}

func (o oneToken) Session(context.Context, string) (session access.Found[store.Session], person access.Found[store.Person], err error) {
	return session, person, sealift.Errorf(sealift.KindNotFound, "finding session", "there is none")
}

func (o oneToken) HasOwner(context.Context) (bool, error) { return false, nil }

// services is a fake of every service: it notes what it was asked, and answers
// with err or with values that the tests know.
type services struct {
	mu     sync.Mutex
	asked  []any
	err    error
	sealed bool
	upload func(io.Reader) error
	panics bool
	waits  bool // what is submitted waits

	refusals []service.Refusal
	full     error // why no refusal gets into the log
}

func (s *services) note(what ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what...)
	if s.panics {
		panic("broken inside")
	}
	return s.err
}

// last returns what was asked since the last call.
func (s *services) last() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

var (
	app1     = service.App{NewApp: service.NewApp{ID: "com.acme.shop", Kind: service.AppWeb}, AppSettings: service.AppSettings{Patches: 3, PatchLimit: 64 << 20, BlastRadius: 500}, Created: time.Unix(1, 0)}
	app2     = service.App{NewApp: service.NewApp{ID: "com.acme.till", Kind: service.AppDevice, OpenEnrolment: true}, Created: time.Unix(2, 0)}
	channel1 = service.Channel{App: "com.acme.shop", Name: "production", Epoch: 3, Created: time.Unix(3, 0)}
	channel2 = service.Channel{App: "com.acme.shop", Name: "beta", Epoch: 4, Created: time.Unix(3, 0), Settings: &service.ChannelSettings{
		Archived: true, Private: true, Platforms: []sealift.Platform{"web"}, Builds: []trust.Build{trust.BuildDevelopment}, EpochDays: 30, RefuseNew: "minor", UnderNative: true, Changed: time.Unix(9, 0),
	}, Policies: []service.ChannelPolicy{borrowed1}}
	draft1  = service.Draft{ID: "5c1d7a0e", Counter: 17, Vault: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", Expires: time.Unix(4, 0)}
	root1   = service.Root{Version: 2, Digest: sealift.Digest{2}, Expires: time.Unix(5, 0), Targets: 3, TargetsExpire: time.Unix(10, 0), Refused: []string{"com.acme.shop 1.0.0"}}
	token1  = service.EnrolmentToken{Token: sealift.NewEnrolmentToken(sealift.Digest{3}), Expires: time.Unix(6, 0)}
	detail1 = service.DraftDetail{
		Reservation: service.Reservation{App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: "*", Version: "1.4.0", Act: sealift.ActRelease},
		ID:          "5c1d7a0e", State: service.DraftSubmitted, Counter: 17, Requester: "909432b7adc8a37f",
		Created: time.Unix(1, 0), Expires: time.Unix(9, 0), Submitted: time.Unix(2, 0), Payload: sealift.Digest{5},
		Archive: service.Content{Digest: sealift.Digest{6}, Length: 6}, Problem: "overtaken", Envelope: []byte("{}"),
		Missing: []service.Missing{{What: service.MissingCosignatures, Have: 1, Need: 2, By: []string{"a"}, From: []string{"b", "c"}}},
	}
	rollout1 = service.Rollout{
		App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: "*", Version: "1.4.0", Counter: 17, Release: sealift.Digest{9},
		Plan:   rollout.Plan{Stages: []rollout.Stage{{Share: 150, Duration: rollout.Duration(time.Hour), Confirmed: 3, Gate: rollout.Approval}, {Share: sealift.Everybody}}, Halt: rollout.Rule{Then: rollout.GoBack}},
		Urgent: true,
		State:  rollout.State{Phase: rollout.Running, Stage: 0, Since: time.Unix(21, 0)}, Share: 150, Capped: true, Reissue: "5c1d7a0e", Next: time.Unix(22, 0), Creator: "alice",
		Created: time.Unix(23, 0), Changed: time.Unix(24, 0),
	}
	atOnce = rollout.AtOnce()
	story1 = service.Story{
		Last: &service.RolloutChange{
			Entry: 7, Time: time.Unix(26, 0), Action: "rollout.halt", Actor: audit.Actor{Kind: audit.Person, ID: "p1", Session: "s1", Address: "192.0.2.1"}, Name: "ann", Reason: "x", Warns: true,
		},
		Halt: &rollout.Evidence{
			Kind: rollout.Silent, Taken: 20, Count: 7, Rate: 0.35, Low: 0.1, High: 0.6, OldTaken: 9, OldCount: 1, Limit: 0.05, Weight: 3.5, Needed: 2.6, Warning: true, Since: time.Unix(27, 0), Halts: true,
		},
		WayBack: "it waits", Evidence: []rollout.Evidence{{Kind: rollout.Refused, Taken: 3}}, Known: rollout.Known{Confirmed: 2, Fleet: 5, Cap: 1},
		Backs: []service.DraftDetail{{Reservation: service.Reservation{Version: "1.0.0"}, ID: "5c1d7a0e", Expires: time.Unix(28, 0), Missing: []service.Missing{{What: "approvals", Need: 2}}}},
	}
	plan1   = service.ChannelPlan{App: "com.acme.shop", Channel: "production", Plan: &atOnce, Creator: "alice", Changed: time.Unix(25, 0)}
	denial1 = service.Denial{
		ID: "909432b7adc8a37f", Kind: service.DenyRelease, App: "com.acme.shop", Counter: 17, Version: "1.4.0", Issuer: sealift.Digest{7}, Serial: "7f",
		Reason: "it leaks", Creator: "alice", Created: time.Unix(11, 0), State: service.DenialActive, Changed: time.Unix(12, 0), Forged: true,
	}
	policy1 = service.Policy{
		Channel: "production",
		App:     "com.acme.shop", Action: "release", Needed: 2, Roles: []access.Role{access.RoleOwner}, Version: 3, Creator: "alice", Created: time.Unix(13, 0), Forged: true,
	}
	approval1 = service.ApprovalRequest{
		ID: "909432b7adc8a37f", Action: "release", App: "com.acme.shop", Subject: "5c1d7a0e", Parameters: map[string]string{"version": "1.4.0"},
		Payload: sealift.Digest{8}, Requester: "token1", Name: "ci", Person: "alice", Login: "alice@example.com", Needed: 2, Roles: []access.Role{access.RoleOwner}, State: "open", Outcome: "x",
		Created: time.Unix(14, 0), Expires: time.Unix(15, 0), Changed: time.Unix(16, 0), Document: []byte("{}"), Options: json.RawMessage("{}"), WhyNot: "you asked",
		Approvals: []service.Approval{{Person: "bob", Login: "bob@example.com", Created: time.Unix(17, 0), Counts: true, Evidence: json.RawMessage("{}")}},
	}
	device1 = service.Device{
		App: "com.acme.shop", ID: "0123456789abcdef0123456789abcdef", State: "active", Token: "token1", Platform: "web", Runtime: "1.0.0",
		Enrolled: time.Unix(18, 0), Seen: time.Unix(19, 0), Reported: time.Unix(20, 0), Lost: 4, Forged: true,
		Report: &trust.DeviceState{
			Root: 2, Targets: 3, Snapshot: 4, Timestamp: 5, Channel: "production", Platform: "web", Runtime: "1.1.0", Build: trust.BuildDevelopment, Emulator: true, Excluded: "build", Client: "acme/3", Epochs: []sealift.Digest{{9}},
			Installed: &trust.ReportRelease{Release: sealift.Digest{1}, Version: "1.4.0", Counter: 17},
		},
	}
	step1 = service.DeviceStep{Received: time.Unix(21, 0), ReportStep: trust.ReportStep{
		Sequence: 7, Time: trust.At(time.Unix(22, 0)), Step: trust.StepRefused, Release: sealift.Digest{1}, Version: "1.4.0", Counter: 17, Channel: "production",
		Kind: sealift.KindIntegrity, Reason: "blob-digest", Took: 23,
	}}
	rootFile = []byte("{\"signed\": 1 }\n")
)

func releaseNo(counter sealift.Counter) service.Release {
	return service.Release{
		App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: ">=1.0.0", Version: "1.4.0", Counter: counter,
		Act: sealift.ActRelease, State: service.ReleasePublished, Digest: sealift.Digest{1},
		Archive: service.Content{Digest: sealift.Digest{2}, Length: 2}, Blob: service.Content{Digest: sealift.Digest{3}, Length: 3},
		Issuer: sealift.Digest{4}, Serial: "7f", SignedAt: time.Unix(7, 0), Published: time.Unix(8, 0),
		Patches: []service.Patch{{Base: sealift.Digest{10}, Blob: service.Content{Digest: sealift.Digest{11}, Length: 11}}},
	}
}

func (s *services) Refused(_ context.Context, what service.Refusal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, what)
	return s.full
}

// refused returns what was refused since the last call.
func (s *services) refused() []service.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	refusals := s.refusals
	s.refusals = nil
	return refusals
}

func (s *services) Sealed() bool { return s.sealed }

func (s *services) Status(context.Context) (service.Status, error) {
	return service.Status{
		Vault: draft1.Vault, Sealed: s.sealed,
		Unseal: service.SealWay{Sealer: "shamir", Threshold: 2, Shares: 3, Set: "5f0e1d2c", Given: 1}, Recovery: service.SealWay{Sealer: "argon2id"},
	}, nil
}

func (s *services) CreateApp(_ context.Context, by access.Caller, app service.NewApp) (service.App, error) {
	return service.App{NewApp: app, Created: time.Unix(1, 0)}, s.note(by, app)
}

func (s *services) ChangeApp(_ context.Context, by access.Caller, id sealift.AppID, change service.AppChange) (service.App, error) {
	return app1, s.note(by, id, change)
}

func (s *services) App(_ context.Context, id sealift.AppID) (service.App, error) {
	return app1, s.note(id)
}

func (s *services) Apps(context.Context) ([]service.App, error) {
	return []service.App{app1, app2}, s.note("apps")
}

func (s *services) CreateChannel(_ context.Context, by access.Caller, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	return channel1, s.note(by, app, name)
}

func (s *services) Channels(_ context.Context, app sealift.AppID) ([]service.Channel, error) {
	return []service.Channel{channel1}, s.note(app)
}

func (s *services) Channel(_ context.Context, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	return channel2, s.note(app, name)
}

func (s *services) ChangeChannel(_ context.Context, by access.Caller, app sealift.AppID, name sealift.Channel, change service.ChannelChange) (service.Channel, error) {
	return channel2, s.note(by, app, name, change)
}

func (s *services) Devices(_ context.Context, app sealift.AppID, page service.DevicePage) ([]service.Device, error) {
	first := device1
	first.Assigned, first.Labels = &assignment1, []sealift.Label{"tester"}
	all := []service.Device{first, {App: "com.acme.shop", ID: "ff", State: "active"}}
	return all[:min(len(all), page.Limit)], s.note(app, page)
}

func (s *services) Device(_ context.Context, app sealift.AppID, id sealift.DeviceID, before uint64, limit int) (service.Device, []service.DeviceStep, error) {
	steps := []service.DeviceStep{step1, {ReportStep: trust.ReportStep{Sequence: 3, Step: trust.StepChecked, Channel: "production"}}}
	return device1, steps[:min(len(steps), limit)], s.note(app, id, before, limit)
}

func (s *services) CountDevices(context.Context, sealift.AppID) (service.DeviceCounts, error) {
	return service.DeviceCounts{Active: 3, Revoked: 2, Erased: 1, Outdated: 7}, nil
}

func (s *services) RevokeDevices(_ context.Context, by access.Caller, app sealift.AppID, which service.DeviceAct) (service.Revoked, error) {
	return service.Revoked{Devices: which.Devices, Epochs: []service.Channel{channel1}}, s.note(by, app, which)
}

func (s *services) EraseDevices(_ context.Context, by access.Caller, app sealift.AppID, which service.DeviceAct) ([]sealift.DeviceID, error) {
	return which.Devices, s.note(by, app, which)
}

func (s *services) Stats(_ context.Context, app sealift.AppID, filter service.StatsFilter) (service.AppStats, error) {
	return stats1, s.note(app, filter)
}

func (s *services) CreateEnrolmentToken(_ context.Context, by access.Caller, app sealift.AppID, token service.NewEnrolmentToken) (service.EnrolmentToken, error) {
	return token1, s.note(by, app, token)
}

func (s *services) Reserve(_ context.Context, by access.Caller, want service.Reservation) (service.Draft, error) {
	return draft1, s.note(by, want)
}

func (s *services) PatchBases(_ context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, wanted []sealift.Digest) ([]service.PatchBase, error) {
	return []service.PatchBase{{Archive: service.Content{Digest: sealift.Digest{6}, Length: 6}, Version: "1.3.0", Counter: 16, Devices: 9}}, s.note(app, channel, platform, wanted)
}

func (s *services) UploadBlob(_ context.Context, by access.Caller, app sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error {
	if err := s.note(by, app, digest, length); err != nil || s.upload == nil {
		return err
	}
	return s.upload(r)
}

func (s *services) Submit(_ context.Context, by access.Caller, app sealift.AppID, draft string, what service.Submission) (service.DraftDetail, error) {
	d := detail1
	if !s.waits {
		r := releaseNo(17)
		d = service.DraftDetail{Release: &r}
	}
	return d, s.note(by, app, draft, what)
}

func (s *services) Promote(_ context.Context, by access.Caller, app sealift.AppID, want service.Promotion) (service.Promoted, error) {
	return service.Promoted{Drafts: []service.DraftDetail{detail1}, Already: []service.Release{releaseNo(17)}}, s.note(by, app, want)
}

func (s *services) RollBack(_ context.Context, by access.Caller, app sealift.AppID, want service.NewRollback) (service.RolledBack, error) {
	return service.RolledBack{Draft: detail1, From: []service.Release{releaseNo(17)}, Left: 3}, s.note(by, app, want)
}

func (s *services) Rollouts(_ context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, all bool) ([]service.Rollout, error) {
	return []service.Rollout{rollout1}, s.note(app, channel, platform, all)
}

func (s *services) Rollout(_ context.Context, app sealift.AppID, counter sealift.Counter) (service.Rollout, error) {
	r := rollout1
	r.Story = &story1
	return r, s.note(app, counter)
}

func (s *services) PauseRollout(_ context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (service.Rollout, error) {
	return rollout1, s.note(by, app, counter, reason)
}

func (s *services) WithdrawRelease(_ context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, reason string) (service.Rollout, error) {
	return rollout1, s.note(by, app, counter, reason)
}

func (s *services) SteerRollout(_ context.Context, by access.Caller, app sealift.AppID, counter sealift.Counter, do service.Steer, reason string) (service.Rollout, error) {
	return rollout1, s.note(by, app, counter, do, reason)
}

func (s *services) Plan(_ context.Context, app sealift.AppID, channel sealift.Channel) (service.ChannelPlan, error) {
	return plan1, s.note(app, channel)
}

func (s *services) SetPlan(_ context.Context, by access.Caller, app sealift.AppID, channel sealift.Channel, plan *rollout.Plan) (service.ChannelPlan, error) {
	return service.ChannelPlan{App: app, Channel: channel, Plan: plan}, s.note(by, app, channel, plan)
}

func (s *services) Deny(_ context.Context, by access.Caller, want service.NewDenial) (service.Denial, error) {
	return denial1, s.note(by, want)
}

func (s *services) Floor(_ context.Context, app sealift.AppID, asked trust.Floor) (service.AppFloor, error) {
	return service.AppFloor{
		App: app, Trust: trust.Floor{Counter: 3}, Deny: trust.Floor{Version: "1.2.0"}, Floor: trust.Floor{Counter: 3, Version: "1.2.0"}, Active: 9, Under: 4,
		Versions: []store.DeviceVersion{{Version: "1.0.0", Counter: 1, Devices: 4}}, Unserved: []service.Place{{Channel: "beta", Platform: "ios", Devices: 6}},
	}, s.note(app, asked)
}

func (s *services) Denials(context.Context) ([]service.Denial, error) {
	return []service.Denial{denial1}, s.note("denials")
}

func (s *services) LiftDenial(_ context.Context, by access.Caller, id, reason string) (service.Denial, error) {
	return denial1, s.note(by, id, reason)
}

func (s *services) Drafts(_ context.Context, app sealift.AppID) ([]service.DraftDetail, error) {
	return []service.DraftDetail{detail1}, s.note(app, "drafts")
}

func (s *services) Draft(_ context.Context, app sealift.AppID, draft string) (service.DraftDetail, error) {
	return detail1, s.note(app, draft)
}

func (s *services) Cosign(_ context.Context, by access.Caller, app sealift.AppID, draft string, envelope []byte) (service.DraftDetail, error) {
	return detail1, s.note(by, app, draft, envelope)
}

func (s *services) Abandon(_ context.Context, by access.Caller, app sealift.AppID, draft string) error {
	return s.note(by, app, draft)
}

// Releases has the releases with counters 1 to 7.
func (s *services) Releases(_ context.Context, app sealift.AppID, page service.Page) (found []service.Release, err error) {
	for counter := sealift.Counter(7); counter > 0 && len(found) < page.Limit; counter-- {
		if page.Before == 0 || counter < page.Before {
			found = append(found, releaseNo(counter))
		}
	}
	return found, s.note(app, page)
}

func (s *services) Release(_ context.Context, app sealift.AppID, which service.Which) (service.ReleaseDetail, error) {
	return service.ReleaseDetail{
		Release: releaseNo(17), File: []byte("{} \n"),
		Evidence: rollout.Counts{Taken: 9, Confirmed: 3, Failed: [4]int{1, 0, 0, 0}}, Unvouched: rollout.Counts{Taken: 2},
	}, s.note(app, which)
}

func (s *services) Root(context.Context) ([]byte, error) { return rootFile, s.note("root") }

func (s *services) Anchors(context.Context) (service.Anchors, error) {
	return service.Anchors{Vault: "00112233445566778899aabbccddeeff", Trust: []byte("{}"), Keys: []service.AnchorKey{
		{ID: "timestamp", Version: 2, Purpose: "timestamp", State: "pre-active", Public: []byte{3}, Vouched: "root 1"},
	}}, s.note("anchors")
}

func (s *services) Documents(context.Context) (service.Documents, error) {
	return service.Documents{Root: rootFile, Targets: []byte("targets\n"), Trust: []byte("trust\n"), Deny: []byte("deny\n")}, s.note("documents")
}

func (s *services) AcceptRoot(_ context.Context, by access.Caller, outcome service.Ceremony) (service.Root, error) {
	return root1, s.note(by, outcome)
}

type fixture struct {
	t        *testing.T
	services *services
	server   *httptest.Server
	log      *bytes.Buffer
}

func (s *services) all(signIn control.SignIn) control.Services {
	return control.Services{SignIn: signIn, Vault: s, Apps: s, Enrolment: s, Devices: s, Assigning: s, Publishing: s, Promotions: s, Rollbacks: s, Drafts: s, Rollouts: s, Plans: s, Denials: s, Releases: s, Roots: s, Log: s, Witnesses: s, Refusals: s, Tokens: s, People: s, Accounts: s, Passkeys: s, OIDC: s, Keys: s, Approvals: s, Seal: s, Backups: s}
}

func newFixture(t *testing.T, signIn control.SignIn) *fixture {
	t.Helper()
	f := &fixture{t: t, services: new(services), log: new(bytes.Buffer)}
	f.server = httptest.NewServer(control.New(f.services.all(signIn), control.Options{
		Version: "0.1.0", Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}))
	f.server.Client().Transport.(*http.Transport).ExpectContinueTimeout = time.Second
	t.Cleanup(f.server.Close)
	return f
}

// as is a Doer that signs in with a bearer token.
type as struct {
	bearer string
	client *http.Client
}

func (a as) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+a.bearer)
	return a.client.Do(req)
}

func (f *fixture) client(role access.Role) *apiclient.Client {
	f.t.Helper()
	c, err := apiclient.New(f.server.URL+"/", as{string(role), f.server.Client()})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func caller(role access.Role) access.Caller {
	return access.Caller{Kind: access.CallerPerson, ID: "id-of-" + string(role), Address: "127.0.0.1", Role: role, Proof: proof}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with any headers; a JSON body is said to be one.
func (f *fixture) do(method, path, bearer, body string, header ...string) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := f.server.Client().Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(content)}
}

func (f *fixture) wantProblem(a answer, status int, kind sealift.Kind, reason string) {
	f.t.Helper()
	err := problem.Decode(a.status, a.header.Get("Content-Type"), []byte(a.body))
	if a.status != status || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || a.header.Get("X-Request-Id") == "" {
		f.t.Errorf("%d %v %s, want %d %s %s", a.status, a.header, a.body, status, kind, reason)
	}
}

func (s *services) Policies(context.Context) (service.Policies, error) {
	return service.Policies{Policies: []service.Policy{policy1}, Approvers: 3}, s.note("policies")
}

func (s *services) SetPolicy(_ context.Context, by access.Caller, want service.NewPolicy) (service.Policy, error) {
	return policy1, s.note(by, want)
}

func (s *services) Requests(_ context.Context, by access.Caller, want service.ApprovalFilter) ([]service.ApprovalRequest, error) {
	return []service.ApprovalRequest{approval1}, s.note(by, want)
}

func (s *services) Request(_ context.Context, by access.Caller, id string) (service.ApprovalRequest, error) {
	return approval1, s.note(by, id)
}

func (s *services) Approve(_ context.Context, by access.Caller, id string, answer json.RawMessage) (service.ApprovalRequest, error) {
	return approval1, s.note(by, id, string(answer))
}

func (s *services) Reject(_ context.Context, by access.Caller, id, reason string) (service.ApprovalRequest, error) {
	return approval1, s.note(by, id, reason)
}
