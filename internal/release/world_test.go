package release_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const vaultID = sealift.VaultID("00112233445566778899aabbccddeeff")

var (
	foundedAt = time.Now().UTC().Truncate(time.Second)
	alice     = access.Caller{Kind: access.CallerPerson, ID: "alice", Address: "192.0.2.1"}
)

// world is one vault over a real store and a real folder, for all tests of this
// process: Argon2id is slow on purpose. Each test has its own app, and may have
// its own clock.
type world struct {
	dir       string
	store     store.Store
	vault     *vault.Vault
	published *blob.Folder
	root      tufrepo.Root
	people    crypto.Signer // root and targets key
	anchors   ceremony.Anchors
	ceremony  sync.Mutex // one trust.json after the other
	apps      atomic.Int64
}

var theWorld = sync.OnceValues(newWorld)

func newWorld() (*world, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sealift-release-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, people: sealifttest.NewKey()}
	if w.store, err = sqlite.Open(ctx, filepath.Join(dir, "vault.db")); err != nil {
		return nil, err
	}
	if w.published, err = blob.OpenFolder(filepath.Join(dir, "public")); err != nil {
		return nil, err
	}
	w.vault = vault.New(w.store)
	s := w.service(func() time.Time { return foundedAt })
	if w.anchors, err = s.Found(ctx, vaultID, vault.Secrets{Unseal: vault.Passphrase("five random words are enough")}, nil); err != nil {
		return nil, err
	}
	one := func(keys ...crypto.PublicKey) tufrepo.Role { return tufrepo.Role{Keys: keys, Threshold: 1} }
	w.root = tufrepo.Root{
		Version: 1, Expires: foundedAt.Add(sealift.RootLife), Root: one(w.people.Public()), Targets: one(w.people.Public()),
		Snapshot: one(w.anchors.Snapshot...), Timestamp: one(w.anchors.Timestamp...),
	}
	outcome := ceremony.Outcome{}
	if outcome.Root, err = tufrepo.SignRoot(w.root, []crypto.Signer{w.people}); err != nil {
		return nil, err
	}
	if outcome.Targets, outcome.Trust, err = w.targets(1, w.anchors.Trust); err != nil {
		return nil, err
	}
	return w, s.Open(ctx, outcome, access.NewToken(access.KindOwner, sealift.DigestOf(outcome.Root)))
}

// trusting lets people change trust.json, in the next targets.json.
func (b *bench) trusting(change func(*trust.Trust)) (accepted service.Root) {
	b.Helper()
	b.ceremony.Lock()
	defer b.ceremony.Unlock()
	next, version := b.trusted()
	if next.Apps == nil {
		next.Apps = map[sealift.AppID]trust.AppTrust{}
	}
	change(next)
	targets, trustJSON, err := b.targets(version+1, *next)
	b.check(err)
	accepted, err = b.AcceptRoot(b.Context(), alice, service.Ceremony{Targets: targets, Trust: trustJSON})
	b.check(err)
	return accepted
}

// trusted returns the trust.json that devices have, and the version of the
// targets.json over it.
func (b *bench) trusted() (t *trust.Trust, version int64) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		m, err := tx.Metadata(b.Context(), "targets")
		if err != nil {
			return err
		}
		data, err := tx.Document(b.Context(), trust.TrustPath)
		if err != nil {
			return err
		}
		version = m.Version
		t, err = trust.ParseTrust(data)
		return err
	})
	return t, version
}

// targets signs a targets.json over a trust.json.
func (w *world) targets(version int64, t trust.Trust) (targets, trustJSON []byte, err error) {
	if trustJSON, err = t.Encode(); err != nil {
		return nil, nil, err
	}
	targets, err = tufrepo.SignTargets(tufrepo.Targets{
		Version: version, Expires: foundedAt.Add(sealift.TargetsLife), Trust: trustJSON,
		Director: tufrepo.Role{Keys: w.anchors.Director, Threshold: 1},
	}, []crypto.Signer{w.people})
	return targets, trustJSON, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := theWorld(); err == nil {
		w.close()
	}
	os.Exit(code)
}

func (w *world) close() {
	w.vault.Close()
	_ = w.published.Close()
	_ = w.store.Close()
	_ = os.RemoveAll(w.dir)
}

func (w *world) service(now func() time.Time) *release.Service {
	return release.New(release.Config{Store: w.store, Vault: w.vault, Published: w.published, Approvals: approval.New(w.store, w.vault, nil, now), Now: now})
}

// bench is one test's app with a channel, a service, and a clock.
type bench struct {
	*testing.T
	*world
	*release.Service
	app   sealift.AppID
	clock time.Time
	epoch bundle.PublicKey
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	return newBenchIn(t, w)
}

func newBenchIn(t *testing.T, w *world) *bench {
	t.Helper()
	b := &bench{T: t, world: w, clock: foundedAt}
	b.Service = w.service(func() time.Time { return b.clock })
	b.app = b.makeApp(service.AppWeb)
	b.epoch = b.epochOf(b.app)
	return b
}

func (b *bench) makeApp(kind service.AppKind) sealift.AppID {
	b.Helper()
	app := sealift.AppID(fmt.Sprintf("com.acme.app%d", b.apps.Add(1)))
	_, err := b.CreateApp(b.Context(), alice, service.NewApp{ID: app, Kind: kind})
	b.check(err)
	_, err = b.CreateChannel(b.Context(), alice, app, "production")
	b.check(err)
	return app
}

func (b *bench) check(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) view(fn func(store.Tx) error) {
	b.Helper()
	b.check(b.store.View(b.Context(), fn))
}

func (b *bench) epochOf(app sealift.AppID) bundle.PublicKey {
	b.Helper()
	var key bundle.PublicKey
	b.view(func(tx store.Tx) error {
		e, err := tx.Epoch(b.Context(), app, "production", 0)
		if err != nil {
			return err
		}
		key, err = bundle.ParsePublicKey(bundle.Suite{KEM: e.KEM, KDF: e.KDF, AEAD: e.AEAD}, e.PublicKey)
		return err
	})
	return key
}

func wantRefusal(t *testing.T, what string, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("%s: got %v (%s/%s), want %s/%s", what, err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func (b *bench) reservation(version sealift.Version) service.Reservation {
	return service.Reservation{App: b.app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: version, Act: sealift.ActRelease}
}

// work is a release on its way, as an honest publisher makes it. A test bends
// it before the next step.
type work struct {
	draft   service.Draft
	id      bundle.Identity
	sealed  []byte
	key     bundle.ContentKey
	release trust.Release
	payload []byte
	leaf    *ecdsa.PrivateKey
	what    service.Submission
}

// reserve reserves a version and seals a page that names it.
func (b *bench) reserve(version sealift.Version) *work {
	b.Helper()
	return b.reserveAs(b.reservation(version))
}

// reserveAs is reserve, of the channel production.
func (b *bench) reserveAs(want service.Reservation) *work {
	b.Helper()
	w := &work{key: bundle.NewContentKey()}
	var err error
	w.draft, err = b.Reserve(b.Context(), alice, want)
	b.check(err)
	b.seal(w, fstest.MapFS{"index.html": {Data: []byte("<h1>" + string(want.Version) + "</h1>")}})
	contentKey, err := bundle.SealContentKey(b.epoch, w.key, bundle.ContentKeyInfo{App: b.app, Channel: "production", Epoch: 1, Archive: w.id.Digest})
	b.check(err)
	w.release = trust.Release{
		Vault: w.draft.Vault, App: b.app, Channel: "production", Platform: want.Platform, Runtime: want.Runtime,
		Version: want.Version, Counter: w.draft.Counter, Act: sealift.ActRelease, SignedAt: trust.At(b.clock),
		Archive:    trust.Pointer{Digest: w.id.Digest, Length: w.id.Length},
		Blobs:      []trust.Blob{{Kind: trust.BlobFull, Digest: sealift.DigestOf(w.sealed), Length: int64(len(w.sealed))}},
		Epoch:      trust.EpochRef{Number: 1, PublicKey: b.epoch.Digest()},
		ContentKey: trust.SealedKey{KEM: b.epoch.Suite.KEM, KDF: b.epoch.Suite.KDF, AEAD: b.epoch.Suite.AEAD, Sealed: contentKey},
	}
	return w
}

func (b *bench) seal(w *work, files fstest.MapFS) {
	b.Helper()
	source, err := bundle.OpenSource(files)
	b.check(err)
	w.id, err = source.Digest(b.Context(), nil)
	b.check(err)
	var sealed bytes.Buffer
	_, err = bundle.Seal(b.Context(), &sealed, source, w.id, b.app, w.key, nil)
	b.check(err)
	w.sealed = sealed.Bytes()
}

func (b *bench) upload(w *work) {
	b.Helper()
	b.check(b.UploadBlob(b.Context(), alice, b.app, sealift.DigestOf(w.sealed), int64(len(w.sealed)), bytes.NewReader(w.sealed)))
}

// sign makes the submission of what stands in the release now.
func (b *bench) sign(w *work) {
	b.Helper()
	var err error
	w.payload, err = w.release.Encode()
	b.check(err)
	w.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.check(err)
	w.what.Envelope, err = trust.Sign(trust.ReleasePayloadType, w.payload, w.leaf)
	b.check(err)
	w.what.CSR = b.csr(w.leaf)
}

func (b *bench) csr(key crypto.Signer) []byte {
	b.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	b.check(err)
	return csr
}

// submit submits what waits for nothing.
func (b *bench) submit(w *work) (service.Release, error) {
	d, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
	if err == nil && d.Release == nil {
		b.Fatalf("it waits for %v", d.Missing)
	}
	if err != nil {
		return service.Release{}, err
	}
	return *d.Release, nil
}

// publish takes a version all the way.
func (b *bench) publish(version sealift.Version) service.Release {
	b.Helper()
	return b.finish(b.reserve(version))
}

// finish takes what was reserved all the way.
func (b *bench) finish(w *work) service.Release {
	b.Helper()
	b.upload(w)
	b.sign(w)
	r, err := b.submit(w)
	b.check(err)
	return r
}

// offered returns the releases that the app's web devices are offered.
func (b *bench) offered() (digests []sealift.Digest) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		data, err := tx.Document(b.Context(), trust.OfferPath(b.app, "production", "web"))
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		offer, err := trust.ParseOffer(data, b.app, "production", "web")
		if err != nil {
			return err
		}
		for _, c := range offer.Candidates {
			digests = append(digests, c.Release.Digest)
		}
		return nil
	})
	return digests
}

func (b *bench) releases() []service.Release {
	b.Helper()
	list, err := b.Releases(b.Context(), b.app, service.Page{Limit: 100})
	b.check(err)
	return list
}

func newReader(text string) *bytes.Reader { return bytes.NewReader([]byte(text)) }
