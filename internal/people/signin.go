package people

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// failureTime is how long a sign-in that is refused takes: longer than a password
// and a transaction, so that the time does not tell which of them was wrong.
const failureTime = 500 * time.Millisecond

const signingIn = "signing in"

// The actions of signing in and proving oneself, in the log.
const (
	actionSignIn = "session.create"
	actionStepUp = "session.step-up"
)

// SignIn implements service.Accounts.
func (r *Registry) SignIn(ctx context.Context, from service.Origin, want service.SignIn) (service.SignedIn, error) {
	answerAt := time.NewTimer(failureTime)
	defer answerAt.Stop()
	now := r.now().UTC()
	attempt, wait := r.limiter.Admit(want.Login, from.Address, now)
	if wait > 0 {
		return service.SignedIn{}, r.tooMany(signingIn, wait, now)
	}
	signed, person, err := r.signIn(ctx, from, want, attempt.Failures-1, now)
	if err == nil {
		r.limiter.Succeed(attempt, now)
		return signed, nil
	}
	if sealift.ReasonOf(err) != access.ReasonUnauthenticated {
		return service.SignedIn{}, err // nobody said that anything was wrong
	}
	if failed := r.failed(ctx, actionSignIn, person, source{address: from.Address}, attempt.Failures, now); failed != nil {
		return service.SignedIn{}, failed
	}
	select {
	case <-answerAt.C:
	case <-ctx.Done():
	}
	return service.SignedIn{}, err
}

// signIn also returns the id of the person whose login it is, if there is one.
// before is how many attempts have failed since the last that did not.
func (r *Registry) signIn(ctx context.Context, from service.Origin, want service.SignIn, before int, now time.Time) (signed service.SignedIn, id string, err error) {
	var person store.Person
	var known credentials
	err = r.store.View(ctx, func(tx store.Tx) (err error) {
		if person, err = tx.PersonByLogin(ctx, want.Login); sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		if err == nil {
			known, err = r.credentialsOf(ctx, tx, person.ID)
		}
		return err
	})
	if err != nil {
		return signed, "", err
	}
	ok, err := r.hasher.Verify(ctx, known.hash(), want.Password)
	if err != nil {
		return signed, person.ID, err
	}
	if !ok {
		return signed, person.ID, wrongSignIn()
	}
	ok = false
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		// Both may have changed while the password was hashed.
		if person, err = tx.Person(ctx, person.ID); err != nil {
			return err
		}
		present, err := r.credentialsOf(ctx, tx, person.ID)
		if err != nil {
			return err
		}
		unchanged := present.password != nil && bytes.Equal(present.password.MAC, known.password.MAC)
		if !unchanged || !access.MaySignIn(person) || r.vault.CheckRow(ctx, tx, person) != nil {
			return nil
		}
		by := audit.Actor{Kind: audit.Person, ID: person.ID, Address: from.Address}
		amr := access.AMRPassword
		if want.RecoveryCode != "" {
			amr = access.AMRRecovery
			ok, err = useRecoveryCode(ctx, tx, present, want.RecoveryCode)
		} else {
			ok, err = r.useTOTP(ctx, tx, present, want.Code, by, now)
		}
		if err != nil || !ok {
			return err
		}
		if signed, err = r.newSession(ctx, tx, person, amr, from, now); err != nil {
			return err
		}
		return r.noteSignIn(ctx, tx, by, signed.Session, before, now)
	})
	if err == nil && !ok {
		err = wrongSignIn()
	}
	if err != nil {
		return service.SignedIn{}, person.ID, err
	}
	return signed, person.ID, nil
}

func (r *Registry) noteSignIn(ctx context.Context, tx *vault.Tx, by audit.Actor, s service.Session, before int, now time.Time) error {
	details := map[string]string{"amr": string(s.AMR)}
	if s.Label != "" {
		details["label"] = s.Label
	}
	if before > 0 {
		details["failures"] = strconv.Itoa(before)
	}
	if unmade := r.failures.taken(); unmade > 0 {
		details["unrecorded"] = strconv.Itoa(unmade)
	}
	_, err := audit.Append(ctx, tx, audit.Entry{
		Time: now, Actor: by, Action: actionSignIn, Subject: s.ID, Details: details, Result: audit.OK,
	})
	return err
}

// wrongSignIn does not say what was wrong.
func wrongSignIn() error {
	return sealift.Errorf(sealift.KindDenied, signingIn, "the login, the password or the code is wrong, or the code was used before").
		WithReason(access.ReasonUnauthenticated).
		WithHint("wait for the next code and try again; if your phone is lost: sealift login --recovery-code, or ask an owner of this vault for a new invitation")
}

const provingYourself = "proving who you are"

// StepUp implements service.Accounts.
func (r *Registry) StepUp(ctx context.Context, by access.Caller, code string) (proven service.Session, err error) {
	const op = provingYourself
	if err := wantPerson(op, by); err != nil {
		return proven, err
	}
	// A lane of its own: whoever has stolen a session keeps nobody from signing in.
	now := r.now().UTC()
	attempt, wait := r.limiter.Admit("session "+by.Session, by.Address, now)
	if wait > 0 {
		return proven, r.tooMany(op, wait, now)
	}
	ok := false
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		row, err := tx.Session(ctx, by.Session)
		if err != nil {
			return err
		}
		known, err := r.credentialsOf(ctx, tx, by.ID)
		if err != nil {
			return err
		}
		if ok, err = r.useTOTP(ctx, tx, known, code, by.Actor(), now); err != nil || !ok {
			return err
		}
		old := row.MAC
		row.Proven, row.Seen = now, now
		if err := putSession(ctx, tx, &row, old); err != nil {
			return err
		}
		proven = sessionOf(row, row.ID)
		_, err = audit.Append(ctx, tx, audit.Entry{
			Time: now, Actor: by.Actor(), Action: actionStepUp, Subject: row.ID, Result: audit.OK, Details: map[string]string{"amr": "otp"},
		})
		return err
	})
	switch {
	case err != nil:
		return service.Session{}, err
	case !ok:
		if err := r.failed(ctx, actionStepUp, by.ID, source{address: by.Address, session: by.Session}, attempt.Failures, now); err != nil {
			return service.Session{}, err
		}
		return service.Session{}, wrongCode(op)
	}
	r.limiter.Succeed(attempt, now)
	return proven, nil
}

func wrongCode(op string) error {
	return sealift.Errorf(sealift.KindDenied, op, "the code is wrong, or was used before").WithReason("code").
		WithHint("wait for the next code of your authenticator app; if none is right, look at the clock of the phone")
}
