package people

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Persons implements service.People.
func (r *Registry) Persons(ctx context.Context) (persons []service.Person, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		rows, err := tx.Persons(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.State == store.PersonRemoved {
				continue
			}
			p, err := r.person(ctx, tx, row)
			if err != nil {
				return err
			}
			persons = append(persons, p)
		}
		return nil
	})
	return persons, err
}

// methodIssuer is what somebody signs in with whom an OpenID Connect issuer knows.
const methodIssuer = "issuer"

// person is a row, with what its person signs in with.
func (r *Registry) person(ctx context.Context, tx store.Tx, row store.Person) (service.Person, error) {
	p := service.Person{
		ID: row.ID, Login: row.Login, Name: row.Name, Role: access.Role(row.Role), App: row.App, State: row.State,
		Creator: row.Creator, Created: row.Created, Forged: sealift.KindOf(r.vault.CheckRow(ctx, tx, row)) == sealift.KindDenied,
		Inviter: row.Inviter, InvitedFrom: row.InvitedFrom, Accepted: row.Accepted, AcceptedFrom: row.AcceptedFrom,
		AcceptedWith: row.AcceptedWith, Confirmed: row.Confirmed,
	}
	rows, err := tx.Credentials(ctx, row.ID)
	for _, c := range rows {
		if c.Kind != kindRecovery && !slices.Contains(p.Methods, c.Kind) {
			p.Methods = append(p.Methods, c.Kind)
		}
	}
	if row.Subject != "" {
		p.Methods = append(p.Methods, methodIssuer)
	}
	return p, err
}

// Invite implements service.People.
func (r *Registry) Invite(ctx context.Context, by access.Caller, want service.NewPerson) (made service.Invited, err error) {
	err = r.act(ctx, by.Actor(), "person.invite", "", func(tx *vault.Tx, now time.Time, e *audit.Entry) error {
		e.Details["login"], e.Details["role"] = want.Login, string(want.Role)
		if want.App != "" {
			e.Details["app"] = string(want.App)
		}
		if err := access.MayGrant(by.Role, by.Actions, want.Role, ""); err != nil {
			return err
		}
		if err := r.checkApp(ctx, tx, "inviting a person", want.App); err != nil {
			return err
		}
		if err := r.checkRoom(ctx, tx, want.Login); err != nil {
			return err
		}
		row := store.Person{
			ID: newID(), Login: want.Login, Name: want.Name, Role: string(want.Role), App: want.App,
			State: store.PersonInvited, Creator: by.ID, Created: now, Inviter: by.ID, InvitedFrom: by.Address,
		}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		e.Subject, e.Details[vault.RowDetail] = row.ID, vault.RowTag(row.MAC)
		if err := tx.InsertPerson(ctx, row); err != nil {
			return err
		}
		made, err = r.invitation(ctx, tx, row, by, now)
		return err
	})
	if err != nil {
		return service.Invited{}, err
	}
	return made, nil
}

// checkApp refuses an app that is not there, or that something else than the
// vault wrote.
func (r *Registry) checkApp(ctx context.Context, tx store.Tx, op string, id sealift.AppID) error {
	if id == "" {
		return nil
	}
	app, err := tx.App(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return sealift.Errorf(sealift.KindNotFound, op, "there is no app %s", id).
			WithReason("app").WithHint("see the apps there are with: sealift app list")
	}
	if err != nil {
		return err
	}
	return r.vault.CheckRow(ctx, tx, app)
}

func (r *Registry) checkRoom(ctx context.Context, tx store.Tx, login string) error {
	const op = "inviting a person"
	switch _, err := tx.PersonByLogin(ctx, login); {
	case err == nil:
		return sealift.Errorf(sealift.KindConflict, op, "there is a person %s already", login).WithReason("login").
			WithHint("an invitation that was lost or is over is replaced with: sealift user reset-mfa %s", login)
	case sealift.KindOf(err) != sealift.KindNotFound:
		return err
	}
	all, err := tx.Persons(ctx)
	if err == nil && len(all) >= sealift.MaxPersons {
		return sealift.Errorf(sealift.KindExhausted, op, "there are %d people, the most that a vault has", len(all)).WithReason("persons")
	}
	return err
}

// invitation makes the one token by which a person sets what they sign in with,
// in place of any before.
func (r *Registry) invitation(ctx context.Context, tx *vault.Tx, person store.Person, by access.Caller, now time.Time) (service.Invited, error) {
	if err := r.endSessions(ctx, tx, person.ID, ""); err != nil {
		return service.Invited{}, err
	}
	root, err := firstRoot(ctx, tx)
	if err != nil {
		return service.Invited{}, err
	}
	token := access.NewToken(access.KindInvitation, root)
	row := store.Session{
		ID: token.ID(), Person: person.ID, Kind: string(access.KindInvitation), Address: by.Address, Hash: token.Hash(),
		Created: now, Seen: now, Expires: now.Add(sealift.InvitationLife),
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return service.Invited{}, err
	}
	if err := tx.InsertSession(ctx, row); err != nil {
		return service.Invited{}, err
	}
	p, err := r.person(ctx, tx, person)
	return service.Invited{Person: p, Secret: token, Expires: row.Expires}, err
}

// ChangePerson implements service.People.
func (r *Registry) ChangePerson(ctx context.Context, by access.Caller, id string, want service.PersonChange) (changed service.Person, err error) {
	const op = "changing a person"
	err = r.act(ctx, by.Actor(), "person.change", id, func(tx *vault.Tx, _ time.Time, e *audit.Entry) error {
		row, err := r.findPerson(ctx, tx, op, id)
		if err != nil {
			return err
		}
		e.Subject = row.ID
		next, err := r.change(ctx, tx, by, row, want, e.Details)
		if err != nil {
			return err
		}
		if next.State == store.PersonDisabled {
			if err := r.endSessions(ctx, tx, row.ID, ""); err != nil {
				return err
			}
		}
		changed, err = r.person(ctx, tx, next)
		return err
	})
	if err != nil {
		return service.Person{}, err
	}
	return changed, nil
}

func (r *Registry) change(ctx context.Context, tx *vault.Tx, by access.Caller, row store.Person, want service.PersonChange, details map[string]string) (store.Person, error) {
	next := row
	if want.Role != nil {
		next.Role, details["role"] = string(*want.Role), string(*want.Role)
	}
	if want.App != nil {
		next.App, details["app"] = *want.App, string(*want.App)
	}
	if want.State != nil {
		details["state"] = string(*want.State)
		if err := access.MayTurn(row, *want.State); err != nil {
			return next, err
		}
		if row.State != store.PersonInvited { // who has not accepted yet gets active by accepting
			next.State = *want.State
		}
	}
	if err := access.MayRevoke(by.Role, access.Role(row.Role)); err != nil {
		return next, err
	}
	// Less is taken by whoever may revoke; more is given by whoever may grant.
	if next.Role != row.Role || next.App != row.App || next.State == store.PersonActive && row.State != next.State {
		if err := access.MayGrant(by.Role, by.Actions, access.Role(next.Role), ""); err != nil {
			return next, err
		}
	}
	if want.App != nil {
		if err := r.checkApp(ctx, tx, "changing a person", *want.App); err != nil {
			return next, err
		}
	}
	if !access.IsOwner(next) {
		if err := r.lastOwner(ctx, tx, row); err != nil {
			return next, err
		}
	}
	return next, r.putPerson(ctx, tx, &next, row.MAC, details)
}

// putPerson writes a changed row, and its MAC into the entry's details.
func (r *Registry) putPerson(ctx context.Context, tx *vault.Tx, row *store.Person, old []byte, details map[string]string) (err error) {
	if row.MAC, err = tx.Authenticate(*row); err != nil {
		return err
	}
	details[vault.RowDetail] = vault.RowTag(row.MAC)
	return tx.UpdatePerson(ctx, *row, old)
}

// findPerson returns a person who was not removed, by id or login. A forged row is found, too:
// it is repaired or removed like any other, and from then on the vault's own.
func (r *Registry) findPerson(ctx context.Context, tx store.Tx, op, id string) (store.Person, error) {
	read := tx.Person
	if strings.Contains(id, "@") {
		read = tx.PersonByLogin
	}
	row, err := read(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && row.State == store.PersonRemoved {
		return store.Person{}, sealift.Errorf(sealift.KindNotFound, op, "there is no person %s", id).WithReason("person").
			WithHint("see the people there are with: sealift user list")
	}
	return row, err
}

// lastOwner refuses to take from the last owner what makes them one.
func (r *Registry) lastOwner(ctx context.Context, tx store.Tx, row store.Person) error {
	if !access.IsOwner(row) || r.vault.CheckRow(ctx, tx, row) != nil {
		return nil
	}
	other, err := r.anotherOwner(ctx, tx, row.ID)
	if err != nil || other {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, "changing a person", "%s is the last owner", row.Login).WithReason("last-owner").
		WithHint("invite another one first, with: sealift user invite LOGIN --role owner")
}

// anotherOwner reports whether there is an owner beside the one with the id, who
// may sign in.
func (r *Registry) anotherOwner(ctx context.Context, tx store.Tx, id string) (bool, error) {
	all, err := everybody(ctx, r.vault, tx)
	for _, other := range all {
		if other.ID != id && access.IsOwner(other) && r.vault.CheckRow(ctx, tx, other) == nil {
			return true, nil
		}
	}
	return false, err
}

// everybody returns the rows of all people, of whom nobody was deleted.
func everybody(ctx context.Context, v *vault.Vault, tx store.Tx) ([]store.Person, error) {
	all, err := tx.Persons(ctx)
	if err == nil {
		err = vault.CheckWhole(ctx, v, tx, all)
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ResetPerson implements service.People.
func (r *Registry) ResetPerson(ctx context.Context, by access.Caller, id string) (made service.Invited, err error) {
	const op = "resetting a person"
	err = r.act(ctx, by.Actor(), "person.reset", id, func(tx *vault.Tx, now time.Time, e *audit.Entry) error {
		row, err := r.findPerson(ctx, tx, op, id)
		if err != nil {
			return err
		}
		e.Subject = row.ID
		if row.State == store.PersonDisabled {
			return sealift.Errorf(sealift.KindConflict, op, "%s is disabled", row.Login).WithReason("disabled").
				WithHint("enable them first, with: sealift user enable %s", row.Login)
		}
		// Who has the invitation is the person from then on.
		if err := access.MayGrant(by.Role, by.Actions, access.Role(row.Role), ""); err != nil {
			return err
		}
		old := row.MAC
		row.Issuer, row.Subject = "", ""
		row.Inviter, row.InvitedFrom, row.Confirmed = by.ID, by.Address, ""
		row.Accepted, row.AcceptedFrom, row.AcceptedWith = time.Time{}, "", ""
		if err := r.putPerson(ctx, tx, &row, old, e.Details); err != nil {
			return err
		}
		if err := r.forgetCredentials(ctx, tx, row.ID, by.Actor(), now, ""); err != nil {
			return err
		}
		made, err = r.invitation(ctx, tx, row, by, now)
		return err
	})
	if err != nil {
		return service.Invited{}, err
	}
	return made, nil
}

// RemovePerson implements service.People.
func (r *Registry) RemovePerson(ctx context.Context, by access.Caller, id string) error {
	return r.act(ctx, by.Actor(), "person.remove", id, func(tx *vault.Tx, now time.Time, e *audit.Entry) error {
		if row, err := tx.Person(ctx, id); err == nil && row.State == store.PersonRemoved {
			return nil
		}
		row, err := r.findPerson(ctx, tx, "removing a person", id)
		if err != nil {
			return err
		}
		e.Subject, e.Details["login"] = row.ID, row.Login
		if err := access.MayRevoke(by.Role, access.Role(row.Role)); err != nil {
			return err
		}
		if err := r.lastOwner(ctx, tx, row); err != nil {
			return err
		}
		if err := r.endSessions(ctx, tx, row.ID, ""); err != nil {
			return err
		}
		if err := r.forgetCredentials(ctx, tx, row.ID, by.Actor(), now, ""); err != nil {
			return err
		}
		old := row.MAC
		row.State = store.PersonRemoved
		return r.putPerson(ctx, tx, &row, old, e.Details)
	})
}
