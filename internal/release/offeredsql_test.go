package release_test

import (
	"bytes"
	"testing"

	"github.com/sealift/sealift"
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
