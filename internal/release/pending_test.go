package release_test

import (
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

var bob = access.Caller{Kind: access.CallerPerson, ID: "bob", Address: "192.0.2.2"}

// demand lets people say in trust.json how many of the keys must co-sign the
// app's releases.
func (b *bench) demand(needed int, keys ...crypto.Signer) {
	b.Helper()
	own := trust.AppTrust{CosignersNeeded: needed}
	for _, key := range keys {
		c, err := trust.CheckCosigner(key.Public())
		b.check(err)
		own.Cosigners = append(own.Cosigners, c)
	}
	b.trusting(func(t *trust.Trust) { t.Apps[b.app] = own })
}

// cosignature is an envelope over what was submitted, signed by keys.
func (b *bench) cosignature(w *work, keys ...crypto.Signer) []byte {
	b.Helper()
	envelope, err := trust.Sign(trust.ReleasePayloadType, w.payload, keys...)
	b.check(err)
	return envelope
}

func (b *bench) cosign(w *work, keys ...crypto.Signer) (service.DraftDetail, error) {
	b.Helper()
	return b.Cosign(b.Context(), bob, b.app, w.draft.ID, b.cosignature(w, keys...))
}

// waiting submits a version, which must wait.
func (b *bench) waiting(version sealift.Version) *work {
	b.Helper()
	w := b.reserve(version)
	b.upload(w)
	b.sign(w)
	d, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
	b.check(err)
	if d.Release != nil || d.State != service.DraftSubmitted || len(d.Missing) == 0 {
		b.Fatalf("it does not wait: %+v", d)
	}
	return w
}

func (b *bench) pending() []service.DraftDetail {
	b.Helper()
	list, err := b.Drafts(b.Context(), b.app)
	b.check(err)
	return list
}

func idOf(t *testing.T, key crypto.Signer) string {
	t.Helper()
	id, err := trust.KeyID(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCosigned(t *testing.T) {
	b := newBench(t)
	keys := []crypto.Signer{sealifttest.NewKey(), sealifttest.NewKey(), sealifttest.NewKey()}
	b.demand(2, keys...)
	w := b.waiting("1.0.0")
	if got := b.offered(); got != nil {
		t.Fatalf("offered %v before anybody signed", got)
	}
	list := b.pending()
	if len(list) != 1 || list[0].ID != w.draft.ID || list[0].Envelope != nil || list[0].Problem != "" || list[0].Payload != sealift.DigestOf(w.payload) {
		t.Errorf("pending: %+v", list)
	}
	if m := list[0].Missing; len(m) != 1 || m[0].What != service.MissingCosignatures || m[0].Have != 0 || m[0].Need != 2 || len(m[0].From) != 3 {
		t.Errorf("missing: %+v", m)
	}
	// Submitting again what waits says the same; another publish must not throw
	// away what people signed.
	again, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
	if err != nil || again.State != service.DraftSubmitted || len(again.Missing) != 1 {
		t.Errorf("submitted again: %+v, %v", again, err)
	}
	_, err = b.Reserve(b.Context(), alice, b.reservation("1.0.0"))
	wantRefusal(t, "the same version again", err, sealift.KindConflict, "waiting")

	d, err := b.cosign(w, keys[1])
	b.check(err)
	if m := d.Missing; len(m) != 1 || m[0].Have != 1 || !slices.Equal(m[0].By, []string{idOf(t, keys[1])}) || !slices.Equal(m[0].From, []string{idOf(t, keys[0]), idOf(t, keys[2])}) {
		t.Errorf("after one signature: %+v", m)
	}
	if d, err = b.cosign(w, keys[1]); err != nil || d.Release != nil || d.Missing[0].Have != 1 {
		t.Errorf("the same signature again: %+v, %v", d, err)
	}
	d, err = b.cosign(w, keys[2])
	b.check(err)
	if d.State != service.DraftPublished || d.Release == nil {
		t.Fatalf("after the last signature: %+v", d)
	}
	if got := b.offered(); len(got) != 1 || got[0] != d.Release.Digest {
		t.Errorf("offered %v", got)
	}
	if got := b.pending(); len(got) != 0 {
		t.Errorf("still pending: %+v", got)
	}
	_, err = b.cosign(w, keys[0])
	wantRefusal(t, "a signature for what is published", err, sealift.KindConflict, "draft")
	one, err := b.Draft(b.Context(), b.app, w.draft.ID)
	if err != nil || one.Release == nil || one.Release.Digest != d.Release.Digest {
		t.Errorf("the draft afterwards: %+v, %v", one, err)
	}
}

func TestCosignRefusals(t *testing.T) {
	b := newBench(t)
	key, stranger := sealifttest.NewKey(), sealifttest.NewKey()
	b.demand(1, key)
	w := b.waiting("1.0.0")
	refused := func(what, reason string, kind sealift.Kind, id string, envelope []byte) {
		t.Helper()
		_, err := b.Cosign(b.Context(), bob, b.app, id, envelope)
		wantRefusal(t, what, err, kind, reason)
		if got := b.offered(); got != nil {
			t.Errorf("%s: offered %v", what, got)
		}
	}
	refused("a stranger's", "cosigner", sealift.KindSignature, w.draft.ID, b.cosignature(w, stranger))
	refused("the leaf's own", "cosigner", sealift.KindSignature, w.draft.ID, b.cosignature(w, w.leaf))
	other := w.release
	other.Version = "1.0.1"
	payload, err := other.Encode()
	b.check(err)
	elsewhere, err := trust.Sign(trust.ReleasePayloadType, payload, key)
	b.check(err)
	refused("over another release", "payload", sealift.KindSignature, w.draft.ID, elsewhere)
	asRequest, err := trust.Sign(trust.RequestPayloadType, w.payload, key)
	b.check(err)
	refused("of another type", "payload", sealift.KindSignature, w.draft.ID, asRequest)
	refused("garbage", "malformed", sealift.KindInvalid, w.draft.ID, []byte("{"))
	refused("no such draft", "draft", sealift.KindNotFound, "none", b.cosignature(w, key))
	reserved := b.reserve("2.0.0")
	refused("a draft without a release", "draft", sealift.KindConflict, reserved.draft.ID, b.cosignature(w, key))

	b.clock = b.clock.Add(sealift.MaxPublishAge + time.Second)
	refused("too late", "draft", sealift.KindConflict, w.draft.ID, b.cosignature(w, key))
	b.clock = foundedAt
	b.check(b.Abandon(b.Context(), alice, b.app, w.draft.ID))
	refused("given up", "draft", sealift.KindConflict, w.draft.ID, b.cosignature(w, key))
}

// TestCertifiedDaysLater: the leaf is good around signedAt, not around the day
// on which the last signature comes.
func TestCertifiedDaysLater(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	w := b.waiting("1.0.0")
	b.clock = b.clock.Add(3 * 24 * time.Hour)
	b.check(b.Renew(b.Context()))
	d, err := b.cosign(w, key)
	b.check(err)
	if d.Release == nil || !d.Release.SignedAt.Equal(w.release.SignedAt.Time) || !d.Release.Published.Equal(b.clock) {
		t.Errorf("%+v", d.Release)
	}
}

// TestOvertakenWhileWaiting: what devices would refuse by now is not certified,
// and the list says so beforehand.
func TestOvertakenWhileWaiting(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	slow, quick := b.waiting("1.0.0"), b.waiting("1.1.0")
	_, err := b.cosign(quick, key)
	b.check(err)
	if list := b.pending(); len(list) != 1 || list[0].Problem == "" {
		t.Errorf("pending: %+v", list)
	}
	_, err = b.cosign(slow, key)
	wantRefusal(t, "the overtaken one", err, sealift.KindVersion, "counter")
	b.check(b.Abandon(b.Context(), alice, b.app, slow.draft.ID))
	if list := b.pending(); len(list) != 0 {
		t.Errorf("pending: %+v", list)
	}
}

func TestSettle(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.waiting("1.0.0")
	b.settle()
	if got := b.offered(); got != nil {
		t.Fatalf("offered %v", got)
	}
	// People ask for nobody any more: what waited is published by itself.
	b.demand(0, key)
	b.settle()
	if got := b.offered(); len(got) != 1 {
		t.Errorf("offered %v", got)
	}
	b.demand(1, key)
	w := b.waiting("1.1.0")
	b.clock = b.clock.Add(sealift.MaxPublishAge + time.Second)
	b.settle()
	b.clock = foundedAt
	if d, err := b.Draft(b.Context(), b.app, w.draft.ID); err != nil || d.State != service.DraftAbandoned {
		t.Errorf("too old: %+v, %v", d, err)
	}
}

// settle lets the service look at what waits. Drafts of other tests may be in
// a state that only they know.
func (b *bench) settle() {
	b.Helper()
	if err := b.Settle(b.Context()); err != nil {
		b.Logf("of other tests: %v", err)
	}
}

// TestDraftBySQL: a draft that something else wrote or changed is certified by
// nobody.
func TestDraftBySQL(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	for name, bend := range map[string]func(*store.Draft){
		"another's":        func(d *store.Draft) { d.Requester = "mallory" },
		"longer life":      func(d *store.Draft) { d.Expires = d.Expires.Add(time.Hour) },
		"another envelope": func(d *store.Draft) { d.Envelope = append(d.Envelope, ' ') },
		"never there":      func(d *store.Draft) { d.MAC = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := b.waiting("1.0.0")
			b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
				d, err := tx.Draft(b.Context(), w.draft.ID)
				if err != nil {
					return err
				}
				bend(&d)
				return tx.UpdateDraft(b.Context(), d, store.DraftSubmitted)
			}))
			_, err := b.cosign(w, key)
			wantRefusal(t, name, err, sealift.KindDenied, vault.ReasonForged)
			if list := b.pending(); len(list) != 1 || list[0].Problem == "" {
				t.Errorf("pending: %+v", list)
			}
			b.check(b.Abandon(b.Context(), alice, b.app, w.draft.ID)) // and is out of the way
			if got := b.offered(); got != nil {
				t.Errorf("offered %v", got)
			}
		})
	}
}

// TestResurrected: a draft that was given up, put back by SQL, stays so.
func TestResurrected(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	w := b.waiting("1.0.0")
	b.check(b.Abandon(b.Context(), alice, b.app, w.draft.ID))
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		d, err := tx.Draft(b.Context(), w.draft.ID)
		if err != nil {
			return err
		}
		d.State = store.DraftSubmitted
		return tx.UpdateDraft(b.Context(), d, store.DraftAbandoned)
	}))
	_, err := b.cosign(w, key)
	wantRefusal(t, "put back", err, sealift.KindDenied, vault.ReasonForged)
}

// TestCeremonySaysWhatIsRefused: people who demand co-signers hear that what is
// offered has none.
func TestCeremonySaysWhatIsRefused(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	key := sealifttest.NewKey()
	c, err := trust.CheckCosigner(key.Public())
	b.check(err)
	about := func(root service.Root) (lines []string) {
		for _, line := range root.Refused {
			if strings.HasPrefix(line, string(b.app)+"/") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	own := trust.AppTrust{Cosigners: []trust.Cosigner{c}, CosignersNeeded: 1}
	lines := about(b.trusting(func(t *trust.Trust) { t.Apps[b.app] = own }))
	if len(lines) != 1 || !strings.Contains(lines[0], "1 co-signers are needed") {
		t.Errorf("refused %q", lines)
	}
	_, err = b.cosign(b.waiting("1.1.0"), key)
	b.check(err)
	if lines := about(b.trusting(func(*trust.Trust) {})); len(lines) != 0 {
		t.Errorf("refused %q", lines)
	}
}

// TestStrangersSignatures do not use up the room of those that count.
func TestStrangersSignatures(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	w := b.reserve("1.0.0")
	b.upload(w)
	b.sign(w)
	signers := []crypto.Signer{w.leaf}
	for range sealift.MaxSignatures - 1 {
		signers = append(signers, sealifttest.NewKey())
	}
	w.what.Envelope = b.cosignature(w, signers...)
	_, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
	b.check(err)
	if d, err := b.cosign(w, key); err != nil || d.Release == nil {
		t.Errorf("%+v, %v", d, errors.Unwrap(err))
	}
}
