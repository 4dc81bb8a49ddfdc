package access_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
)

// signedIn is a directory with one person, who has a session.
func signedIn(now time.Time) (*directory, access.Token, store.Session) {
	d := newDirectory()
	token := access.NewToken(access.KindSession, sealift.Digest{1})
	person := store.Person{ID: "aaaaaaaaaaaaaaaa", Role: string(access.RoleDeveloper), App: "com.acme.shop", State: store.PersonActive}
	session := store.Session{
		ID: token.ID(), Person: person.ID, Kind: string(access.KindSession), AMR: string(access.AMRPassword), Hash: token.Hash(),
		Created: now, Seen: now, Proven: now, Expires: now.Add(sealift.SessionLife),
	}
	d.persons, d.sessions = []store.Person{person}, map[string]store.Session{session.ID: session}
	return d, token, session
}

func (d *directory) authenticator() *access.Authenticator {
	return &access.Authenticator{Directory: d, Sessions: d, Now: time.Now}
}

// What a session may do is in its person's row, at every request anew.
func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d, token, _ := signedIn(began)
		want := access.Principal{
			ID: d.persons[0].ID, Kind: access.KindSession, Role: access.RoleDeveloper, App: "com.acme.shop",
			Proof: access.Proof{Session: token.ID(), AMR: access.AMRPassword, Proven: began},
		}
		wantPrincipal(t, d.authenticator(), token, want)
		d.persons[0].Role, d.persons[0].App = string(access.RoleAuditor), ""
		want.Role, want.App = access.RoleAuditor, ""
		wantPrincipal(t, d.authenticator(), token, want)
		if len(d.touched) != 0 {
			t.Error("a use within a minute is noted")
		}
		time.Sleep(sealift.SessionTouch)
		wantPrincipal(t, d.authenticator(), token, want)
		if diff := cmp.Diff([]string{token.ID()}, d.touched); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSessionRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *directory, s *store.Session)
		ended  string // reason; "-" for a secret that never was good
	}{
		"over":           {func(_ *directory, s *store.Session) { s.Expires = time.Now() }, access.ReasonExpired},
		"idle":           {func(_ *directory, s *store.Session) { s.Seen = time.Now().Add(-sealift.SessionIdle) }, access.ReasonIdle},
		"other secret":   {func(_ *directory, s *store.Session) { s.Hash = sealift.Digest{1} }, "-"},
		"an invitation":  {func(_ *directory, s *store.Session) { s.Kind = string(access.KindInvitation) }, "-"},
		"other row":      {func(_ *directory, s *store.Session) { s.ID = "ffffffffffffffff" }, "-"},
		"nobody's":       {func(_ *directory, s *store.Session) { s.Person = "ffffffffffffffff" }, "-"},
		"not accepted":   {func(d *directory, _ *store.Session) { d.persons[0].State = store.PersonInvited }, "invited"},
		"disabled":       {func(d *directory, _ *store.Session) { d.persons[0].State = store.PersonDisabled }, "disabled"},
		"removed":        {func(d *directory, _ *store.Session) { d.persons[0].State = store.PersonRemoved }, "removed"},
		"a state of SQL": {func(d *directory, _ *store.Session) { d.persons[0].State = "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, token, session := signedIn(time.Now())
				c.change(d, &session)
				d.sessions[token.ID()] = session
				if c.ended == "-" {
					wantEnded(t, d.authenticator(), token.Reveal())
					return
				}
				wantEnded(t, d.authenticator(), token.Reveal(), endedSession(d, token, c.ended))
			})
		})
	}
}

func endedSession(d *directory, token access.Token, reason string) access.Ended {
	return access.Ended{
		Principal: access.Principal{ID: d.persons[0].ID, Kind: access.KindSession, Proof: access.Proof{Session: token.ID()}}, Reason: reason,
	}
}

// A token of one kind is none of another.
func TestSessionIsNoAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, token, _ := signedIn(time.Now())
		for _, kind := range []string{"owner", "service", "invitation"} {
			wantRefused(t, d.authenticator(), strings.Replace(token.Reveal(), "session", kind, 1))
		}
	})
}

func TestForgedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, token, _ := signedIn(time.Now())
		a := d.authenticator()
		d.wrong = sealift.Errorf(sealift.KindDenied, "reading the row", "forged").WithReason("forged")
		wantEnded(t, a, token.Reveal(), endedSession(d, token, "forged"))
		d.wrong = sealift.Errorf(sealift.KindDenied, "reading the row", "without a reason")
		wantEnded(t, a, token.Reveal(), endedSession(d, token, ""))
		d.wrong, d.who = nil, sealift.Errorf(sealift.KindDenied, "reading the row", "put back").WithReason("row-put-back")
		wantEnded(t, a, token.Reveal(), endedSession(d, token, "row-put-back"))
		d.who = nil
		d.wrong = sealift.Errorf(sealift.KindSealed, "reading the row", "sealed")
		if _, err := a.Authenticate(t.Context(), token.Reveal(), nil); sealift.KindOf(err) != sealift.KindSealed {
			t.Error(err)
		}
	})
}

// What an owner's token proves: all before there is an owner with a name; then
// nothing, unless it was made with the vault's own secret a moment ago.
func TestOwnersProof(t *testing.T) {
	owner := store.Person{ID: "a", Role: string(access.RoleOwner), State: store.PersonActive}
	invited, bound, other := owner, owner, owner
	invited.State, bound.App, other.Role = store.PersonInvited, "com.acme.shop", string(access.RoleSecurityOfficer)
	for _, test := range []struct {
		persons []store.Person
		creator string
		want    string // reason
	}{
		{nil, access.FoundingCreator, ""},
		{[]store.Person{invited, bound, other}, access.FoundingCreator, ""},
		{[]store.Person{owner}, access.FoundingCreator, access.ReasonPerson},
		{[]store.Person{owner}, "local:root", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDirectory()
			d.persons = test.persons
			token := access.NewToken(access.KindOwner, sealift.Digest{1})
			row := token.Row(access.RoleOwner, time.Now(), time.Time{})
			row.Creator = test.creator
			d.add(row)
			p, err := d.authenticator().Authenticate(t.Context(), token.Reveal(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := sealift.ReasonOf(p.StepUp(access.ChangeKeys, time.Now())); got != test.want {
				t.Errorf("%d people, made by %s: %q", len(test.persons), test.creator, got)
			}
			time.Sleep(sealift.StepUpAge + 1)
			late := p.StepUp(access.ChangeKeys, time.Now())
			if (late == nil) != p.Setup {
				t.Errorf("%d people, made by %s, later: %v", len(test.persons), test.creator, late)
			}
		})
	}
}

// A person whom SQL made an owner takes nothing from the first owner's token.
func TestForgedOwnersDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.persons = []store.Person{{ID: "forged", Role: string(access.RoleOwner), State: store.PersonActive}}
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		row := token.Row(access.RoleOwner, time.Now(), time.Time{})
		row.Creator = access.FoundingCreator
		d.add(row)
		d.forged = true
		a := d.authenticator()
		if p, err := a.Authenticate(t.Context(), token.Reveal(), nil); err != nil || !p.Setup {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestFresh(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, test := range map[string]struct {
		proof access.Proof
		want  string // reason
	}{
		"just now":           {access.Proof{Session: "s", Proven: now}, ""},
		"at the end":         {access.Proof{Session: "s", Proven: now.Add(-sealift.StepUpAge)}, ""},
		"over":               {access.Proof{Session: "s", Proven: now.Add(-sealift.StepUpAge - 1)}, access.ReasonStepUp},
		"the clock set back": {access.Proof{Session: "s", Proven: now.Add(1)}, access.ReasonStepUp},
		"a session of none":  {access.Proof{Session: "s"}, access.ReasonStepUp},
		"a service":          {access.Proof{}, access.ReasonPerson},
		"setting up":         {access.Proof{Setup: true}, ""},
	} {
		err := test.proof.Fresh("x", now)
		if sealift.ReasonOf(err) != test.want || (err != nil) != (test.want != "") || err != nil && (sealift.KindOf(err) != sealift.KindDenied || sealift.HintOf(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Which actions want a fresh proof, as a person would draw it: a new action without
// a line here fails.
const drawnStepUp = `
app.list         no
app.create       no   nothing is trusted by it
app.change       no   publishing wants none, and people stand behind that
app.open         yes  gives away what encryption keeps, for good
channel.list     no
channel.create   no
channel.change   no   closes more often than it opens
channel.open     yes  gives devices what was kept from them
enrolment.issue  no   tokens for provisioning end, and are counted
release.publish  no   machines do; a policy has people approve it
release.promote  no   as publishing
rollback.create  no   as publishing
release.cosign   no   counts by its key
release.list     no
rollout.pause    no   a brake
rollout.steer    no   as publishing: a policy has people approve it
rollout.plan     no   as steering: a policy has people approve it
device.list      no
device.revoke    no   a brake
device.erase     yes  what is forgotten is no evidence any more
device.assign    no   but to a private channel: the service asks for it
deny.list        no
deny.change      no   a brake
deny.lift        yes  takes a brake off
root.read        no
root.accept      yes  whom devices trust
log.read         no
token.list       no
token.manage     yes  a token outlives the session that made it
token.revoke     no   a brake
person.list      no
person.manage    yes  who may do what
account.use      no   package people asks where one's own sign-in changes
key.list         no
key.change       yes  key states
key.create       yes
key.import       yes
key.export       yes
key.sign         no   machines do
vault.seal       yes  stops everything
vault.rotate     yes  the key above all keys
vault.await      no   the server goes on anyway
policy.list      no
policy.change    yes  who must stand behind what
approval.list    no
approval.decide  no   the passkey signs it
backup.list      no
`

func TestStepUp(t *testing.T) {
	drawnActions := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(drawnStepUp)) {
		cells := strings.Fields(line)
		action, wants := access.Action(cells[0]), cells[1] == "yes"
		drawnActions[cells[0]] = true
		err := access.Proof{}.StepUp(action, time.Now())
		if (err != nil) != wants || wants && sealift.ReasonOf(err) != access.ReasonPerson {
			t.Errorf("%s by a service: %v", action, err)
		}
		err = access.Proof{Session: "s"}.StepUp(action, time.Now())
		if (err != nil) != wants || wants && sealift.ReasonOf(err) != access.ReasonStepUp {
			t.Errorf("%s by a session of long ago: %v", action, err)
		}
		if _, err := access.ParseActions(access.RoleOwner, []string{cells[0]}); (err != nil) != (wants || action == access.UseAccount) {
			t.Errorf("a token for %s: %v", action, err)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(drawn), "\n")[1:] {
		if action := strings.Fields(line)[0]; !drawnActions[action] {
			t.Errorf("%s: draw whether it wants a fresh proof", action)
		}
	}
}

func TestActions(t *testing.T) {
	some, err := access.ParseActions(access.RoleReleaseManager, []string{"release.publish", "app.create", "release.publish"})
	if err != nil || some != "app.create release.publish" {
		t.Fatalf("%q, %v", some, err)
	}
	for _, bad := range []string{"key.change", "app.delete", "", "release.publish app.create", "account.use"} {
		if got, err := access.ParseActions(access.RoleReleaseManager, []string{bad}); sealift.KindOf(err) != sealift.KindInvalid || got != "" || sealift.HintOf(err) == "" {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	if _, err := access.ParseActions(access.RoleOwner, []string{"person.manage"}); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("what wants a person: %v", err)
	}
	p := access.Principal{Role: access.RoleReleaseManager, Actions: some}
	for action, want := range map[access.Action]string{
		access.Publish: "", access.CreateApp: "", access.ListApps: "", access.ReadRoot: "", access.ListReleases: "scope", access.ReadLog: "role",
	} {
		if err := p.Allow(action, "com.acme.shop"); sealift.ReasonOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("%s: %v", action, err)
		}
	}
	// Who is bound to actions makes nobody who may do more.
	for _, test := range []struct {
		own, wanted access.Actions
		ok          bool
	}{
		{"token.manage log.read", "log.read", true}, {"token.manage log.read", "", false},
		{"token.manage log.read", "key.list", false}, {"", "log.read", true},
	} {
		if err := access.MayGrant(access.RoleOwner, test.own, access.RoleAuditor, test.wanted); (err == nil) != test.ok {
			t.Errorf("%q makes %q: %v", test.own, test.wanted, err)
		}
	}
}
