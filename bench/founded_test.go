package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
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
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// founded is an installation in this process, with one app.
type founded struct {
	b     *testing.B
	dir   string
	i     *installation.Installation
	now   func() time.Time
	began time.Time
	owner access.Caller
}

func foundInstallation(b *testing.B, now func() time.Time) *founded {
	f := &founded{b: b, dir: b.TempDir(), now: now, began: now(), owner: access.Caller{Kind: access.CallerPerson, ID: "bench", Address: "127.0.0.1"}}
	const passphrase = "five random words are enough"
	data := filepath.Join(f.dir, "data")
	_, err := installation.Found(b.Context(), installation.Founding{
		Data: data, Keys: filepath.Join(f.dir, "keys"), Quorum: ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: func(string, bool) ([]byte, error) { return []byte(passphrase), nil }, Options: installation.Options{Now: now},
	})
	check(b, err)
	f.i, err = installation.Open(b.Context(), data, installation.Options{Now: now})
	check(b, err)
	b.Cleanup(func() { check(b, f.i.Close()) })
	check(b, f.i.Vault.Unseal(b.Context(), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "bench"}, now()))
	_, err = f.i.Releases.CreateApp(b.Context(), f.owner, service.NewApp{ID: app, Kind: service.AppWeb})
	check(b, err)
	_, err = f.i.Releases.CreateChannel(b.Context(), f.owner, app, channel)
	check(b, err)
	return f
}

// publish makes a release by way of the server at url.
func (f *founded) publish(url string) trust.ReportRelease {
	text, err := os.ReadFile(filepath.Join(f.dir, "keys", "owner.token"))
	check(f.b, err)
	token, err := access.ParseToken(string(text[:len(text)-1]))
	check(f.b, err)
	calls, err := apiclient.New(url, bearer{token})
	check(f.b, err)
	p := &publisher.Publisher{API: calls, Now: f.now, TempDir: f.b.TempDir(), Epochs: &publisher.Metadata{
		Base: url, Root: token.Root(), CacheDir: filepath.Join(f.dir, "cache"), Host: client.NewSystem(),
	}}
	made, err := p.Publish(f.b.Context(), publisher.Request{
		App: app, Channel: channel, Platform: "web", Runtime: sealift.AnyRuntime, Version: "1.0.0",
		Bundle: fstest.MapFS{"index.html": {Data: []byte("<h1>bench</h1>")}},
	})
	check(f.b, err)
	digest, err := sealift.ParseDigest(made.SHA256)
	check(f.b, err)
	return trust.ReportRelease{Release: digest, Version: sealift.Version(made.Version), Counter: sealift.Counter(made.Counter)}
}

// bearer sends a token with each request.
type bearer struct{ token access.Token }

func (t bearer) Do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+t.token.Reveal())
	return http.DefaultClient.Do(req)
}

var _ api.HttpRequestDoer = bearer{}

// bareAnswerKey is a key that signs answers, and its certificate by a CA that nobody
// knows.
func bareAnswerKey(tb testing.TB, vault sealift.VaultID) (*ecdsa.PrivateKey, []byte) {
	ca, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(tb, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	template, err := trust.AnswerTemplate(vault, time.Now().AddDate(0, 0, -1), time.Now().AddDate(0, 3, 0))
	check(tb, err)
	certificate, err := trust.Issue(template, template, key.Public(), ca)
	check(tb, err)
	return key, certificate
}
