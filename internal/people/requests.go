package people

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// userCode is what a person compares on two screens: eight characters that are
// not mistaken for others.
func userCode() string {
	text := rand.Text() // base32: A to Z, 2 to 7
	return text[:4] + "-" + text[4:8]
}

// BeginRequest implements service.Passkeys.
func (r *Registry) BeginRequest(_ context.Context, from service.Origin) (service.SignInRequest, error) {
	if _, err := r.partyOf(); err != nil {
		return service.SignInRequest{}, err
	}
	now := r.now().UTC()
	if err := r.mayBegin(from, now); err != nil {
		return service.SignInRequest{}, err
	}
	return r.beginRequest(now, ceremony{from: from})
}

// BeginStepUp implements service.Passkeys.
func (r *Registry) BeginStepUp(_ context.Context, by access.Caller, program, doing string) (service.SignInRequest, error) {
	if err := wantPerson(provingYourself, by); err != nil {
		return service.SignInRequest{}, err
	}
	if _, err := r.partyOf(); err != nil {
		return service.SignInRequest{}, err
	}
	// Of a session there is one at a time, beside what else it is in the middle of.
	return r.beginRequest(r.now().UTC(), ceremony{
		holder: "step-up of " + by.Session, from: service.Origin{Address: by.Address, Label: program}, proves: by, doing: doing,
	})
}

func (r *Registry) beginRequest(now time.Time, c ceremony) (service.SignInRequest, error) {
	c.code, c.expires = userCode(), now.Add(sealift.CeremonyLife)
	id, err := r.ceremonies.begin(now, c)
	return service.SignInRequest{Secret: id, Code: c.code, URL: r.origin + "/people/#" + c.code, Expires: c.expires}, err
}

// ShowRequest implements service.Passkeys.
func (r *Registry) ShowRequest(_ context.Context, by access.Caller, code string) (service.Asked, error) {
	if err := wantPerson(confirming, by); err != nil {
		return service.Asked{}, err
	}
	_, found, err := r.ceremonies.byCode(code, by, r.now())
	return service.Asked{Origin: found.from, StepUp: found.proves.Session != "", Doing: found.doing}, err
}

const confirming = "confirming a sign-in"

// ConfirmRequest implements service.Passkeys.
func (r *Registry) ConfirmRequest(ctx context.Context, by access.Caller, code string) error {
	id, found := "", ceremony{}
	err := r.own(ctx, by, "session.confirm", confirming, func(tx *vault.Tx, now time.Time) (err error) {
		if id, found, err = r.ceremonies.byCode(code, by, now); err == nil && found.proves.Session != "" {
			err = r.proveSession(ctx, tx, by, found.proves, now)
		}
		return err
	})
	switch {
	case err != nil:
	case found.proves.Session != "":
		r.ceremonies.end(id)
	default:
		r.ceremonies.confirm(id, by) // once the log has it
	}
	return err
}

// proveSession gives another session of by's the proof that by's own has: no newer
// one, or two sessions would keep each other fresh for ever.
func (r *Registry) proveSession(ctx context.Context, tx *vault.Tx, by, other access.Caller, now time.Time) error {
	row, err := r.alive(ctx, tx, other.Session, now)
	if err != nil {
		return err
	}
	if !by.Proven.After(row.Proven) {
		return sealift.Errorf(sealift.KindDenied, confirming, "the proof of this session is no fresher than that of the other").
			WithReason(access.ReasonStepUp).WithHint("sign in here again, then confirm it")
	}
	old := row.MAC
	row.Proven, row.Seen = by.Proven, now
	if err := putSession(ctx, tx, &row, old); err != nil {
		return err
	}
	_, err = audit.Append(ctx, tx, audit.Entry{
		Time: now, Actor: by.Actor(), Action: actionStepUp, Subject: row.ID, Result: audit.OK,
		Details: map[string]string{"amr": string(by.AMR), "by": by.Session},
	})
	return err
}

// PollRequest implements service.Passkeys.
func (r *Registry) PollRequest(ctx context.Context, from service.Origin, secret string) (signed service.SignedIn, err error) {
	now := r.now().UTC()
	begun, err := r.ceremonies.find(secret, "", now) // one of a step-up has a holder
	if err == nil && begun.code == "" {
		err = noCeremony()
	}
	if err != nil {
		return signed, err
	}
	if begun.by.ID == "" {
		return signed, sealift.Errorf(sealift.KindDenied, signingIn, "nobody has confirmed it yet").WithReason("pending").
			WithHint("open the page and confirm it there")
	}
	if _, err := r.ceremonies.take(secret, "", now); err != nil { // once
		return signed, err
	}
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		// What a session confirmed ends with it, or a thief of it would hold a
		// confirmed request back until the session was ended.
		if _, err := r.alive(ctx, tx, begun.by.Session, now); err != nil {
			return err
		}
		person, err := tx.Person(ctx, begun.by.ID)
		if err == nil {
			err = r.vault.CheckRow(ctx, tx, person)
		}
		if err == nil && !access.MaySignIn(person) {
			err = wrongPasskey()
		}
		if err != nil {
			return err
		}
		// As proven as whoever confirmed it, no fresher: or one session would make
		// the next, and be fresh for ever.
		if signed, err = r.newSessionOf(ctx, tx, person, begun.by.AMR, from, begun.by.Proven, now); err != nil {
			return err
		}
		return r.noteSignIn(ctx, tx, audit.Actor{Kind: audit.Person, ID: person.ID, Address: from.Address}, signed.Session, 0, now)
	})
	if err != nil {
		return service.SignedIn{}, err
	}
	return signed, nil
}

// alive returns the row of a session, which is not over.
func (r *Registry) alive(ctx context.Context, tx *vault.Tx, id string, now time.Time) (store.Session, error) {
	row, err := tx.Session(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && isOver(row, now) {
		return row, noCeremony()
	}
	if err == nil {
		err = r.vault.CheckRow(ctx, tx, row)
	}
	return row, err
}

// byCode finds the request that a person reads on another screen. That of a session
// is nobody else's to see or to confirm.
func (c *ceremonies) byCode(code string, by access.Caller, now time.Time) (id string, found ceremony, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, other := range c.all {
		mine := other.proves.ID == "" || other.proves.ID == by.ID && other.proves.Session != by.Session
		if other.code != "" && other.code == code && mine && now.Before(other.expires) {
			return id, other, nil
		}
	}
	return "", ceremony{}, noCeremony()
}

// confirm says who stands behind a request.
func (c *ceremonies) confirm(id string, by access.Caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.all[id]; ok && found.by.ID == "" { // the first one
		found.by = by
		c.all[id] = found
	}
}
