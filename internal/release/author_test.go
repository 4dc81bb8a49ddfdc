package release_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// promote moves a version of production on to beta.
func (b *bench) promote(version sealift.Version) (service.DraftDetail, error) {
	out, err := b.Promote(b.Context(), alice, b.app, service.Promotion{From: "production", To: "beta", Version: version})
	if err != nil {
		return service.DraftDetail{}, err
	}
	return out.Drafts[0], nil
}

func newPromotion(t *testing.T) *bench {
	b := newBench(t)
	_, err := b.CreateChannel(b.Context(), alice, b.app, "beta")
	b.check(err)
	return b
}

// TestPromote: the same archive and blob, another counter, epoch and act.
func TestPromote(t *testing.T) {
	b := newPromotion(t)
	w := b.reserve("1.0.0")
	b.upload(w)
	b.sign(w)
	before, err := b.submit(w)
	b.check(err)
	d, err := b.promote("1.0.0")
	b.check(err)
	if d.Release == nil {
		t.Fatalf("it waits for %v", d.Missing)
	}
	got := *d.Release
	if got.Act != sealift.ActPromotion || got.Channel != "beta" || got.Counter <= before.Counter || got.Archive != before.Archive || got.Blob != before.Blob {
		t.Errorf("promoted %+v to %+v", before, got)
	}
	_, err = b.promote("1.0.0")
	wantRefusal(t, "the same again", err, sealift.KindConflict, "version")
	var epoch store.Epoch
	told, err := b.Release(b.Context(), b.app, service.Which{Digest: got.Digest})
	b.check(err)
	b.view(func(tx store.Tx) (err error) {
		epoch, err = tx.Epoch(b.Context(), b.app, "beta", 0)
		return err
	})
	parsed, err := trust.ParseReleaseFile(told.File)
	b.check(err)
	signed, err := trust.ParseRelease(parsed.Payload())
	b.check(err)
	if signed.Epoch.PublicKey != sealift.DigestOf(epoch.PublicKey) {
		t.Error("it names another epoch than that of the channel")
	}
	key, err := b.ContentKey(b.Context(), alice, signed)
	b.check(err)
	if key != w.key {
		t.Error("the channel's epoch key opens another content key")
	}
}

func TestPromoteRefusals(t *testing.T) {
	b := newPromotion(t)
	r := b.publish("1.0.0")
	b.publish("2.0.0")
	_, err := b.promote("3.0.0")
	wantRefusal(t, "what is not published", err, sealift.KindNotFound, "release")
	for name, bad := range map[string]struct {
		want   service.Promotion
		kind   sealift.Kind
		reason string
	}{
		"to its own channel":   {service.Promotion{From: "production", To: "production", Version: "1.0.0"}, sealift.KindInvalid, "channel"},
		"to no channel":        {service.Promotion{From: "production", To: "nowhere", Version: "1.0.0"}, sealift.KindNotFound, "channel"},
		"from no channel":      {service.Promotion{From: "nowhere", To: "beta", Version: "1.0.0"}, sealift.KindNotFound, "channel"},
		"from where it is not": {service.Promotion{From: "beta", To: "production", Version: "1.0.0"}, sealift.KindNotFound, "release"},
		"for where it is not":  {service.Promotion{From: "production", To: "beta", Version: "1.0.0", Platform: "ios"}, sealift.KindNotFound, "release"},
	} {
		_, err := b.Promote(b.Context(), alice, b.app, bad.want)
		wantRefusal(t, name, err, bad.kind, bad.reason)
	}
	d := b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: r.Counter}})
	_, err = b.promote("1.0.0")
	wantRefusal(t, "what is revoked", err, sealift.KindChain, "revoked")
	_, err = b.LiftDenial(b.Context(), officer, d.ID, "the world is every test's")
	b.check(err)
	_, err = b.promote("2.0.0")
	b.check(err)
	_, err = b.promote("1.0.0")
	wantRefusal(t, "what is older than what everybody may take", err, sealift.KindVersion, "not-newer")
}

// TestPromoteSigner: the vault makes a leaf for each release.
func TestPromoteSigner(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	first, err := b.promote("1.0.0")
	b.check(err)
	b.publish("1.1.0")
	second, err := b.promote("1.1.0")
	b.check(err)
	leaf := func(d service.DraftDetail) (key sealift.Digest) {
		b.view(func(tx store.Tx) error {
			draft, err := tx.Draft(b.Context(), d.ID)
			b.check(err)
			request, err := x509.ParseCertificateRequest(draft.CSR)
			b.check(err)
			key = sealift.DigestOf(request.RawSubjectPublicKeyInfo)
			return nil
		})
		return key
	}
	if leaf(first) == leaf(second) {
		t.Error("two releases were signed by one leaf key")
	}
}

// TestPromoteBySQL: rows of releases bear no MAC, so nothing is made of one that
// no CA of the vault certified, or that says another thing than its file.
func TestPromoteBySQL(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	insert := func(version sealift.Version, change func(*store.Release)) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
			rows, err := tx.Releases(b.Context(), b.app, store.ReleaseFilter{Version: "1.0.0", Limit: 1})
			b.check(err)
			row := rows[0]
			row.Version = version
			change(&row)
			return tx.InsertRelease(b.Context(), row)
		}))
	}
	insert("1.1.0", func(r *store.Release) { r.Counter, r.Digest[0] = r.Counter+100, r.Digest[0]^1 })
	_, err := b.promote("1.1.0")
	wantRefusal(t, "a row of another file", err, sealift.KindDenied, vault.ReasonForged)

	w := b.reserve("1.2.0")
	b.upload(w)
	b.sign(w)
	file := b.selfCertified(w)
	insert("1.2.0", func(r *store.Release) { r.Counter, r.Digest, r.File = w.draft.Counter, sealift.DigestOf(file), file })
	_, err = b.promote("1.2.0")
	wantRefusal(t, "what a stranger's CA certified", err, sealift.KindChain, "unknown-ca")
}

// selfCertified is the release.json of a work, by a CA that nobody trusts.
func (b *bench) selfCertified(w *work) []byte {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	b.check(err)
	template, err := trust.CATemplate("a stranger", b.clock.Add(-time.Hour), b.clock.Add(time.Hour))
	b.check(err)
	der, err := trust.Issue(template, template, key.Public(), key)
	b.check(err)
	ca, err := trust.ParseCA(der)
	b.check(err)
	leaf, err := trust.LeafTemplate(trust.BindingOf(&w.release, w.payload), w.release.SignedAt.Time)
	b.check(err)
	certificate, err := trust.Issue(leaf, ca, w.leaf.Public(), key)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(w.what.Envelope)
	b.check(err)
	file, err := trust.AssembleRelease(signed, certificate)
	b.check(err)
	return file
}
