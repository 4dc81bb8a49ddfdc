package people_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
)

const password = "five random words are enough"

var from = service.Origin{Address: "192.0.2.1", Label: "test"}

// world is a vault with a first root, and the people of it.
type world struct {
	t        *testing.T
	store    store.Store
	vault    *vault.Vault
	registry *people.Registry
	now      time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, store: db, vault: vault.New(db), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	t.Cleanup(w.vault.Close)
	err = w.vault.Init(t.Context(), "0f1e2d3c4b5a69788796a5b4c3d2e1f0", vault.Secrets{Unseal: vault.Passphrase(password)}, audit.Actor{Kind: audit.System, ID: "init"}, w.now,
		func(tx *vault.Tx) error {
			return tx.SetMetadata(t.Context(), store.Metadata{Role: "root", Version: 1, Content: []byte("{}")})
		})
	if err != nil {
		t.Fatal(err)
	}
	w.registry = people.New(db, w.vault, func() time.Time { return w.now })
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v (%s)", err, sealift.HintOf(err))
	}
}

// wants checks what was refused.
func (w *world) wants(err error, kind sealift.Kind, reason string) {
	w.t.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || sealift.HintOf(err) == "" {
		w.t.Errorf("%v (kind %q, reason %q, hint %q), want %q, %q", err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err), kind, reason)
	}
}

// founder is whoever has the first owner's token.
func founder() access.Caller {
	return access.Caller{Kind: access.CallerPerson, ID: "f0f0f0f0f0f0f0f0", Address: "192.0.2.9", Role: access.RoleOwner, Proof: access.Proof{Setup: true}}
}

// member is a person who has accepted, with what they sign in with.
type member struct {
	w      *world
	id     string
	login  string
	secret string // of the authenticator app
	codes  []string
	in     service.SignedIn
}

func (w *world) invite(login string, role access.Role) service.Invited {
	w.t.Helper()
	made, err := w.registry.Invite(w.t.Context(), founder(), service.NewPerson{Login: login, Role: role})
	w.check(err)
	return made
}

func (w *world) accept(invited service.Invited) *member {
	w.t.Helper()
	begun, err := w.registry.BeginAcceptance(w.t.Context(), from, invited.Secret.Reveal())
	w.check(err)
	m := &member{w: w, id: invited.ID, login: invited.Login, secret: begun.Secret}
	done, err := w.registry.FinishAcceptance(w.t.Context(), from, service.AcceptanceEnd{
		Invitation: invited.Secret.Reveal(), Ceremony: begun.Ceremony, Name: "Somebody", Password: password, Code: m.code(0),
	})
	w.check(err)
	m.in, m.codes = done.SignedIn, done.RecoveryCodes
	return m
}

func (w *world) member(login string, role access.Role) *member {
	w.t.Helper()
	return w.accept(w.invite(login, role))
}

// code is what the app shows so many codes from now.
func (m *member) code(steps int) string {
	m.w.t.Helper()
	code, err := totp.GenerateCodeCustom(m.secret, m.w.now.Add(time.Duration(steps)*30*time.Second), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	m.w.check(err)
	return code
}

// signIn waits for the next code.
func (m *member) signIn() {
	m.w.t.Helper()
	m.w.now = m.w.now.Add(30 * time.Second)
	in, err := m.w.registry.SignIn(m.w.t.Context(), from, service.SignIn{Login: m.login, Password: password, Code: m.code(0)})
	m.w.check(err)
	m.in = in
}

// caller is what the API makes of the member's session.
func (m *member) caller() access.Caller {
	m.w.t.Helper()
	p, err := m.w.authenticate(m.in.Secret.Reveal())
	m.w.check(err)
	return p.CallerFrom("192.0.2.1")
}

func (w *world) authenticate(bearer string) (access.Principal, error) {
	a := access.Authenticator{Directory: w.registry.Directory(), Sessions: w.registry, Now: func() time.Time { return w.now }}
	return a.Authenticate(w.t.Context(), bearer, nil)
}

// entries are those of the log whose action begins so.
func (w *world) entries(action string) (found []audit.Entry) {
	w.t.Helper()
	w.check(w.store.View(w.t.Context(), func(tx store.Tx) error {
		records, err := audit.Records(w.t.Context(), tx, 0, 100_000)
		for _, r := range records {
			if r.Entry != nil && strings.HasPrefix(r.Entry.Action, action) {
				found = append(found, *r.Entry)
			}
		}
		return err
	}))
	return found
}

// bend changes rows behind the vault's back.
func (w *world) bend(change func(ctx context.Context, tx store.Tx) error) {
	w.t.Helper()
	w.check(w.store.Update(w.t.Context(), func(tx store.Tx) error { return change(w.t.Context(), tx) }))
}
