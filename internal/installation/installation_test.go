package installation_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

const passphrase = "five random words are enough"

var foundedAt = time.Now().UTC().Truncate(time.Second)

// founded makes one installation for all tests, which copy it: scrypt and
// Argon2id are slow on purpose.
var founded = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sealift-founded-")
	if err != nil {
		return "", err
	}
	_, err = installation.Found(context.Background(), installation.Founding{
		Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"),
		Quorum:      ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: func(string, bool) ([]byte, error) { return []byte(passphrase), nil },
		Options:     installation.Options{Now: func() time.Time { return foundedAt }},
	})
	return dir, err
})

func TestMain(m *testing.M) {
	if task := os.Getenv(victimEnv); task != "" { // see kill_test.go
		fmt.Fprintln(os.Stderr, runVictim(task))
		os.Exit(1)
	}
	if task := os.Getenv(steererEnv); task != "" { // see rollouts_test.go
		fmt.Fprintln(os.Stderr, runSteerer(task))
		os.Exit(1)
	}
	if task := os.Getenv(moverEnv); task != "" { // see mover_test.go
		fmt.Fprintln(os.Stderr, runMover(task))
		os.Exit(1)
	}
	if task := os.Getenv(reporterEnv); task != "" { // see reporter_test.go
		fmt.Fprintln(os.Stderr, runReporter(task))
		os.Exit(1)
	}
	if task := os.Getenv(restorerEnv); task != "" { // see drill_test.go
		fmt.Fprintln(os.Stderr, runRestorer(task))
		os.Exit(1)
	}
	code := postgrestest.Main(m.Run, os.Stderr)
	if dir, err := founded(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// bench is a founded installation that serves on loopback.
type bench struct {
	*testing.T
	dir       string
	clock     time.Time
	i         *installation.Installation
	api       *apiclient.Client
	token     access.Token
	server    *httptest.Server
	tokenMade time.Time // when token was
}

func newBench(t *testing.T) *bench {
	t.Helper()
	made, err := founded()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, dir: t.TempDir(), clock: foundedAt, tokenMade: foundedAt}
	b.check(os.CopyFS(b.dir, os.DirFS(made)))
	b.check(os.Chmod(filepath.Join(b.dir, "data"), 0o700)) // CopyFS keeps no modes
	text, err := os.ReadFile(filepath.Join(b.dir, "keys", "owner.token"))
	b.check(err)
	b.token, err = access.ParseToken(string(text[:len(text)-1]))
	b.check(err)
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *bench) now() time.Time { return b.clock }

func (b *bench) start() {
	b.Helper()
	var err error
	b.i, err = installation.Open(b.Context(), filepath.Join(b.dir, "data"), installation.Options{Now: b.now})
	b.check(err)
	b.check(b.i.Vault.Unseal(b.Context(), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, b.now()))
	b.server = httptest.NewServer(b.i.Handler("test", nil))
	b.api, err = apiclient.New(b.server.URL, owner{b})
	b.check(err)
}

// owner is whoever has the vault's passphrase, and makes a token of an owner
// where the one of the day before is over.
type owner struct{ b *bench }

func (o owner) Do(req *http.Request) (*http.Response, error) {
	b := o.b
	if made := b.clock.Sub(b.tokenMade); made >= sealift.OwnerTokenLife {
		token, err := b.i.People.RecoverOwner(b.Context(), audit.Actor{Kind: audit.Person, ID: "local:test"})
		if err != nil {
			return nil, err
		}
		b.token, b.tokenMade = token, b.clock
	}
	return bearer{b.server.Client(), b.token}.Do(req)
}

func (b *bench) stop() {
	b.server.Close()
	b.check(b.i.Close())
}

func (b *bench) check(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) wantRefusal(err error, kind sealift.Kind, reason string) {
	b.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		b.Errorf("got %v (%s/%s), want %s/%s", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
	if err != nil && sealift.HintOf(err) == "" && reason != "" {
		b.Logf("no hint in: %v", err)
	}
}

// bearer sends a token with each request.
type bearer struct {
	client *http.Client
	token  access.Token
}

func (d bearer) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+d.token.Reveal())
	return d.client.Do(req)
}

const app = sealift.AppID("com.acme.shop")

func (b *bench) makeApp(kind string) {
	b.Helper()
	_, err := b.api.CreateApp(b.Context(), api.NewApp{ID: string(app), Kind: api.AppKind(kind)})
	b.check(err)
	_, err = b.api.CreateChannel(b.Context(), app, "production")
	b.check(err)
}

func (b *bench) publisher() *publisher.Publisher {
	return &publisher.Publisher{API: b.api, Now: b.now, TempDir: b.TempDir(), Epochs: &publisher.Metadata{
		Base: b.server.URL, Root: b.token.Root(), CacheDir: filepath.Join(b.dir, "cache"), Host: hostAt{client.NewSystem(), b.now},
	}}
}

// hostAt is a machine with a clock of its own.
type hostAt struct {
	*client.System
	now func() time.Time
}

func (h hostAt) Now() time.Time { return h.now() }

func request(version sealift.Version) publisher.Request {
	return publisher.Request{App: app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: version,
		Bundle: fstest.MapFS{"index.html": {Data: []byte("<h1>" + string(version) + "</h1>")}}}
}

func (b *bench) publish(version sealift.Version) (api.Release, error) {
	return b.publisher().Publish(b.Context(), request(version))
}

// metadata refreshes a fresh view of the repository, as a new device would.
func (b *bench) metadata() *client.Metadata {
	b.Helper()
	root, err := os.ReadFile(filepath.Join(b.dir, "data", "public", "metadata", "1.root.json"))
	b.check(err)
	m, err := client.OpenMetadata(client.MetadataConfig{
		URL: b.server.URL + "/v1/metadata/", TargetsURL: b.server.URL + "/v1/targets/", Dir: b.TempDir(), Root: root, Host: hostAt{client.NewSystem(), b.now},
	})
	b.check(err)
	b.Cleanup(func() { m.Close() })
	b.check(m.Refresh(b.Context()))
	return m
}

func (b *bench) offered() []trust.Candidate {
	b.Helper()
	content, err := b.metadata().Delegated(b.Context(), trust.OfferPath(app, "production", "web"))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	b.check(err)
	offer, err := trust.ParseOffer(content, app, "production", "web")
	b.check(err)
	return offer.Candidates
}

func TestPublishIsOffered(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	if got := b.offered(); got != nil {
		t.Fatalf("offered before any publish: %v", got)
	}
	first, err := b.publish("1.0.0")
	b.check(err)
	second, err := b.publish("1.1.0")
	b.check(err)
	if second.Counter != first.Counter+1 {
		t.Errorf("counters %d and %d", first.Counter, second.Counter)
	}
	got := b.offered()
	if len(got) != 1 || got[0].Release.Digest.String() != second.SHA256 {
		t.Errorf("offered %v, want %s alone", got, second.SHA256)
	}
}

func TestOtherRuntimesKeepTheirOffer(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	old := request("1.0.0")
	old.Runtime = "<2.0.0"
	_, err := b.publisher().Publish(b.Context(), old)
	b.check(err)
	next := request("2.0.0")
	next.Runtime = ">=2.0.0"
	_, err = b.publisher().Publish(b.Context(), next)
	b.check(err)
	var runtimes []sealift.RuntimeRange
	for _, c := range b.offered() {
		runtimes = append(runtimes, c.Runtime)
	}
	if len(runtimes) != 2 || runtimes[0] != ">=2.0.0" || runtimes[1] != "<2.0.0" {
		t.Errorf("offered runtimes %q", runtimes)
	}
}

// TestNoOlderVersionForOverlappingRuntimes: another spelling of the range is no
// way to offer an older version.
func TestNoOlderVersionForOverlappingRuntimes(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("2.0.0")
	b.check(err)
	older := request("1.0.0")
	older.Runtime = ">=0.0.0"
	_, err = b.publisher().Publish(b.Context(), older)
	b.wantRefusal(err, sealift.KindVersion, "not-newer")
}

// TestBackdatedBeforeItsCA: what every device would refuse is refused before
// it is in the log.
func TestBackdatedBeforeItsCA(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	p := b.publisher()
	p.Now = func() time.Time { return b.clock.Add(-20 * 24 * time.Hour) }
	_, err := p.Publish(b.Context(), request("1.0.0"))
	b.wantRefusal(err, sealift.KindChain, "expired")
	if got := b.offered(); got != nil {
		t.Errorf("offered %v", got)
	}
}

// TestSlowSubmissionMeetsANewerRelease: a release that another overtook while
// it was inspected is refused.
func TestSlowSubmissionMeetsANewerRelease(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	p := b.publisher()
	p.API = overtaken{b.api, func() {
		_, err := b.publish("1.1.0")
		b.check(err)
	}}
	_, err := p.Publish(b.Context(), request("1.0.0"))
	b.wantRefusal(err, sealift.KindVersion, "counter")
}

// overtaken lets something happen before a submission.
type overtaken struct {
	*apiclient.Client
	meanwhile func()
}

func (o overtaken) Submit(ctx context.Context, app sealift.AppID, draft string, s api.Submission) (api.DraftDetail, error) {
	o.meanwhile()
	return o.Client.Submit(ctx, app, draft, s)
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.1.0")
	b.check(err)
	before := b.offered()

	_, err = b.publish("1.1.0")
	b.wantRefusal(err, sealift.KindConflict, "version")
	_, err = b.publish("1.0.9") // devices would not take it
	b.wantRefusal(err, sealift.KindVersion, "not-newer")

	empty := request("1.2.0")
	empty.Runtime = ">2.0.0 <1.0.0"
	_, err = b.publisher().Publish(b.Context(), empty)
	b.wantRefusal(err, sealift.KindInvalid, "runtime")

	native := request("1.2.0")
	native.Bundle = fstest.MapFS{"index.html": {Data: []byte("x")}, "logo.png": {Data: []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00>\x00")}}
	_, err = b.publisher().Publish(b.Context(), native)
	if sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("native code in a web app: %v", err)
	}
	bare := request("1.2.0")
	bare.Bundle = fstest.MapFS{"main.js": {Data: []byte("x")}}
	_, err = b.publisher().Publish(b.Context(), bare)
	if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
		t.Errorf("no index.html: %v, hint %q", err, sealift.HintOf(err))
	}
	unknown := request("1.2.0")
	unknown.App = "com.acme.other"
	_, err = b.publisher().Publish(b.Context(), unknown)
	b.wantRefusal(err, sealift.KindNotFound, "app")
	unknown = request("1.2.0")
	unknown.Channel = "staging"
	_, err = b.publisher().Publish(b.Context(), unknown)
	b.wantRefusal(err, sealift.KindNotFound, "channel")

	if after := b.offered(); len(after) != len(before) || after[0].Release != before[0].Release {
		t.Errorf("a refusal changed the offer: %v, before %v", after, before)
	}
	_, err = b.publish("1.2.0") // and none of them used the version up
	b.check(err)
}

// TestVaultChecksForItself plays a publisher that skips its own checks.
func TestVaultChecksForItself(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	p := b.publisher()
	p.API = lax{b.api}
	native := request("1.0.0")
	native.Bundle = fstest.MapFS{"index.html": {Data: []byte("x")}, "a": {Data: []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00>\x00")}}
	if _, err := p.Publish(b.Context(), native); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("native code past the publisher: %v", err)
	}
	bare := request("1.0.0")
	bare.Bundle = fstest.MapFS{"main.js": {Data: []byte("x")}}
	if _, err := p.Publish(b.Context(), bare); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("no index.html past the publisher: %v", err)
	}
	if got := b.offered(); got != nil {
		t.Errorf("offered %v", got)
	}
}

// lax tells the publisher that every app is a device app.
type lax struct{ *apiclient.Client }

func (l lax) App(ctx context.Context, id sealift.AppID) (api.App, error) {
	a, err := l.Client.App(ctx, id)
	a.Kind = "device"
	return a, err
}

func TestSealedVaultPublishesNothing(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	b.check(b.i.Vault.Seal(b.Context(), audit.Actor{Kind: audit.System, ID: "test"}, b.now()))
	_, err := b.publish("1.0.0")
	b.wantRefusal(err, sealift.KindSealed, vault.ReasonSealed)
	b.check(b.i.Vault.Unseal(b.Context(), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, b.now()))
	_, err = b.publish("1.0.0")
	b.check(err)
}

// TestUnwrittenIsWrittenLater: the disk refuses the published tree after the
// transaction; the old state stands, and comes out whole later.
func TestUnwrittenIsWrittenLater(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	before := b.offered()

	releases := filepath.Join(b.dir, "data", "public", "releases")
	b.check(os.Rename(releases, releases+".away"))
	b.check(os.WriteFile(releases, nil, 0o600)) // a file where a folder must be
	if _, err = b.publish("1.1.0"); sealift.ReasonOf(err) != "unwritten" {
		t.Fatalf("got %v, want the reason unwritten", err)
	}
	if after := b.offered(); len(after) != 1 || after[0].Release != before[0].Release {
		t.Errorf("devices see %v, want the old offer", after)
	}
	b.stop()
	b.check(os.Remove(releases))
	b.check(os.Rename(releases+".away", releases))
	b.start()
	b.check(b.i.Fresh(b.Context()))
	after := b.offered()
	if len(after) != 1 || after[0].Release == before[0].Release {
		t.Errorf("devices see %v, want the new offer", after)
	}
	for _, pointer := range []string{"releases/" + after[0].Release.Digest.String(), "proofs/" + after[0].Proof.Digest.String()} {
		if _, err := os.Stat(filepath.Join(b.dir, "data", "public", filepath.FromSlash(pointer))); err != nil {
			t.Error(err)
		}
	}
}

func TestFoundRefusesWhatExists(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data", "keys"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := installation.Found(t.Context(), installation.Founding{Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"), Quorum: ceremony.Quorum{Keys: 1, Threshold: 1}})
		if sealift.KindOf(err) != sealift.KindConflict {
			t.Errorf("with %s there: %v", name, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, nested := range [][2]string{{"data", "data"}, {"data", "data/keys"}, {"keys/data", "keys"}, {"data", "./data/"}} {
		_, err := installation.Found(t.Context(), installation.Founding{Data: filepath.Join(dir, nested[0]), Keys: dir + "/" + nested[1], Quorum: ceremony.Quorum{Keys: 1, Threshold: 1}})
		if sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%v: %v", nested, err)
		}
	}
	failing := errors.New("no passphrase today")
	_, err := installation.Found(t.Context(), installation.Founding{
		Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"), Quorum: ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: func(name string, _ bool) ([]byte, error) {
			if name == "targets-1" {
				return nil, failing
			}
			return []byte(passphrase), nil
		},
	})
	if !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
	left, err := fs.Glob(os.DirFS(dir), "*")
	if err != nil || len(left) != 0 {
		t.Errorf("a failed founding left %v, %v", left, err)
	}
}
