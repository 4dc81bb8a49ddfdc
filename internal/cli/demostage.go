package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
)

const (
	demoApp     sealift.AppID   = "com.example.shop"
	demoChannel sealift.Channel = "production"
)

// demoStage is what the demo plays on: a real installation that serves on
// loopback, and a device that reaches it through an edge which may turn
// hostile.
//
//	publisher ──► server ◄── hostile edge ◄── device
type demoStage struct {
	std     *IO
	dir     string
	token   access.Token
	api     *apiclient.Client
	server  string
	hostile *sealifttest.Hostile
	device  *client.Device
	clock   *demoClock
	ends    []func() error // last first
}

func newDemoStage(ctx context.Context, std *IO, dir string) (*demoStage, error) {
	s := &demoStage{std: std, dir: dir, clock: &demoClock{System: client.NewSystem(), now: std.Now}}
	err := s.set(ctx)
	if err != nil {
		err = errors.Join(err, s.close())
	}
	return s, err
}

func (s *demoStage) close() (err error) {
	for i := len(s.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, s.ends[i]())
	}
	s.ends = nil
	return err
}

// demoClock lets the device's clock go on, for attacks that take days.
type demoClock struct {
	*client.System
	now   func() time.Time
	ahead time.Duration
}

// Now implements client.Host.
func (c *demoClock) Now() time.Time { return c.now().Add(c.ahead) }

func (s *demoStage) set(ctx context.Context) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"founding an installation: root, targets and vault keys", s.found},
		{"starting the server, and a hostile edge before it", s.serve},
		{"making an app and a channel", s.makeApp},
		{"enrolling a device", s.enrol},
	} {
		s.std.Note("%s", step.what)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// passphrase is made for the demo and kept nowhere: what it seals ends with it.
func demoPassphrase() []byte {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return []byte(hex.EncodeToString(random))
}

func (s *demoStage) found(ctx context.Context) error {
	passphrase := demoPassphrase()
	founded, err := installation.Found(ctx, installation.Founding{
		Data: filepath.Join(s.dir, "data"), Keys: filepath.Join(s.dir, "keys"),
		Quorum:      ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: func(string, bool) ([]byte, error) { return passphrase, nil },
		Options:     installation.Options{Now: s.std.Now},
	})
	if err != nil {
		return err
	}
	secret, err := term.ReadSecretFile(founded.Token, "owner's token")
	if err != nil {
		return err
	}
	defer secret.Clear()
	if s.token, err = access.ParseToken(string(secret.Bytes())); err != nil {
		return err
	}
	i, err := installation.Open(ctx, filepath.Join(s.dir, "data"), installation.Options{Now: s.std.Now})
	if err != nil {
		return err
	}
	s.ends = append(s.ends, i.Close)
	if err := i.Vault.Unseal(ctx, vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "demo"}, s.std.Now()); err != nil {
		return err
	}
	s.server, err = s.listen(ctx, func(ctx context.Context, l net.Listener) error {
		return i.Serve(ctx, l, config.Server{}, s.std.Build.Version)
	})
	return err
}

// listen serves on a free port of this machine until the stage is closed.
func (s *demoStage) listen(ctx context.Context, serve func(context.Context, net.Listener) error) (string, error) {
	listener, err := listen(ctx, "127.0.0.1:0", "--listen")
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener) }()
	s.ends = append(s.ends, func() error { stop(); return <-done })
	return "http://" + listener.Addr().String(), nil
}

func (s *demoStage) serve(ctx context.Context) error {
	target, err := url.Parse(s.server)
	if err != nil {
		return err
	}
	s.hostile = sealifttest.NewHostile(httputil.NewSingleHostReverseProxy(target))
	edge, err := s.listen(ctx, func(ctx context.Context, l net.Listener) error {
		server := &http.Server{Handler: s.hostile, ReadHeaderTimeout: sealift.ConnectTimeout}
		go func() { <-ctx.Done(); _ = server.Close() }()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	root, err := readRootFile(filepath.Join(s.dir, "keys", "root.json"))
	if err != nil {
		return err
	}
	s.device, err = client.Open(client.Config{
		Server: edge, App: demoApp, Channel: demoChannel, Platform: "web", Runtime: "1.0.0",
		Dir: filepath.Join(s.dir, "device"), Root: root, Host: s.clock,
	})
	if err == nil {
		s.ends = append(s.ends, s.device.Close)
	}
	return err
}

func (s *demoStage) makeApp(ctx context.Context) error {
	base, err := url.Parse(s.server)
	if err != nil {
		return err
	}
	s.api, err = apiclient.New(s.server, &API{Base: base, client: newHTTPClient((&net.Dialer{Timeout: sealift.ConnectTimeout}).DialContext), token: term.NewSecret([]byte(s.token.Reveal())), agent: "sealift/demo"})
	if err != nil {
		return err
	}
	if _, err := s.api.CreateApp(ctx, api.NewApp{ID: string(demoApp), Kind: "web"}); err != nil {
		return err
	}
	_, err = s.api.CreateChannel(ctx, demoApp, demoChannel)
	return err
}

func (s *demoStage) enrol(ctx context.Context) error {
	token, _, err := s.api.CreateEnrolmentToken(ctx, demoApp, api.NewEnrolmentToken{Uses: 1, ExpiresIn: 3600, Label: "demo"})
	if err != nil {
		return err
	}
	return s.device.Enrol(ctx, token)
}

// publish publishes, and says whether there is a patch.
func (s *demoStage) publish(ctx context.Context, version sealift.Version, bundle fs.FS) (patched bool, err error) {
	archives, err := publisher.OpenArchives(filepath.Join(s.dir, "archives"))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, archives.Close()) }()
	p := &publisher.Publisher{
		API: s.api, Now: s.std.Now, TempDir: s.dir, Progress: s.std.stage, Archives: archives,
		Epochs: &publisher.Metadata{Base: s.server, Root: s.token.Root(), CacheDir: filepath.Join(s.dir, "publisher"), Host: client.NewSystem()},
	}
	r, err := p.Publish(ctx, publisher.Request{
		App: demoApp, Channel: demoChannel, Platform: "web", Runtime: sealift.AnyRuntime, Version: version, Bundle: bundle,
	})
	if err != nil {
		return false, fmt.Errorf("publishing %s: %w", version, err)
	}
	patches := ""
	for _, patch := range r.Patches {
		patches += fmt.Sprintf(", a patch of %s", term.Bytes(patch.Blob.Length))
	}
	s.std.Note("\npublished %s as counter %d: an archive of %s, %s sealed%s", r.Version, r.Counter, term.Bytes(r.Archive.Length), term.Bytes(r.Blob.Length), patches)
	return patches != "", nil
}
