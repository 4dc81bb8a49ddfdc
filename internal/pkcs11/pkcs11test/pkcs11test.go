// Package pkcs11test gives tests a real PKCS#11 token: one of SoftHSM2's, in a
// folder of the test's own, and a freshly built helper. Where SoftHSM2 or a C
// compiler is missing, the test fails and says what to install.
package pkcs11test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/internal/pkcs11"
)

// PIN is the user PIN of every token here.
const PIN = "10031958"

// Token is a token that the test has to itself.
type Token struct {
	Folder  string     // SoftHSM2's tokendir: move it away and the token is pulled out
	PINFile string     // holds PIN, mode 0600
	Config  string     // the path for SOFTHSM2_CONF
	Reach   pkcs11.URI // how it is reached: token, module and file with the PIN
}

// NewToken makes a token with a label.
func NewToken(tb testing.TB, label string) *Token {
	tb.Helper()
	dir := tb.TempDir()
	t := &Token{Folder: filepath.Join(dir, "tokens"), PINFile: filepath.Join(dir, "pin"), Config: filepath.Join(dir, "softhsm2.conf")}
	check(tb, os.Mkdir(t.Folder, 0o700))
	check(tb, os.WriteFile(t.PINFile, []byte(PIN+"\n"), 0o600))
	check(tb, os.WriteFile(t.Config, []byte("directories.tokendir = "+t.Folder+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Reach = pkcs11.URI{Token: label, ModulePath: Module(tb), PINSource: t.PINFile}
	t.Initialise(tb, label)
	return t
}

// Initialise makes one more token in the folder.
func (t *Token) Initialise(tb testing.TB, label string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "19581003", "--pin", PIN)
	cmd.Env = t.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("softhsm2-util: %v\n%s\nscripts/setup.sh test installs it", err, out)
	}
}

// Env is the environment in which SoftHSM2 finds the token.
func (t *Token) Env() []string { return append(os.Environ(), "SOFTHSM2_CONF="+t.Config) }

// Options are those by which a program reaches the token.
func (t *Token) Options(tb testing.TB) pkcs11.Options {
	tb.Helper()
	return pkcs11.Options{
		Helper: Helper(tb), Tokens: []pkcs11.URI{t.Reach}, Env: t.Env(),
		PIN: pinOf,
	}
}

// pinOf reads the file that pin-source names, as a program does.
func pinOf(_ context.Context, token pkcs11.URI) ([]byte, error) {
	pin, err := os.ReadFile(token.PINSource)
	return []byte(strings.TrimSpace(string(pin))), err
}

// Open returns the tokens of Options, which the end of the test closes.
func (t *Token) Open(tb testing.TB) *pkcs11.Tokens {
	tb.Helper()
	tokens, err := pkcs11.New(t.Options(tb))
	check(tb, err)
	tb.Cleanup(func() { check(tb, tokens.Close()) })
	return tokens
}

// Key is the URI of a key in the token, by its label.
func (t *Token) Key(label string) string {
	return pkcs11.URI{Token: t.Reach.Token, Object: label}.String()
}

// Module returns the path of SoftHSM2's library.
func Module(tb testing.TB) string {
	tb.Helper()
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	tb.Fatal("SoftHSM2 is not installed, and this test needs a real token: scripts/setup.sh test")
	return ""
}

var built struct {
	once sync.Once
	path string
	err  error
	out  []byte
}

// Helper builds sealift-pkcs11, once a test binary, and returns its path.
func Helper(tb testing.TB) string {
	tb.Helper()
	built.once.Do(build)
	if built.err != nil {
		tb.Fatalf("building sealift-pkcs11: %v\n%s\nit needs a C compiler: scripts/setup.sh test", built.err, built.out)
	}
	return built.path
}

// Helpers returns the ids of the helpers that a process has started.
func Helpers(tb testing.TB, parent int) (ids []int) {
	tb.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	check(tb, err)
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var id, of int
		var name, state string
		if _, err := fmt.Sscan(string(stat), &id, &name, &state, &of); err == nil && of == parent && name == "(sealift-pkcs11)" && state != "Z" {
			ids = append(ids, id)
		}
	}
	return ids
}

// build leaves the program in the module's .cache, where the next test binary
// puts its own in its place: whatever runs it keeps the one that it has.
func build() {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		built.err = err
		return
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), ".cache", "test")
	if built.err = os.MkdirAll(dir, 0o755); built.err != nil {
		return
	}
	fresh := filepath.Join(dir, fmt.Sprintf("sealift-pkcs11.%d", os.Getpid()))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", fresh, "github.com/sealift/sealift/cmd/sealift-pkcs11")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if built.out, built.err = cmd.CombinedOutput(); built.err == nil {
		built.path = filepath.Join(dir, "sealift-pkcs11")
		built.err = os.Rename(fresh, built.path)
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
