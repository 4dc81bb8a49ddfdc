package capgo

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// site is an app's bundle. Files come in the order of their paths.
var site = []struct{ path, content string }{
	{"assets/numbers.js", numbers()},
	{"assets/small.css", "body { color: black }\n"},
	{"index.html", "<!doctype html><script src=assets/numbers.js></script>\n"},
}

// numbers is a script that brotli makes much smaller.
func numbers() string {
	var text bytes.Buffer
	text.WriteString("import { CapacitorUpdater } from '@capgo/capacitor-updater'\nCapacitorUpdater.notifyAppReady()\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "// %d\n", i)
	}
	return text.String()
}

// peer returns the folder of a package that scripts/e2e.sh fetched.
func peer(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(os.Getenv("CAPGO_PEERS"), name)
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil || !filepath.IsAbs(dir) {
		t.Fatalf("CAPGO_PEERS has no %s: run scripts/e2e.sh, or see this package's comment", name)
	}
	return dir
}

// app is a project with Capgo's plugin, of one version, and with a key that Capgo's
// own program made.
type app struct {
	t      *testing.T
	dir    string
	plugin string
	key    *rsa.PrivateKey
}

func newApp(t *testing.T, plugin string) *app {
	t.Helper()
	a := &app{t: t, dir: t.TempDir(), plugin: plugin}
	a.write("package.json", []byte(`{"name":"shop","version":"1.2.3","dependencies":{"@capgo/capacitor-updater":"`+plugin+`"}}`))
	a.write("capacitor.config.json", []byte(`{"appId":"com.acme.shop","appName":"shop","webDir":"www","plugins":{"CapacitorUpdater":{}}}`))
	for _, f := range site {
		a.write("www/"+f.path, []byte(f.content))
	}
	a.check(os.CopyFS(a.path("node_modules/@capgo/capacitor-updater"), os.DirFS(peer(t, "plugin-"+plugin))))
	a.run("key", "create", "--force")
	block, _ := pem.Decode(a.read(".capgo_key_v2"))
	if block == nil {
		t.Fatal("no key was made")
	}
	var err error
	a.key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	a.check(err)
	return a
}

func (a *app) path(name string) string { return filepath.Join(a.dir, filepath.FromSlash(name)) }

func (a *app) write(name string, content []byte) {
	a.t.Helper()
	a.check(os.MkdirAll(filepath.Dir(a.path(name)), 0o700))
	a.check(os.WriteFile(a.path(name), content, 0o600))
}

func (a *app) read(name string) []byte {
	a.t.Helper()
	content, err := os.ReadFile(a.path(name))
	a.check(err)
	return content
}

func (a *app) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// run runs Capgo's own program in the project and returns what it printed. It has no
// terminal, and asks nobody.
func (a *app) run(args ...string) (stdout, all string) {
	a.t.Helper()
	c := exec.Command("node", append([]string{filepath.Join(peer(a.t, "cli"), "dist", "index.js")}, args...)...)
	c.Dir = a.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, "CI=1", "NO_COLOR=1"}
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			a.t.Fatalf("capgo %q: %v", args, err)
		}
		said.WriteString("\n" + exit.String())
	}
	return out.String(), out.String() + said.String()
}

// encode is capgo.Encoder with the project's key.
func (a *app) encode(blocks [][]byte) (out [][]byte, err error) {
	for _, b := range blocks {
		encoded, err := rsa.SignPKCS1v15(nil, a.key, 0, b)
		if err != nil {
			return nil, err
		}
		out = append(out, encoded)
	}
	return out, nil
}

// decode is what a device gets out of an encoded block: the value to the power of the
// public exponent (RFC 8017 section 5.2.2), without the padding of block type 1.
func (a *app) decode(block []byte) []byte {
	a.t.Helper()
	em := new(big.Int).Exp(new(big.Int).SetBytes(block), big.NewInt(int64(a.key.E)), a.key.N).FillBytes(make([]byte, a.key.Size()))
	padding, data, found := bytes.Cut(em[2:], []byte{0})
	if em[0] != 0 || em[1] != 1 || !found || len(padding) < 8 || len(bytes.Trim(padding, "\xff")) > 0 {
		a.t.Fatal("another key encoded it, or none")
	}
	return data
}

// exists reports whether a file is there.
func (a *app) exists(name string) bool {
	_, err := os.Stat(a.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.t.Fatal(err)
	}
	return err == nil
}
