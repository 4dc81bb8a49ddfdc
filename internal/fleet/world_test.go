package fleet_test

import (
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
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/fleet"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const (
	vaultID = sealift.VaultID("00112233445566778899aabbccddeeff")
	address = "198.51.100.7"
)

var (
	foundedAt = time.Now().UTC().Truncate(time.Second)
	alice     = access.Caller{Kind: access.CallerPerson, ID: "alice", Address: "192.0.2.1"}
)

// world is one vault over a real store, for all tests of this process: Argon2id
// is slow on purpose. Each test has its own apps and its own clock.
type world struct {
	dir       string
	store     store.Store
	vault     *vault.Vault
	published *blob.Folder
	anchors   ceremony.Anchors
	apps      atomic.Int64
}

var theWorld = sync.OnceValues(newWorld)

func newWorld() (*world, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sealift-fleet-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir}
	if w.store, err = sqlite.Open(ctx, filepath.Join(dir, "vault.db")); err != nil {
		return nil, err
	}
	if w.published, err = blob.OpenFolder(filepath.Join(dir, "public")); err != nil {
		return nil, err
	}
	w.vault = vault.New(w.store)
	s := w.releases()
	if w.anchors, err = s.Found(ctx, vaultID, vault.Secrets{Unseal: vault.Passphrase(passphrase)}, nil); err != nil {
		return nil, err
	}
	people := sealifttest.NewKey()
	one := func(keys ...crypto.PublicKey) tufrepo.Role { return tufrepo.Role{Keys: keys, Threshold: 1} }
	var outcome ceremony.Outcome
	if outcome.Trust, err = w.anchors.Trust.Encode(); err != nil {
		return nil, err
	}
	outcome.Root, err = tufrepo.SignRoot(tufrepo.Root{
		Version: 1, Expires: foundedAt.Add(sealift.RootLife), Root: one(people.Public()), Targets: one(people.Public()),
		Snapshot: one(w.anchors.Snapshot...), Timestamp: one(w.anchors.Timestamp...),
	}, []crypto.Signer{people})
	if err != nil {
		return nil, err
	}
	outcome.Targets, err = tufrepo.SignTargets(tufrepo.Targets{
		Version: 1, Expires: foundedAt.Add(sealift.TargetsLife), Trust: outcome.Trust, Director: one(w.anchors.Director...),
	}, []crypto.Signer{people})
	if err != nil {
		return nil, err
	}
	return w, s.Open(ctx, outcome, access.NewToken(access.KindOwner, sealift.DigestOf(outcome.Root)))
}

const passphrase = "five random words are enough"

func (w *world) releases() *release.Service {
	return release.New(release.Config{Store: w.store, Vault: w.vault, Published: w.published, Approvals: approval.New(w.store, w.vault, nil, func() time.Time { return foundedAt }), Now: func() time.Time { return foundedAt }})
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := theWorld(); err == nil {
		w.end()
	}
	os.Exit(code)
}

func (w *world) end() {
	w.vault.Close()
	_ = w.published.Close()
	_ = w.store.Close()
	_ = os.RemoveAll(w.dir)
}

// bench is one test's app with a channel, a desk, and a clock.
type bench struct {
	*testing.T
	*world
	desk  *fleet.Desk
	app   sealift.AppID
	clock time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	return benchIn(t, w)
}

// newBenchAlone is for what looks at the devices of all apps.
func newBenchAlone(t *testing.T) *bench {
	t.Helper()
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return benchIn(t, w)
}

func benchIn(t *testing.T, w *world) *bench {
	t.Helper()
	b := &bench{T: t, world: w, clock: foundedAt}
	b.desk = b.deskOver(w.releases())
	b.app = b.makeApp(false)
	return b
}

func (b *bench) deskOver(online fleet.Online) *fleet.Desk {
	return fleet.New(b.store, b.vault, online, func() time.Time { return b.clock })
}

func (b *bench) check(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) makeApp(open bool) sealift.AppID {
	b.Helper()
	app := sealift.AppID(fmt.Sprintf("com.acme.app%d", b.apps.Add(1)))
	_, err := b.releases().CreateApp(b.Context(), alice, service.NewApp{ID: app, Kind: service.AppWeb, OpenEnrolment: open})
	b.check(err)
	_, err = b.releases().CreateChannel(b.Context(), alice, app, "production")
	b.check(err)
	return app
}

func (b *bench) token(uses int, life time.Duration) sealift.EnrolmentToken {
	b.Helper()
	made, err := b.desk.CreateEnrolmentToken(b.Context(), alice, b.app, service.NewEnrolmentToken{Uses: uses, Life: life})
	b.check(err)
	return made.Token
}

// device is a device of a test, with what it says of itself.
type device struct {
	identity *ecdsa.PrivateKey
	spki     []byte
	hpke     *bundle.PrivateKey
	id       sealift.DeviceID
}

func (b *bench) newDevice() *device {
	b.Helper()
	d := &device{}
	var err error
	d.identity, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.check(err)
	d.spki, err = x509.MarshalPKIXPublicKey(d.identity.Public())
	b.check(err)
	d.hpke, err = bundle.GenerateKey(bundle.DefaultSuite)
	b.check(err)
	d.id = sealift.DeviceIDOf(d.spki)
	return d
}

// request begins a request of a device with a nonce of its own.
func (b *bench) request(d *device, kind trust.RequestKind) *trust.Request {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	return &trust.Request{Vault: vaultID, App: b.app, Device: d.id, Kind: kind, Nonce: fmt.Sprintf("%x", nonce), Time: trust.At(b.clock)}
}

func (b *bench) enrolment(d *device) *trust.Enrolment {
	pub := d.hpke.Public()
	return &trust.Enrolment{
		Identity: d.spki, Platform: "web", Runtime: "1.0.0",
		HPKE: trust.HPKEKey{KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes},
	}
}

func (b *bench) proven(token sealift.EnrolmentToken, req *trust.Request, e *trust.Enrolment) *trust.Enrolment {
	e.Token = &trust.TokenProof{ID: token.ID(), MAC: trust.EnrolmentMAC(token.Secret(), req, e)}
	return e
}

// ask signs a request and returns the verified answer; answered is false where
// the vault gave none.
func (b *bench) ask(req *trust.Request, body any, key crypto.Signer) (a *trust.Answer, answered bool, err error) {
	b.Helper()
	req.Body, err = trust.EncodeBody(body)
	b.check(err)
	message, err := trust.SignRequest(req, key)
	b.check(err)
	answer, err := b.desk.Answer(b.Context(), message, address)
	if err != nil {
		return nil, false, err
	}
	rules, err := trust.NewRules(&b.anchors.Trust, &trust.Deny{}, b.app)
	b.check(err)
	a, err = rules.OpenAnswer(answer, req, b.clock)
	if sealift.ReasonOf(err) == "unsigned" {
		b.Errorf("the answer does not verify: %v", err)
	}
	return a, true, err
}

// enrol enrols a device with a token.
func (b *bench) enrol(d *device, token sealift.EnrolmentToken) (bool, error) {
	b.Helper()
	req := b.request(d, trust.RequestEnrol)
	_, answered, err := b.ask(req, b.proven(token, req, b.enrolment(d)), d.identity)
	return answered, err
}

// enrolled returns a device that is enrolled.
func (b *bench) enrolled() *device {
	b.Helper()
	d := b.newDevice()
	_, err := b.enrol(d, b.token(0, time.Hour))
	b.check(err)
	return d
}

// wantSigned wants a refusal that the vault signed.
func (b *bench) wantSigned(what string, answered bool, err error, kind sealift.Kind, reason string) {
	b.Helper()
	if !answered {
		b.Errorf("%s: no answer: %v", what, err)
	}
	b.wantRefusal(what, err, kind, reason)
}

// wantSilence wants a refusal that nobody signed.
func (b *bench) wantSilence(what string, answered bool, err error, kind sealift.Kind, reason string) {
	b.Helper()
	if answered {
		b.Errorf("%s: the vault signed an answer", what)
	}
	b.wantRefusal(what, err, kind, reason)
}

func (b *bench) wantRefusal(what string, err error, kind sealift.Kind, reason string) {
	b.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		b.Errorf("%s: got %v (%s/%s), want %s/%s", what, err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func (b *bench) row(d *device) (row store.Device) {
	b.Helper()
	b.check(b.store.View(b.Context(), func(tx store.Tx) (err error) {
		row, err = tx.Device(b.Context(), b.app, d.id)
		return err
	}))
	return row
}

// log returns what the log says of a device, oldest first.
func (b *bench) log(d *device) (entries []audit.Entry) {
	b.Helper()
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		records, err := audit.Records(b.Context(), tx, 0, 100_000)
		for _, r := range records {
			if r.Entry != nil && r.Entry.Actor.ID == string(d.id) {
				entries = append(entries, *r.Entry)
			}
		}
		return err
	}))
	return entries
}
