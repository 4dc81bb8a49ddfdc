package browser

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/pquerna/otp/totp"
)

// world is an installation that serves on loopback, and the folder it is in.
type world struct {
	t       *testing.T
	sealift string // the program
	dir     string
	data    string
	origin  string // http://localhost:PORT: a browser takes it for secure, and no address
	owner   string // the token that init gave
	secret  string // the passphrase of everything
	issuer  *issuer
}

// newWorld founds an installation and starts its server.
func newWorld(t *testing.T) *world {
	t.Helper()
	program := os.Getenv("SEALIFT")
	if program == "" {
		t.Fatal("SEALIFT does not name the program: run scripts/e2e.sh, or see this package's comment")
	}
	w := &world{t: t, sealift: program, dir: t.TempDir(), secret: "a passphrase for a test of pages"}
	w.data = filepath.Join(w.dir, "data")
	w.run("", "init", "--data", w.data, "--keys", filepath.Join(w.dir, "keys"))
	token, err := os.ReadFile(filepath.Join(w.dir, "keys", "owner.token"))
	if err != nil {
		t.Fatal(err)
	}
	w.owner = strings.TrimSpace(string(token))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(address)
	w.origin = "http://localhost:" + port
	w.serve(address)
	return w
}

// serve starts the server, which ends with the test.
func (w *world) serve(address string) {
	w.t.Helper()
	var settings string
	w.issuer, settings = newIssuer(w.t, w.dir)
	var said bytes.Buffer
	server := w.command("", "server", "--data", w.data, "--listen", address, "--origin", w.origin, "--oidc", settings)
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := errors.Join(server.Process.Signal(syscall.SIGTERM), server.Wait()); err != nil {
			w.t.Errorf("the server: %v", err)
		}
		if w.t.Failed() {
			w.t.Logf("the server said:\n%s", said.String())
		}
	})
	for range 300 { // thirty seconds
		answer, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			answer.Body.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatal("the server does not listen after 30 seconds")
}

// command is the program, run by who: a folder of their own is their home.
func (w *world) command(who string, args ...string) *exec.Cmd {
	c := exec.Command(w.sealift, args...)
	home := filepath.Join(w.dir, "home-"+who)
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home,
		"SEALIFT_SERVER=" + w.origin, "SEALIFT_PASSPHRASE=" + w.secret,
	}
	if who == "" {
		c.Env = append(c.Env, "SEALIFT_TOKEN="+w.owner)
	}
	return c
}

// run runs the program to its success, and returns what it printed.
func (w *world) run(who string, args ...string) string {
	w.t.Helper()
	out, code := w.try(who, args...)
	if code != 0 {
		w.t.Fatalf("sealift %s ended with %d:\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// try runs the program, and returns what it printed and its exit code.
func (w *world) try(who string, args ...string) (out string, code int) {
	w.t.Helper()
	c := w.command(who, args...)
	text, err := c.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
}

// terminal is a program that somebody runs at a terminal.
type terminal struct {
	t    *testing.T
	file *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen bytes.Buffer // and not read yet
}

// atTerminal starts the program at a terminal of its own.
func (w *world) atTerminal(who string, args ...string) *terminal {
	w.t.Helper()
	c := &terminal{t: w.t, cmd: w.command(who, args...)}
	var err error
	if c.file, err = pty.Start(c.cmd); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.file.Close() })
	go func() { _, _ = io.Copy(c, c.file) }()
	return c
}

// Write implements io.Writer for what the program shows.
func (c *terminal) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.Write(p)
}

// reads waits for what the pattern says, and returns its groups. What was shown
// before is read.
func (c *terminal) reads(pattern string) []string {
	c.t.Helper()
	want := regexp.MustCompile(pattern)
	for range 300 { // thirty seconds
		c.mu.Lock()
		text := c.seen.String()
		if m := want.FindStringSubmatchIndex(text); m != nil {
			c.seen.Next(m[1])
			c.mu.Unlock()
			return want.FindStringSubmatch(text)[1:]
		}
		c.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t.Fatalf("waited in vain for %s, and read\n%s", pattern, c.seen.String())
	return nil
}

func (c *terminal) types(text string) {
	c.t.Helper()
	if _, err := c.file.WriteString(text + "\r"); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the program's success.
func (c *terminal) ends() {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.t.Fatalf("%v\n%s", err, c.seen.String())
	}
}

// person is somebody with a password, an authenticator app and a browser.
type person struct {
	*tab
	w                     *world
	name, login, password string
	totp                  string // base32
	used                  string // the code that the server took last: it takes none twice
}

// invite has by let somebody in, who accepts at a terminal.
func (w *world) invite(by, name, role string) *person {
	w.t.Helper()
	p := &person{w: w, name: name, login: name + "@example.com", password: "seven grey owls count their keys"}
	file := filepath.Join(w.dir, "invitation-"+name)
	w.run(by, "user", "invite", p.login, "--role", role, "--out", file)
	c := w.atTerminal(name, "user", "accept", "--invitation-file", file, "--name", name)
	c.reads("new password: ")
	c.types(p.password)
	c.reads("again: ")
	c.types(p.password)
	p.totp = strings.ReplaceAll(c.reads("type in: ([A-Z2-7 ]+[A-Z2-7])")[0], " ", "")
	c.reads("code that the app shows: ")
	c.types(p.code())
	c.reads("signed in as")
	c.ends()
	return p
}

// code is a code of the authenticator app that the server has not taken yet: the
// present one, or the next, which the server takes as well.
func (p *person) code() string {
	p.w.t.Helper()
	for range 80 { // forty seconds: codes change each thirty
		for _, at := range []time.Time{time.Now(), time.Now().Add(30 * time.Second)} {
			code, err := totp.GenerateCode(p.totp, at)
			if err != nil {
				p.w.t.Fatal(err)
			}
			if code > "" && code != p.used && !strings.Contains(p.used, code) {
				p.used += " " + code
				return code
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.w.t.Fatal("no fresh code")
	return ""
}
