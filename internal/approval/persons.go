package approval

import (
	"context"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// ConfirmsPeople reports whether a policy asks people about roles: whoever accepts
// an invitation may then do nothing until others have confirmed them. It implements
// people.Confirmations.
func (b *Board) ConfirmsPeople(ctx context.Context, tx store.Tx) (bool, error) {
	policy, err := b.policyFor(ctx, tx, ActionRole, scope{})
	return policy.Needed > 0, err
}

// People is s with what policies of ActionRole ask people about: who has accepted an
// invitation, what somebody may do, and who is let in again. To disable or remove
// somebody is a brake, and waits for nobody. Nor does an invitation, or a new one in
// the place of what somebody signs in with: they take, or promise, and what is
// promised is confirmed once it is known to whom.
func (b *Board) People(s service.People) service.People { return gatedPeople{s, b} }

type gatedPeople struct {
	peopleService
	board *Board
}

func (g gatedPeople) ChangePerson(ctx context.Context, by access.Caller, id string, want service.PersonChange) (service.Person, error) {
	if want.State != nil && *want.State == store.PersonDisabled && want.Role == nil && want.App == nil {
		return g.peopleService.ChangePerson(ctx, by, id, want)
	}
	row, err := view(ctx, g.board, func(tx store.Tx) (store.Person, error) { return find(ctx, tx, id) })
	if err != nil {
		return service.Person{}, err
	}
	if want.State != nil {
		if err := access.MayTurn(row, *want.State); err != nil { // nobody is asked about what is refused in the end
			return service.Person{}, g.board.vault.Refuse(ctx, audit.Entry{Time: g.board.now().UTC(), Actor: by.Actor(), Action: opChange, Subject: row.ID}, err)
		}
	}
	parameters := map[string]string{"operation": opChange, "person": row.ID, "login": row.Login, "roleBefore": row.Role}
	if want.Role != nil {
		parameters["role"] = string(*want.Role)
	}
	if want.App != nil {
		parameters["app"] = string(*want.App)
	}
	if want.State != nil {
		parameters["state"] = string(*want.State)
	}
	return Gated(ctx, g.board, by, Proposal{Action: ActionRole, Subject: row.ID, Parameters: parameters}, func() (service.Person, error) {
		return g.peopleService.ChangePerson(ctx, by, row.ID, want)
	})
}

// opChange is the operation of a request about what somebody may do.
const opChange = "person.change"

// opConfirm is the operation of a request about who has accepted an invitation.
const opConfirm = "person.confirm"

func (g gatedPeople) ConfirmPerson(ctx context.Context, by access.Caller, id string, accepted time.Time) (service.Person, error) {
	var row store.Person
	do := func() (service.Person, error) { return g.peopleService.ConfirmPerson(ctx, by, row.ID, accepted) }
	p, err := view(ctx, g.board, func(tx store.Tx) (p Proposal, err error) {
		if row, err = find(ctx, tx, id); err != nil {
			return p, err
		}
		return g.board.confirmation(ctx, tx, row)
	})
	switch {
	case err != nil:
		return service.Person{}, err
	case accepted.IsZero() || !row.Accepted.Equal(accepted) || row.Confirmed != "":
		return do() // which refuses it, whatever becomes of the row meanwhile
	}
	return Gated(ctx, g.board, by, p, do)
}

// confirmation is what is asked about somebody who has accepted an invitation: who
// made it, and everything that is known of who took it.
func (b *Board) confirmation(ctx context.Context, tx store.Tx, row store.Person) (Proposal, error) {
	if err := b.vault.CheckRow(ctx, tx, row); err != nil {
		return Proposal{}, err
	}
	inviter, err := b.answers(ctx, tx, row.Inviter)
	if err != nil {
		return Proposal{}, err
	}
	name, err := store.NameOf(ctx, tx, row.Inviter)
	if err != nil {
		return Proposal{}, err
	}
	prints, err := b.passkeys.PasskeyPrints(ctx, tx, row.ID)
	if err != nil {
		return Proposal{}, err
	}
	parameters := map[string]string{
		"operation": opConfirm, "person": row.ID, "login": row.Login, "name": row.Name, "role": row.Role, "app": string(row.App),
		"invitedBy": row.Inviter, "invitedByName": name, parameterInviter: inviter, "invitedFrom": row.InvitedFrom,
		"accepted": row.Accepted.UTC().Format(time.RFC3339Nano), "acceptedFrom": row.AcceptedFrom, "acceptedWith": row.AcceptedWith,
		"passkeys": "none",
	}
	if row.AcceptedFrom == row.InvitedFrom {
		parameters["acceptedFrom"] += ", as invited from"
	}
	if len(prints) > 0 {
		parameters["passkeys"] = "SHA-256 " + strings.Join(prints, ", ")
	}
	return Proposal{Action: ActionRole, Subject: row.ID, Parameters: parameters}, nil
}

// parameterInviter is who answers for the invitation; empty for nobody with a name.
const parameterInviter = "invitedByPerson"

// inviterOf returns who made the invitation that a request is about, and the person
// who answers for it; ok is false where it is about none. They held its secret, so
// they count for nothing there.
func inviterOf(r store.ApprovalRequest) (id, person string, ok bool) {
	p := proposalOf(r).Parameters
	return p["invitedBy"], p[parameterInviter], p["operation"] == opConfirm
}

// find returns the row of somebody, by id or login.
func find(ctx context.Context, tx store.Tx, id string) (row store.Person, err error) {
	if strings.Contains(id, "@") {
		row, err = tx.PersonByLogin(ctx, id)
	} else {
		row, err = tx.Person(ctx, id)
	}
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && row.State == store.PersonRemoved {
		return store.Person{}, sealift.Errorf(sealift.KindNotFound, "finding a person", "there is no person %.64s", id).WithReason("person").
			WithHint("see the people there are with: sealift user list")
	}
	return row, err
}
