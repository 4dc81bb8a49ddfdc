package control_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// These tests go through the client, the server and back: what the service was
// asked, and what the caller was told.

func check(t *testing.T, what string, err error, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" || err != nil {
		t.Errorf("%s: %v\n%s", what, err, diff)
	}
}

func TestApps(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOwner)
	want1 := api.App{ID: "com.acme.shop", Kind: api.AppKindWeb, Created: time.Unix(1, 0).UTC(), Patches: 3, PatchLimit: 64 << 20, BlastRadius: 500}
	want2 := api.App{ID: "com.acme.till", Kind: api.AppKindDevice, OpenEnrolment: true, Created: time.Unix(2, 0).UTC()}

	apps, err := c.Apps(t.Context())
	check(t, "apps", err, apps, []api.App{want1, want2})
	got, err := c.App(t.Context(), "com.acme.shop")
	check(t, "app", err, got, want1)
	f.services.last()

	none, limit := int64(0), int64(sealift.MaxPatchArchive)
	got, err = c.ChangeApp(t.Context(), "com.acme.shop", api.AppChange{Patches: &none, PatchLimit: &limit})
	check(t, "changed app", err, got, want1)
	patches := 0
	check(t, "changed app asked", nil, f.services.last(), []any{caller(access.RoleOwner), sealift.AppID("com.acme.shop"), service.AppChange{Patches: &patches, PatchLimit: &limit}})

	want1.Patches, want1.PatchLimit, want1.BlastRadius = 0, 0, 0
	got, err = c.CreateApp(t.Context(), api.NewApp{ID: "com.acme.shop"})
	check(t, "web app", err, got, want1)
	check(t, "web app asked", nil, f.services.last(), []any{caller(access.RoleOwner), service.NewApp{ID: "com.acme.shop", Kind: service.AppWeb}})

	got, err = c.CreateApp(t.Context(), api.NewApp{ID: "com.acme.till", Kind: api.AppKindDevice, OpenEnrolment: true})
	want2.Created = want1.Created
	check(t, "device app", err, got, want2)
	check(t, "device app asked", nil, f.services.last(), []any{caller(access.RoleOwner), service.NewApp{ID: "com.acme.till", Kind: service.AppDevice, OpenEnrolment: true}})
}

func TestOpeningAnAppTakesItsOwnRight(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	_, err := c.CreateApp(t.Context(), api.NewApp{ID: "com.acme.shop", OpenEnrolment: true})
	if sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "role" || f.services.last() != nil {
		t.Errorf("opened by a release manager: %v", err)
	}
	if _, err := c.CreateApp(t.Context(), api.NewApp{ID: "com.acme.shop"}); err != nil {
		t.Error(err)
	}
	f = newFixture(t, stale{})
	f.wantProblem(f.do("POST", control.Prefix+"/apps", "owner", `{"id":"com.acme.shop","openEnrolment":true}`), 403, sealift.KindDenied, access.ReasonStepUp)
	if asked := f.services.last(); asked != nil {
		t.Errorf("opened by a session of long ago: %v", asked)
	}
}

func TestSettingsAreBounded(t *testing.T) {
	f := newFixture(t, roles{})
	for _, body := range []string{
		`{"patches":-1}`, `{"patches":9}`, `{"patchLimit":0}`, `{"patchLimit":134217729}`, `{"blastRadius":-1}`, `{"blastRadius":1000000001}`,
	} {
		f.wantProblem(f.do("PATCH", control.Prefix+"/apps/com.acme.shop", "owner", body), 400, sealift.KindInvalid, "setting")
	}
	f.wantProblem(f.do("PATCH", control.Prefix+"/apps/com.acme.shop", "owner", `{"patches":"3"}`), 400, sealift.KindInvalid, "")
	f.wantProblem(f.do("PATCH", control.Prefix+"/apps/com.acme.shop", "owner", `{"kind":"device"}`), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("asked for %v", asked)
	}
}

func TestChannels(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	want := api.Channel{App: "com.acme.shop", Name: "production", Epoch: 3, Created: time.Unix(3, 0).UTC()}
	list, err := c.Channels(t.Context(), "com.acme.shop")
	check(t, "channels", err, list, []api.Channel{want})
	f.services.last()
	got, err := c.CreateChannel(t.Context(), "com.acme.shop", "production")
	check(t, "channel", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), sealift.Channel("production")})
}

func TestChangeChannel(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleReleaseManager)
	changed := time.Unix(9, 0).UTC()
	want := api.Channel{App: "com.acme.shop", Name: "beta", Epoch: 4, Created: time.Unix(3, 0).UTC(), Settings: &api.ChannelSettings{
		Archived: true, Private: true, Platforms: []string{"web"}, Runtime: "*", Builds: []api.Build{api.BuildDevelopment}, EpochDays: 30, CapgoRefuseNew: api.RefuseNewMinor, CapgoUnderNative: true, Changed: &changed,
	}, Policies: borrowed1Out}
	got, err := c.Channel(t.Context(), "com.acme.shop", "beta")
	check(t, "channel", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), sealift.Channel("beta")})
	yes, no, runtime, days, refuse, minor := true, false, ">=2.0.0", 30, api.RefuseNewMinor, "minor"
	got, err = c.ChangeChannel(t.Context(), "com.acme.shop", "beta", api.ChannelChange{
		Private: &yes, Emulators: &no, Runtime: &runtime, Platforms: &[]string{"ios"}, Builds: &[]api.Build{}, EpochDays: &days, CapgoRefuseNew: &refuse, CapgoUnderNative: &yes,
	})
	check(t, "channel", err, got, want)
	parsed := sealift.RuntimeRange(">=2.0.0")
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleReleaseManager), sealift.AppID("com.acme.shop"), sealift.Channel("beta"), service.ChannelChange{
		Private: &yes, Emulators: &no, Runtime: &parsed, Platforms: &[]sealift.Platform{"ios"}, Builds: &[]trust.Build{}, EpochDays: &days, RefuseNew: &minor, UnderNative: &yes,
	}})
	many := "[" + strings.Repeat(`"web",`, sealift.MaxRulePlatforms) + `"web"]`
	for _, body := range []string{`{}`, `{"platforms":["No"]}`, `{"platforms":` + many + `}`, `{"runtime":"new"}`, `{"builds":["nightly"]}`, `{"colour":"red"}`, `{"epochDays":-1}`, `{"epochDays":366}`, `{"capgoRefuseNew":"all"}`, `{"private":"yes"}`} {
		if got := f.do("PATCH", acme+"/channels/beta", "owner", body); got.status != 400 || f.services.last() != nil {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	if got := f.do("GET", acme+"/channels/No", "owner", ""); got.status != 400 || f.services.last() != nil {
		t.Errorf("a bad name: %d", got.status)
	}
}

func TestEnrolmentToken(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOperator)
	for _, x := range []struct {
		send api.NewEnrolmentToken
		want service.NewEnrolmentToken
	}{
		{api.NewEnrolmentToken{}, service.NewEnrolmentToken{Life: 30 * 24 * time.Hour}},
		{api.NewEnrolmentToken{Label: "für Tester", Uses: 7, ExpiresIn: 3600}, service.NewEnrolmentToken{Label: "für Tester", Uses: 7, Life: time.Hour}},
		{api.NewEnrolmentToken{Label: strings.Repeat("x", 128), Uses: 1_000_000, ExpiresIn: 31622400}, service.NewEnrolmentToken{Label: strings.Repeat("x", 128), Uses: 1_000_000, Life: sealift.MaxTokenLife}},
	} {
		token, expires, err := c.CreateEnrolmentToken(t.Context(), "com.acme.shop", x.send)
		if err != nil || token.Reveal() != token1.Token.Reveal() || !expires.Equal(token1.Expires) {
			t.Errorf("%s, %s, %v", token, expires, err)
		}
		check(t, "asked", nil, f.services.last(), []any{caller(access.RoleOperator), sealift.AppID("com.acme.shop"), x.want})
	}
	for _, bad := range []api.NewEnrolmentToken{
		{Label: strings.Repeat("x", 129)}, {Label: "a\nb"}, {Uses: -1}, {Uses: 1_000_001}, {ExpiresIn: 59}, {ExpiresIn: -1}, {ExpiresIn: 31622401}, {ExpiresIn: 1 << 62},
	} {
		_, _, err := c.CreateEnrolmentToken(t.Context(), "com.acme.shop", bad)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" || f.services.last() != nil {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if strings.Contains(f.log.String(), token1.Token.Reveal()) {
		t.Error("the log has a token")
	}
}

func TestPatchBases(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	want := []api.PatchBase{{Archive: api.Content{SHA256: sealift.Digest{6}.String(), Length: 6}, Version: "1.3.0", Counter: 16, Devices: 9}}
	have := []sealift.Digest{{1}, {2}}
	got, err := c.PatchBases(t.Context(), "com.acme.shop", "production", "web", have)
	check(t, "bases", err, got, want)
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), sealift.Channel("production"), sealift.Platform("web"), have})
	_, err = c.PatchBases(t.Context(), "com.acme.shop", "production", "web", make([]sealift.Digest, sealift.MaxPatches+1))
	if sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("too many: %v", err)
	}
	f.wantProblem(f.do("GET", control.Prefix+"/apps/com.acme.shop/channels/production/patch-bases?platform=web&have=x", "owner", ""), 400, sealift.KindInvalid, "")
	f.wantProblem(f.do("GET", control.Prefix+"/apps/com.acme.shop/channels/production/patch-bases", "owner", ""), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("asked for %v", asked)
	}
}

func TestDrafts(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	want := service.Reservation{App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: ">=1.0.0 <2.0.0", Version: "1.4.0-rc.1", Act: sealift.ActRelease}
	send := api.NewDraft{Platform: "web", Runtime: ">=1.0.0 <2.0.0", Version: "1.4.0-rc.1"}
	for act, parsed := range map[api.Act]sealift.Act{"": sealift.ActRelease, api.ActRelease: sealift.ActRelease, api.ActRollback: sealift.ActRollback} {
		send.Act, want.Act = act, parsed
		draft, err := c.Reserve(t.Context(), "com.acme.shop", "production", send)
		check(t, "draft", err, draft, api.Draft{ID: draft1.ID, Counter: 17, Vault: string(draft1.Vault), Expires: time.Unix(4, 0).UTC()})
		check(t, "asked", nil, f.services.last(), []any{caller(access.RoleDeveloper), want})
	}
	for _, bad := range []api.NewDraft{
		{Platform: "Web", Runtime: "*", Version: "1.0.0"}, {Platform: "web", Runtime: "x", Version: "1.0.0"}, {Platform: "web", Runtime: "*", Version: "v1"},
		{Platform: "web", Runtime: "*", Version: "1.0.0", Act: "party"}, {},
	} {
		if _, err := c.Reserve(t.Context(), "com.acme.shop", "production", bad); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("%+v: %v", bad, err)
		}
	}

	err := c.Abandon(t.Context(), "com.acme.shop", "5c1d7a0e")
	check(t, "abandon", err, f.services.last(), []any{caller(access.RoleDeveloper), sealift.AppID("com.acme.shop"), "5c1d7a0e"})
	if err := c.Abandon(t.Context(), "com.acme.shop", "ä/../x"); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a bad draft id: %v", err)
	}
}

func wantRelease(counter uint64) api.Release {
	return api.Release{
		App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: ">=1.0.0", Version: "1.4.0", Counter: counter,
		Act: api.ActRelease, State: api.ReleaseStatePublished, SHA256: sealift.Digest{1}.String(),
		Archive: api.Content{SHA256: sealift.Digest{2}.String(), Length: 2}, Blob: api.Content{SHA256: sealift.Digest{3}.String(), Length: 3},
		Issuer: sealift.Digest{4}.String(), Serial: "7f", SignedAt: time.Unix(7, 0).UTC(), Published: time.Unix(8, 0).UTC(),
		Patches: []api.Patch{{Base: sealift.Digest{10}.String(), Blob: api.Content{SHA256: sealift.Digest{11}.String(), Length: 11}}},
	}
}

func TestSubmit(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleDeveloper)
	what := service.Submission{Envelope: []byte("{ }\n"), CSR: []byte{0x30, 0}}
	got, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", api.Submission{Envelope: what.Envelope, CSR: what.CSR})
	check(t, "submit", err, *got.Release, wantRelease(17))
	if got.State != api.DraftStatePublished || got.ID != "5c1d7a0e" || got.Counter != 17 {
		t.Errorf("%+v", got)
	}
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleDeveloper), sealift.AppID("com.acme.shop"), "5c1d7a0e", what})
	session := make([]byte, 32)
	for _, capgo := range []api.CapgoSubmission{
		{Session: session[1:], Plan: []byte(`{}`)}, {Session: session, Plan: []byte(`{}`)}, {Session: session, Plan: []byte(`[]`)}, {Plan: []byte(`{}`)},
	} {
		if _, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", api.Submission{Envelope: what.Envelope, CSR: what.CSR, Capgo: &capgo}); sealift.ReasonOf(err) != "malformed" {
			t.Errorf("%+v: %v", capgo, err)
		}
	}
	plan := `{"zip":{"plain":"` + digest64 + `","sha256":"` + digest64 + `","size":32},"files":[{"name":"index.html","plain":"` + digest64 + `","sha256":"` + digest64 + `","size":16}]}`
	if _, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", api.Submission{Envelope: what.Envelope, CSR: what.CSR, Capgo: &api.CapgoSubmission{Session: session, Plan: []byte(plan)}}); err != nil {
		t.Fatal(err)
	}
	if asked := f.services.last(); asked[len(asked)-1].(service.Submission).Capgo.Plan.Files[0].Name != "index.html" {
		t.Errorf("asked %+v", asked)
	}
	for _, bad := range []api.Submission{
		{Envelope: what.Envelope}, {CSR: what.CSR}, {Envelope: make([]byte, sealift.MaxRelease+1), CSR: what.CSR}, {Envelope: what.Envelope, CSR: make([]byte, 16<<10+1)},
	} {
		if _, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", bad); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("a bad submission: %v", err)
		}
	}
	if _, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", api.Submission{Envelope: make([]byte, sealift.MaxRelease), CSR: make([]byte, 16<<10)}); err != nil {
		t.Errorf("the largest submission: %v", err)
	}
}

func wantDetail() api.DraftDetail {
	submitted := time.Unix(2, 0).UTC()
	return api.DraftDetail{
		ID: "5c1d7a0e", State: api.DraftStateSubmitted, App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: "*",
		Version: "1.4.0", Counter: 17, Act: api.ActRelease, Requester: "909432b7adc8a37f", Created: time.Unix(1, 0).UTC(), Expires: time.Unix(9, 0).UTC(),
		Submitted: &submitted, Payload: sealift.Digest{5}.String(), Archive: &api.Content{SHA256: sealift.Digest{6}.String(), Length: 6},
		Missing: []api.Missing{{What: "co-signatures", Have: 1, Need: 2, By: []string{"a"}, From: []string{"b", "c"}}},
		Problem: "overtaken", Envelope: []byte("{}"),
	}
}

func TestDraftsThatWait(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.waits = true
	c := f.client(access.RoleDeveloper)
	d, err := c.Submit(t.Context(), "com.acme.shop", "5c1d7a0e", api.Submission{Envelope: []byte("{}"), CSR: []byte{0x30, 0}})
	check(t, "submit, and wait", err, d, wantDetail())
	f.services.last()
	d, err = c.Draft(t.Context(), "com.acme.shop", "5c1d7a0e")
	check(t, "draft", err, d, wantDetail())
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), "5c1d7a0e"})
	list, err := c.Drafts(t.Context(), "com.acme.shop")
	check(t, "drafts", err, list, []api.DraftDetail{wantDetail()})
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), "drafts"})
	d, err = c.Cosign(t.Context(), "com.acme.shop", "5c1d7a0e", []byte("{ }"))
	check(t, "cosign", err, d, wantDetail())
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleDeveloper), sealift.AppID("com.acme.shop"), "5c1d7a0e", []byte("{ }")})
	for _, bad := range [][]byte{nil, make([]byte, sealift.MaxRelease+1)} {
		if _, err := c.Cosign(t.Context(), "com.acme.shop", "5c1d7a0e", bad); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("an envelope of %d bytes: %v", len(bad), err)
		}
	}
	if _, err := c.Draft(t.Context(), "com.acme.shop", "5C"); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
		t.Errorf("a bad draft id: %v", err)
	}
}

func TestReleasePages(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	params := api.ListReleasesParams{Limit: 3, Channel: "production", Platform: "web"}
	var counters []uint64
	for page := 1; ; page++ {
		list, err := c.Releases(t.Context(), "com.acme.shop", params)
		if err != nil || len(list.Releases) == 0 || len(list.Releases) > 3 {
			t.Fatalf("page %d: %d releases, %v", page, len(list.Releases), err)
		}
		for _, r := range list.Releases {
			counters = append(counters, r.Counter)
		}
		if params.Before = list.Next; list.Next == 0 {
			break
		}
	}
	check(t, "counters", nil, counters, []uint64{7, 6, 5, 4, 3, 2, 1})
	asked := f.services.last()
	check(t, "asked", nil, asked[3], any(service.Page{Limit: 4, Before: 5, Channel: "production", Platform: "web"}))

	for limit, next := range map[int]uint64{7: 0, 6: 2, 100: 0, 0: 0} {
		list, err := c.Releases(t.Context(), "com.acme.shop", api.ListReleasesParams{Limit: limit})
		if err != nil || list.Next != next {
			t.Errorf("limit %d: next %d, %v", limit, list.Next, err)
		}
	}
	list, err := c.Releases(t.Context(), "com.acme.shop", api.ListReleasesParams{Before: 1})
	check(t, "after the last", err, list, api.ReleaseList{Releases: []api.Release{}})
	f.services.last()
	for _, query := range []string{"limit=101", "limit=-1", "limit=x", "before=-1", "before=x", "channel=X", "platform=X"} {
		f.wantProblem(f.do("GET", acme+"/releases?"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}

func TestOneRelease(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleAuditor)
	digest, err := sealift.ParseDigest(digest64)
	if err != nil {
		t.Fatal(err)
	}
	for name, which := range map[string]service.Which{
		digest64: {Digest: digest}, "17": {Counter: 17}, "1.4.0": {Version: "1.4.0"}, "1.4.0-rc.1": {Version: "1.4.0-rc.1"},
	} {
		which.Channel, which.Platform = "beta", "ios"
		detail, err := c.Release(t.Context(), "com.acme.shop", name, api.GetReleaseParams{Channel: "beta", Platform: "ios"})
		if detail.Success == nil || detail.Success.Rate != 0.75 || detail.Success.Low >= 0.75 || detail.Success.High <= 0.75 {
			t.Errorf("%s: success %+v", name, detail.Success)
		}
		detail.Success = nil
		check(t, name, err, detail, api.ReleaseDetail{
			Release: wantRelease(17), Document: []byte("{} \n"), Counts: api.OutcomeCounts{Taken: 9, Confirmed: 3, Refused: 1}, Unvouched: api.OutcomeCounts{Taken: 2},
		})
		check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), which})
	}
	for _, bad := range []string{"0", "x", "v1.0.0", strings.ToUpper(digest64), "99999999999999999999", "latest", "%00"} {
		f.wantProblem(f.do("GET", acme+"/releases/"+bad, "auditor", ""), 400, sealift.KindInvalid, "")
	}
}

func TestRoots(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	root, err := c.Root(t.Context())
	check(t, "root", err, root, rootFile)
	documents, err := c.Trust(t.Context())
	check(t, "documents", err, documents, api.TrustDocuments{Root: rootFile, Targets: []byte("targets\n"), Trust: []byte("trust\n"), Deny: []byte("deny\n")})
	f.services.last()
	for _, outcome := range []service.Ceremony{
		{Root: []byte("root\n")}, {Root: []byte("root\n"), Targets: []byte("targets\n"), Trust: []byte("trust\n")},
		{Targets: []byte("targets\n"), Trust: []byte("trust\n")},
	} {
		got, err := c.AcceptRoot(t.Context(), api.Ceremony{Root: outcome.Root, Targets: outcome.Targets, Trust: outcome.Trust})
		check(t, "accept", err, got, api.Root{Version: 2, SHA256: sealift.Digest{2}.String(), Expires: time.Unix(5, 0).UTC(), Targets: 3, TargetsExpire: time.Unix(10, 0).UTC(), Refused: []string{"com.acme.shop 1.0.0"}})
		check(t, "asked", nil, f.services.last(), []any{caller(access.RoleSecurityOfficer), outcome})
	}
	for _, bad := range []api.Ceremony{
		{}, {Root: rootFile, Targets: rootFile}, {Root: rootFile, Trust: rootFile}, {Targets: rootFile}, {Trust: rootFile},
	} {
		if _, err := c.AcceptRoot(t.Context(), bad); sealift.KindOf(err) != sealift.KindInvalid || f.services.last() != nil {
			t.Errorf("a bad ceremony: %v", err)
		}
	}
}

func TestAnchors(t *testing.T) {
	f := newFixture(t, roles{})
	got, err := f.client(access.RoleAuditor).Anchors(t.Context())
	check(t, "anchors", err, got, api.Anchors{Vault: "00112233445566778899aabbccddeeff", Trust: []byte("{}"), Keys: []api.AnchorKey{{
		ID: "timestamp", Version: 2, Purpose: "timestamp", State: "pre-active", Public: []byte{3}, SHA256: sealift.DigestOf([]byte{3}).String(), Vouched: "root 1",
	}}})
}

func TestStatus(t *testing.T) {
	f := newFixture(t, roles{})
	status, err := f.client("").Status(t.Context())
	check(t, "status", err, status, api.Status{
		Vault: string(draft1.Vault), Version: "0.1.0", API: []string{"v1"},
		Unseal: api.SealWay{Sealer: "shamir", Threshold: 2, Shares: 3, Set: "5f0e1d2c", Given: 1}, Recovery: &api.SealWay{Sealer: "argon2id"},
	})
}

func TestBadNamesInPaths(t *testing.T) {
	f := newFixture(t, roles{})
	for _, o := range operations {
		for _, part := range []string{"com.acme.shop", "/production/", digest64} {
			if !strings.Contains(o.path, part) {
				continue
			}
			bad := o
			bad.path = strings.Replace(o.path, part, strings.ReplaceAll(part, strings.Trim(part, "/"), "B%20D"), 1)
			f.wantProblem(f.run(bad, "owner"), 400, sealift.KindInvalid, "")
		}
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
