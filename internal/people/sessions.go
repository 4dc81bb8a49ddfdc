package people

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// newSession signs a person in, who has proven themselves at now by amr.
func (r *Registry) newSession(ctx context.Context, tx *vault.Tx, person store.Person, amr access.AMR, from service.Origin, now time.Time) (service.SignedIn, error) {
	return r.newSessionOf(ctx, tx, person, amr, from, now, now)
}

// newSessionOf is newSession for who has proven themselves before now.
func (r *Registry) newSessionOf(ctx context.Context, tx *vault.Tx, person store.Person, amr access.AMR, from service.Origin, proven, now time.Time) (service.SignedIn, error) {
	if err := r.makeRoom(ctx, tx, person.ID, now); err != nil {
		return service.SignedIn{}, err
	}
	root, err := firstRoot(ctx, tx)
	if err != nil {
		return service.SignedIn{}, err
	}
	token := access.NewToken(access.KindSession, root)
	row := store.Session{
		ID: token.ID(), Person: person.ID, Kind: string(access.KindSession), Label: from.Label, Address: from.Address,
		AMR: string(amr), Hash: token.Hash(), Created: now, Seen: now, Proven: proven, Expires: now.Add(sealift.SessionLife),
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return service.SignedIn{}, err
	}
	if err := tx.InsertSession(ctx, row); err != nil {
		return service.SignedIn{}, err
	}
	c, err := r.credentialsOf(ctx, tx, person.ID)
	return service.SignedIn{Secret: token, Session: sessionOf(row, row.ID), RecoveryCodesLeft: len(c.recovery)}, err
}

// makeRoom ends what is over, and of sealift.MaxSessions the one that was used
// longest ago.
func (r *Registry) makeRoom(ctx context.Context, tx *vault.Tx, person string, now time.Time) error {
	rows, err := tx.Sessions(ctx, person)
	if err != nil {
		return err
	}
	alive := slices.DeleteFunc(slices.Clone(rows), func(s store.Session) bool { return isOver(s, now) })
	slices.SortFunc(alive, func(a, b store.Session) int { return a.Seen.Compare(b.Seen) })
	keep := alive[max(0, len(alive)-sealift.MaxSessions+1):]
	for _, row := range rows {
		if slices.ContainsFunc(keep, func(s store.Session) bool { return s.ID == row.ID }) {
			continue
		}
		if err := r.endSession(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

func isOver(s store.Session, now time.Time) bool {
	idle := s.Kind == string(access.KindSession) && now.Sub(s.Seen) >= sealift.SessionIdle
	return idle || !now.Before(s.Expires)
}

// endSessions ends all of a person's, and their invitation, but the one with the
// id.
func (r *Registry) endSessions(ctx context.Context, tx store.Tx, person, but string) error {
	rows, err := tx.Sessions(ctx, person)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID == but {
			continue
		}
		if err := r.endSession(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

func sessionOf(row store.Session, own string) service.Session {
	return service.Session{
		ID: row.ID, Person: row.Person, Label: row.Label, Address: row.Address, AMR: access.AMR(row.AMR),
		Created: row.Created, Seen: row.Seen, Proven: row.Proven, Expires: row.Expires, Present: row.ID == own,
	}
}

// Touch implements access.Sessions. It is no entry in the log: what the session
// is used for is.
func (r *Registry) Touch(ctx context.Context, session store.Session) error {
	return r.vault.Update(ctx, func(tx *vault.Tx) error {
		old := session.MAC
		session.Seen = r.now().UTC()
		return putSession(ctx, tx, &session, old)
	})
}

// putSession writes a changed row.
func putSession(ctx context.Context, tx *vault.Tx, row *store.Session, old []byte) (err error) {
	if row.MAC, err = tx.Authenticate(*row); err != nil {
		return err
	}
	return tx.UpdateSession(ctx, *row, old)
}

// Prune forgets the sessions and invitations that are over, and enters what a flood
// of refusals left to tell. KindSealed while the vault is.
func (r *Registry) Prune(ctx context.Context) error {
	if err := r.tellRefusals(ctx); err != nil {
		return err
	}
	r.endings.prune(r.now())
	return r.vault.Update(ctx, func(tx *vault.Tx) error {
		_, err := tx.PruneSessions(ctx, r.now())
		return err
	})
}

// Sessions implements service.Accounts.
func (r *Registry) Sessions(ctx context.Context, by access.Caller, person string) (sessions []service.Session, err error) {
	const op = "listing sessions"
	if person == "" || person == by.ID {
		if err := wantPerson(op, by); err != nil {
			return nil, err
		}
		person = by.ID
	} else if err := access.Allow(by.Role, access.ManagePersons); err != nil {
		return nil, err
	}
	err = r.store.View(ctx, func(tx store.Tx) error {
		if _, err := r.findPerson(ctx, tx, op, person); err != nil {
			return err
		}
		rows, err := tx.Sessions(ctx, person)
		for _, row := range rows {
			if row.Kind == string(access.KindSession) && !isOver(row, r.now()) && r.vault.CheckRow(ctx, tx, row) == nil {
				sessions = append(sessions, sessionOf(row, by.Session))
			}
		}
		return err
	})
	return sessions, err
}

// EndSession implements service.Accounts.
func (r *Registry) EndSession(ctx context.Context, by access.Caller, id string) error {
	const op = "ending a session"
	return r.act(ctx, by.Actor(), "session.end", id, func(tx *vault.Tx, _ time.Time, e *audit.Entry) error {
		row, err := tx.Session(ctx, id)
		mine := row.Person == by.ID && by.Session != ""
		var other store.Person
		if err == nil && !mine {
			if other, err = tx.Person(ctx, row.Person); err == nil && row.Kind == string(access.KindSession) {
				err = cmp.Or(access.Allow(by.Role, access.ManagePersons), access.MayRevoke(by.Role, access.Role(other.Role)))
			}
		}
		// Whoever may end none of others' learns of none.
		if sealift.KindOf(err) == sealift.KindNotFound || err == nil && row.Kind != string(access.KindSession) || sealift.KindOf(err) == sealift.KindDenied {
			return sealift.Errorf(sealift.KindNotFound, op, "there is no session %s that you may end", id).WithReason("session").
				WithHint("see your sessions with: sealift session list")
		}
		if err != nil {
			return err
		}
		e.Details["person"] = row.Person
		return r.endSession(ctx, tx, row)
	})
}

// wantPerson refuses a caller who has a token: KindDenied with
// access.ReasonPerson.
func wantPerson(op string, by access.Caller) error {
	if by.Session != "" {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, op, "whoever asks with a token is nobody in particular").
		WithReason(access.ReasonPerson).WithHint("sign in with: sealift login")
}
