package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// IssuerSettings say whose word is taken for who somebody is, as the JSON of the
// file that the server is started with.
type IssuerSettings struct {
	// Issuer is the issuer's identifier, exactly as in its discovery document
	// (OpenID Connect Discovery 1.0 section 3).
	Issuer string `json:"issuer"`
	// ClientID is this server's, as the issuer knows it.
	ClientID string `json:"clientId"`
	// ClientSecretFile names the file with its secret.
	ClientSecretFile string `json:"clientSecretFile"`
	// MFA is what the issuer says where it asked for more than one factor.
	MFA IssuerMFA `json:"mfa,omitzero"`
}

// IssuerMFA are the values that count as more than one factor; one is enough.
type IssuerMFA struct {
	ACR []string `json:"acr,omitempty"` // authentication context class references
	AMR []string `json:"amr,omitempty"` // authentication method references (RFC 8176)
}

// ParseIssuerSettings reads the file of settings: KindInvalid for what is not of
// the form, or names an issuer that is reached by plain HTTP over a network.
func ParseIssuerSettings(data []byte) (s IssuerSettings, err error) {
	const op = "reading the issuer's settings"
	// An unknown field is a slip of who wrote it.
	if err := strictjson.UnmarshalKnown(data, sealift.MaxIssuerSettings, &s); err != nil {
		return s, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint(settingsHint)
	}
	u, err := url.Parse(s.Issuer)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !isPrivate(u):
		return s, sealift.Errorf(sealift.KindInvalid, op, "issuer is %.80q, and no https URL", s.Issuer).WithHint(settingsHint)
	case s.ClientID == "" || s.ClientSecretFile == "":
		return s, sealift.Errorf(sealift.KindInvalid, op, "clientId or clientSecretFile is missing").WithHint(settingsHint)
	case slices.Contains(s.MFA.ACR, "") || slices.Contains(s.MFA.AMR, ""):
		return s, sealift.Errorf(sealift.KindInvalid, op, "mfa has an empty value").WithHint(settingsHint)
	}
	return s, nil
}

const settingsHint = `it looks like {"issuer": "https://login.example.com", "clientId": "sealift", "clientSecretFile": "client-secret", "mfa": {"amr": ["mfa"]}}`

// isPrivate reports whether nobody on the way reads or changes what u says: it is
// https, or on this machine.
func isPrivate(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Issuer is an OpenID Connect provider whose word is taken for who somebody is:
// the authorization code flow of OpenID Connect Core 1.0 (section 3.1) with PKCE
// (RFC 7636, S256). It is asked for a proof of at most sealift.StepUpAge.
//
// What the issuer answers is bounded in time and size; no redirect is followed;
// and nothing is asked by plain HTTP, but of this machine.
type Issuer struct {
	settings IssuerSettings
	secret   string
	redirect string
	client   *http.Client
	now      func() time.Time

	mu    sync.Mutex
	known *discovered // the last discovery
}

type discovered struct {
	at         time.Time
	keysURL    string
	config     oauth2.Config
	keys       *oidc.RemoteKeySet
	algorithms []string
}

// algorithms are those that an ID token may be signed with (RFC 7518 section 3.1,
// RFC 8037): none with a shared secret, and not "none".
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// NewIssuer returns the issuer of settings; secret is the client's. redirect is
// the page that the issuer sends browsers back to. Nothing is asked of it yet.
func NewIssuer(settings IssuerSettings, secret, redirect string, now func() time.Time) *Issuer {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSHandshakeTimeout:    sealift.ConnectTimeout,
		MaxResponseHeaderBytes: sealift.MaxHeader,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        sealift.KeepAliveTimeout,
	}
	client := &http.Client{Transport: bounded{transport}, Timeout: sealift.IssuerTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects, which is not followed")
	}}
	return &Issuer{settings: settings, secret: secret, redirect: redirect, client: client, now: now}
}

// bounded keeps requests private and answers small.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !isPrivate(r.URL) {
		return nil, errors.New("it would be asked by plain HTTP")
	}
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{http.MaxBytesReader(nil, answer.Body, sealift.MaxIssuerAnswer), answer.Body}
	return answer, nil
}

// Name is the issuer's identifier.
func (i *Issuer) Name() string { return i.settings.Issuer }

// discover returns what the issuer says of itself, at most
// sealift.IssuerMemory ago. Its keys are fetched when a token names one that is
// not known.
func (i *Issuer) discover(ctx context.Context) (*discovered, error) {
	i.mu.Lock()
	known := i.known
	i.mu.Unlock()
	now := i.now()
	if known != nil && !now.Before(known.at) && now.Sub(known.at) < sealift.IssuerMemory {
		return known, nil
	}
	return i.askItself(ctx)
}

// Check asks the issuer what it says of itself and for its keys, now, and returns
// what keeps people from signing in there: KindNetwork with reason ReasonIssuerAway.
func (i *Issuer) Check(ctx context.Context) error {
	ctx, cancel := i.bound(ctx)
	defer cancel()
	known, err := i.askItself(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, known.keysURL, nil)
	if err != nil {
		return away(err)
	}
	answer, err := i.client.Do(req)
	if err != nil {
		return away(err)
	}
	defer answer.Body.Close()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if answer.StatusCode != http.StatusOK {
		return away(errors.New("it answers " + answer.Status + " where its keys are to be"))
	}
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil || len(set.Keys) == 0 {
		return away(errors.New("it has no keys where they are to be"))
	}
	return nil
}

// ClientID is this server's, as the issuer knows it.
func (i *Issuer) ClientID() string { return i.settings.ClientID }

// askItself is discover of now.
func (i *Issuer) askItself(ctx context.Context) (*discovered, error) {
	now := i.now()
	provider, err := oidc.NewProvider(ctx, i.settings.Issuer)
	if err != nil {
		return nil, away(err)
	}
	var more struct {
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		Keys       string   `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, away(err)
	}
	endpoint := provider.Endpoint()
	// Said, not tried out: a code serves once. Basic is the default (Discovery 1.0
	// section 3).
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if u, err := url.Parse(endpoint.AuthURL); err != nil || u.Host == "" || !isPrivate(u) {
		return nil, away(errors.New("its authorization endpoint is no https URL"))
	}
	known := &discovered{
		at: now, keysURL: more.Keys,
		config: oauth2.Config{
			ClientID: i.settings.ClientID, ClientSecret: i.secret, Endpoint: endpoint, RedirectURL: i.redirect,
			Scopes: []string{oidc.ScopeOpenID, oidc.ScopeEmail},
		},
		// Not of ctx, which ends: the client has the limits.
		keys: oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), i.client), more.Keys),
		// Where it names none that is taken, RS256 is (Discovery 1.0 section 3).
		algorithms: slices.DeleteFunc(more.Algorithms, func(a string) bool { return !slices.Contains(algorithms, a) }),
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known = known
	return known, nil
}

// ReasonIssuerAway is the reason of a KindNetwork error where the issuer is away,
// or answers what no issuer does.
const ReasonIssuerAway = "issuer-away"

const askingIssuer = "asking the issuer"

// away says that the issuer did not do its work.
func away(cause error) error {
	return sealift.Errorf(sealift.KindNetwork, askingIssuer, "%w", cause).WithReason(ReasonIssuerAway).
		WithHint("sign in with a passkey or a password; whoever runs the server finds the cause in its log")
}

// unproven says why somebody is not who they are to be. It is for the log: whoever
// asked is not told.
func unproven(format string, args ...any) error {
	return sealift.Errorf(sealift.KindDenied, askingIssuer, format, args...).WithReason(ReasonUnauthenticated)
}

// IssuerQuestion is what a browser is sent to the issuer with, and what its answer
// is proven against.
type IssuerQuestion struct {
	URL      string // for the browser
	State    string // comes back with the browser
	Nonce    string // comes back in the token
	Verifier string // PKCE's code_verifier, which stays here
}

// Ask returns a question. KindNetwork where the issuer is away.
func (i *Issuer) Ask(ctx context.Context) (IssuerQuestion, error) {
	ctx, cancel := i.bound(ctx)
	defer cancel()
	known, err := i.discover(ctx)
	if err != nil {
		return IssuerQuestion{}, err
	}
	q := IssuerQuestion{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	age := oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(sealift.StepUpAge/time.Second)))
	q.URL = known.config.AuthCodeURL(q.State, oidc.Nonce(q.Nonce), oauth2.S256ChallengeOption(q.Verifier), age)
	return q, nil
}

func (i *Issuer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(ctx, i.client), sealift.IssuerTimeout)
}

// IssuerClaim is what the issuer says of somebody, verified.
type IssuerClaim struct {
	Issuer  string
	Subject string    // by what name the issuer knows them; never given to another
	Login   string    // an e-mail address that it has verified, as ParseLogin returns it
	Proven  time.Time // when they proved themselves to it by more than one factor; zero where it does not say so
}

// Redeem exchanges the code that a browser brought for the issuer's word, and
// verifies it (OpenID Connect Core 1.0 section 3.1.3.7): signature, issuer,
// audience, expiry, nonce. KindDenied with ReasonUnauthenticated for what does
// not verify, KindNetwork where the issuer is away.
func (i *Issuer) Redeem(ctx context.Context, q IssuerQuestion, code string) (IssuerClaim, error) {
	ctx, cancel := i.bound(ctx)
	defer cancel()
	known, err := i.discover(ctx)
	if err != nil {
		return IssuerClaim{}, err
	}
	answer, err := known.config.Exchange(ctx, code, oauth2.VerifierOption(q.Verifier))
	if refusal := new(oauth2.RetrieveError); errors.As(err, &refusal) && refusal.Response != nil && refusal.Response.StatusCode/100 == 4 {
		return IssuerClaim{}, unproven("it does not take the code: %.80q", refusal.ErrorCode)
	}
	if err != nil {
		return IssuerClaim{}, away(err)
	}
	raw, ok := answer.Extra("id_token").(string)
	if !ok {
		return IssuerClaim{}, away(errors.New("it answers without an ID token"))
	}
	keys := &heard{keys: known.keys}
	verifier := oidc.NewVerifier(i.settings.Issuer, keys, &oidc.Config{ClientID: i.settings.ClientID, SupportedSigningAlgs: known.algorithms, Now: i.now})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case keys.away != nil:
		return IssuerClaim{}, away(keys.away)
	case err != nil:
		return IssuerClaim{}, unproven("%w", err)
	}
	return i.claim(token, q.Nonce)
}

// heard tells keys that could not be fetched from a signature that is none of
// theirs, which go-oidc's verifier does not.
type heard struct {
	keys *oidc.RemoteKeySet
	away error
}

// VerifySignature implements oidc.KeySet.
func (h *heard) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := h.keys.VerifySignature(ctx, jwt)
	if errors.Unwrap(err) != nil { // what it wraps is why it has no keys
		h.away = err
	}
	return payload, err
}

// claim reads what a verified token says. A name or a time that is missing is none.
func (i *Issuer) claim(token *oidc.IDToken, nonce string) (c IssuerClaim, err error) {
	var said struct {
		Party    string   `json:"azp"`
		Email    string   `json:"email"`
		Verified any      `json:"email_verified"` // some issuers say "true"
		AuthTime float64  `json:"auth_time"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
	}
	if err := token.Claims(&said); err != nil {
		return c, unproven("reading the ID token: %w", err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return c, unproven("the nonce is another")
	case said.Party != i.settings.ClientID && (said.Party != "" || len(token.Audience) > 1):
		return c, unproven("the token is for another party as well")
	case token.Subject == "" || len(token.Subject) > sealift.MaxSubject:
		return c, unproven("the subject is missing, or longer than %d bytes", sealift.MaxSubject)
	case said.Verified != true && said.Verified != "true":
		return c, unproven("the e-mail address is not verified")
	}
	login, err := ParseLogin(said.Email)
	if err != nil {
		return c, unproven("the e-mail address: %w", err)
	}
	c = IssuerClaim{Issuer: i.settings.Issuer, Subject: token.Subject, Login: login}
	several := said.ACR != "" && slices.Contains(i.settings.MFA.ACR, said.ACR) ||
		slices.ContainsFunc(said.AMR, func(m string) bool { return slices.Contains(i.settings.MFA.AMR, m) })
	now := i.now()
	at := time.Unix(int64(min(max(said.AuthTime, 0), float64(now.Unix()))), 0).UTC()
	// A sign-in of this morning is no proof of now; without auth_time nobody knows.
	if several && now.Sub(at) <= sealift.StepUpAge {
		c.Proven = at
	}
	return c, nil
}
