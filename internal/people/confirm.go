package people

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

const confirmingPerson = "confirming a person"

// asksConfirmation reports whether others have to confirm who accepts now.
func (r *Registry) asksConfirmation(ctx context.Context, tx store.Tx) (bool, error) {
	if r.confirms == nil {
		return false, nil
	}
	return r.confirms.ConfirmsPeople(ctx, tx)
}

// acceptedState is what somebody is who accepts an invitation now, whenever it was
// made.
func (r *Registry) acceptedState(ctx context.Context, tx store.Tx) (store.PersonState, error) {
	asks, err := r.asksConfirmation(ctx, tx)
	if asks {
		return store.PersonAccepted, err
	}
	return store.PersonActive, err
}

// ConfirmPerson implements service.People. Where a policy asks people about roles,
// package approval has asked them before: people other than whoever invited. Else
// it takes another person than that.
func (r *Registry) ConfirmPerson(ctx context.Context, by access.Caller, id string, accepted time.Time) (confirmed service.Person, err error) {
	err = r.act(ctx, by.Actor(), "person.confirm", id, func(tx *vault.Tx, _ time.Time, e *audit.Entry) error {
		row, err := r.findPerson(ctx, tx, confirmingPerson, id)
		if err != nil {
			return err
		}
		e.Subject = row.ID
		if err := r.mayConfirm(ctx, tx, by, row, accepted); err != nil {
			return err
		}
		old := row.MAC
		row.State, row.Confirmed = store.PersonActive, by.ID
		e.Details["inviter"], e.Details["accepted"], e.Details["from"] = row.Inviter, row.Accepted.UTC().Format(time.RFC3339Nano), row.AcceptedFrom
		if err := r.putPerson(ctx, tx, &row, old, e.Details); err != nil {
			return err
		}
		confirmed, err = r.person(ctx, tx, row)
		return err
	})
	if err != nil {
		return service.Person{}, err
	}
	return confirmed, nil
}

func (r *Registry) mayConfirm(ctx context.Context, tx store.Tx, by access.Caller, row store.Person, accepted time.Time) error {
	if err := confirmable(row); err != nil {
		return err
	}
	if !row.Accepted.Equal(accepted) {
		return sealift.Errorf(sealift.KindConflict, confirmingPerson, "%s has accepted another invitation since", row.Login).WithReason("acceptance").
			WithHint("look at them again: sealift user show %s", row.Login)
	}
	if err := r.vault.CheckRow(ctx, tx, row); err != nil { // its acceptance is what is confirmed
		return err
	}
	if err := access.MayGrant(by.Role, by.Actions, access.Role(row.Role), ""); err != nil {
		return err
	}
	asks, err := r.asksConfirmation(ctx, tx)
	if err != nil || asks {
		return err
	}
	if by.Session == "" || by.ID == row.Inviter || by.ID == row.ID {
		return sealift.Errorf(sealift.KindDenied, confirmingPerson, "another person than whoever invited %s confirms them", row.Login).WithReason(access.ReasonPerson).
			WithHint("let another owner run: sealift user confirm %s", row.Login)
	}
	return nil
}

// confirmable refuses to confirm who has not accepted, or was confirmed since they
// did: KindConflict.
func confirmable(row store.Person) error {
	switch {
	case row.State == store.PersonDisabled:
		return sealift.Errorf(sealift.KindConflict, confirmingPerson, "%s is disabled", row.Login).
			WithReason("disabled").WithHint("enable them first, with: sealift user enable %s", row.Login)
	case row.Accepted.IsZero():
		return sealift.Errorf(sealift.KindConflict, confirmingPerson, "%s has not accepted their invitation yet", row.Login).
			WithReason("invited").WithHint("an invitation that was lost or is over is replaced with: sealift user reset-mfa %s", row.Login)
	case row.Confirmed != "":
		return sealift.Errorf(sealift.KindConflict, confirmingPerson, "%s was confirmed since they accepted", row.Login).
			WithReason("confirmed").WithHint("see who did with: sealift user show %s", row.Login)
	}
	return nil
}

// PasskeyPrints returns the SHA-256 of the public key of each of a person's passkeys,
// 64 hex digits each, oldest first. It implements approval.Passkeys.
func (r *Registry) PasskeyPrints(ctx context.Context, tx store.Tx, person string) (prints []string, err error) {
	c, err := r.credentialsOf(ctx, tx, person)
	for _, row := range c.passkeys {
		prints = append(prints, sealift.Digest(sha256.Sum256(access.PasskeyPublic(row.Data))).String())
	}
	return prints, err
}
