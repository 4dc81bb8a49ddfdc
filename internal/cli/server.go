package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/metrics"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/internal/witness"
)

type serverCmd struct {
	Data        string            `required:"" placeholder:"DIR" help:"Folder that sealift init made."`
	Listen      string            `default:"127.0.0.1:8470" placeholder:"ADDR" help:"Address and port to listen on."`
	TLSCert     string            `name:"tls-cert" placeholder:"FILE" help:"Certificate chain, PEM."`
	TLSKey      string            `name:"tls-key" placeholder:"FILE" help:"Its private key, PEM."`
	BehindProxy bool              `help:"A proxy on the way terminates TLS: allow a non-loopback address without it."`
	Origin      string            `placeholder:"URL" help:"How browsers reach the server, such as https://updates.example.com: for passkeys and for sealift login --browser. Without it: http://localhost and the port, where the server listens on this machine alone, and else none."`
	CapgoURL    string            `name:"capgo-url" placeholder:"URL" help:"How devices that have Capgo's plugin reach the server, such as https://updates.example.com: they fetch bundles there. Without it: the origin; without that they are not answered."`
	OIDC        string            `name:"oidc" placeholder:"FILE" help:"Whose word is taken for who people are: JSON that names an OpenID Connect issuer, with a client id, a file with its secret, and what counts as more than one factor. People sign in there on the page /people/."`
	Metrics     string            `placeholder:"ADDR" help:"Address and port where a monitoring system, such as Prometheus, reads numbers under /metrics, such as 127.0.0.1:9470. Without it: nowhere."`
	MetricsTo   string            `name:"metrics-token-file" placeholder:"FILE" help:"A secret that whoever reads there has to show as a bearer token: 32 characters or more."`
	Timestamp   time.Duration     `name:"timestamp-life" default:"72h" placeholder:"DURATION" help:"How long devices take the newest metadata for current, 24h to 168h: what a stopped server may cost, and what an attacker who withholds updates may gain."`
	Witnesses   string            `placeholder:"FILE" help:"Who is asked to cosign the log: a line each with a witness's verifier key and the URL before its /add-checkpoint (C2SP tlog-witness)."`
	Backup      BackupOptions     `embed:"" prefix:"backup-"`
	Sealed      bool              `help:"Start with the vault sealed, whatever opens it: it serves devices what is published, and is opened with sealift vault unseal."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *serverCmd) Run(ctx context.Context, std *IO) error { return runServer(ctx, std, *c) }

func runServer(ctx context.Context, std *IO, opts serverCmd) (err error) {
	in, err := opts.input(std)
	if err != nil {
		return err
	}
	defer in.clear()
	// A crash must leave no keys on disk. Before they are in memory.
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	if _, own := std.Env("GOGC"); !own {
		debug.SetGCPercent(sealift.ServerGCPercent)
	}
	log := newLog(std)
	tokens, err := opts.Reach.ready(ctx, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	i, err := installation.Open(ctx, opts.Data, installation.Options{Now: std.Now, Log: log, TimestampLife: opts.Timestamp, Witnesses: in.peers, Tokens: tokens, Backups: in.backups})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	listener, err := listen(ctx, in.settings.Listen, "--listen")
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := openMetrics(ctx, std, i, in.settings.Metrics, in.metricsToken); err != nil {
		return err
	}
	if err := opts.reached(i, in, listener.Addr()); err != nil {
		return err
	}
	if err := opts.unseal(ctx, std, i, tokens); err != nil {
		return err
	}
	if err := opts.warnOfRule(ctx, std, i); err != nil {
		return err
	}
	if err := warnOfRestore(ctx, std, i); err != nil {
		return err
	}
	scheme := "http"
	if in.settings.TLS != nil {
		scheme = "https"
	}
	std.Note("serving on %s://%s", scheme, listener.Addr())
	log.Info("serving", "address", listener.Addr().String(), "tls", in.settings.TLS != nil)
	return i.Serve(ctx, listener, in.settings, std.Build.Version)
}

// serverInput is what the flags of a server say, and the files that they name.
type serverInput struct {
	settings     config.Server
	metricsToken term.Secret
	peers        []witness.Peer
	backups      *installation.Schedule
	issuer       signInIssuer
	capgo        string // --capgo-url
}

func (in *serverInput) clear() {
	in.metricsToken.Clear()
	in.issuer.secret.Clear()
}

// input reads and checks all of it, before anything is opened.
func (c serverCmd) input(std *IO) (in serverInput, err error) {
	defer func() {
		if err != nil {
			in.clear()
		}
	}()
	if err := c.Passphrases.Check(installation.VaultKey); err != nil {
		return in, err
	}
	if c.Timestamp < sealift.MinTimestampLife || c.Timestamp > sealift.MaxTimestampLife {
		return in, usage("--timestamp-life is %s; %s to %s are allowed", c.Timestamp, sealift.MinTimestampLife, sealift.MaxTimestampLife)
	}
	in.settings, err = config.Flags{Listen: c.Listen, TLSCert: c.TLSCert, TLSKey: c.TLSKey, BehindProxy: c.BehindProxy, Metrics: c.Metrics, Token: c.MetricsTo != ""}.Resolve()
	if err != nil {
		return in, err
	}
	if in.capgo, err = config.ParseBase("--capgo-url", c.CapgoURL); err != nil {
		return in, err
	}
	if in.metricsToken, err = readMetricsToken(c.MetricsTo); err != nil {
		return in, err
	}
	if in.peers, err = readWitnesses(c.Witnesses); err != nil {
		return in, err
	}
	if in.backups, err = c.Backup.schedule(std); err != nil {
		return in, err
	}
	in.issuer, err = readIssuer(c.OIDC)
	return in, err
}

// reached says under which URL browsers and Capgo devices reach the server, and who
// vouches for people there.
func (c serverCmd) reached(i *installation.Installation, in serverInput, listen net.Addr) error {
	origin := c.origin(in.settings, listen)
	if origin != "" {
		if err := i.People.SetOrigin(origin); err != nil {
			return err
		}
	}
	if base := cmp.Or(in.capgo, strings.TrimSuffix(origin, "/")); base != "" {
		i.OpenCapgo(base, in.settings.ClientAddress)
	}
	if c.OIDC == "" {
		return nil
	}
	return i.People.SetIssuer(in.issuer.settings, string(in.issuer.secret.Bytes()))
}

// origin is how browsers reach the server; empty where nobody has said so, and it
// is not on this machine alone. An address is none that takes passkeys.
func (c serverCmd) origin(settings config.Server, listen net.Addr) string {
	host, port, err := net.SplitHostPort(listen.String())
	if c.Origin != "" || err != nil || settings.TLS != nil || settings.BehindProxy || !config.IsLoopback(host) {
		return c.Origin
	}
	return "http://localhost:" + port
}

// readMetricsToken reads what a monitoring system has to show; no name is nothing.
func readMetricsToken(path string) (term.Secret, error) {
	if path == "" {
		return term.Secret{}, nil
	}
	secret, err := term.ReadSecretFile(path, "token for metrics")
	if err == nil && len(secret.Bytes()) < sealift.MinMetricsToken {
		secret.Clear()
		err = sealift.Errorf(sealift.KindInvalid, "reading token for metrics", "it has fewer than %d characters", sealift.MinMetricsToken).
			WithHint("make one: openssl rand -hex 32 > %s", path)
	}
	return secret, err
}

// openMetrics lets a server answer a monitoring system, if settings say where.
func openMetrics(ctx context.Context, std *IO, i *installation.Installation, settings config.Metrics, token term.Secret) error {
	if settings.Listen == "" {
		return nil
	}
	listener, err := listen(ctx, settings.Listen, "--metrics")
	if err != nil {
		return err
	}
	i.OpenMetrics(installation.MetricsDoor{Listener: listener, TLS: settings.TLS, Token: token.Bytes()})
	std.Note("metrics on %s%s", listener.Addr(), metrics.Path)
	return nil
}

// readWitnesses reads the file that names them; no name is none.
func readWitnesses(path string) ([]witness.Peer, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readBounded(path, "witnesses", sealift.MaxTarget, "name a file that says who cosigns the log, or leave --witnesses away")
	if err != nil {
		return nil, err
	}
	return witness.ParsePeers(data)
}

// signInIssuer is an OpenID Connect issuer, and the secret that this server has with it.
type signInIssuer struct {
	settings access.IssuerSettings
	secret   term.Secret
}

// readIssuer reads the file of settings, and the secret that it names: in the same
// folder, unless it says which. No name is no issuer.
func readIssuer(path string) (read signInIssuer, err error) {
	if path == "" {
		return read, nil
	}
	data, err := readBounded(path, "issuer's settings", sealift.MaxIssuerSettings, "name a file that says who the issuer is, or leave --oidc away")
	if err != nil {
		return read, err
	}
	if read.settings, err = access.ParseIssuerSettings(data); err != nil {
		return read, err
	}
	secret := read.settings.ClientSecretFile
	if !filepath.IsAbs(secret) {
		secret = filepath.Join(filepath.Dir(path), secret)
	}
	read.secret, err = term.ReadSecretFile(secret, "client secret")
	return read, err
}

// newLog writes what happens to stderr: as JSON where --json was given.
func newLog(std *IO) *slog.Logger {
	if std.JSON {
		return slog.New(slog.NewJSONHandler(std.Err, nil))
	}
	return slog.New(slog.NewTextHandler(std.Err, nil))
}

// unseal opens the vault with a passphrase, or leaves it to those who hold its
// shares.
func (c serverCmd) unseal(ctx context.Context, std *IO, i *installation.Installation, tokens *pkcs11.Tokens) error {
	status, err := i.Vault.Status(ctx)
	if err != nil {
		return err
	}
	if !status.Recoverable {
		std.Warn("whoever loses what opens the vault loses the vault: there is no recovery path\nmake one with: sealift vault rekey --data %s --recovery-out FILE", c.Data)
	}
	_, named := c.Passphrases.PassphraseFile[installation.VaultKey]
	switch shares := status.Unseal.Threshold > 0; {
	case c.Sealed && named:
		return usage("a server that starts sealed takes no passphrase").WithHint("leave out --sealed or --passphrase-file")
	case c.Sealed || shares && !named:
		std.Note("the vault is sealed and opens with %s: sealift vault unseal --server URL", status.Unseal.Describe(vault.PathUnseal))
		return nil
	}
	system := audit.Actor{Kind: audit.System, ID: "server"}
	if status.Unseal.Token != "" && !named {
		return byToken(i.Vault.Unseal(ctx, vault.Token{Sealer: tokens}, system, std.Now()))
	}
	passphrase, err := c.Passphrases.Read(ctx, std, PassphraseUse{Key: installation.VaultKey, Shared: true})
	if err != nil {
		return err
	}
	defer passphrase.Clear()
	return i.Vault.Unseal(ctx, vault.SecretOf(passphrase.Bytes()), system, std.Now())
}

// warnOfRule says who rules the vault, as long as that is nobody with a name.
func (c serverCmd) warnOfRule(ctx context.Context, std *IO, i *installation.Installation) error {
	status, err := i.Vault.Status(ctx)
	if err != nil || status.Sealed { // nobody can tell whom to believe
		return err
	}
	rule, err := i.People.Rule(ctx)
	switch {
	case err != nil || rule.Owners > 0:
	case rule.TokenEnds.IsZero():
		std.Warn("nobody is an owner of this vault, and no owner's token is good\nmake one with: sealift token owner --data %s --out FILE", c.Data)
	default:
		std.Warn("the owner's token ends at %s\n%s", rule.TokenEnds.UTC().Format(minute), inviteOwner)
	}
	return err
}

// listen takes the address that a flag named.
func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	const op = "starting the server"
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, sealift.Errorf(sealift.KindConflict, op, "%s is taken", address).
			WithReason("address-in-use").WithHint("stop the other server there, or choose another port with %s", flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("choose an address of this machine, and a port above 1023 unless you are root")
	case err != nil:
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("use a form such as 127.0.0.1:8470")
	}
	return listener, nil
}
