package release_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// TestOfferedBySQL: devices that verify nothing are offered what the director signed
// last, and neither what somebody else made of it nor what the director signed before.
func TestOfferedBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	path := trust.OfferPath(b.app, "production", "web")
	type state struct{ document, bin, snapshot []byte }
	now := func() (s state) {
		b.view(func(tx store.Tx) (err error) {
			if s.document, err = tx.Document(b.Context(), path); err != nil {
				return err
			}
			for role, into := range map[string]*[]byte{tufrepo.BinOf(path): &s.bin, "snapshot": &s.snapshot} {
				m, err := tx.Metadata(b.Context(), role)
				if err != nil {
					return err
				}
				*into = m.Content
			}
			return nil
		})
		return s
	}
	put := func(s state) {
		b.sql("UPDATE documents SET content = ? WHERE path = ?", s.document, path)
		b.sql("UPDATE metadata SET content = ? WHERE role = ?", s.bin, tufrepo.BinOf(path))
		b.sql("UPDATE metadata SET content = ? WHERE role = 'snapshot'", s.snapshot)
	}
	offered := func() (versions []sealift.Version, err error) {
		b.view(func(tx store.Tx) error {
			var all []trust.Candidate
			all, err = b.Offered(b.Context(), tx, b.app, "production", "web")
			for _, c := range all {
				versions = append(versions, c.Version)
			}
			return nil
		})
		return versions, err
	}
	before := now()
	b.publish("1.1.0")
	after := now()
	if got, err := offered(); err != nil || len(got) == 0 || got[0] != "1.1.0" {
		t.Fatalf("%v, %v", got, err)
	}
	made := after
	made.document = bytes.Replace(after.document, []byte("1.1.0"), []byte("9.1.0"), 1)
	was, is := sealift.DigestOf(after.document).String(), sealift.DigestOf(made.document).String()
	made.bin = bytes.Replace(after.bin, []byte(was), []byte(is), 1)
	if bytes.Equal(made.document, after.document) || bytes.Equal(made.bin, after.bin) {
		t.Fatalf("%s in %s", was, after.bin)
	}
	for name, s := range map[string]state{
		"an offer that nobody signed": made, "the offer of before": {before.document, before.bin, after.snapshot}, "and its snapshot": before,
	} {
		put(s)
		got, err := offered()
		wantRefusal(t, name, err, sealift.KindDenied, vault.ReasonForged)
		if got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	put(after)
	if _, err := offered(); err != nil {
		t.Error(err)
	}
	b.clock = b.clock.Add(sealift.MaxTimestampLife + 1)
	_, err := offered()
	wantRefusal(t, "what expired", err, sealift.KindDenied, vault.ReasonForged)
}

// TestOfferedButRefused: what devices refuse is not offered to those that cannot tell,
// whatever rows say of whose certificate it has, or of what is revoked.
func TestOfferedButRefused(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	bad := b.publish("1.1.0")
	b.change(bad.Counter, func(r *store.Rollout) { r.Share = 100 })
	offered := func() (versions []sealift.Version, err error) {
		b.view(func(tx store.Tx) error {
			var all []trust.Candidate
			all, err = b.Offered(b.Context(), tx, b.app, "production", "web")
			for _, c := range all {
				versions = append(versions, c.Version)
			}
			return nil
		})
		return versions, err
	}
	before, err := offered()
	if err != nil || !slices.Contains(before, "1.1.0") {
		t.Fatalf("%v, %v", before, err)
	}
	var deny []byte
	b.view(func(tx store.Tx) (err error) { deny, err = tx.Document(b.Context(), trust.DenyPath); return err })
	_, err = b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Version: "1.1.0"}, Reason: "it leaks"})
	b.check(err)
	b.sql("UPDATE releases SET serial = 'ff', issuer = zeroblob(32) WHERE app = ? AND counter = ?", string(b.app), uint64(bad.Counter))
	if got, err := offered(); err != nil || !slices.Equal(got, []sealift.Version{"1.0.0"}) {
		t.Errorf("%v, %v", got, err)
	}
	_, err = b.Deny(b.Context(), officer, service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.2.0", Force: true, Reason: "they leak"})
	b.check(err)
	if got, err := offered(); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	var now []byte
	b.view(func(tx store.Tx) (err error) { now, err = tx.Document(b.Context(), trust.DenyPath); return err })
	b.sql("UPDATE documents SET content = ? WHERE path = ?", deny, trust.DenyPath)
	_, err = offered()
	wantRefusal(t, "what was revoked before", err, sealift.KindDenied, vault.ReasonForged)
	b.sql("UPDATE documents SET content = ? WHERE path = ?", now, trust.DenyPath) // the other tests live in this world as well
	if _, err := offered(); err != nil {
		t.Error(err)
	}
}
