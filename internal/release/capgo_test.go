package release_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
)

// fieldKey is the key that devices in the field know, made once.
var fieldKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// importKey brings it into the vault for the app.
func (b *bench) importKey(id string) {
	b.Helper()
	m, err := vault.ReadMaterial(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(fieldKey())}))
	b.check(err)
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
		_, err := b.vault.Create(b.Context(), tx, vault.CreateRequest{ID: string(b.app) + id, Purpose: vault.PurposeCapgoApp, Owner: "alice", App: b.app, Material: m}, alice.Actor(), b.clock)
		return err
	}))
}

var capgoSite = fstest.MapFS{
	"assets/app.js": {Data: bytes.Repeat([]byte("CapacitorUpdater.notifyAppReady();\n"), 300)},
	"index.html":    {Data: []byte("<script src=assets/app.js></script>")},
}

// pack makes of files what a publisher uploads for devices with Capgo's plugin.
func (b *bench) pack(files fstest.MapFS) *service.Capgo {
	b.Helper()
	session, err := capgo.NewSession(rand.Reader)
	b.check(err)
	upload := func(blob []byte) {
		b.check(b.UploadBlob(b.Context(), alice, b.app, sealift.DigestOf(blob), int64(len(blob)), bytes.NewReader(blob)))
	}
	var zip bytes.Buffer
	p := capgo.NewPacker(session, &zip)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sealed, _, err := p.Add(path, files[path].Data)
		b.check(err)
		upload(sealed)
	}
	plan, err := p.Close()
	b.check(err)
	upload(zip.Bytes())
	return &service.Capgo{Session: session, Plan: plan}
}

// reserveCapgo is reserve of a release for such devices, signed and uploaded.
func (b *bench) reserveCapgo(version sealift.Version) *work {
	b.Helper()
	w := b.reserve(version)
	b.refill(w, capgoSite)
	b.upload(w)
	b.sign(w)
	w.what.Capgo = b.pack(capgoSite)
	return w
}

func (b *bench) capgoRow(r service.Release) (out capgo.Bundle, found bool) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		row, err := tx.CapgoBundle(b.Context(), b.app, r.Digest)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		b.check(err)
		b.check(b.vault.CheckRow(b.Context(), tx, row))
		out, err = capgo.ParseBundle(row.Document)
		found = true
		return err
	})
	return out, found
}

// kept reports whether anything is kept for a draft.
func (b *bench) kept(draft string) (row, secret bool) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		_, err := tx.CapgoDraft(b.Context(), draft)
		row = err == nil
		_, err = tx.Secret(b.Context(), "capgo-session/"+draft)
		secret = err == nil
		return nil
	})
	return row, secret
}

// TestCapgoPublished: the app's key encodes the hashes of the archive's files, and the
// log says for what, with the release and never without.
func TestCapgoPublished(t *testing.T) {
	b := newBench(t)
	b.importKey("")
	w := b.reserveCapgo("1.0.0")
	r, err := b.submit(w)
	b.check(err)
	got, found := b.capgoRow(r)
	key := &fieldKey().PublicKey
	if !found || got.Version != "1.0.0" || got.KeyID != capgo.KeyID(key) || got.Zip != w.what.Capgo.Plan.Zip.Blob || len(got.Manifest) != 2 {
		t.Fatalf("%+v", got)
	}
	for i, f := range got.Manifest {
		block, err := hex.DecodeString(f.HashV3)
		b.check(err)
		plain := sealift.DigestOf(capgoSite[capgo.Path(f.Name)].Data)
		if err := rsa.VerifyPKCS1v15(key, 0, plain[:], block); err != nil || f.Blob != w.what.Capgo.Plan.Files[i].Blob {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if c := r.Capgo; c == nil || c.KeyID != got.KeyID || c.Files != 2 || c.Zip.Digest != got.Zip.SHA256 {
		t.Errorf("told %+v", c)
	}
	detail, err := b.Release(b.Context(), b.app, service.Which{Digest: r.Digest})
	if err != nil || detail.Capgo == nil || *detail.Capgo != *r.Capgo {
		t.Errorf("shown %+v, %v", detail.Capgo, err)
	}
	if row, secret := b.kept(w.draft.ID); row || secret {
		t.Errorf("left of the draft: %t, %t", row, secret)
	}
	plan, err := w.what.Capgo.Plan.Encode()
	b.check(err)
	uses := 0
	for _, e := range b.entries() {
		if e.Action == "key.use" && e.Key == string(b.app) {
			uses++
			if e.Details["for"] != "release.capgo" || e.Details["release"] != "sha256:"+r.Digest.String() || uses == 1 && e.Subject != "sha256:"+sealift.DigestOf(plan).String() {
				t.Errorf("the log says %+v", e)
			}
		}
	}
	if uses != 2 { // the use, and what exactly was encoded
		t.Errorf("%d entries of the key's use", uses)
	}
	again, err := b.submit(w)
	if err != nil || again.Capgo == nil {
		t.Errorf("submitted again: %+v, %v", again.Capgo, err)
	}
	if plain := b.publish("1.1.0"); plain.Capgo != nil {
		t.Errorf("a release that is not for them: %+v", plain.Capgo)
	}
}

func TestCapgoRefusals(t *testing.T) {
	b := newBench(t)
	other := maps.Clone(capgoSite)
	other["index.html"] = &fstest.MapFile{Data: []byte("<script>evil()</script>")}
	more := maps.Clone(capgoSite)
	more["more.js"] = &fstest.MapFile{Data: []byte("evil()")}
	refused := func(what string, kind sealift.Kind, reason string, bend func(w *work)) {
		t.Helper()
		w := b.reserveCapgo("1.0.0")
		if bend != nil {
			bend(w)
		}
		_, err := b.submit(w)
		wantRefusal(t, what, err, kind, reason)
		if len(b.releases()) != 0 {
			t.Errorf("%s: something was published", what)
		}
	}
	refused("no key", sealift.KindNotFound, vault.ReasonNoAppKey, nil)
	b.importKey("")
	refused("another zip", sealift.KindIntegrity, "zip", func(w *work) {
		c := b.pack(other)
		w.what.Capgo.Session, w.what.Capgo.Plan.Zip = c.Session, c.Plan.Zip
	})
	refused("another zip's hash", sealift.KindIntegrity, "capgo", func(w *work) { w.what.Capgo.Plan.Zip.Plain[0] ^= 1 })
	refused("another file's hash", sealift.KindIntegrity, "capgo", func(w *work) { w.what.Capgo.Plan.Files[1].Plain[0] ^= 1 })
	refused("another file", sealift.KindIntegrity, "file", func(w *work) {
		w.what.Capgo.Plan.Files[1].Blob = w.what.Capgo.Plan.Files[0].Blob
	})
	refused("another bundle", sealift.KindIntegrity, "zip", func(w *work) { w.what.Capgo = b.pack(other) })
	refused("a file more", sealift.KindIntegrity, "capgo", func(w *work) { w.what.Capgo = b.pack(more) })
	refused("another vector", sealift.KindIntegrity, "zip", func(w *work) {
		text := w.what.Capgo.Session.Bytes()
		text[16] ^= 1
		session, err := capgo.ParseSession(text)
		b.check(err)
		w.what.Capgo.Session = session
	})
	refused("not uploaded", sealift.KindNotFound, "blob", func(w *work) { w.what.Capgo.Plan.Files[1].SHA256[0] ^= 1 })
	refused("another length", sealift.KindIntegrity, "capgo", func(w *work) { w.what.Capgo.Plan.Files[1].Size += 16 })
	refused("what devices refuse", sealift.KindInvalid, "capgo", func(w *work) {
		b.refill(w, fstest.MapFS{"index.html": {Data: []byte("x")}, "a b.js": {Data: []byte("x")}})
		b.upload(w)
		b.sign(w)
	})
	b.importKey("-second")
	refused("two keys", sealift.KindConflict, vault.ReasonAppKeys, nil)
}

// TestCapgoWaits: nothing is encoded before people have done what a release waits for,
// and nothing is left of one that is given up.
func TestCapgoWaits(t *testing.T) {
	b := newBench(t)
	b.importKey("")
	key := sealifttest.NewKey()
	b.demand(1, key)
	uses := func() (n int) {
		for _, e := range b.entries() {
			if e.Action == "key.use" && e.Key == string(b.app) {
				n++
			}
		}
		return n
	}
	wait := func(version sealift.Version) *work {
		t.Helper()
		w := b.reserveCapgo(version)
		d, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
		b.check(err)
		if row, secret := b.kept(w.draft.ID); d.Release != nil || !d.Capgo || !row || !secret || uses() != 0 {
			t.Errorf("%+v; %t, %t, %d uses", d, row, secret, uses())
		}
		return w
	}
	given := wait("1.0.0")
	if list := b.pending(); len(list) != 1 || !list[0].Capgo {
		t.Errorf("listed %+v", list)
	}
	suspend := func(from, to vault.State) {
		t.Helper()
		b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
			_, err := b.vault.Transition(b.Context(), tx, vault.Ref{ID: string(b.app), Version: 1}, from, to, alice.Actor(), "who has it?", b.clock)
			return err
		}))
	}
	suspend(vault.Active, vault.Suspended)
	if list := b.pending(); list[0].Problem == "" {
		t.Error("a draft without its key has no problem")
	}
	_, err := b.cosign(given, key)
	wantRefusal(t, "without its key", err, sealift.KindNotFound, vault.ReasonNoAppKey)
	suspend(vault.Suspended, vault.Active)
	if list := b.pending(); list[0].Problem != "" {
		t.Errorf("the problem is %q", list[0].Problem)
	}
	b.check(b.Abandon(b.Context(), alice, b.app, given.draft.ID))
	if row, secret := b.kept(given.draft.ID); row || secret {
		t.Errorf("left of what was given up: %t, %t", row, secret)
	}
	bent := wait("1.0.0")
	b.sql("DELETE FROM capgo_drafts WHERE draft = ?", bent.draft.ID)
	_, err = b.cosign(bent, key)
	wantRefusal(t, "somebody deleted what it is for them", err, sealift.KindDenied, vault.ReasonDeleted)

	w := wait("1.1.0")
	d, err := b.cosign(w, key)
	b.check(err)
	if d.Release == nil || d.Release.Capgo == nil || uses() != 2 {
		t.Errorf("%+v, %d uses", d.Release, uses())
	}
}

// TestCapgoIsCarriedOn: promotion and roll-back are for such devices what the release
// was: the same files, under the same hashes, with no use of the key.
func TestCapgoIsCarriedOn(t *testing.T) {
	b := newPromotion(t)
	b.importKey("")
	r, err := b.submit(b.reserveCapgo("1.0.0"))
	b.check(err)
	was, _ := b.capgoRow(r)
	same := func(what string, got *service.Release) {
		t.Helper()
		if got == nil {
			t.Fatalf("%s waits", what)
		}
		made, found := b.capgoRow(*got)
		if !found || made.SessionKey != was.SessionKey || made.Zip != was.Zip || !slices.Equal(made.Manifest, was.Manifest) || got.Capgo == nil {
			t.Errorf("%s: %+v", what, made)
		}
	}
	d, err := b.promote("1.0.0")
	b.check(err)
	same("promotion", d.Release)
	if row, _ := b.kept(d.ID); row {
		t.Error("something is left of the promotion's draft")
	}
	next := b.publish("1.1.0")
	if _, found := b.capgoRow(next); found {
		t.Error("a release that is not for them")
	}
	out := b.rollBack(back("1.0.0"))
	same("roll-back", out.Draft.Release)
	uses := 0
	for _, e := range b.entries() {
		if e.Action == "key.use" && e.Key == string(b.app) {
			uses++
		}
	}
	if uses != 2 {
		t.Errorf("%d uses", uses)
	}

	// A canary that a hotfix overtakes is issued anew, for them as well.
	want := b.reservation("2.0.0")
	watched(&want)
	w := b.reserveAs(want)
	b.refill(w, capgoSite)
	b.upload(w)
	b.sign(w)
	w.what.Capgo = b.pack(capgoSite)
	canary, err := b.submit(w)
	b.check(err)
	was, _ = b.capgoRow(canary)
	b.publish("1.9.0")
	anew := b.releases()[0]
	if anew.Act != sealift.ActReissue || anew.Capgo != nil {
		t.Fatalf("listed %+v", anew)
	}
	detail, err := b.Release(b.Context(), b.app, service.Which{Digest: anew.Digest})
	b.check(err)
	same("re-issue", &detail.Release)

	b.sql("UPDATE capgo_bundles SET document = CAST(replace(CAST(document AS TEXT), '1.0.0', '9.9.9') AS BLOB) WHERE app = ?", string(b.app))
	_, err = b.Release(b.Context(), b.app, service.Which{Digest: r.Digest})
	wantRefusal(t, "a document by SQL", err, sealift.KindDenied, vault.ReasonForged)
}
