package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/term"
)

// APIOptions are the flags of a command that talks to the people-facing API:
// embed it.
type APIOptions struct {
	Server    string `name:"server" placeholder:"URL" help:"Base URL of the server. Without it: $$SEALIFT_SERVER."`
	TokenFile string `name:"token-file" placeholder:"FILE" help:"File with the access token, readable by you only. Without it: the token itself in $$SEALIFT_TOKEN, else the session of sealift login."`
}

// API is the server as one command sees it: a base URL, and requests that carry
// the caller's token. It is an apiclient.Doer, and what apiclient.New wants.
type API struct {
	Base *url.URL

	client *http.Client
	token  term.Secret // empty for requests that need none
	agent  string
	std    *IO // to ask for a fresh proof; nil where nobody is to be asked
}

// Open finds the server and the token; it makes no request.
func (o APIOptions) Open(std *IO) (*API, error) {
	base, err := o.base(std)
	if err != nil {
		return nil, err
	}
	token, err := o.token(std, base)
	if err != nil {
		return nil, err
	}
	return newAPI(std, base, token), nil
}

func newAPI(std *IO, base *url.URL, token term.Secret) *API {
	waiting := func(address string) { std.Note("waiting for a server at %s", address) }
	return &API{Base: base, client: newHTTPClient(dialStarting(waiting)), token: token, agent: "sealift/" + std.Build.Version, std: std}
}

// OpenUnsigned is Open for what needs no token, and sends none.
func (o APIOptions) OpenUnsigned(std *IO) (*API, error) {
	base, err := o.base(std)
	if err != nil {
		return nil, err
	}
	return newAPI(std, base, term.Secret{}), nil
}

func (o APIOptions) base(std *IO) (*url.URL, error) {
	const op = "finding the server"
	text := o.Server
	if text == "" {
		text, _ = std.Env(envServer)
	}
	if text == "" {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "none was named").
			WithHint("use --server URL or set %s, as in %s=http://127.0.0.1:8470", envServer, envServer)
	}
	base, err := url.Parse(text)
	switch {
	case err != nil, base.Host == "", base.Scheme != "http" && base.Scheme != "https", base.RawQuery != "", base.Fragment != "":
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%q is no base URL", text).WithHint("use a form such as https://updates.example.com")
	case base.User != nil: // the URL is not repeated: it holds a secret
		return nil, sealift.Errorf(sealift.KindInvalid, op, "the URL holds a user name").WithHint("give the token in %s or with --token-file", envToken)
	case base.Scheme == "http" && !config.IsLoopback(base.Hostname()):
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s would carry your token in clear", text).WithReason("plaintext").
			WithHint("use https; plain http is for this machine only")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return base, nil
}

func (o APIOptions) token(std *IO, base *url.URL) (term.Secret, error) {
	if o.TokenFile != "" {
		return term.ReadSecretFile(o.TokenFile, "token")
	}
	v, _ := std.Env(envToken)
	if v == "" {
		session, ok, err := readSession(base)
		if err == nil && !ok {
			err = sealift.Errorf(sealift.KindDenied, "signing in", "no token was given, and there is no session").WithReason("no-token").
				WithHint("sign in with: sealift login; or set %s, or use --token-file FILE; the first owner's is in keys/owner.token", envToken)
		}
		return session, err
	}
	if len(v) > term.MaxSecret {
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading "+envToken, "it is longer than %d bytes", term.MaxSecret)
	}
	return term.NewSecret([]byte(strings.TrimSuffix(v, "\n"))), nil
}

// A server on this machine takes a moment from its start until it listens, most
// of it for Argon2id: a command right behind "sealift server &" waits for it,
// startTries times startPause, and says so once it has waited for startPause.
const (
	startTries = 20
	startPause = 250 * time.Millisecond
)

// dial is http.Transport's DialContext.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialStarting returns a dial that connects, and tries again for a while where
// this machine refuses; waiting is called before the second try.
func dialStarting(waiting func(address string)) dial {
	dialer := net.Dialer{Timeout: sealift.ConnectTimeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		for try := 1; ; try++ {
			conn, err := dialer.DialContext(ctx, network, address)
			if !errors.Is(err, syscall.ECONNREFUSED) || !config.IsLoopback(host) || try > startTries {
				return conn, err
			}
			if try == 2 {
				waiting(address)
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(startPause):
			}
		}
	}
}

func newHTTPClient(d dial) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           d,
			TLSHandshakeTimeout:   sealift.ConnectTimeout,
			ExpectContinueTimeout: time.Second,
			ForceAttemptHTTP2:     true,
		},
		// The API never sends anyone elsewhere, and the token goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Do sends req with the caller's token. Where the server wants a fresh proof and
// there is a terminal, it asks for a code and sends req again. Where the server is not reached, the
// error is KindNetwork and says what to look at; where the caller gave up, it
// is as it is; what a server answers is for apiclient to read.
func (a *API) Do(req *http.Request) (*http.Response, error) {
	resp, err := a.send(req)
	if err != nil {
		return resp, err
	}
	return a.proven(req, resp)
}

func (a *API) send(req *http.Request) (*http.Response, error) {
	if token := a.token.Bytes(); len(token) > 0 {
		req.Header.Set("Authorization", "Bearer "+string(token))
	}
	req.Header.Set("User-Agent", a.agent)
	resp, err := a.client.Do(req)
	if err != nil && req.Context().Err() == nil {
		err = a.unreachable(err)
	}
	return resp, err
}

func (a *API) unreachable(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // without the method and URL, which say less than the server's name
	}
	e := sealift.Errorf(sealift.KindNetwork, "asking "+a.Base.Scheme+"://"+a.Base.Host, "%w", err)
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return e.WithReason("refused").WithHint(`is the server running there? start it with "sealift server", or set %s or --server`, envServer)
	case errors.As(err, &dns):
		return e.WithReason("unknown-host").WithHint("check the name in %s or --server", envServer)
	case errors.As(err, &certificate):
		return e.WithReason("certificate").WithHint("if the server's authority is your own, name its certificate in SSL_CERT_FILE")
	}
	return e.WithHint("check the network, and %s or --server", envServer)
}
