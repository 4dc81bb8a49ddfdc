package people

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// ceremony is something that takes a person two requests: what the first one
// made, for the second one to be proven against.
type ceremony struct {
	holder  string // who began it: id of a session or an invitation; empty for a stranger
	secret  []byte // of an authenticator app, to be proven by a code; or the state of a passkey's
	expires time.Time

	// Of a sign-in that is confirmed in a browser:
	code string         // what the person compares
	from service.Origin // where it began
	by   access.Caller  // who confirmed it

	// Of a fresh proof that is given in a browser, besides:
	proves access.Caller // whose session wants it
	doing  string        // what for, in the program's words

	// Of a sign-in at an issuer:
	question access.IssuerQuestion
	claim    access.IssuerClaim // once it has answered, and a code is wanted as well
}

// ceremonies are those under way. They end with the process: who was in the
// middle of one begins again. The zero value is ready.
type ceremonies struct {
	mu  sync.Mutex
	all map[string]ceremony
}

func (c *ceremonies) begin(now time.Time, made ceremony) (id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, other := range c.all {
		// One at a time: who begins again has given the first one up.
		if !now.Before(other.expires) || other.holder == made.holder && made.holder != "" {
			delete(c.all, id)
		}
	}
	if len(c.all) >= sealift.MaxCeremonies && !c.makeRoom() {
		return "", sealift.Errorf(sealift.KindExhausted, "beginning", "%d people are in the middle of it", len(c.all)).
			WithReason("rate").WithHint("try again in some minutes")
	}
	if c.all == nil {
		c.all = map[string]ceremony{}
	}
	id = rand.Text()
	c.all[id] = made
	return id, nil
}

func (c *ceremonies) find(id, holder string, now time.Time) (ceremony, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.all[id]
	if !ok || found.holder != holder || !now.Before(found.expires) {
		return ceremony{}, noCeremony()
	}
	return found, nil
}

func noCeremony() error {
	return sealift.Errorf(sealift.KindNotFound, "going on", "it was begun more than %s ago, was finished, or the server was started since", sealift.CeremonyLife).
		WithReason("ceremony").WithHint("begin again")
}

func (c *ceremonies) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, id)
}

// beginTOTP makes a secret for the authenticator app of who holds a session or an
// invitation.
func (r *Registry) beginTOTP(ctx context.Context, holder, login string, now time.Time) (service.TOTP, error) {
	status, err := r.vault.Status(ctx)
	if err != nil {
		return service.TOTP{}, err
	}
	secret := make([]byte, access.TOTPSize)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	expires := now.Add(sealift.CeremonyLife)
	id, err := r.ceremonies.begin(now, ceremony{holder: holder, secret: secret, expires: expires})
	if err != nil {
		return service.TOTP{}, err
	}
	issuer := "Sealift " + string(status.Vault)[:8]
	return service.TOTP{Ceremony: id, Secret: access.TOTPSecret(secret), URI: access.TOTPURI(secret, issuer, login), Expires: expires}, nil
}

// findInvitation returns who an invitation is for, if it is still good.
func (r *Registry) findInvitation(ctx context.Context, tx store.Tx, text string, now time.Time) (store.Session, store.Person, error) {
	refused := sealift.Errorf(sealift.KindDenied, "accepting an invitation", "it is unknown, over, or was used").WithReason("invitation").
		WithHint("if you have used it, sign in with: sealift login; else ask who invited you for another one")
	token, err := access.ParseToken(text)
	if err != nil || token.Kind() != access.KindInvitation {
		return store.Session{}, store.Person{}, refused
	}
	row, err := tx.Session(ctx, token.ID())
	if err == nil {
		var person store.Person
		person, err = tx.Person(ctx, row.Person)
		good := row.Kind == string(access.KindInvitation) && row.Hash == token.Hash() && now.Before(row.Expires)
		mayAccept := person.State == store.PersonInvited || access.MaySignIn(person)
		if err == nil && good && mayAccept && r.vault.CheckRow(ctx, tx, row) == nil && r.vault.CheckRow(ctx, tx, person) == nil {
			return row, person, nil
		}
	}
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return store.Session{}, store.Person{}, err
	}
	return store.Session{}, store.Person{}, refused
}

// BeginAcceptance implements service.Accounts.
func (r *Registry) BeginAcceptance(ctx context.Context, _ service.Origin, invitation string) (service.Acceptance, error) {
	now := r.now().UTC()
	var row store.Session
	var person store.Person
	err := r.store.View(ctx, func(tx store.Tx) (err error) {
		row, person, err = r.findInvitation(ctx, tx, invitation, now)
		return err
	})
	if err != nil {
		return service.Acceptance{}, err
	}
	totp, err := r.beginTOTP(ctx, row.ID, person.Login, now)
	return service.Acceptance{Login: person.Login, Name: person.Name, Role: access.Role(person.Role), App: person.App, TOTP: totp}, err
}

// FinishAcceptance implements service.Accounts.
func (r *Registry) FinishAcceptance(ctx context.Context, from service.Origin, want service.AcceptanceEnd) (done service.Accepted, err error) {
	now := r.now().UTC()
	var person store.Person
	var row store.Session
	err = r.store.View(ctx, func(tx store.Tx) (err error) {
		row, person, err = r.findInvitation(ctx, tx, want.Invitation, now)
		return err
	})
	if err != nil {
		return done, err
	}
	begun, err := r.ceremonies.find(want.Ceremony, row.ID, now)
	if err != nil {
		return done, err
	}
	if err := access.CheckPassword(want.Password, person.Login); err != nil {
		return done, err
	}
	step, ok := access.CheckTOTP(begun.secret, want.Code, 0, now)
	if !ok {
		return done, wrongCode("accepting an invitation")
	}
	hash, err := r.hasher.Hash(ctx, want.Password)
	if err != nil {
		return done, err
	}
	by := audit.Actor{Kind: audit.Person, ID: person.ID, Address: from.Address}
	err = r.act(ctx, by, "person.accept", person.ID, func(tx *vault.Tx, now time.Time, e *audit.Entry) error {
		row, person, err := r.findInvitation(ctx, tx, want.Invitation, now) // once: another may have been quicker
		if err != nil {
			return err
		}
		old := person.MAC
		person.Name = want.Name
		if person.State, err = r.acceptedState(ctx, tx); err != nil {
			return err
		}
		person.Accepted, person.AcceptedFrom, person.AcceptedWith, person.Confirmed = now.Truncate(time.Microsecond), from.Address, from.Label, ""
		done.State = person.State
		e.Details["state"], e.Details["inviter"] = string(person.State), person.Inviter
		if person.AcceptedFrom == person.InvitedFrom {
			e.Details["same-address"] = "as the invitation was made from"
		}
		if err := r.putPerson(ctx, tx, &person, old, e.Details); err != nil {
			return err
		}
		if err := tx.DeleteSession(ctx, row.ID); err != nil {
			return err
		}
		if err := r.setPassword(ctx, tx, person.ID, hash, by, now); err != nil {
			return err
		}
		if err := r.setTOTP(ctx, tx, person.ID, begun.secret, step, by, now); err != nil {
			return err
		}
		if done.RecoveryCodes, err = r.setRecoveryCodes(ctx, tx, person.ID, by, now); err != nil {
			return err
		}
		if done.SignedIn, err = r.newSession(ctx, tx, person, access.AMRPassword, from, now); err != nil {
			return err
		}
		return r.noteSignIn(ctx, tx, by, done.Session, 0, now)
	})
	if err != nil {
		return service.Accepted{}, err
	}
	r.ceremonies.end(want.Ceremony)
	return done, nil
}

// Account implements service.Accounts.
func (r *Registry) Account(ctx context.Context, by access.Caller) (account service.Account, err error) {
	if err := wantPerson("showing your account", by); err != nil {
		return account, err
	}
	err = r.store.View(ctx, func(tx store.Tx) error {
		row, err := tx.Person(ctx, by.ID)
		if err != nil {
			return err
		}
		if account.Person, err = r.person(ctx, tx, row); err != nil {
			return err
		}
		session, err := tx.Session(ctx, by.Session)
		if err != nil {
			return err
		}
		account.Session = sessionOf(session, by.Session)
		c, err := r.credentialsOf(ctx, tx, by.ID)
		account.RecoveryCodesLeft = len(c.recovery)
		return err
	})
	return account, err
}

// own is act for what a person changes about how they sign in themselves. It
// wants a fresh proof: whoever finds an open session must not lock them out.
func (r *Registry) own(ctx context.Context, by access.Caller, action, doing string, do func(tx *vault.Tx, now time.Time) error) error {
	if err := wantPerson(doing, by); err != nil {
		return err
	}
	return r.act(ctx, by.Actor(), action, by.ID, func(tx *vault.Tx, now time.Time, _ *audit.Entry) error {
		if err := by.Fresh(doing, now); err != nil {
			return err
		}
		return do(tx, now)
	})
}

// NewRecoveryCodes implements service.Accounts.
func (r *Registry) NewRecoveryCodes(ctx context.Context, by access.Caller) (codes []string, err error) {
	err = r.own(ctx, by, "account.recovery-codes", "making recovery codes", func(tx *vault.Tx, now time.Time) error {
		codes, err = r.setRecoveryCodes(ctx, tx, by.ID, by.Actor(), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// SetPassword implements service.Accounts.
func (r *Registry) SetPassword(ctx context.Context, by access.Caller, password string) error {
	const doing = "setting a password"
	account, err := r.Account(ctx, by)
	if err != nil {
		return err
	}
	if err := access.CheckPassword(password, account.Login); err != nil {
		return err
	}
	hash, err := r.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return r.own(ctx, by, "account.password", doing, func(tx *vault.Tx, now time.Time) error {
		if err := r.endSessions(ctx, tx, by.ID, by.Session); err != nil {
			return err
		}
		return r.setPassword(ctx, tx, by.ID, hash, by.Actor(), now)
	})
}

// changingTOTP is what BeginTOTP and FinishTOTP do.
const changingTOTP = "exchanging the authenticator app"

// BeginTOTP implements service.Accounts.
func (r *Registry) BeginTOTP(ctx context.Context, by access.Caller) (service.TOTP, error) {
	account, err := r.Account(ctx, by)
	if err != nil {
		return service.TOTP{}, err
	}
	now := r.now().UTC()
	if err := by.Fresh(changingTOTP, now); err != nil {
		return service.TOTP{}, err
	}
	return r.beginTOTP(ctx, by.Session, account.Login, now)
}

// FinishTOTP implements service.Accounts.
func (r *Registry) FinishTOTP(ctx context.Context, by access.Caller, id, code string) error {
	begun, err := r.ceremonies.find(id, by.Session, r.now())
	if err != nil {
		return err
	}
	step, ok := access.CheckTOTP(begun.secret, code, 0, r.now())
	if !ok {
		return wrongCode(changingTOTP)
	}
	err = r.own(ctx, by, "account.totp", changingTOTP, func(tx *vault.Tx, now time.Time) error {
		return r.setTOTP(ctx, tx, by.ID, begun.secret, step, by.Actor(), now)
	})
	if err == nil {
		r.ceremonies.end(id)
	}
	return err
}
