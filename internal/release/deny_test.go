package release_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

var officer = access.Caller{Kind: access.CallerPerson, ID: "officer", Address: "192.0.2.3", Role: access.RoleSecurityOfficer}

// deny.json is one for all tests of the world, as trust.json is: these do not
// run beside others.

func (b *bench) denied() *trust.Deny {
	b.Helper()
	var d *trust.Deny
	b.view(func(tx store.Tx) error {
		data, err := tx.Document(b.Context(), trust.DenyPath)
		if err != nil {
			return err
		}
		d, err = trust.ParseDeny(data)
		return err
	})
	return d
}

func (b *bench) stateOf(r service.Release) service.ReleaseState {
	b.Helper()
	got, err := b.Release(b.Context(), b.app, service.Which{Digest: r.Digest})
	b.check(err)
	return got.State
}

func (b *bench) deny(want service.NewDenial) service.Denial {
	b.Helper()
	want.Reason = "it leaks"
	d, err := b.Deny(b.Context(), officer, want)
	b.check(err)
	if d.State != service.DenialActive || d.Creator != officer.ID || d.Forged {
		b.Errorf("%+v", d)
	}
	return d
}

func (b *bench) lift(d service.Denial) {
	b.Helper()
	lifted, err := b.LiftDenial(b.Context(), officer, d.ID, "it does not")
	b.check(err)
	if lifted.State != service.DenialLifted {
		b.Errorf("%+v", lifted)
	}
}

func TestDenyRelease(t *testing.T) {
	b := newBench(t)
	bad := b.publish("1.1.0")
	d := b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: bad.Counter}})
	if got := b.denied().Revoked; len(got) != 1 || got[0] != (trust.Revocation{Issuer: d.Issuer, Serial: d.Serial}) {
		t.Errorf("deny.json revokes %v, want %s", got, d.Serial)
	}
	if got := b.stateOf(bad); got != service.ReleaseRevoked {
		t.Errorf("it is %s", got)
	}
	if got := b.releases(); len(got) != 1 || got[0].State != service.ReleaseRevoked {
		t.Errorf("listed as %+v", got)
	}
	_, err := b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Digest: bad.Digest}, Reason: "again"})
	wantRefusal(t, "again", err, sealift.KindConflict, "denied")
	b.wantRefused("deny.add", "denied")
	// A device that ran it takes anything above the floor: so may be offered an
	// older version of the app under a new counter.
	good := b.publish("1.0.1")
	if got := b.offered(); len(got) != 1 || got[0] != good.Digest {
		t.Errorf("offered %v", got)
	}
	b.lift(d)
	if got := b.stateOf(bad); got != service.ReleasePublished {
		t.Errorf("lifted, it is %s", got)
	}
	if got := b.denied().Revoked; len(got) != 0 {
		t.Errorf("deny.json still revokes %v", got)
	}
	_, err = b.LiftDenial(b.Context(), officer, d.ID, "again")
	wantRefusal(t, "lifted again", err, sealift.KindConflict, "denial")
	b.wantRefused("deny.lift", "denial")
}

// wantRefused wants the newest entry of the log to tell of a refusal.
func (b *bench) wantRefused(action, reason string) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		size, err := tx.AuditSize(b.Context())
		if err != nil {
			return err
		}
		records, err := audit.Records(b.Context(), tx, size-1, 1)
		if err != nil {
			return err
		}
		if e := records[0].Entry; e == nil || e.Action != action || e.Result != audit.Refused || e.Details["reason"] != reason || e.Actor.ID != officer.ID {
			b.Errorf("the newest entry is %+v, want %s refused for %q", e, action, reason)
		}
		return nil
	})
}

func TestDenyFloor(t *testing.T) {
	b := newBench(t)
	old := b.publish("1.0.0")
	floor := b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.2.0", Force: true})
	if got := b.stateOf(old); got != service.ReleaseBlocked {
		t.Errorf("it is %s", got)
	}
	w := b.reserve("1.1.0")
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "a release under the floor", err, sealift.KindVersion, "floor")
	_, err = b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.1.0", Reason: "lower"})
	wantRefusal(t, "a floor under the floor", err, sealift.KindConflict, "denied")
	// By itself each of two parts only rises.
	counter := b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Counter: 2, Force: true})
	if got := b.denied().Floors[b.app]; got != (trust.Floor{Counter: 2, Version: "1.2.0"}) {
		t.Errorf("the floor is %v", got)
	}
	b.publish("1.2.0")

	// People confirm one of them: deny.json need not hold it any more.
	b.trusting(func(t *trust.Trust) { t.Apps[b.app] = trust.AppTrust{Floor: trust.Floor{Version: "1.2.0"}} })
	if got := b.denied().Floors[b.app]; got != (trust.Floor{Counter: 2}) {
		t.Errorf("the floor of deny.json is %v", got)
	}
	states := map[string]service.DenialState{}
	list, err := b.Denials(b.Context())
	b.check(err)
	for _, d := range list {
		states[d.ID] = d.State
	}
	if states[floor.ID] != service.DenialConfirmed || states[counter.ID] != service.DenialActive {
		t.Errorf("states %v", states)
	}
	_, err = b.LiftDenial(b.Context(), officer, floor.ID, "too late")
	wantRefusal(t, "lifting what people confirmed", err, sealift.KindConflict, "denial")
	b.lift(counter)
}

func TestDenyCA(t *testing.T) {
	b := newBench(t)
	r := b.publish("1.0.0")
	ca, err := trust.ParseCA(b.anchors.Trust.ReleaseCAs[0].Certificate)
	b.check(err)
	d := b.deny(service.NewDenial{Kind: service.DenyCA, Issuer: trust.IssuerOf(ca)})
	if got := b.stateOf(r); got != service.ReleaseSuspended {
		t.Errorf("it is %s", got)
	}
	w := b.reserve("1.1.0")
	b.upload(w)
	b.sign(w)
	_, err = b.submit(w)
	wantRefusal(t, "a release of the suspended CA", err, sealift.KindChain, "ca-suspended")
	b.lift(d)
	_, err = b.submit(w)
	b.check(err)
}

func TestDenyRefusals(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		want   service.NewDenial
		reason string
	}{
		"no such app":     {service.NewDenial{Kind: service.DenyFloor, App: "com.acme.none", Counter: 1}, "app"},
		"no such release": {service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: 99}}, "release"},
		"no such CA":      {service.NewDenial{Kind: service.DenyCA, Issuer: sealift.Digest{1}}, "ca"},
	} {
		before := b.timestamp()
		_, err := b.Deny(b.Context(), officer, c.want)
		wantRefusal(t, name, err, sealift.KindNotFound, c.reason)
		if string(before) != string(b.timestamp()) {
			t.Errorf("%s: something was signed", name)
		}
	}
	_, err := b.LiftDenial(b.Context(), officer, "0000000000000000", "x")
	wantRefusal(t, "no such denial", err, sealift.KindNotFound, "denial")
}

// TestDenialsBySQL: nobody takes a denial out of deny.json by changing rows.
func TestDenialsBySQL(t *testing.T) {
	b := newBench(t)
	r := b.publish("1.0.0")
	d := b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: r.Counter}})
	row := func(tx store.Tx) store.Denial {
		got, err := tx.Denial(b.Context(), d.ID)
		b.check(err)
		return got
	}
	var good store.Denial
	b.view(func(tx store.Tx) error { good = row(tx); return nil })
	set := func(change func(*store.Denial)) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
			now := row(tx)
			next := good
			change(&next)
			return tx.UpdateDenial(b.Context(), next, now.MAC)
		}))
	}
	floor := service.NewDenial{Kind: service.DenyFloor, App: b.app, Force: true, Counter: 7, Reason: "x"}
	set(func(d *store.Denial) { d.State = store.DenialLifted })
	_, err := b.Deny(b.Context(), officer, floor)
	wantRefusal(t, "lifted by SQL", err, sealift.KindDenied, vault.ReasonForged)
	set(func(*store.Denial) {})
	var document []byte
	b.check(b.store.Update(b.Context(), func(tx store.Tx) (err error) {
		if document, err = tx.Document(b.Context(), trust.DenyPath); err != nil {
			return err
		}
		return tx.SetDocument(b.Context(), trust.DenyPath, []byte(`{"revoked":[],"suspendedCAs":[],"floors":{}}`))
	}))
	_, err = b.Deny(b.Context(), officer, floor)
	wantRefusal(t, "deny.json emptied by SQL", err, sealift.KindDenied, vault.ReasonForged)
	putDocument := func(content []byte) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.SetDocument(b.Context(), trust.DenyPath, content) }))
	}
	putDocument(document)
	b.lift(d)

	// A row of before has a good MAC. It is not what was written last, whatever
	// deny.json says.
	var lifted store.Denial
	var now []byte
	b.view(func(tx store.Tx) (err error) {
		lifted = row(tx)
		now, err = tx.Document(b.Context(), trust.DenyPath)
		return err
	})
	set(func(*store.Denial) {})
	_, err = b.Deny(b.Context(), officer, floor)
	wantRefusal(t, "a lifted one put back", err, sealift.KindDenied, vault.ReasonPutBack)
	putDocument(document)
	_, err = b.Deny(b.Context(), officer, floor)
	wantRefusal(t, "put back with its deny.json", err, sealift.KindDenied, vault.ReasonPutBack)
	putDocument(now)
	set(func(d *store.Denial) { *d = lifted })
	b.lift(b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Force: true, Counter: 7}))
}

// TestDirectorBySQL: what is not in a bin that the director signed is in no bin
// that it signs next, whatever the rows say.
func TestDirectorBySQL(t *testing.T) {
	b := newBench(t)
	r := b.publish("1.0.0")
	b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: r.Counter}})
	var good store.Metadata
	var deny []byte
	b.view(func(tx store.Tx) (err error) {
		if good, err = tx.Metadata(b.Context(), tufrepo.BinOf(trust.DenyPath)); err == nil {
			deny, err = tx.Document(b.Context(), trust.DenyPath)
		}
		return err
	})
	listed := sealift.DigestOf(deny).String()
	bent := bytes.Replace(good.Content, []byte(listed), []byte(sealift.DigestOf([]byte("{}")).String()), 1)
	if bytes.Equal(bent, good.Content) {
		t.Fatal("deny.json is not in the bin")
	}
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		if err := tx.SetDocument(b.Context(), trust.DenyPath, []byte("{}")); err != nil {
			return err
		}
		good.Version++
		return tx.SetMetadata(b.Context(), store.Metadata{Role: good.Role, Version: good.Version, Expires: good.Expires, Content: bent})
	}))
	late := b.service(func() time.Time { return foundedAt.Add(sealift.BinsLife * 3 / 4) })
	wantRefusal(t, "a bin emptied of denials", late.Renew(b.Context()), sealift.KindDenied, vault.ReasonForged)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error { // for the tests to come
		if err := tx.SetDocument(b.Context(), trust.DenyPath, deny); err != nil {
			return err
		}
		good.Version++
		return tx.SetMetadata(b.Context(), good)
	}))
	b.check(b.Renew(b.Context()))
}
