package browser

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Two people, a policy, releases that wait: all of it on the pages that they would
// use.
func TestPages(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.invite("", "alice", "owner"), w.invite("alice", "bob", "owner")
	alice.tab, bob.tab = browse(t, "alice"), browse(t, "bob")
	alice.mistypes()
	for _, p := range []*person{alice, bob} {
		p.registers()
		p.signsInATerminal()
	}
	alice.provesItToATerminal()
	w.run("alice", "app", "create", "com.acme.shop", "--device")
	w.run("alice", "channel", "create", "production", "--app", "com.acme.shop")
	w.run("alice", "enrol", "token", "--app", "com.acme.shop", "--out", filepath.Join(w.dir, "enrol.token"))
	w.run("alice", "policy", "set", "release", "--approvals", "1", "--roles", "owner")

	first := w.publish("1.0.0")
	alice.mayNotApprove(first)
	bob.approves(first)
	w.installs("1.0.0")
	w.verifiesEvidence(first, bob)

	bob.rejects(w.publish("1.1.0"))
	alice.takesBack(w.publish("1.2.0"))
	w.installs("1.0.0")
	bob.losesTheSession(w.publish("1.3.0"))
}

// mistypes sees what a stranger sees, and is told what is wrong.
func (p *person) mistypes() {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/")
	p.sees("Sign in with a passkey")
	p.looks("sign-in")
	p.presses("#with-passkey") // there is none
	p.sees("No passkey")
	p.fills("input[name=login]", p.login)
	p.fills("input[name=password]", "not the password of "+p.name)
	p.fills("input[name=code]", "000000")
	p.presses("#with-code button")
	p.sees("wrong")
	p.looks("sign-in-refused")
}

// registers a passkey after signing in with password and code, and signs in with
// it.
func (p *person) registers() {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/")
	p.fills("input[name=login]", p.login)
	p.fills("input[name=password]", p.password)
	p.fills("input[name=code]", p.code())
	p.presses("#with-code button")
	p.sees("You are "+p.login, "Your passkeys")
	if cookies := evaluates[string](p.tab, "document.cookie"); cookies != "" {
		p.t.Errorf("the script sees cookies: %q", cookies)
	}
	p.verifies(false)
	p.fills("input[name=label]", "a laptop")
	p.presses("#add button")
	p.sees("No passkey") // was made: the authenticator did not recognise its user
	p.verifies(true)
	p.presses("#add button")
	p.sees("a laptop, since")
	p.looks("passkeys")
	p.opens(p.w.origin + "/people/")
	p.sees("a laptop, since") // the session is in a cookie
	p.presses("#sign-out")
	p.sees("Sign in with a passkey")
	p.lacks("You are")
	p.opens(p.w.origin + "/people/")
	p.sees("Sign in with a passkey")
	p.presses("#with-passkey")
	p.sees("You are "+p.login, "last used")
}

// signsInATerminal confirms sealift login --browser on the page.
func (p *person) signsInATerminal() {
	p.w.t.Helper()
	c := p.w.atTerminal(p.name, "login", "--browser")
	told := c.reads(`open (\S+) in a browser, and confirm there that it shows the code ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	p.opens(told[0])
	p.sees("A program asks to be signed in as you", told[1], "127.0.0.1")
	p.looks("confirm")
	p.presses("#do-confirm")
	p.sees("go on in the terminal")
	p.looks("confirmed")
	c.reads("signed in until")
	c.ends()
	p.opens(told[0]) // a code serves once
	p.sees("was finished")
	p.lacks("A program asks")
}

// provesItToATerminal confirms sealift login --step-up --browser on the page, once
// the browser's own proof is fresher than the terminal's.
func (p *person) provesItToATerminal() {
	p.w.t.Helper()
	c := p.w.atTerminal(p.name, "login", "--step-up", "--browser")
	told := c.reads(`open (\S+) in a browser, and confirm there that it shows the code ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	const asks = "Your terminal asks for a proof that it is you"
	p.opens(told[0])
	p.sees(asks, told[1], "It says what for: sealift login --step-up")
	p.looks("prove")
	p.presses("#do-confirm")
	p.sees("That wants a fresh proof")
	p.presses("#with-passkey")
	p.sees(asks, told[1])
	p.presses("#do-confirm")
	p.sees("go on in the terminal")
	c.reads("proven; good until")
	c.ends()
}

// publish submits a release as alice, and returns the request that it waits for.
func (w *world) publish(version string) (request string) {
	w.t.Helper()
	bundle := filepath.Join(w.dir, "bundle-"+version)
	if err := os.Mkdir(bundle, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "program"), []byte("version "+version), 0o600); err != nil {
		w.t.Fatal(err)
	}
	out := w.run("alice", "publish", bundle, "--app", "com.acme.shop", "--channel", "production", "--version", version)
	w.t.Log(out)
	list := w.run("alice", "approval", "list")
	m := regexp.MustCompile(`(?m)^([0-9a-f]{16})\s+release\s+com\.acme\.shop`).FindStringSubmatch(list)
	if m == nil || !strings.Contains(list, "alice@example.com") {
		w.t.Fatalf("no request of alice@example.com waits:\n%s", list)
	}
	return m[1]
}

// mayNotApprove sees why: they asked for it themselves.
func (p *person) mayNotApprove(request string) {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/#" + request)
	p.sees("You asked others to approve", "you asked for it")
	p.looks("own")
	if evaluates[bool](p.tab, `document.getElementById("do-approve").checkVisibility()`) {
		p.t.Error("who asked can press the button")
	}
}

func (p *person) approves(request string) {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/")
	p.sees("Waiting for approval", "com.acme.shop")
	p.looks("waiting")
	p.presses(chromedp.CSS(`#waiting a[href="#` + request + `"]`))
	p.sees("You are asked to approve", "asked by alice@example.com", "1.0.0", "SHA-256 of what is signed", "0 of 1")
	p.looks("approve")
	p.verifies(false)
	p.presses("#do-approve")
	p.sees("No passkey")
	p.verifies(true)
	p.presses("#do-approve")
	p.sees("You approved it", "1 of 1", p.login+" approved it")
	p.looks("approved")
	p.do(chromedp.NavigateBack())
	p.sees("Your passkeys")
	p.lacks("You are asked to approve", request)
}

func (p *person) rejects(request string) {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/#" + request)
	p.fills("input[name=reason]", "the wrong branch was built")
	p.presses("#do-reject button")
	p.sees("You rejected it", "This request is rejected", "the wrong branch was built")
	p.looks("rejected")
	if shown := p.w.run("bob", "approval", "show", request); !strings.Contains(shown, "the wrong branch was built") || !strings.Contains(shown, "alice@example.com") {
		p.t.Error(shown)
	}
	p.opens(p.w.origin + "/people/#0123456789abcdef")
	p.sees("there is no request")
	p.opens(p.w.origin + "/people/#nonsense")
	p.sees("Your passkeys")
}

func (p *person) takesBack(request string) {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/#" + request)
	p.fills("input[name=reason]", "one more change")
	p.presses("#do-reject button")
	p.sees("You took it back", "one more change")
}

// losesTheSession while a request is shown: the page asks to sign in, and goes on.
func (p *person) losesTheSession(request string) {
	p.w.t.Helper()
	p.opens(p.w.origin + "/people/#" + request)
	p.sees("0 of 1")
	p.w.run("alice", "user", "disable", p.login)
	p.w.run("alice", "user", "enable", p.login)
	p.presses("#do-approve")
	p.sees("Sign in with a passkey")
	p.lacks("You are")
	p.looks("session-over")
	p.presses("#with-passkey")
	p.sees("0 of 1")
	p.presses("#do-approve")
	p.sees("You approved it")
}

// installs runs a device once.
func (w *world) installs(version string) {
	w.t.Helper()
	device := filepath.Join(w.dir, "device")
	w.run("", "agent", "--server", w.origin, "--app", "com.acme.shop", "--channel", "production", "--dir", device,
		"--root", filepath.Join(w.dir, "keys", "root.json"), "--token-file", filepath.Join(w.dir, "enrol.token"), "--once")
	got, err := os.ReadFile(filepath.Join(device, "current", "program"))
	if err != nil || string(got) != "version "+version {
		w.t.Fatalf("the device has %q (%v), and not version %s", got, err, version)
	}
}

// verifiesEvidence exports what the browser signed, and bends it.
func (w *world) verifiesEvidence(request string, by *person) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "evidence")
	if shown := w.run("alice", "approval", "show", request, "--evidence-out", dir); !strings.Contains(shown, by.login) {
		w.t.Error(shown)
	}
	files, err := filepath.Glob(filepath.Join(dir, request+"-*.json"))
	if err != nil || len(files) != 1 {
		w.t.Fatal(files, err)
	}
	if out := w.run("alice", "approval", "verify", files[0]); !strings.Contains(out, "signed this at "+w.origin) {
		w.t.Error(out)
	}
	evidence, err := os.ReadFile(files[0])
	if err != nil {
		w.t.Fatal(err)
	}
	bent := strings.Replace(string(evidence), `"document":"ey`, `"document":"eY`, 1)
	if bent == string(evidence) {
		w.t.Fatalf("nothing to bend in %s", evidence)
	}
	if err := os.WriteFile(files[0], []byte(bent), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if out, code := w.try("alice", "approval", "verify", files[0]); code == 0 {
		w.t.Errorf("bent evidence verifies: %s", out)
	}
}
