package people

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// ReasonSecondFactor is the reason of a KindDenied error where an issuer's word is
// good, and a code of the authenticator app is wanted as well.
const ReasonSecondFactor = "second-factor"

// IssuerName implements service.OIDC.
func (r *Registry) IssuerName(context.Context, service.Origin) (string, error) {
	if r.issuer == nil {
		return "", nil
	}
	return r.issuer.Name(), nil
}

// CheckIssuer implements service.OIDC.
func (r *Registry) CheckIssuer(ctx context.Context) (service.IssuerState, error) {
	if r.issuer == nil {
		return service.IssuerState{}, nil
	}
	out := service.IssuerState{Issuer: r.issuer.Name(), ClientID: r.issuer.ClientID()}
	if err := r.issuer.Check(ctx); err != nil {
		out.Problem = textOf(err, sealift.MaxReason)
	}
	return out, nil
}

// BeginOIDC implements service.OIDC.
func (r *Registry) BeginOIDC(ctx context.Context, from service.Origin) (service.OIDCCeremony, error) {
	if r.issuer == nil {
		return service.OIDCCeremony{}, noIssuer()
	}
	now := r.now().UTC()
	if err := r.mayBegin(from, now); err != nil {
		return service.OIDCCeremony{}, err
	}
	question, err := r.issuer.Ask(ctx)
	if err != nil {
		return service.OIDCCeremony{}, err
	}
	expires := now.Add(sealift.CeremonyLife)
	id, err := r.ceremonies.begin(now, ceremony{question: question, expires: expires})
	return service.OIDCCeremony{Ceremony: id, URL: question.URL, Expires: expires}, err
}

func noIssuer() error {
	return sealift.Errorf(sealift.KindConflict, signingIn, "the server has no OpenID Connect issuer").WithReason("no-issuer").
		WithHint("start it with --oidc FILE, or sign in with a passkey or a password")
}

// FinishOIDC implements service.OIDC. Whoever brings a state that is not of their
// own ceremony was sent here by somebody else, and is not signed in as them.
func (r *Registry) FinishOIDC(ctx context.Context, from service.Origin, id, state, code string) (service.SignedIn, error) {
	if r.issuer == nil {
		return service.SignedIn{}, noIssuer()
	}
	now := r.now().UTC()
	begun, err := r.ceremonies.take(id, "", now)
	if err == nil && (begun.question.State == "" || begun.claim.Subject != "") {
		err = noCeremony()
	}
	if err != nil {
		return service.SignedIn{}, err
	}
	if subtle.ConstantTimeCompare([]byte(begun.question.State), []byte(state)) != 1 {
		return service.SignedIn{}, r.unproven(ctx, from, "", errors.New("the state is another"), now)
	}
	claim, err := r.issuer.Redeem(ctx, begun.question, code)
	switch {
	case sealift.ReasonOf(err) == access.ReasonUnauthenticated:
		return service.SignedIn{}, r.unproven(ctx, from, "", err, now)
	case err != nil:
		return service.SignedIn{}, err
	}
	if claim.Proven.IsZero() {
		return service.SignedIn{}, r.wantCode(ctx, from, id, begun, claim, now)
	}
	signed, who, err := r.signInBy(ctx, from, claim, "", 0, now)
	if sealift.ReasonOf(err) == access.ReasonUnauthenticated {
		return service.SignedIn{}, r.unproven(ctx, from, who, err, now)
	}
	return signed, err
}

// wantCode keeps what the issuer said, until a code comes as well. Of whoever could
// not sign in with one none is asked.
func (r *Registry) wantCode(ctx context.Context, from service.Origin, id string, begun ceremony, claim access.IssuerClaim, now time.Time) error {
	var person store.Person
	err := r.store.View(ctx, func(tx store.Tx) (err error) {
		person, err = r.personOf(ctx, tx, claim)
		return err
	})
	if sealift.ReasonOf(err) == access.ReasonUnauthenticated {
		return r.unproven(ctx, from, person.ID, err, now)
	}
	if err != nil {
		return err
	}
	begun.claim = claim
	r.ceremonies.keep(id, begun)
	return sealift.Errorf(sealift.KindDenied, signingIn, "the issuer does not say that it has just asked for more than one factor").
		WithReason(ReasonSecondFactor).WithHint("give the code of your authenticator app as well")
}

// keep puts a ceremony back that goes on.
func (c *ceremonies) keep(id string, going ceremony) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[id] = going
}

// ProveOIDC implements service.OIDC. Codes are counted with those of the login that
// come with a password: an issuer's word is no second chance to guess.
func (r *Registry) ProveOIDC(ctx context.Context, from service.Origin, id, code string) (service.SignedIn, error) {
	now := r.now().UTC()
	begun, err := r.ceremonies.find(id, "", now)
	if err == nil && begun.claim.Subject == "" {
		err = noCeremony()
	}
	if err != nil {
		return service.SignedIn{}, err
	}
	attempt, wait := r.limiter.Admit(begun.claim.Login, from.Address, now)
	if wait > 0 {
		return service.SignedIn{}, r.tooMany(signingIn, wait, now)
	}
	signed, who, err := r.signInBy(ctx, from, begun.claim, code, attempt.Failures-1, now)
	switch {
	case err == nil:
		r.ceremonies.end(id)
		r.limiter.Succeed(attempt, now)
		return signed, nil
	case sealift.ReasonOf(err) != access.ReasonUnauthenticated:
		return service.SignedIn{}, err
	}
	if failed := r.failed(ctx, actionSignIn, who, source{address: from.Address}, attempt.Failures, now); failed != nil {
		return service.SignedIn{}, failed
	}
	return service.SignedIn{}, wrongIssuer()
}

// signInBy signs in whom the issuer means: by its word alone where it has said that
// it asked for more than one factor, else with a code. It also returns the person's
// id, where there is one.
func (r *Registry) signInBy(ctx context.Context, from service.Origin, claim access.IssuerClaim, code string, before int, now time.Time) (signed service.SignedIn, who string, err error) {
	err = r.vault.Update(ctx, func(tx *vault.Tx) error {
		person, err := r.personOf(ctx, tx, claim)
		who = person.ID
		if err != nil {
			return err
		}
		by := audit.Actor{Kind: audit.Person, ID: person.ID, Address: from.Address}
		amr, proven := access.AMRFederate, claim.Proven
		if claim.Proven.IsZero() {
			amr, proven = access.AMRWithCode, now
			known, err := r.credentialsOf(ctx, tx, person.ID)
			if err != nil {
				return err
			}
			ok, err := r.useTOTP(ctx, tx, known, code, by, now)
			if err == nil && !ok {
				err = notMeant("the code is wrong, or was used before")
			}
			if err != nil {
				return err
			}
		}
		if err := r.bind(ctx, tx, person, claim, by, now); err != nil {
			return err
		}
		if signed, err = r.newSessionOf(ctx, tx, person, amr, from, proven, now); err != nil {
			return err
		}
		return r.noteSignIn(ctx, tx, by, signed.Session, before, now)
	})
	if err != nil {
		return service.SignedIn{}, who, err
	}
	return signed, who, nil
}

// personOf returns whom the issuer means, who may sign in. One who may not is
// returned with the error.
func (r *Registry) personOf(ctx context.Context, tx store.Tx, claim access.IssuerClaim) (store.Person, error) {
	person, err := tx.PersonByLogin(ctx, claim.Login)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return person, notMeant("nobody has that login")
	}
	if err != nil {
		return person, err
	}
	switch err := r.vault.CheckRow(ctx, tx, person); {
	case sealift.KindOf(err) == sealift.KindDenied:
		return person, notMeant("the person's row is forged")
	case err != nil:
		return person, err
	case person.State != store.PersonActive:
		return person, notMeant("the person is " + string(person.State))
	}
	// One who was reset is active, and nobody until they accept.
	switch known, err := r.credentialsOf(ctx, tx, person.ID); {
	case err != nil:
		return person, err
	case known.totp == nil:
		return person, notMeant("the person has not accepted")
	case person.Subject != "" && (person.Issuer != claim.Issuer || person.Subject != claim.Subject):
		return person, notMeant("the person is bound to another subject")
	case person.Subject != "":
		return person, nil
	}
	// Whoever changes their address at the issuer is not somebody else here.
	all, err := tx.Persons(ctx)
	for _, other := range all {
		if other.State != store.PersonRemoved && other.Issuer == claim.Issuer && other.Subject == claim.Subject {
			return person, errors.Join(err, notMeant("the subject is bound to another person"))
		}
	}
	return person, err
}

// bind writes into the person's row by what name the issuer knows them, once.
func (r *Registry) bind(ctx context.Context, tx *vault.Tx, person store.Person, claim access.IssuerClaim, by audit.Actor, now time.Time) error {
	if person.Subject != "" {
		return nil
	}
	old := person.MAC
	person.Issuer, person.Subject = claim.Issuer, claim.Subject
	details := map[string]string{"issuer": claim.Issuer, "subject": strings.ToValidUTF8(claim.Subject, "?")}
	if err := r.putPerson(ctx, tx, &person, old, details); err != nil {
		return err
	}
	_, err := audit.Append(ctx, tx, audit.Entry{Time: now, Actor: by, Action: "person.bind", Subject: person.ID, Details: details, Result: audit.OK})
	return err
}

// notMeant is for the log.
func notMeant(why string) error {
	return sealift.Errorf(sealift.KindDenied, signingIn, "%s", why).WithReason(access.ReasonUnauthenticated)
}

// unproven notes why an issuer's word was not taken, and tells nobody outside.
func (r *Registry) unproven(ctx context.Context, from service.Origin, who string, cause error, now time.Time) error {
	where := source{address: from.Address, cause: textOf(cause, sealift.MaxKeyLabel)}
	// Nothing is guessed here, so it is not counted; a flood is in few entries.
	if err := r.failed(ctx, actionSignIn, who, where, 1, now); err != nil {
		return err
	}
	return wrongIssuer()
}

// textOf is what err says, in at most so many bytes of UTF-8: some of it is the
// issuer's.
func textOf(err error, most int) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// wrongIssuer does not say what was wrong.
func wrongIssuer() error {
	return sealift.Errorf(sealift.KindDenied, signingIn, "the issuer's word, or the code, does not sign anybody in here").
		WithReason(access.ReasonUnauthenticated).
		WithHint("sign in as the person who was invited here and has accepted; whoever runs the server finds the cause with: sealift audit list")
}
