package release_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// A refusal of Submit: what is bent, before or after it is signed.
type submitRefusal struct {
	name   string
	before func(*bench, *work) // bends the release, and uploads where it should
	after  func(*bench, *work) // bends the submission
	kind   sealift.Kind
	reason string
}

func uploaded(b *bench, w *work) { b.upload(w) }

// bending uploads the blob and bends the release.
func bending(bend func(*trust.Release)) func(*bench, *work) {
	return func(b *bench, w *work) {
		b.upload(w)
		bend(&w.release)
	}
}

var submitRefusals = []submitRefusal{
	{name: "payload bent after it was signed", before: uploaded, kind: sealift.KindSignature, reason: "signature", after: func(b *bench, w *work) {
		honest := w.what
		w.release.Version = "1.0.1"
		b.sign(w)
		w.what.CSR = honest.CSR // the old leaf did not sign this one
	}},
	{name: "request of another key", before: uploaded, kind: sealift.KindSignature, reason: "signature", after: func(b *bench, w *work) {
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		b.check(err)
		w.what.CSR = b.csr(other)
	}},
	{name: "request of an RSA key", before: uploaded, kind: sealift.KindInvalid, reason: "csr", after: func(b *bench, w *work) {
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		b.check(err)
		w.what.CSR = b.csr(other)
	}},
	{name: "request of a P-384 key", before: uploaded, kind: sealift.KindInvalid, reason: "csr", after: func(b *bench, w *work) {
		other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		b.check(err)
		w.what.CSR = b.csr(other)
	}},
	{name: "request that its key did not sign", before: uploaded, kind: sealift.KindInvalid, reason: "csr", after: func(_ *bench, w *work) {
		w.what.CSR[len(w.what.CSR)-1] ^= 1
	}},
	{name: "request of nothing", before: uploaded, kind: sealift.KindInvalid, reason: "csr", after: func(_ *bench, w *work) { w.what.CSR = nil }},
	{name: "another payload type", before: uploaded, kind: sealift.KindSignature, reason: "signature", after: func(b *bench, w *work) {
		var err error
		w.what.Envelope, err = trust.Sign(trust.RequestPayloadType, w.payload, w.leaf)
		b.check(err)
	}},
	{name: "signed too long ago", kind: sealift.KindInvalid, reason: "clock",
		before: bending(func(r *trust.Release) { r.SignedAt = trust.At(r.SignedAt.Add(-sealift.MaxPublishAge - time.Second)) })},
	{name: "signed in the future", kind: sealift.KindInvalid, reason: "clock",
		before: bending(func(r *trust.Release) { r.SignedAt = trust.At(r.SignedAt.Add(sealift.MaxClockAhead + time.Second)) })},
	{name: "another vault", kind: sealift.KindVersion, reason: "vault",
		before: bending(func(r *trust.Release) { r.Vault = "ffffffffffffffffffffffffffffffff" })},
	{name: "another app", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.App = "com.acme.none" })},
	{name: "another channel", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Channel = "beta" })},
	{name: "another platform", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Platform = "ios" })},
	{name: "another runtime", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Runtime = ">=1.0.0" })},
	{name: "another version", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Version = "2.0.0" })},
	{name: "another counter", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Counter++ })},
	{name: "another act", kind: sealift.KindInvalid, reason: "draft", before: bending(func(r *trust.Release) { r.Act = sealift.ActPromotion })},
	{name: "another epoch", kind: sealift.KindConflict, reason: "epoch", before: bending(func(r *trust.Release) { r.Epoch.Number = 2 })},
	{name: "another epoch's key", kind: sealift.KindConflict, reason: "epoch", before: bending(func(r *trust.Release) { r.Epoch.PublicKey = sealift.Digest{1} })},
	{name: "blob not uploaded", before: func(*bench, *work) {}, kind: sealift.KindNotFound, reason: "blob"},
	{name: "blob of another app", kind: sealift.KindNotFound, reason: "blob", before: func(b *bench, w *work) {
		own := b.app
		b.app = b.makeApp(service.AppWeb)
		b.upload(w)
		b.app = own
	}},
	{name: "blob of another length", kind: sealift.KindIntegrity, reason: "blob-length", before: bending(func(r *trust.Release) { r.Blobs[0].Length++ })},
	{name: "another content key", kind: sealift.KindIntegrity, reason: "authentication", before: func(b *bench, w *work) {
		b.upload(w)
		b.sealKeyTo(w, b.epoch, bundle.NewContentKey())
	}},
	{name: "a content key sealed to nobody", kind: sealift.KindIntegrity, reason: "content_key", before: func(b *bench, w *work) {
		b.upload(w)
		other, err := bundle.GenerateKey(bundle.DefaultSuite)
		b.check(err)
		b.sealKeyTo(w, other.Public(), w.key)
	}},
	{name: "another archive's digest", kind: sealift.KindIntegrity, reason: "content_key",
		before: bending(func(r *trust.Release) { r.Archive.Digest = sealift.Digest{1} })},
	{name: "another archive's length", kind: sealift.KindIntegrity, reason: "shorter",
		before: bending(func(r *trust.Release) { r.Archive.Length += 512 })},
	{name: "native code", kind: sealift.KindInvalid, reason: "native_code", before: func(b *bench, w *work) {
		b.refill(w, fstest.MapFS{"index.html": {Data: []byte("x")}, "a.js": {Data: []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00>\x00")}})
	}},
	{name: "no page", kind: sealift.KindInvalid, reason: "no_index", before: func(b *bench, w *work) {
		b.refill(w, fstest.MapFS{"main.js": {Data: []byte("x")}})
	}},
	{name: "a draft that is too old", before: uploaded, kind: sealift.KindConflict, reason: "draft", after: func(b *bench, _ *work) {
		b.clock = b.clock.Add(sealift.MaxPublishAge + time.Second)
	}},
	{name: "a draft that was given up", before: uploaded, kind: sealift.KindConflict, reason: "draft", after: func(b *bench, w *work) {
		b.check(b.Abandon(b.Context(), alice, b.app, w.draft.ID))
	}},
	{name: "no such draft", before: uploaded, kind: sealift.KindNotFound, reason: "draft", after: func(_ *bench, w *work) { w.draft.ID = "none" }},
	{name: "the draft of another app", before: uploaded, kind: sealift.KindNotFound, reason: "draft", after: func(b *bench, w *work) {
		own := b.app
		b.app = b.makeApp(service.AppWeb)
		draft, err := b.Reserve(b.Context(), alice, b.reservation("1.0.0"))
		b.check(err)
		w.draft.ID, b.app = draft.ID, own
	}},
}

// sealKeyTo seals a content key in the place of the honest one.
func (b *bench) sealKeyTo(w *work, to bundle.PublicKey, key bundle.ContentKey) {
	b.Helper()
	var err error
	w.release.ContentKey.Sealed, err = bundle.SealContentKey(to, key, bundle.ContentKeyInfo{App: b.app, Channel: "production", Epoch: 1, Archive: w.release.Archive.Digest})
	b.check(err)
}

// refill seals other files, as a publisher does that skips its own checks.
func (b *bench) refill(w *work, files fstest.MapFS) {
	b.Helper()
	b.seal(w, files)
	w.release.Archive = trust.Pointer{Digest: w.id.Digest, Length: w.id.Length}
	w.release.Blobs[0].Digest, w.release.Blobs[0].Length = sealift.DigestOf(w.sealed), int64(len(w.sealed))
	b.sealKeyTo(w, b.epoch, w.key)
	b.upload(w)
}

func TestSubmitRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range submitRefusals {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			w := b.reserve("1.0.0")
			c.before(b, w)
			b.sign(w)
			if c.after != nil {
				c.after(b, w)
			}
			_, err := b.submit(w)
			wantRefusal(t, c.name, err, c.kind, c.reason)
			if got := b.offered(); got != nil {
				t.Errorf("offered %v", got)
			}
			if got := b.releases(); len(got) != 0 {
				t.Errorf("released %v", got)
			}
			b.clock = foundedAt
			if r := b.publish("1.0.0"); r.Counter != 2 {
				t.Errorf("published as counter %d afterwards, want 2: no counter is used twice", r.Counter)
			}
		})
	}
}

func TestSubmitTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.reserve("1.0.0")
	b.upload(w)
	b.sign(w)
	first, err := b.submit(w)
	b.check(err)
	again, err := b.submit(w)
	b.check(err)
	if !reflect.DeepEqual(first, again) {
		t.Errorf("submitted again: %v, first %v", again, first)
	}
	b.sign(w) // the same release by another leaf signs the same payload
	if again, err = b.submit(w); err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("signed and submitted again: %v, %v", again, err)
	}
	w.release.SignedAt = trust.At(w.release.SignedAt.Add(time.Second))
	b.sign(w)
	_, err = b.submit(w)
	wantRefusal(t, "another payload for a published draft", err, sealift.KindConflict, "version")
	wantRefusal(t, "giving up what is published", b.Abandon(b.Context(), alice, b.app, w.draft.ID), sealift.KindConflict, "version")
	if got := b.releases(); len(got) != 1 {
		t.Errorf("%d releases", len(got))
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	lost := b.reserve("1.0.0")
	b.upload(lost)
	b.sign(lost)
	next := b.reserve("1.0.0") // its publisher was interrupted and comes back
	if next.draft.Counter != lost.draft.Counter+1 || next.draft.ID == lost.draft.ID {
		t.Errorf("drafts %v and %v", lost.draft, next.draft)
	}
	_, err := b.submit(lost)
	wantRefusal(t, "the draft that was replaced", err, sealift.KindConflict, "draft")
	b.upload(next)
	b.sign(next)
	_, err = b.submit(next)
	b.check(err)
	_, err = b.Reserve(b.Context(), alice, b.reservation("1.0.0"))
	wantRefusal(t, "a published version", err, sealift.KindConflict, "version")

	given := b.reserve("1.1.0")
	b.check(b.Abandon(b.Context(), alice, b.app, given.draft.ID))
	b.check(b.Abandon(b.Context(), alice, b.app, given.draft.ID))
	if after := b.reserve("1.1.0"); after.draft.Counter != given.draft.Counter+1 {
		t.Errorf("counter %d after %d was given up", after.draft.Counter, given.draft.Counter)
	}
	// The same version for other devices is another release.
	ios := b.reservation("1.0.0")
	ios.Platform = "ios"
	_, err = b.Reserve(b.Context(), alice, ios)
	b.check(err)

	for what, c := range map[string]struct {
		bend   func(*service.Reservation)
		kind   sealift.Kind
		reason string
	}{
		"unknown app":     {func(r *service.Reservation) { r.App = "com.acme.none" }, sealift.KindNotFound, "app"},
		"unknown channel": {func(r *service.Reservation) { r.Channel = "beta" }, sealift.KindNotFound, "channel"},
		"a roll-back":     {func(r *service.Reservation) { r.Act = sealift.ActRollback }, sealift.KindInvalid, "act"},
		"a promotion":     {func(r *service.Reservation) { r.Act = sealift.ActPromotion }, sealift.KindInvalid, "act"},
	} {
		want := b.reservation("3.0.0")
		c.bend(&want)
		_, err := b.Reserve(b.Context(), alice, want)
		wantRefusal(t, what, err, c.kind, c.reason)
	}
	wantRefusal(t, "giving up what is not there", b.Abandon(b.Context(), alice, b.app, "none"), sealift.KindNotFound, "draft")
}

func TestUpload(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	content := []byte("sealed")
	digest := sealift.Digest(sha256.Sum256(content))
	upload := func(app sealift.AppID, length int64, text string) error {
		return b.UploadBlob(b.Context(), alice, app, digest, length, newReader(text))
	}
	wantRefusal(t, "other bytes", upload(b.app, 6, "healed"), sealift.KindIntegrity, sealift.ReasonOf(upload(b.app, 6, "healed")))
	if err := upload(b.app, 7, "sealed"); sealift.KindOf(err) != sealift.KindIntegrity {
		t.Errorf("fewer bytes: %v", err)
	}
	if err := upload(b.app, 5, "sealed"); sealift.KindOf(err) != sealift.KindIntegrity {
		t.Errorf("more bytes: %v", err)
	}
	wantRefusal(t, "unknown app", upload("com.acme.none", 6, "sealed"), sealift.KindNotFound, "app")
	b.check(upload(b.app, 6, "sealed"))
	b.check(upload(b.app, 6, "sealed"))
	b.check(upload(b.makeApp(service.AppDevice), 6, "sealed"))
}

// TestOvertaken holds two publishers to one order: 1.1.0, reserved first, is
// submitted while 1.2.0 is, and comes through the checks before that is
// published and to the transaction after it. Devices that took 1.2.0 would
// refuse it.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for name, runtime := range map[string]sealift.RuntimeRange{"same runtime": sealift.AnyRuntime, "other runtime": ">=2.0.0"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.publish("1.0.0")
			slow, quick := b.reserve("1.1.0"), b.reserveFor("1.2.0", runtime)
			for _, w := range []*work{slow, quick} {
				b.upload(w)
				b.sign(w)
			}
			var winner service.Release
			held := release.New(release.Config{Store: &meanwhile{Store: b.store, after: 3, do: func() {
				var err error
				winner, err = b.submit(quick)
				b.check(err)
			}}, Vault: b.vault, Published: b.published, Approvals: approval.New(b.store, b.vault, nil, func() time.Time { return b.clock }), Now: func() time.Time { return b.clock }})
			_, err := held.Submit(b.Context(), alice, b.app, slow.draft.ID, slow.what)
			if winner.Counter == 0 {
				t.Fatal("the other publisher never came in between")
			}
			wantRefusal(t, "the overtaken one", err, sealift.KindVersion, "counter")
			if got := b.offered(); len(got) == 0 || got[0] != winner.Digest {
				t.Errorf("offered %v, want %s first", got, winner.Digest)
			}
			_, err = b.submit(slow)
			wantRefusal(t, "once more", err, sealift.KindVersion, "counter")
		})
	}
}

// TestReservationsOfOne: one who reserves and never publishes uses up no app's
// counters, and is in nobody's way.
func TestReservationsOfOne(t *testing.T) {
	b := newBench(t)
	want := b.reservation("1.0.0")
	want.Channel = "nowhere" // what fails counts as well
	for range sealift.ReservationsPerHour {
		_, err := b.Reserve(t.Context(), alice, want)
		wantRefusal(t, "an unknown channel", err, sealift.KindNotFound, "channel")
	}
	_, err := b.Reserve(t.Context(), alice, b.reservation("1.0.0"))
	wantRefusal(t, "one too many", err, sealift.KindExhausted, "rate")
	other := alice
	other.ID = "somebody else"
	if _, err := b.Reserve(t.Context(), other, b.reservation("1.0.0")); err != nil {
		t.Errorf("by somebody else: %v", err)
	}
	elsewhere := b.reservation("1.0.0")
	elsewhere.App = b.makeApp("web")
	_, err = b.Reserve(t.Context(), alice, elsewhere)
	if sealift.ReasonOf(err) == "rate" {
		t.Errorf("of another app: %v", err)
	}
	b.clock = b.clock.Add(time.Hour)
	if _, err := b.Reserve(t.Context(), alice, b.reservation("1.0.1")); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// reserveFor is reserve for a range of runtimes.
func (b *bench) reserveFor(version sealift.Version, runtime sealift.RuntimeRange) *work {
	b.Helper()
	want := b.reservation(version)
	want.Runtime = runtime
	return b.reserveAs(want)
}

// meanwhile is a store on which something happens after some Views: as another
// request does.
type meanwhile struct {
	store.Store
	after int
	do    func()
}

// View implements store.Store.
func (m *meanwhile) View(ctx context.Context, fn func(store.Tx) error) error {
	err := m.Store.View(ctx, fn)
	if m.after--; m.after == 0 {
		m.do()
	}
	return err
}
