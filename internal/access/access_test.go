package access_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// directory is a fake: rows by id, and an error that hides them all.
type directory struct {
	records  map[string]store.Token
	sessions map[string]store.Session
	persons  []store.Person
	touched  []string
	err      error
	delay    time.Duration
}

func (d *directory) AccessToken(_ context.Context, id string) (store.Token, error) {
	time.Sleep(d.delay)
	if d.err != nil {
		return store.Token{}, d.err
	}
	record, ok := d.records[id]
	if !ok {
		return store.Token{}, sealift.Errorf(sealift.KindNotFound, "finding token", "there is none")
	}
	return record, nil
}

func (d *directory) Session(_ context.Context, id string) (store.Session, store.Person, error) {
	if d.err != nil {
		return store.Session{}, store.Person{}, d.err
	}
	session, ok := d.sessions[id]
	for _, p := range d.persons {
		if ok && p.ID == session.Person {
			return session, p, nil
		}
	}
	return store.Session{}, store.Person{}, sealift.Errorf(sealift.KindNotFound, "finding session", "there is none")
}

func (d *directory) Persons(context.Context) ([]store.Person, error) { return d.persons, d.err }

func (d *directory) Touch(_ context.Context, s store.Session) error {
	d.touched = append(d.touched, s.ID)
	return d.err
}

// rows takes every row for the vault's, or answers with err.
type rows struct{ err error }

func (r rows) CheckRow(store.Authentic) error { return r.err }

func (d *directory) add(r store.Token) { d.records[r.ID] = r }

func newDirectory() *directory { return &directory{records: map[string]store.Token{}} }

func TestAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		a := &access.Authenticator{Directory: d, Rows: rows{}, Now: time.Now}
		owner := access.NewToken(access.KindOwner, sealift.Digest{1})
		service := access.NewToken(access.KindService, sealift.Digest{1})
		record := service.Row(access.RoleDeveloper, time.Now(), time.Now().Add(time.Hour))
		first := owner.Row(access.RoleOwner, time.Time{}, time.Time{})
		first.Creator = access.FoundingCreator
		d.add(first)
		d.add(record)
		setup := access.Proof{Setup: true}

		wantPrincipal(t, a, owner, access.Principal{ID: owner.ID(), Kind: access.KindOwner, Role: access.RoleOwner, Proof: setup})
		time.Sleep(time.Hour - time.Nanosecond)
		wantPrincipal(t, a, service, access.Principal{ID: service.ID(), Kind: access.KindService, Role: access.RoleDeveloper})
		time.Sleep(time.Nanosecond)
		wantRefused(t, a, service.Reveal())
		wantPrincipal(t, a, owner, access.Principal{ID: owner.ID(), Kind: access.KindOwner, Role: access.RoleOwner, Proof: setup})
	})
}

func wantPrincipal(t *testing.T, a *access.Authenticator, token access.Token, want access.Principal) {
	t.Helper()
	start := time.Now()
	got, err := a.Authenticate(t.Context(), token.Reveal())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s: %v\n%s", token, err, diff)
	}
	if took := time.Since(start); took != 0 {
		t.Errorf("a good sign-in took %s", took)
	}
}

// wantRefused also demands that every refusal says the same in the same time.
func wantRefused(t *testing.T, a *access.Authenticator, bearer string) {
	t.Helper()
	start := time.Now()
	got, err := a.Authenticate(t.Context(), bearer)
	if took := time.Since(start); took != access.FailureTime {
		t.Errorf("the refusal took %s, want %s", took, access.FailureTime)
	}
	const text = "signing in: the access token is missing, unknown, expired or revoked"
	if err == nil || err.Error() != text || sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != access.ReasonUnauthenticated {
		t.Errorf("error %v (kind %s)", err, sealift.KindOf(err))
	}
	if got != (access.Principal{}) {
		t.Errorf("a refusal came with the principal %v", got)
	}
}

func TestAuthenticateRefusals(t *testing.T) {
	good := access.NewToken(access.KindOwner, sealift.Digest{1})
	text := good.Reveal()
	other := access.NewToken(access.KindOwner, sealift.Digest{1}).Reveal()
	flipped := strings.Split(other, "_")
	flipped[2] = good.ID()

	for name, c := range map[string]struct {
		bearer string
		delay  time.Duration
		change func(*store.Token)
	}{
		"empty":        {bearer: ""},
		"malformed":    {bearer: text[1:]},
		"invitation":   {bearer: strings.Replace(text, "owner", "invitation", 1)},
		"session":      {bearer: strings.Replace(text, "owner", "session", 1)},
		"endless":      {bearer: strings.Repeat(text, 1000)},
		"unknown":      {bearer: other},
		"wrong secret": {bearer: strings.Join(flipped, "_")},
		"wrong kind":   {bearer: strings.Replace(text, "owner", "service", 1)},
		"slow look-up": {bearer: other, delay: access.FailureTime / 2},
		"expired":      {bearer: text, change: func(r *store.Token) { r.Expires = time.Unix(1, 0) }},
		"revoked":      {bearer: text, change: func(r *store.Token) { r.Revoked = true }},
		"zero hash":    {bearer: text, change: func(r *store.Token) { r.Hash = sealift.Digest{} }},
		"other record": {bearer: text, change: func(r *store.Token) { r.ID = "ffffffffffffffff" }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				record := good.Row(access.RoleOwner, time.Time{}, time.Time{})
				if c.change != nil {
					c.change(&record)
				}
				d := newDirectory()
				d.delay = c.delay
				d.records[good.ID()] = record
				wantRefused(t, &access.Authenticator{Directory: d, Rows: rows{}, Now: time.Now}, c.bearer)
			})
		})
	}
}

func TestAuthenticateWhenTheDirectoryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.err = errors.New("database is closed")
		a := &access.Authenticator{Directory: d, Rows: rows{}, Now: time.Now}
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		if _, err := a.Authenticate(t.Context(), token.Reveal()); !errors.Is(err, d.err) || sealift.KindOf(err) != sealift.KindInternal {
			t.Errorf("error %v (kind %s)", err, sealift.KindOf(err))
		}
	})
}

func TestAuthenticateRefusesARowWithoutARole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		d.add(token.Row("god", time.Now(), time.Time{}))
		a := &access.Authenticator{Directory: d, Rows: rows{}, Now: time.Now}
		if p, err := a.Authenticate(t.Context(), token.Reveal()); sealift.KindOf(err) != sealift.KindInternal || p != (access.Principal{}) {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// oneToken is a store that holds one token.
type oneToken struct {
	store.Store
	store.Tx
	token store.Token
}

func (o oneToken) Read(_ context.Context, fn func(store.Tx) error) error { return fn(o) }

func (o oneToken) Token(_ context.Context, id string) (store.Token, error) {
	if id != o.token.ID {
		return store.Token{}, sealift.Errorf(sealift.KindNotFound, "finding token", "there is none")
	}
	return o.token, nil
}

func TestInStore(t *testing.T) {
	want := access.NewToken(access.KindOwner, sealift.Digest{1}).Row(access.RoleOwner, time.Unix(1, 0), time.Unix(2, 0))
	d := access.InStore(oneToken{token: want})
	got, err := d.AccessToken(t.Context(), want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := d.AccessToken(t.Context(), "other"); sealift.KindOf(err) != sealift.KindNotFound {
		t.Errorf("another id: %v", err)
	}
}

func TestAuthenticateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &access.Authenticator{Directory: newDirectory(), Rows: rows{}, Now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if _, err := a.Authenticate(ctx, "x"); err == nil || time.Since(start) != 0 {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestCallerFrom(t *testing.T) {
	for kind, want := range map[access.Kind]access.CallerKind{
		access.KindOwner: access.CallerPerson, access.KindService: access.CallerService, access.KindSession: access.CallerPerson,
	} {
		proof := access.Proof{Session: "fedcba9876543210", AMR: access.AMRPassword, Proven: time.Unix(1, 0), Setup: true}
		p := access.Principal{ID: "0123456789abcdef", Kind: kind, Role: access.RoleAuditor, Actions: "log.read", Proof: proof}
		got := p.CallerFrom("192.0.2.1")
		if diff := cmp.Diff(access.Caller{Kind: want, ID: p.ID, Address: "192.0.2.1", Role: access.RoleAuditor, Actions: "log.read", Proof: proof}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// What the vault did not write is refused like a wrong secret, and a sealed
// vault that cannot tell says so.
func TestAuthenticateChecksTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		d.add(token.Row(access.RoleOwner, time.Now(), time.Time{}))
		forged := rows{sealift.Errorf(sealift.KindDenied, "reading the row", "forged").WithReason("forged")}
		wantRefused(t, &access.Authenticator{Directory: d, Rows: forged, Now: time.Now}, token.Reveal())
		sealed := rows{sealift.Errorf(sealift.KindSealed, "reading the row", "sealed")}
		p, err := (&access.Authenticator{Directory: d, Rows: sealed, Now: time.Now}).Authenticate(t.Context(), token.Reveal())
		if sealift.KindOf(err) != sealift.KindSealed || p != (access.Principal{}) {
			t.Errorf("%v, %v", p, err)
		}
	})
}

func TestScope(t *testing.T) {
	const app, other = sealift.AppID("com.acme.shop"), sealift.AppID("com.acme.till")
	for _, test := range []struct {
		scope  sealift.AppID
		action access.Action
		app    sealift.AppID
		want   string // reason
	}{
		{"", access.Publish, app, ""},
		{"", access.CreateApp, "", ""},
		{app, access.Publish, app, ""},
		{app, access.Publish, other, "scope"},
		{app, access.Publish, "", "scope"},
		{app, access.ListReleases, other, "scope"},
		{app, access.CreateApp, "", "scope"},
		{app, access.AcceptRoot, "", "scope"},
		{app, access.ReadLog, "", "scope"},
		{app, access.ManageTokens, "", "scope"},
		{app, access.ListTokens, "", "scope"},
		{app, access.ListApps, "", ""},
		{app, access.ReadRoot, "", ""},
		{app, "app.delete", app, "role"},
	} {
		err := access.Principal{Role: access.RoleOwner, App: test.scope}.Allow(test.action, test.app)
		if sealift.ReasonOf(err) != test.want || (err != nil) != (test.want != "") {
			t.Errorf("bound to %q, %s on %q: %v", test.scope, test.action, test.app, err)
		}
	}
}

// Who may give which role: nobody one that may do what they may not.
func TestMayGrant(t *testing.T) {
	const drawn = `
                  owner  security_officer  release_manager  developer  auditor  operator
owner             yes    yes               yes              yes        yes      yes
security_officer  no     yes               no               no         yes      yes
release_manager   no     no                no               no         no       no
developer         no     no                no               no         no       no
auditor           no     no                no               no         no       no
operator          no     no                no               no         no       no
`
	lines := strings.Split(strings.TrimSpace(drawn), "\n")
	roles := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		for i, other := range roles {
			err := access.MayGrant(access.Role(cells[0]), "", access.Role(other), "")
			if (err == nil) != (cells[i+1] == "yes") || err != nil && (sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "role") {
				t.Errorf("%s makes one of %s: %v", cells[0], other, err)
			}
			err = access.MayRevoke(access.Role(cells[0]), access.Role(other))
			may := cells[0] == "owner" || cells[0] == "security_officer" && other != "owner"
			if (err == nil) != may || err != nil && (sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != "role") {
				t.Errorf("%s ends one of %s: %v", cells[0], other, err)
			}
		}
	}
}

func TestActor(t *testing.T) {
	for kind, want := range map[access.CallerKind]audit.ActorKind{access.CallerPerson: audit.Person, access.CallerService: audit.Service} {
		got := access.Caller{Kind: kind, ID: "id", Address: "192.0.2.1", Role: access.RoleOwner, App: "com.acme.shop", Proof: access.Proof{Session: "s"}}.Actor()
		if got != (audit.Actor{Kind: want, ID: "id", Session: "s", Address: "192.0.2.1"}) {
			t.Errorf("%s: %+v", kind, got)
		}
	}
}
