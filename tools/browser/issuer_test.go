package browser

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// issuer is an OpenID Connect provider on loopback that signs a browser in where
// somebody presses its button. What it checks is tested elsewhere
// (internal/access/accesstest); here it has a page, of another origin.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu    sync.Mutex
	email string
	amr   string
	nonce map[string]string // by code
}

// newIssuer starts one and writes the settings of a server that takes its word.
func newIssuer(t *testing.T, dir string) (*issuer, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, nonce: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		says(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		n, e := base64.RawURLEncoding.EncodeToString(key.N.Bytes()), base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())
		says(w, map[string]any{"keys": []map[string]string{{"kty": "RSA", "alg": "RS256", "kid": "1", "n": n, "e": e}}})
	})
	mux.HandleFunc("/authorize", i.page)
	mux.HandleFunc("/token", i.token)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	settings := filepath.Join(dir, "oidc.json")
	text := `{"issuer": "` + i.URL + `", "clientId": "sealift", "clientSecretFile": "client-secret", "mfa": {"amr": ["mfa"]}}`
	for path, content := range map[string]string{settings: text, filepath.Join(dir, "client-secret"): "a secret of the client"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return i, settings
}

func says(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// knows says who presses the button next, and how they proved it.
func (i *issuer) knows(email, amr string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.email, i.amr = email, amr
}

// page is where the browser is sent: with a button that sends it back, and one that
// refuses.
func (i *issuer) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := rand.Text()
	i.mu.Lock()
	i.nonce[code] = q.Get("nonce")
	i.mu.Unlock()
	link := func(v url.Values) string {
		v.Set("state", q.Get("state"))
		return q.Get("redirect_uri") + "?" + v.Encode()
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte(`<h1>The issuer</h1><a id="yes" href="` + link(url.Values{"code": {code}}) + `">It is me</a> <a id="no" href="` +
		link(url.Values{"error": {"access_denied"}, "error_description": {"you pressed no"}}) + `">It is not</a>`))
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	part := func(v any) string {
		data, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := part(map[string]any{"alg": "RS256", "kid": "1"}) + "." + part(map[string]any{
		"iss": i.URL, "sub": i.email, "aud": "sealift", "nonce": i.nonce[r.FormValue("code")], "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"auth_time": now.Unix(), "email": i.email, "email_verified": true, "amr": []string{i.amr},
	})
	sum := sha256.Sum256([]byte(text))
	signature, _ := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	says(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text + "." + base64.RawURLEncoding.EncodeToString(signature)})
}

// Over the issuer's page, and back, to where the person was.
func TestIssuer(t *testing.T) {
	w := newWorld(t)
	alice := w.invite("", "alice", "owner")
	alice.tab = browse(t, "alice")
	page := w.origin + "/people/"
	atIssuer := func(from string, button chromedp.CSS) {
		t.Helper()
		alice.opens(from)
		alice.sees("Sign in with " + regexp.MustCompile(`^http://`).ReplaceAllString(w.issuer.URL, ""))
		alice.presses("#with-issuer")
		alice.sees("The issuer")
		alice.presses(button)
	}
	alice.opens(page)
	alice.sees("Sign in with a passkey")
	atIssuer(page, "#no")
	alice.sees("you pressed no", "Sign in with a passkey")

	w.issuer.knows("mallory@example.com", "mfa")
	atIssuer(page, "#yes")
	alice.sees("does not sign anybody in here")
	alice.looks("issuer-refused")

	// One factor: a code as well, and a wrong one first.
	w.issuer.knows(alice.login, "pwd")
	atIssuer(page, "#yes")
	alice.sees("One more step", "give the code of your authenticator app")
	alice.looks("issuer-code")
	alice.fills("#prove input", "000000")
	alice.presses("#prove button")
	alice.sees("does not sign anybody in here", "One more step")
	alice.fills("#prove input", alice.code())
	alice.presses("#prove button")
	alice.sees("You are "+alice.login, "Your passkeys")
	if address := evaluates[string](alice.tab, "location.href"); address != page {
		t.Errorf("the address is %s", address)
	}
	if left := evaluates[string](alice.tab, "JSON.stringify(sessionStorage)+document.cookie"); left != "{}" {
		t.Errorf("left behind: %s", left)
	}
	alice.presses("#sign-out")
	alice.sees("Sign in with a passkey")

	// More than one: at once; and a terminal's sign-in goes on where it was.
	w.issuer.knows(alice.login, "mfa")
	c := w.atTerminal("alice", "login", "--browser")
	told := c.reads(`open (\S+) in a browser, and confirm there that it shows the code ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	atIssuer(told[0], "#yes")
	alice.sees("A program asks to be signed in as you", told[1])
	alice.presses("#do-confirm")
	alice.sees("go on in the terminal")
	c.reads("signed in until")
	c.ends()
	alice.presses("#sign-out")

	// Somebody sends a link that ends their own sign-in.
	alice.opens(page + "?state=theirs&code=theirs")
	alice.sees("was not begun in this tab", "Sign in with a passkey")
	if out := w.run("alice", "audit", "list", "--action", "person.bind"); !regexp.MustCompile(`person\.bind`).MatchString(out) {
		t.Error(out)
	}
}
