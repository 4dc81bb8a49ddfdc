package people

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// partyOf returns how passkeys know this vault, where an origin was set.
func (r *Registry) partyOf() (*access.RelyingParty, error) {
	if r.party == nil {
		return nil, sealift.Errorf(sealift.KindConflict, "asking for a passkey", "the server does not know under which origin browsers reach it").
			WithReason("no-origin").WithHint("start it with --origin https://…")
	}
	return r.party, nil
}

// holder is a person with their passkeys, and the rows of these in the same order.
func (r *Registry) holder(ctx context.Context, tx store.Tx, id string) (access.Holder, []store.Credential, error) {
	person, err := tx.Person(ctx, id)
	if err == nil {
		err = r.vault.CheckRow(ctx, tx, person)
	}
	if err == nil && !access.MaySignIn(person) {
		err = sealift.Errorf(sealift.KindNotFound, "finding a person", "%s may not sign in", id)
	}
	if err != nil {
		return access.Holder{}, nil, err
	}
	c, err := r.credentialsOf(ctx, tx, id)
	h := access.Holder{ID: person.ID, Login: person.Login, Name: person.Name}
	for _, row := range c.passkeys {
		h.Passkeys = append(h.Passkeys, row.Data)
	}
	return h, c.passkeys, err
}

// BeginPasskey implements service.Accounts.
func (r *Registry) BeginPasskey(ctx context.Context, by access.Caller) (service.PasskeyCeremony, error) {
	const doing = "registering a passkey"
	if err := wantPerson(doing, by); err != nil {
		return service.PasskeyCeremony{}, err
	}
	now := r.now().UTC()
	if err := by.Fresh(doing, now); err != nil {
		return service.PasskeyCeremony{}, err
	}
	party, err := r.partyOf()
	if err != nil {
		return service.PasskeyCeremony{}, err
	}
	h, err := r.findHolder(ctx, by.ID)
	if err != nil {
		return service.PasskeyCeremony{}, err
	}
	if len(h.Passkeys) >= sealift.MaxPasskeys {
		return service.PasskeyCeremony{}, sealift.Errorf(sealift.KindExhausted, doing, "you have %d", len(h.Passkeys)).WithReason("passkeys").
			WithHint("remove one that you do not use")
	}
	asked, err := party.BeginRegistration(h)
	return r.ask(asked, err, by.Session, now)
}

func (r *Registry) findHolder(ctx context.Context, id string) (h access.Holder, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		h, _, err = r.holder(ctx, tx, id)
		return err
	})
	return h, err
}

func (r *Registry) ask(asked access.PasskeyCeremony, err error, holder string, now time.Time) (service.PasskeyCeremony, error) {
	if err != nil {
		return service.PasskeyCeremony{}, err
	}
	expires := now.Add(sealift.CeremonyLife)
	id, err := r.ceremonies.begin(now, ceremony{holder: holder, secret: asked.State, expires: expires})
	return service.PasskeyCeremony{Ceremony: id, Options: asked.Options, Expires: expires}, err
}

// FinishPasskey implements service.Accounts.
func (r *Registry) FinishPasskey(ctx context.Context, by access.Caller, id, label string, answer json.RawMessage) (made service.Passkey, err error) {
	const doing = "registering a passkey"
	party, err := r.partyOf()
	if err != nil {
		return made, err
	}
	begun, err := r.ceremonies.take(id, by.Session, r.now())
	if err != nil {
		return made, err
	}
	err = r.own(ctx, by, "account.passkey", doing, func(tx *vault.Tx, now time.Time) error {
		h, _, err := r.holder(ctx, tx, by.ID)
		if err != nil {
			return err
		}
		key, err := party.FinishRegistration(h, begun.secret, answer)
		if err != nil {
			return err
		}
		row := store.Credential{ID: newID(), Person: by.ID, Kind: kindPasskey, Label: label, Counter: access.PasskeyCounter(key), Created: now, Data: key}
		made = passkeyOf(row)
		return addCredential(ctx, tx, row)
	})
	if err != nil {
		return service.Passkey{}, err
	}
	return made, nil
}

func passkeyOf(c store.Credential) service.Passkey {
	return service.Passkey{ID: c.ID, Label: c.Label, Created: c.Created, Used: c.Used}
}

// Passkeys implements service.Accounts.
func (r *Registry) Passkeys(ctx context.Context, by access.Caller) (passkeys []service.Passkey, err error) {
	if err := wantPerson("listing your passkeys", by); err != nil {
		return nil, err
	}
	err = r.store.View(ctx, func(tx store.Tx) error {
		c, err := r.credentialsOf(ctx, tx, by.ID)
		for _, row := range c.passkeys {
			passkeys = append(passkeys, passkeyOf(row))
		}
		return err
	})
	return passkeys, err
}

// RemovePasskey implements service.Accounts.
func (r *Registry) RemovePasskey(ctx context.Context, by access.Caller, id string) error {
	const doing = "removing a passkey"
	return r.own(ctx, by, "account.remove-passkey", doing, func(tx *vault.Tx, _ time.Time) error {
		row, err := tx.Credential(ctx, id)
		if sealift.KindOf(err) == sealift.KindNotFound || err == nil && (row.Person != by.ID || row.Kind != kindPasskey) {
			return sealift.Errorf(sealift.KindNotFound, doing, "you have no passkey %s", id).WithReason("passkey").
				WithHint("see yours with: sealift account passkey")
		}
		if err != nil {
			return err
		}
		return tx.DeleteCredential(ctx, id)
	})
}

// BeginPasskeySignIn implements service.Accounts.
func (r *Registry) BeginPasskeySignIn(_ context.Context, from service.Origin) (service.PasskeyCeremony, error) {
	party, err := r.partyOf()
	if err != nil {
		return service.PasskeyCeremony{}, err
	}
	now := r.now().UTC()
	if err := r.mayBegin(from, now); err != nil {
		return service.PasskeyCeremony{}, err
	}
	asked, err := party.BeginAssertion(nil, nil)
	return r.ask(asked, err, "", now)
}

// mayBegin bounds how much of ceremonies one network fills.
func (r *Registry) mayBegin(from service.Origin, now time.Time) error {
	if wait, ok := r.begun.Admit(from.Address, now); !ok {
		return r.tooMany(signingIn, wait, now)
	}
	return nil
}

// FinishPasskeySignIn implements service.Accounts.
func (r *Registry) FinishPasskeySignIn(ctx context.Context, from service.Origin, id string, answer json.RawMessage) (signed service.SignedIn, err error) {
	party, err := r.partyOf()
	if err != nil {
		return signed, err
	}
	now := r.now().UTC()
	begun, err := r.ceremonies.take(id, "", now)
	if err != nil {
		return signed, err
	}
	who := access.UserHandle(answer)
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		h, rows, err := r.holder(ctx, tx, who)
		switch sealift.KindOf(err) {
		case "":
		case sealift.KindNotFound, sealift.KindDenied:
			return wrongPasskey()
		default:
			return err
		}
		which, kept, err := party.FinishAssertion(h, begun.secret, answer)
		if sealift.KindOf(err) == sealift.KindDenied {
			return wrongPasskey()
		}
		if err != nil {
			return err
		}
		if _, err := r.keepPasskey(ctx, tx, rows[which], kept, now); err != nil {
			return err
		}
		person, err := tx.Person(ctx, h.ID)
		if err != nil {
			return err
		}
		if signed, err = r.newSession(ctx, tx, person, access.AMRPasskey, from, now); err != nil {
			return err
		}
		by := audit.Actor{Kind: audit.Person, ID: person.ID, Address: from.Address}
		return r.noteSignIn(ctx, tx, by, signed.Session, 0, now)
	})
	if err == nil {
		return signed, nil
	}
	if sealift.ReasonOf(err) == access.ReasonUnauthenticated {
		// Nothing is guessed here, so it is not counted; a flood is in few entries.
		if failed := r.failed(ctx, actionSignIn, "", source{address: from.Address}, 1, now); failed != nil {
			return service.SignedIn{}, failed
		}
	}
	return service.SignedIn{}, err
}

func wrongPasskey() error {
	return sealift.Errorf(sealift.KindDenied, signingIn, "the passkey does not verify").WithReason(access.ReasonUnauthenticated).
		WithHint("use a passkey that you registered here, or sign in with: sealift login")
}

// take is find for what serves once.
func (c *ceremonies) take(id, holder string, now time.Time) (ceremony, error) {
	found, err := c.find(id, holder, now)
	if err == nil {
		c.end(id)
	}
	return found, err
}

// makeRoom gives the oldest of those up that nobody has signed in for, so that
// strangers never keep somebody out who has.
func (c *ceremonies) makeRoom() bool {
	var oldest string
	for id, other := range c.all {
		if other.holder == "" && (oldest == "" || other.expires.Before(c.all[oldest].expires)) {
			oldest = id
		}
	}
	delete(c.all, oldest)
	return oldest != ""
}

// HasPasskey implements approval.Passkeys.
func (r *Registry) HasPasskey(ctx context.Context, tx store.Tx, person string) (bool, error) {
	c, err := r.credentialsOf(ctx, tx, person)
	return len(c.passkeys) > 0, err
}

// AskPasskey implements approval.Passkeys.
func (r *Registry) AskPasskey(ctx context.Context, person string, challenge []byte) (json.RawMessage, error) {
	party, err := r.partyOf()
	if err != nil {
		return nil, err
	}
	h, err := r.findHolder(ctx, person)
	if err != nil {
		return nil, err
	}
	asked, err := party.BeginAssertion(&h, challenge)
	return asked.Options, err
}

// UsePasskey implements approval.Passkeys. The challenge is all that the answer is
// to: nothing is kept between the question and it.
func (r *Registry) UsePasskey(ctx context.Context, tx *vault.Tx, person string, challenge []byte, answer json.RawMessage, now time.Time) (used access.Assertion, err error) {
	party, err := r.partyOf()
	if err != nil {
		return used, err
	}
	h, rows, err := r.holder(ctx, tx, person)
	if err != nil {
		return used, err
	}
	asked, err := party.BeginAssertion(&h, challenge)
	if err != nil {
		return used, err
	}
	which, kept, err := party.FinishAssertion(h, asked.State, answer)
	if err != nil {
		return used, err
	}
	row, err := r.keepPasskey(ctx, tx, rows[which], kept, now)
	return access.Assertion{Credential: row.ID, PublicKey: access.PasskeyPublic(kept), Origin: r.origin, RPID: party.ID()}, err
}

// keepPasskey notes the use of a passkey.
func (r *Registry) keepPasskey(ctx context.Context, tx *vault.Tx, row store.Credential, kept access.Passkey, now time.Time) (store.Credential, error) {
	old := row.MAC
	row.Data, row.Counter, row.Used = kept, access.PasskeyCounter(kept), now
	var err error
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	return row, tx.UpdateCredential(ctx, row, old)
}
