package accesstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/sealift/sealift/internal/access"
)

// Issuer is a small OpenID Connect provider on loopback, whose every word a test
// may bend: discovery, keys, the authorization endpoint, and the token endpoint,
// which wants the client's secret and PKCE.
type Issuer struct {
	*httptest.Server
	Now func() time.Time
	// Claims, Header and Discovery bend what is said; nil for nothing.
	Claims    func(claims map[string]any)
	Header    func(header map[string]any)
	Discovery func(said map[string]any)
	// Instead, where it is not nil, answers in the place of a path.
	Instead map[string]http.HandlerFunc
	// Foreign signs with a key that is not among those the issuer shows.
	Foreign bool
	// Subject and Email are of whoever signs in.
	Subject, Email string

	mu    sync.Mutex
	codes map[string]url.Values // what each was asked with
	asked []string              // the paths, in order
}

// The client as the issuer knows it.
const (
	ClientID     = "sealift"
	ClientSecret = "a secret of the client"
)

var ownKey, foreignKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // never fails (crypto/rand)
	}
	return key
}

// NewIssuer starts one. It is to be closed.
func NewIssuer(now func() time.Time) *Issuer {
	i := &Issuer{Now: now, Subject: "248289761001", Email: "alice@example.com", codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("/keys", i.keys)
	mux.HandleFunc("/authorize", i.authorize)
	mux.HandleFunc("/token", i.token)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked = append(i.asked, r.URL.Path)
		instead := i.Instead[r.URL.Path]
		i.mu.Unlock()
		if instead != nil {
			instead(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return i
}

// Settings are those of a server that takes its word; amr "mfa" and acr "gold"
// count as more than one factor.
func (i *Issuer) Settings() access.IssuerSettings {
	return access.IssuerSettings{
		Issuer: i.URL, ClientID: ClientID, ClientSecretFile: "client-secret",
		MFA: access.IssuerMFA{ACR: []string{"gold"}, AMR: []string{"mfa"}},
	}
}

// Asked returns the paths that were asked for, in order.
func (i *Issuer) Asked() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.asked...)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	said := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256", "none", "HS256"},
	}
	if i.Discovery != nil {
		i.Discovery(said)
	}
	answer(w, said)
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	public := ownKey().PublicKey
	answer(w, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// authorize signs the browser in at once and sends it back.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("scope") != "openid email" || q.Get("nonce") == "" ||
		q.Get("state") == "" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("max_age") != "300" {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	i.mu.Lock()
	i.codes[code] = q
	i.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// Visit is what the browser does: it goes where it is sent, and returns with what it
// comes back with.
func (i *Issuer) Visit(to string) (back *url.URL, err error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(to)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return nil, errors.New(resp.Status)
	}
	return resp.Location()
}

// token exchanges a code, once.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id) // RFC 6749 section 2.3.1
	secret, _ = url.QueryUnescape(secret)
	i.mu.Lock()
	asked, ok := i.codes[r.FormValue("code")]
	delete(i.codes, r.FormValue("code"))
	i.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	refusal := ""
	switch {
	case id != ClientID || secret != ClientSecret:
		refusal = "invalid_client"
	case !ok || r.FormValue("grant_type") != "authorization_code" || r.FormValue("redirect_uri") != asked.Get("redirect_uri"),
		encode(challenge[:]) != asked.Get("code_challenge"):
		refusal = "invalid_grant"
	}
	if refusal != "" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": refusal})
		return
	}
	answer(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": i.sign(asked.Get("nonce"))})
}

// sign makes an ID token: RS256 (RFC 7518 section 3.3).
func (i *Issuer) sign(nonce string) string {
	now := i.Now()
	header := map[string]any{"alg": "RS256", "kid": "1", "typ": "JWT"}
	claims := map[string]any{
		"iss": i.URL, "sub": i.Subject, "aud": ClientID, "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"auth_time": now.Unix(), "email": i.Email, "email_verified": true, "amr": []string{"pwd", "mfa"},
	}
	if i.Header != nil {
		i.Header(header)
	}
	if i.Claims != nil {
		i.Claims(claims)
	}
	part := func(v any) string {
		data, _ := json.Marshal(v)
		return encode(data)
	}
	text := part(header) + "." + part(claims)
	if header["alg"] == "none" {
		return text + "."
	}
	key := ownKey()
	if i.Foreign {
		key = foreignKey()
	}
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return ""
	}
	return text + "." + encode(signature)
}
