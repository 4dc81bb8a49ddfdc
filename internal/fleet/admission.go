package fleet

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// Admission decides who may enrol for an app. How is the app's to say, and by what
// the device brings: see Desk.admission. Whatever else may vouch for a device one
// day, such as the attestation of its maker, is one more of these.
type Admission interface {
	// Admit takes a device in, in the transaction that enrols it, and returns what
	// vouches for it: the id of a token, or "" where nobody does (package stats counts
	// its reports accordingly). A refusal is KindDenied, and tells a device that
	// guesses nothing of how near it came.
	Admit(ctx context.Context, tx *vault.Tx, a Applicant) (voucher string, err error)
}

// Applicant is a device that wants to enrol. Its request is signed by the key that
// gives it its id, and fresh; nothing else of what it says is known to be true.
type Applicant struct {
	App       store.App
	Request   *trust.Request
	Enrolment *trust.Enrolment
	Actor     audit.Actor // the device, for the log
	Now       time.Time
}

// admission returns what decides about an applicant: a token that it brings, or where
// it brings none and the app lets anybody in, nothing.
func (d *Desk) admission(a Applicant) Admission {
	if a.Enrolment.Token == nil && a.App.OpenEnrolment {
		return openly{}
	}
	return byToken{d.vault}
}

// openly lets everybody in.
type openly struct{}

// Admit implements Admission.
func (openly) Admit(context.Context, *vault.Tx, Applicant) (string, error) { return "", nil }

// byToken wants the proof that the device knows the secret of one of the app's
// enrolment tokens: one for any number of devices, for some, or for a single one.
type byToken struct{ vault *vault.Vault }

// Admit implements Admission. It counts one use.
func (t byToken) Admit(ctx context.Context, tx *vault.Tx, a Applicant) (string, error) {
	refused := func() error {
		return sealift.Errorf(sealift.KindDenied, "enrolling the device", "the enrolment token is missing, unknown, expired or used up").
			WithReason("token").WithHint("make one with: sealift enrol token --app %s --out FILE", a.App.ID)
	}
	if a.Enrolment.Token == nil {
		return "", refused()
	}
	id := a.Enrolment.Token.ID
	row, err := tx.EnrolmentToken(ctx, id)
	spent := row.MaxUses > 0 && row.Uses >= row.MaxUses
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && (row.App != a.App.ID || !a.Now.Before(row.Expires) || spent) {
		return "", refused()
	}
	if err == nil {
		err = t.vault.CheckRow(ctx, tx, row)
	}
	if err != nil {
		return "", err
	}
	why := vault.Why{Action: "device.enrol", Details: map[string]string{"device": string(a.Request.Device)}}
	secret, err := t.vault.UnwrapSecret(ctx, tx, secretName(id), why, a.Actor, a.Now)
	if err != nil {
		return "", err
	}
	defer clear(secret)
	if !trust.CheckToken(secret, a.Request, a.Enrolment) {
		return "", refused()
	}
	old := row.MAC
	row.Uses++
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return "", err
	}
	return id, tx.UpdateEnrolmentToken(ctx, row, old)
}
