package release_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// TestOfferBySQL: what stands in the database as an offer is not signed with the
// next release, unless the director signed it.
func TestOfferBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	path := trust.OfferPath(b.app, "production", "web")
	var good []byte
	b.view(func(tx store.Tx) (err error) {
		good, err = tx.Document(b.Context(), path)
		return err
	})
	offer, err := trust.ParseOffer(good, b.app, "production", "web")
	b.check(err)
	put := func(content []byte) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.SetDocument(b.Context(), path, content) }))
	}
	offer.Candidates[0].Runtime = ">=7.0.0" // to others, for good: the next release of the range of now leaves it there
	bent, err := offer.Encode()
	b.check(err)
	for name, content := range map[string][]byte{"bent": bent, "gone": nil} {
		put(content)
		w := b.reserve("1.1.0")
		b.upload(w)
		b.sign(w)
		_, err := b.submit(w)
		wantRefusal(t, name, err, sealift.KindDenied, vault.ReasonForged)
	}
	put(good)
	b.publish("1.2.0")
	if offered := b.offered(); len(offered) != 1 {
		t.Errorf("offered %v", offered)
	}
}
