package approval_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
)

const (
	app      = sealift.AppID("com.acme.shop")
	origin   = "https://updates.example.com"
	rpID     = "updates.example.com"
	password = "five random words are enough"
)

// world is a vault with an app, and people who have passkeys.
type world struct {
	*testing.T
	path     string
	store    store.Store
	vault    *vault.Vault
	registry *people.Registry
	board    *approval.Board
	clock    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{T: t, path: path, store: db, vault: vault.New(db), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	t.Cleanup(w.vault.Close)
	by := audit.Actor{Kind: audit.System, ID: "init"}
	w.check(w.vault.Init(t.Context(), "0f1e2d3c4b5a69788796a5b4c3d2e1f0", vault.Secrets{Unseal: vault.Passphrase(password)}, by, w.clock, func(tx *vault.Tx) error {
		row := store.App{ID: app, Created: w.clock}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		if err := tx.InsertApp(t.Context(), row); err != nil {
			return err
		}
		return tx.SetMetadata(t.Context(), store.Metadata{Role: "root", Version: 1, Content: []byte("{}")})
	}))
	w.registry = people.New(db, w.vault, w.now)
	w.check(w.registry.SetOrigin(origin))
	w.board = approval.New(db, w.vault, w.registry, w.now)
	w.registry.SetConfirmations(w.board)
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v (%s)", err, sealift.HintOf(err))
	}
}

// refused checks what was refused.
func (w *world) refused(err error, kind sealift.Kind, reason string) {
	w.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		w.Errorf("%v (kind %q, reason %q), want %q, %q", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

// founder is whoever has the first owner's token.
func founder() access.Caller {
	return access.Caller{Kind: access.CallerPerson, ID: "f0f0f0f0f0f0f0f0", Role: access.RoleOwner, Proof: access.Proof{Setup: true}}
}

// member is a person with a passkey.
type member struct {
	access.Caller
	w   *world
	key *accesstest.Authenticator
}

func (w *world) member(login string, role access.Role) *member {
	w.Helper()
	invited, err := w.registry.Invite(w.Context(), founder(), service.NewPerson{Login: login, Role: role})
	w.check(err)
	m := w.accept(invited, service.Origin{Address: "192.0.2.1", Label: "test"})
	m.Role = role
	return m
}

// accept is whoever holds an invitation accepting it, and registering a passkey.
func (w *world) accept(invited service.Invited, from service.Origin) *member {
	w.Helper()
	ctx, login := w.Context(), invited.Login
	begun, err := w.registry.BeginAcceptance(ctx, from, invited.Secret.Reveal())
	w.check(err)
	_, err = w.registry.FinishAcceptance(ctx, from, service.AcceptanceEnd{
		Invitation: invited.Secret.Reveal(), Ceremony: begun.Ceremony, Name: login, Password: password, Code: w.code(begun.Secret),
	})
	w.check(err)
	m := &member{Caller: access.Caller{
		Kind: access.CallerPerson, ID: invited.ID, Address: from.Address, Proof: access.Proof{Session: "s-" + login, Proven: w.clock},
	}, w: w}
	m.key = m.passkey()
	return m
}

// code is what an authenticator app with the secret shows.
func (w *world) code(secret string) string {
	w.Helper()
	code, err := totp.GenerateCodeCustom(secret, w.clock, totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	w.check(err)
	return code
}

// passkey gives the member one more.
func (m *member) passkey() *accesstest.Authenticator {
	m.w.Helper()
	asked, err := m.w.registry.BeginPasskey(m.w.Context(), m.Caller)
	m.w.check(err)
	key := accesstest.New(origin, rpID)
	_, err = m.w.registry.FinishPasskey(m.w.Context(), m.Caller, asked.Ceremony, "laptop", key.Register(asked.Options))
	m.w.check(err)
	return key
}

// answer is what the member's browser says to a request.
func (m *member) answer(request string) json.RawMessage {
	m.w.Helper()
	r, err := m.w.board.Request(m.w.Context(), m.Caller, request)
	m.w.check(err)
	if r.Options == nil {
		m.w.Fatalf("%s may not approve: %s", m.ID, r.WhyNot)
	}
	return m.key.Assert(r.Options)
}

func (m *member) approve(request string) (service.ApprovalRequest, error) {
	m.w.Helper()
	return m.w.board.Approve(m.w.Context(), m.Caller, request, m.answer(request))
}

func (w *world) policy(action string, of sealift.AppID, needed int64, roles ...access.Role) {
	w.Helper()
	_, err := w.board.SetPolicy(w.Context(), founder(), service.NewPolicy{App: of, Action: action, Needed: needed, Roles: roles})
	w.check(err)
}

// act is a gated act that counts how often it was done.
type act struct {
	w        *world
	proposal approval.Proposal
	done     int
	err      error
}

func (w *world) act() *act {
	return &act{w: w, proposal: approval.Proposal{Action: approval.ActionKey, Subject: "release-ca", Parameters: map[string]string{"to": "deactivated"}}}
}

func (a *act) by(c access.Caller) error {
	_, err := approval.Gated(a.w.Context(), a.w.board, c, a.proposal, func() (int, error) {
		a.done++
		return a.done, a.err
	})
	return err
}

// only returns the one request in a state.
func (w *world) only(state store.ApprovalState) service.ApprovalRequest {
	w.Helper()
	all := w.requests(state)
	if len(all) != 1 {
		w.Fatalf("%d requests are %s: %+v", len(all), state, all)
	}
	return all[0]
}

// requests returns at most ten in a state.
func (w *world) requests(state store.ApprovalState) []service.ApprovalRequest {
	w.Helper()
	all, err := w.board.Requests(w.Context(), founder(), service.ApprovalFilter{State: state, Limit: 10})
	w.check(err)
	return all
}

// bend changes rows as SQL would, without the vault.
func (w *world) bend(change func(ctx context.Context, tx store.Tx) error) {
	w.Helper()
	w.check(w.store.Update(w.Context(), func(tx store.Tx) error { return change(w.Context(), tx) }))
}
