package sqlstore

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertPerson implements store.PeopleTx.
func (t *tx) InsertPerson(ctx context.Context, p store.Person) error {
	rows, err := t.q.InsertPerson(ctx, sqlcgen.InsertPersonParams{
		ID: p.ID, Login: p.Login, Name: p.Name, Role: p.Role, App: string(p.App), State: string(p.State), Creator: p.Creator,
		Created: micros(p.Created), Issuer: p.Issuer, Subject: p.Subject, Inviter: p.Inviter, InvitedFrom: p.InvitedFrom,
		Accepted: micros(p.Accepted), AcceptedFrom: p.AcceptedFrom, AcceptedWith: p.AcceptedWith, Confirmed: p.Confirmed, Mac: some(p.MAC),
	})
	return t.added(ctx, "storing person "+p.ID, rows, err)
}

// Person implements store.PeopleTx.
func (t *tx) Person(ctx context.Context, id string) (store.Person, error) {
	row, err := t.q.Person(ctx, id)
	if err != nil {
		return store.Person{}, t.fail(ctx, "reading person "+id, err)
	}
	return personOf(row), nil
}

// PersonByLogin implements store.PeopleTx.
func (t *tx) PersonByLogin(ctx context.Context, login string) (store.Person, error) {
	row, err := t.q.PersonByLogin(ctx, login)
	if err != nil {
		return store.Person{}, t.fail(ctx, "finding a person by login", err)
	}
	return personOf(row), nil
}

// Persons implements store.PeopleTx.
func (t *tx) Persons(ctx context.Context) ([]store.Person, error) {
	rows, err := t.q.Persons(ctx)
	return collect(rows, t.fail(ctx, "listing persons", err), personOf)
}

func personOf(r sqlcgen.Person) store.Person {
	return store.Person{
		ID: r.ID, Login: r.Login, Name: r.Name, Role: r.Role, App: sealift.AppID(r.App), State: store.PersonState(r.State), Creator: r.Creator,
		Created: moment(r.Created), Issuer: r.Issuer, Subject: r.Subject, Inviter: r.Inviter, InvitedFrom: r.InvitedFrom,
		Accepted: moment(r.Accepted), AcceptedFrom: r.AcceptedFrom, AcceptedWith: r.AcceptedWith, Confirmed: r.Confirmed, MAC: bare(r.Mac),
	}
}

// UpdatePerson implements store.PeopleTx.
func (t *tx) UpdatePerson(ctx context.Context, p store.Person, oldMAC []byte) error {
	rows, err := t.q.UpdatePerson(ctx, sqlcgen.UpdatePersonParams{
		ID: p.ID, Login: p.Login, Name: p.Name, Role: p.Role, App: string(p.App), State: string(p.State), Creator: p.Creator,
		Created: micros(p.Created), Issuer: p.Issuer, Subject: p.Subject, Inviter: p.Inviter, InvitedFrom: p.InvitedFrom,
		Accepted: micros(p.Accepted), AcceptedFrom: p.AcceptedFrom, AcceptedWith: p.AcceptedWith, Confirmed: p.Confirmed, Mac: some(p.MAC), OldMac: some(oldMAC),
	})
	return t.swapped(ctx, "changing person "+p.ID, rows, err, func() error { _, err := t.Person(ctx, p.ID); return err })
}

// InsertCredential implements store.PeopleTx.
func (t *tx) InsertCredential(ctx context.Context, c store.Credential) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertCredential(ctx, sqlcgen.InsertCredentialParams{
			ID: c.ID, Person: c.Person, Kind: c.Kind, Label: c.Label, Counter: c.Counter,
			Created: micros(c.Created), Used: micros(c.Used), Data: some(c.Data), Mac: some(c.MAC),
		})
	})
	return t.added(ctx, "storing credential "+c.ID, rows, err)
}

// Credential implements store.PeopleTx.
func (t *tx) Credential(ctx context.Context, id string) (store.Credential, error) {
	row, err := t.q.Credential(ctx, id)
	if err != nil {
		return store.Credential{}, t.fail(ctx, "reading credential "+id, err)
	}
	return credentialOf(row), nil
}

// Credentials implements store.PeopleTx.
func (t *tx) Credentials(ctx context.Context, person string) ([]store.Credential, error) {
	rows, err := t.q.Credentials(ctx, person)
	return collect(rows, t.fail(ctx, "listing credentials", err), credentialOf)
}

func credentialOf(r sqlcgen.Credential) store.Credential {
	return store.Credential{
		ID: r.ID, Person: r.Person, Kind: r.Kind, Label: r.Label, Counter: r.Counter,
		Created: moment(r.Created), Used: moment(r.Used), Data: bare(r.Data), MAC: bare(r.Mac),
	}
}

// UpdateCredential implements store.PeopleTx.
func (t *tx) UpdateCredential(ctx context.Context, c store.Credential, oldMAC []byte) error {
	rows, err := t.q.UpdateCredential(ctx, sqlcgen.UpdateCredentialParams{
		ID: c.ID, Person: c.Person, Kind: c.Kind, Label: c.Label, Counter: c.Counter,
		Created: micros(c.Created), Used: micros(c.Used), Data: some(c.Data), Mac: some(c.MAC), OldMac: some(oldMAC),
	})
	return t.swapped(ctx, "changing credential "+c.ID, rows, err, func() error { _, err := t.Credential(ctx, c.ID); return err })
}

// DeleteCredential implements store.PeopleTx.
func (t *tx) DeleteCredential(ctx context.Context, id string) error {
	rows, err := t.q.DeleteCredential(ctx, id)
	return t.changed(ctx, "deleting credential "+id, rows, err)
}

// InsertSession implements store.PeopleTx.
func (t *tx) InsertSession(ctx context.Context, s store.Session) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertSession(ctx, sqlcgen.InsertSessionParams{
			ID: s.ID, Person: s.Person, Kind: s.Kind, Label: s.Label, Address: s.Address, Amr: s.AMR, Hash: s.Hash[:],
			Created: micros(s.Created), Seen: micros(s.Seen), Proven: micros(s.Proven), Expires: micros(s.Expires), Mac: some(s.MAC),
		})
	})
	return t.added(ctx, "storing session "+s.ID, rows, err)
}

// Session implements store.PeopleTx.
func (t *tx) Session(ctx context.Context, id string) (store.Session, error) {
	row, err := t.q.Session(ctx, id)
	if err != nil {
		return store.Session{}, t.fail(ctx, "reading session "+id, err)
	}
	return sessionOf(row), nil
}

// Sessions implements store.PeopleTx.
func (t *tx) Sessions(ctx context.Context, person string) ([]store.Session, error) {
	rows, err := t.q.Sessions(ctx, person)
	return collect(rows, t.fail(ctx, "listing sessions", err), sessionOf)
}

func sessionOf(r sqlcgen.Session) store.Session {
	return store.Session{
		ID: r.ID, Person: r.Person, Kind: r.Kind, Label: r.Label, Address: r.Address, AMR: r.Amr, Hash: digest(r.Hash),
		Created: moment(r.Created), Seen: moment(r.Seen), Proven: moment(r.Proven), Expires: moment(r.Expires), MAC: bare(r.Mac),
	}
}

// UpdateSession implements store.PeopleTx.
func (t *tx) UpdateSession(ctx context.Context, s store.Session, oldMAC []byte) error {
	rows, err := t.q.UpdateSession(ctx, sqlcgen.UpdateSessionParams{
		ID: s.ID, Person: s.Person, Kind: s.Kind, Label: s.Label, Address: s.Address, Amr: s.AMR, Hash: s.Hash[:],
		Created: micros(s.Created), Seen: micros(s.Seen), Proven: micros(s.Proven), Expires: micros(s.Expires),
		Mac: some(s.MAC), OldMac: some(oldMAC),
	})
	return t.swapped(ctx, "changing session "+s.ID, rows, err, func() error { _, err := t.Session(ctx, s.ID); return err })
}

// DeleteSession implements store.PeopleTx.
func (t *tx) DeleteSession(ctx context.Context, id string) error {
	rows, err := t.q.DeleteSession(ctx, id)
	return t.changed(ctx, "deleting session "+id, rows, err)
}

// PruneSessions implements store.PeopleTx.
func (t *tx) PruneSessions(ctx context.Context, before time.Time) (int64, error) {
	rows, err := t.q.PruneSessions(ctx, micros(before))
	return rows, t.fail(ctx, "forgetting sessions", err)
}
