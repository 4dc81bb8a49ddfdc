package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift/internal/store"
)

func aPerson(id, login string) store.Person {
	return store.Person{ID: id, Login: login, State: store.PersonActive, Created: someTime, MAC: []byte("mac of " + id)}
}

func testPersons(t *testing.T, s store.Store) {
	ctx := t.Context()
	full, ann, bob := filled[store.Person](0), aPerson("b", "ann@acme.com"), aPerson("a", "bob@acme.com")
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Person{})(tx.Persons(ctx))
		isAbsent(t)(tx.Person(ctx, full.ID))
		isAbsent(t)(tx.PersonByLogin(ctx, full.Login))
		isAbsent(t)(tx.UpdatePerson(ctx, full, full.MAC))
		for _, p := range []store.Person{full, ann, bob} {
			do(t, tx.InsertPerson(ctx, p))
			isConflict(t)(tx.InsertPerson(ctx, p))
			gives(t, p)(tx.Person(ctx, p.ID))
			gives(t, p)(tx.PersonByLogin(ctx, p.Login))
		}
		isConflict(t)(tx.InsertPerson(ctx, aPerson("c", ann.Login)))
		isAbsent(t)(tx.PersonByLogin(ctx, "Ann@acme.com"))
		gives(t, []store.Person{bob, ann, full})(tx.Persons(ctx))
	})
	update(t, s, func(tx store.Tx) {
		isConflict(t)(tx.UpdatePerson(ctx, ann, bob.MAC))
		other := ann
		other.Login = "eve@acme.com"
		isConflict(t)(tx.UpdatePerson(ctx, other, ann.MAC))
		changed := filled[store.Person](1)
		changed.ID, changed.Login, changed.Created = full.ID, full.Login, full.Created
		do(t, tx.UpdatePerson(ctx, changed, full.MAC))
		gives(t, changed)(tx.Person(ctx, full.ID))
		gone := ann
		gone.State, gone.MAC = store.PersonRemoved, []byte("gone")
		do(t, tx.UpdatePerson(ctx, gone, ann.MAC))
		isConflict(t)(tx.UpdatePerson(ctx, ann, gone.MAC))
		isAbsent(t)(tx.PersonByLogin(ctx, ann.Login))
		gives(t, gone)(tx.Person(ctx, ann.ID))
		again := aPerson("c", ann.Login)
		do(t, tx.InsertPerson(ctx, again))
		gives(t, again)(tx.PersonByLogin(ctx, ann.Login))
		gives(t, []store.Person{bob, gone, again, changed})(tx.Persons(ctx))
	})
}

func testCredentials(t *testing.T, s store.Store) {
	ctx := t.Context()
	ann, bob := aPerson("a", "ann@acme.com"), aPerson("b", "bob@acme.com")
	full := filled[store.Credential](0)
	full.Person = ann.ID
	late := store.Credential{ID: "1", Person: ann.ID, Kind: "totp", Created: someTime.Add(time.Microsecond)}
	early := store.Credential{ID: "2", Person: ann.ID, Kind: "totp", Created: someTime}
	twin := store.Credential{ID: "3", Person: ann.ID, Kind: "totp", Created: someTime}
	first := store.Credential{ID: "4", Person: ann.ID, Kind: "a", Created: someTime.Add(time.Hour)}
	others := store.Credential{ID: "5", Person: bob.ID}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertCredential(ctx, full))
		do(t, tx.InsertPerson(ctx, ann))
		do(t, tx.InsertPerson(ctx, bob))
		gives(t, []store.Credential{})(tx.Credentials(ctx, ann.ID))
		isAbsent(t)(tx.Credential(ctx, full.ID))
		isAbsent(t)(tx.UpdateCredential(ctx, full, full.MAC))
		isAbsent(t)(tx.DeleteCredential(ctx, full.ID))
		for _, c := range []store.Credential{full, late, twin, early, first, others} {
			do(t, tx.InsertCredential(ctx, c))
			isConflict(t)(tx.InsertCredential(ctx, c))
			gives(t, c)(tx.Credential(ctx, c.ID))
		}
	})
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Credential{first, full, early, twin, late})(tx.Credentials(ctx, ann.ID))
		gives(t, []store.Credential{others})(tx.Credentials(ctx, bob.ID))
		isConflict(t)(tx.UpdateCredential(ctx, full, []byte("other")))
		changed := filled[store.Credential](1)
		changed.ID, changed.Person, changed.Kind = full.ID, ann.ID, full.Kind
		do(t, tx.UpdateCredential(ctx, changed, full.MAC))
		isConflict(t)(tx.UpdateCredential(ctx, full, full.MAC))
		gives(t, changed)(tx.Credential(ctx, full.ID))
		do(t, tx.DeleteCredential(ctx, early.ID))
		isAbsent(t)(tx.DeleteCredential(ctx, early.ID))
		isAbsent(t)(tx.Credential(ctx, early.ID))
		gives(t, []store.Credential{first, changed, twin, late})(tx.Credentials(ctx, ann.ID))
	})
}

func testSessions(t *testing.T, s store.Store) {
	ctx := t.Context()
	ann := aPerson("a", "ann@acme.com")
	full := filled[store.Session](0)
	full.Person = ann.ID
	late := store.Session{ID: "1", Person: ann.ID, Created: someTime.Add(time.Microsecond), Expires: someTime}
	early := store.Session{ID: "2", Person: ann.ID, Created: someTime, Expires: someTime.Add(-time.Microsecond)}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertSession(ctx, full))
		do(t, tx.InsertPerson(ctx, ann))
		gives(t, []store.Session{})(tx.Sessions(ctx, ann.ID))
		isAbsent(t)(tx.Session(ctx, full.ID))
		isAbsent(t)(tx.UpdateSession(ctx, full, full.MAC))
		isAbsent(t)(tx.DeleteSession(ctx, full.ID))
		for _, x := range []store.Session{full, late, early} {
			do(t, tx.InsertSession(ctx, x))
			isConflict(t)(tx.InsertSession(ctx, x))
			gives(t, x)(tx.Session(ctx, x.ID))
		}
	})
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Session{early, late, full})(tx.Sessions(ctx, ann.ID))
		isConflict(t)(tx.UpdateSession(ctx, full, []byte("other")))
		changed := filled[store.Session](1)
		changed.ID, changed.Person = full.ID, ann.ID
		do(t, tx.UpdateSession(ctx, changed, full.MAC))
		isConflict(t)(tx.UpdateSession(ctx, full, full.MAC))
		gives(t, changed)(tx.Session(ctx, full.ID))
		gives(t, int64(1))(tx.PruneSessions(ctx, someTime)) // one expires now, not before
		gives(t, int64(0))(tx.PruneSessions(ctx, someTime))
		isAbsent(t)(tx.Session(ctx, early.ID))
		do(t, tx.DeleteSession(ctx, late.ID))
		isAbsent(t)(tx.DeleteSession(ctx, late.ID))
		gives(t, []store.Session{changed})(tx.Sessions(ctx, ann.ID))
	})
}
