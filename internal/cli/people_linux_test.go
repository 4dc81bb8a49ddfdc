package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/cli"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/vault"
)

// console is a person at a terminal: keyboard is what they type, shown all that
// was on the screen, read how much of it they have read.
type console struct {
	t        *testing.T
	keyboard *os.File
	screen   *os.File
	mu       sync.Mutex
	shown    []byte
	read     int
}

// all is everything shown so far.
func (c *console) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.shown)
}

func newConsole(t *testing.T) *console {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, keyboard: os.NewFile(uintptr(fd), "ptmx")}
	t.Cleanup(func() { c.keyboard.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if c.screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.screen.Close() })
	go func() {
		piece := make([]byte, 4096)
		for {
			n, err := c.keyboard.Read(piece)
			c.mu.Lock()
			c.shown = append(c.shown, piece[:n]...)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// reads waits for what the pattern says, and returns its first group. What was
// shown before is read.
func (c *console) reads(pattern string) string {
	c.t.Helper()
	want := regexp.MustCompile(pattern)
	for range 6000 { // a minute: the machine may be busy
		c.mu.Lock()
		text := c.shown[c.read:]
		if m := want.FindSubmatchIndex(text); m != nil {
			found := ""
			if len(m) > 2 {
				found = string(text[m[2]:m[3]])
			}
			c.read += m[1]
			c.mu.Unlock()
			return found
		}
		c.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("waited in vain for %s, and was shown\n%s", pattern, c.all())
	return ""
}

func (c *console) types(text string) {
	c.t.Helper()
	if _, err := c.keyboard.WriteString(text + "\r"); err != nil {
		c.t.Fatal(err)
	}
}

// served is an installation whose clock the test sets.
type served struct {
	url, token string
	clock      atomic.Int64
}

func (s *served) now() time.Time { return time.Unix(s.clock.Load(), 0) }

func (s *served) code(t *testing.T, secret string) string {
	t.Helper()
	code, err := totp.GenerateCodeCustom(secret, s.now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func serve(t *testing.T) *served {
	t.Helper()
	s, dir := new(served), t.TempDir()
	s.clock.Store(time.Now().Unix())
	founded, err := installation.Found(t.Context(), installation.Founding{
		Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"), Quorum: ceremony.Quorum{Keys: 1, Threshold: 1},
		Passphrases: func(string, bool) ([]byte, error) { return []byte(passphrase), nil }, Options: installation.Options{Now: s.now},
	})
	if err != nil {
		t.Fatal(err)
	}
	i, err := installation.Open(t.Context(), filepath.Join(dir, "data"), installation.Options{Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	if err := i.Vault.Unseal(t.Context(), vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, s.now()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(i.Handler("test", nil))
	if err := i.People.SetOrigin("http://" + strings.Replace(server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	token, err := os.ReadFile(founded.Token)
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.token = server.URL, strings.TrimSpace(string(token))
	return s
}

// run runs a command at the console; its exit code and what it printed come later.
func (s *served) run(t *testing.T, c *console, token string, args ...string) (done func() (code int, out string)) {
	t.Helper()
	var out bytes.Buffer
	codes := make(chan int, 1)
	env := map[string]string{"SEALIFT_SERVER": s.url, "SEALIFT_TOKEN": token}
	std := cli.IO{In: c.screen, Out: &out, Err: c.screen, Now: s.now, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	go func() { codes <- cli.Main(context.WithoutCancel(t.Context()), args, std) }()
	return func() (int, string) { return <-codes, out.String() }
}

const proofPrompt = `code of your authenticator app \(empty: in a browser\): `

// browser is a session of alice's beside that of the terminal.
func (s *served) browser(t *testing.T, secret string) *apiclient.Client {
	t.Helper()
	c, err := apiclient.New(s.url, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.SignIn(t.Context(), api.SignIn{Login: "alice@example.com", Password: passphrase, Code: s.code(t, secret)})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = apiclient.New(s.url, bearing(in.Secret)); err != nil {
		t.Fatal(err)
	}
	return c
}

// A person accepts an invitation at a terminal, and is asked again for a code when
// what they do wants a fresh proof; the command goes on by itself.
func TestPeopleAtATerminal(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s, c := serve(t), newConsole(t)
	invitation := filepath.Join(t.TempDir(), "invitation")
	if code, out := s.run(t, c, s.token, "user", "invite", "alice@example.com", "--role", "owner", "--out", invitation)(); code != 0 {
		t.Fatal(out)
	}
	done := s.run(t, c, "", "user", "accept", "--invitation-file", invitation, "--name", "Alice")
	c.reads("you are invited as alice@example.com, owner, for all apps")
	c.reads("new password: ")
	c.types(passphrase)
	c.reads("again: ")
	c.types(passphrase)
	c.reads("█▀") // of the QR code
	secret := strings.ReplaceAll(c.reads("type in: ([A-Z2-7 ]+[A-Z2-7])"), " ", "")
	c.reads("code that the app shows: ")
	c.types("000000")
	c.reads("that is not the code")
	c.types(s.code(t, secret))
	code, out := done()
	if code != 0 || !strings.Contains(out, "signed in as alice@example.com") || len(regexp.MustCompile(`\n  [0-9a-z-]{29}`).FindAllString(out, -1)) != 10 {
		t.Fatalf("%d\n%s", code, out)
	}
	suspend := []string{"key", "suspend", "release-ca", "--reason", "a test"}
	restore := []string{"key", "restore", "release-ca", "--reason", "a test"}
	if code, out := s.run(t, c, "", suspend...)(); code != 0 {
		t.Fatalf("with a proof of a moment ago: %d\n%s", code, out)
	}
	s.clock.Add(6 * 60)
	done = s.run(t, c, "", restore...)
	c.reads("this wants a fresh proof")
	c.reads(proofPrompt)
	c.types(s.code(t, secret))
	if code, out := done(); code != 0 || !strings.Contains(out, "release-ca/1 is active") {
		t.Fatalf("%d\n%s", code, out)
	}
	s.clock.Add(6 * 60)
	done = s.run(t, c, "", suspend...)
	c.reads(proofPrompt)
	c.types("000000")
	if code, _ := done(); code != 12 {
		t.Errorf("with a wrong code: %d", code)
	}
	c.reads("the code is wrong")

	// No code at hand: it is proven in a browser, and the command goes on.
	done = s.run(t, c, "", suspend...)
	c.reads(proofPrompt)
	c.types("")
	shown := c.reads(`open http://localhost:\d+/people/#[A-Z2-7-]{9} in a browser, and confirm there that it shows the code ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	if err := s.browser(t, secret).ConfirmSignInRequest(t.Context(), shown); err != nil {
		t.Fatal(err)
	}
	if code, out := done(); code != 0 || !strings.Contains(out, "release-ca/1 is suspended") {
		t.Fatalf("%d\n%s", code, out)
	}
	s.clock.Add(6 * 60)
	done = s.run(t, c, "", "login", "--step-up", "--browser")
	shown = c.reads(`shows the code ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	if err := s.browser(t, secret).ConfirmSignInRequest(t.Context(), shown); err != nil {
		t.Fatal(err)
	}
	if code, out := done(); code != 0 || !strings.Contains(out, "proven; good until ") {
		t.Fatalf("%d\n%s", code, out)
	}
	if text := c.all(); strings.Contains(text, passphrase) || strings.Contains(text, "000000") {
		t.Errorf("what was typed is echoed: %s", text)
	}
}
