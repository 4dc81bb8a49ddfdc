package access_test

import (
	"context"
	"errors"
	"slices"
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
	wrong    error // with every row
	who      error // with every person, where nothing is wrong with every row
	until    int   // asked so often, if not 0
	asked    int
	forged   bool // is every person
	delay    time.Duration
}

func (d *directory) AccessToken(_ context.Context, id string) (access.Found[store.Token], error) {
	time.Sleep(d.delay)
	if d.err != nil {
		return access.Found[store.Token]{}, d.err
	}
	record, ok := d.records[id]
	if !ok {
		return access.Found[store.Token]{}, sealift.Errorf(sealift.KindNotFound, "finding token", "there is none")
	}
	return access.Found[store.Token]{Row: record, Wrong: d.told()}, nil
}

// told is what is wrong with a row, which is said until it was asked so often, if that is not 0.
func (d *directory) told() error {
	d.asked++
	if d.asked > d.until && d.until > 0 {
		return nil
	}
	return d.wrong
}

func (d *directory) Session(_ context.Context, id string) (session access.Found[store.Session], person access.Found[store.Person], err error) {
	if d.err != nil {
		return session, person, d.err
	}
	row, ok := d.sessions[id]
	for _, p := range d.persons {
		if ok && p.ID == row.Person {
			return access.Found[store.Session]{Row: row, Wrong: d.told()}, access.Found[store.Person]{Row: p, Wrong: errors.Join(d.told(), d.who)}, nil
		}
	}
	return session, person, sealift.Errorf(sealift.KindNotFound, "finding session", "there is none")
}

func (d *directory) HasOwner(context.Context) (bool, error) {
	return !d.forged && slices.ContainsFunc(d.persons, access.IsOwner), d.err
}

func (d *directory) Touch(_ context.Context, s store.Session) error {
	d.touched = append(d.touched, s.ID)
	return d.err
}

func (d *directory) add(r store.Token) { d.records[r.ID] = r }

func newDirectory() *directory { return &directory{records: map[string]store.Token{}} }

func TestAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		a := &access.Authenticator{Directory: d, Now: time.Now}
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
	got, err := a.Authenticate(t.Context(), token.Reveal(), nil)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s: %v\n%s", token, err, diff)
	}
	if took := time.Since(start); took != 0 {
		t.Errorf("a good sign-in took %s", took)
	}
}

// wantRefused also demands that every refusal says the same in the same time.
// It returns what was told of a secret that was good once.
func wantRefused(t *testing.T, a *access.Authenticator, bearer string) (told []access.Ended) {
	t.Helper()
	start := time.Now()
	got, err := a.Authenticate(t.Context(), bearer, func(e access.Ended) {
		time.Sleep(access.FailureTime / 3) // which the caller must not notice
		told = append(told, e)
	})
	if took := time.Since(start); took != access.FailureTime {
		t.Errorf("the refusal took %s, want %s", took, access.FailureTime)
	}
	const text = "signing in: the access token is missing, unknown, expired or revoked"
	if err == nil || err.Error() != text || sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != access.ReasonUnauthenticated {
		t.Errorf("error %v (kind %s)", err, sealift.KindOf(err))
	}
	if errors.As(err, new(*access.Ended)) {
		t.Error("the refusal tells whose it was")
	}
	if got != (access.Principal{}) {
		t.Errorf("a refusal came with the principal %v", got)
	}
	return told
}

// wantEnded is wantRefused of a secret that was good once.
func wantEnded(t *testing.T, a *access.Authenticator, bearer string, want ...access.Ended) {
	t.Helper()
	if diff := cmp.Diff(want, wantRefused(t, a, bearer)); diff != "" {
		t.Error(diff)
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
		ended  string // reason; empty for a secret that never was good
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
		"expired":      {bearer: text, change: func(r *store.Token) { r.Expires = time.Unix(1, 0) }, ended: access.ReasonExpired},
		"revoked":      {bearer: text, change: func(r *store.Token) { r.Revoked = true }, ended: access.ReasonRevoked},
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
				a := &access.Authenticator{Directory: d, Now: time.Now}
				if c.ended == "" {
					wantEnded(t, a, c.bearer)
					return
				}
				wantEnded(t, a, c.bearer, access.Ended{Principal: access.Principal{ID: good.ID(), Kind: access.KindOwner}, Reason: c.ended})
			})
		})
	}
}

func TestAuthenticateWhenTheDirectoryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.err = errors.New("database is closed")
		a := &access.Authenticator{Directory: d, Now: time.Now}
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		if _, err := a.Authenticate(t.Context(), token.Reveal(), nil); !errors.Is(err, d.err) || sealift.KindOf(err) != sealift.KindInternal {
			t.Errorf("error %v (kind %s)", err, sealift.KindOf(err))
		}
	})
}

func TestAuthenticateRefusesARowWithoutARole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		token := access.NewToken(access.KindOwner, sealift.Digest{1})
		d.add(token.Row("god", time.Now(), time.Time{}))
		a := &access.Authenticator{Directory: d, Now: time.Now}
		if p, err := a.Authenticate(t.Context(), token.Reveal(), nil); sealift.KindOf(err) != sealift.KindInternal || p != (access.Principal{}) {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// Whose row is changed while it is read is looked up anew, a few times.
func TestAuthenticateReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		token := access.NewToken(access.KindService, sealift.Digest{1})
		d.add(token.Row(access.RoleDeveloper, time.Now(), time.Time{}))
		d.wrong, d.until = sealift.Errorf(sealift.KindConflict, "reading the row", "it was changed meanwhile"), 2
		wantPrincipal(t, &access.Authenticator{Directory: d, Now: time.Now}, token, access.Principal{ID: token.ID(), Kind: access.KindService, Role: access.RoleDeveloper})
		d.asked, d.until = 0, 0
		if _, err := (&access.Authenticator{Directory: d, Now: time.Now}).Authenticate(t.Context(), token.Reveal(), nil); sealift.KindOf(err) != sealift.KindConflict || d.asked != 3 {
			t.Errorf("after %d times: %v", d.asked, err)
		}
	})
}

func TestAuthenticateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &access.Authenticator{Directory: newDirectory(), Now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if _, err := a.Authenticate(ctx, "x", nil); err == nil || time.Since(start) != 0 {
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
		d.wrong = sealift.Errorf(sealift.KindDenied, "reading the row", "forged").WithReason("forged")
		wantRefused(t, &access.Authenticator{Directory: d, Now: time.Now}, token.Reveal())
		d.wrong = sealift.Errorf(sealift.KindSealed, "reading the row", "sealed")
		p, err := (&access.Authenticator{Directory: d, Now: time.Now}).Authenticate(t.Context(), token.Reveal(), nil)
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
