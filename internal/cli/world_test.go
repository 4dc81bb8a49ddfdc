package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/sealifttest"
)

const passphrase = "five random words are enough"

// fixtures are installations that scripts begin with a copy of: scrypt and
// Argon2id are slow on purpose.
type fixtures struct {
	bin     string // folder of the program
	founded func() (string, error)
	shop    func() (string, error)
	module  string // SoftHSM2's library
}

func newFixtures(t *testing.T) *fixtures {
	t.Helper()
	f := &fixtures{bin: buildProgram(t), module: pkcs11test.Module(t)}
	if err := os.Symlink(pkcs11test.Helper(t), filepath.Join(f.bin, "sealift-pkcs11")); err != nil {
		t.Fatal(err)
	}
	dir, ctx := t.TempDir(), t.Context()
	f.founded = sync.OnceValues(func() (string, error) {
		founded := filepath.Join(dir, "founded")
		return founded, f.run(ctx, nil, "init", "--data", filepath.Join(founded, "data"), "--keys", filepath.Join(founded, "keys"))
	})
	f.shop = sync.OnceValues(func() (string, error) {
		founded, err := f.founded()
		if err != nil {
			return "", err
		}
		shop := filepath.Join(dir, "shop")
		if err := copyTree(shop, founded); err != nil {
			return "", err
		}
		return shop, f.fill(ctx, shop)
	})
	return f
}

// run runs the program outside of a script.
func (f *fixtures) run(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(f.bin, "sealift"), args...)
	cmd.Env = append(os.Environ(), append(env, "SEALIFT_PASSPHRASE="+passphrase)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sealift %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// fill makes the app com.acme.shop with the channel production, a token in
// keys/enrol.token that any number of devices may enrol with, and version 1.0.0
// of the files in dist.
func (f *fixtures) fill(ctx context.Context, dir string) (err error) {
	i, err := installation.Open(ctx, filepath.Join(dir, "data"), installation.Options{})
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.Vault.Unseal(ctx, vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "test"}, time.Now()); err != nil {
		return err
	}
	server := httptest.NewServer(i.Handler("test", nil))
	defer server.Close()
	dist := filepath.Join(dir, "dist")
	if err := os.Mkdir(dist, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dist, "index.html"), []byte("<h1>1.0.0</h1>\n"), 0o644); err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(dir, "keys", "owner.token"))
	if err != nil {
		return err
	}
	env := []string{"SEALIFT_SERVER=" + server.URL, "SEALIFT_TOKEN=" + strings.TrimSpace(string(token)), "HOME=" + filepath.Join(dir, "home")}
	for _, args := range [][]string{
		{"app", "create", "com.acme.shop"},
		{"channel", "create", "production", "--app", "com.acme.shop"},
		{"enrol", "token", "--app", "com.acme.shop", "--out", filepath.Join(dir, "keys", "enrol.token")},
		{"publish", dist, "--app", "com.acme.shop", "--channel", "production", "--version", "1.0.0"},
	} {
		if err := f.run(ctx, env, args...); err != nil {
			return err
		}
	}
	return nil
}

// cmdFounded puts a copy of an installation into the script's folder, as data
// and keys, with or without what fill makes, and sets the environment for it:
// start the server with
//
//	exec sealift server --data data --listen $LISTEN &server&
//	reachable $SEALIFT_SERVER/healthz
func (f *fixtures) cmdFounded(ts *testscript.TestScript, neg bool, args []string) {
	made := f.founded
	switch {
	case !neg && len(args) == 1 && args[0] == "shop":
		made = f.shop
	case neg || len(args) != 0:
		ts.Fatalf("usage: founded [shop]")
	}
	dir, err := made()
	ts.Check(err)
	ts.Check(copyTree(ts.MkAbs("."), dir))
	listen := fmt.Sprintf("127.0.0.1:%d", freePort(ts))
	ts.Setenv("LISTEN", listen)
	ts.Setenv("SEALIFT_SERVER", "http://"+listen)
	ts.Setenv("SEALIFT_PASSPHRASE", passphrase)
	setToken(ts, "keys/owner.token")
}

func cmdSetToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: settoken FILE")
	}
	setToken(ts, args[0])
}

func setToken(ts *testscript.TestScript, file string) {
	ts.Setenv("SEALIFT_TOKEN", strings.TrimSpace(ts.ReadFile(file)))
}

// copyTree copies files and folders with their modes.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o700); err != nil || name == "." {
				return err
			}
			return os.Chmod(target, info.Mode().Perm())
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	})
}

// hostileWorld is a repository whose keys the script's attacker may hold, with
// an edge before it that may turn.
type hostileWorld struct {
	world   *sealifttest.World
	hostile *sealifttest.Hostile
}

// cmdWorld serves a sealifttest.World with a past on $WORLD, as it was AGE ago,
// and writes its world.json (a root.json) and world.token.
func cmdWorld(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: world [AGE]")
	}
	age := time.Duration(0)
	if len(args) == 1 {
		var err error
		age, err = time.ParseDuration(args[0])
		ts.Check(err)
	}
	w, err := sealifttest.New(time.Now().Add(-age))
	ts.Check(err)
	_, err = w.Baseline()
	ts.Check(err)
	h := sealifttest.NewHostile(w)
	server := httptest.NewServer(h)
	ts.Defer(server.Close)
	ts.Setenv("WORLD", server.URL)
	worlds.Store(ts, hostileWorld{w, h})
	ts.Defer(func() { worlds.Delete(ts) })
	ts.Check(os.WriteFile(ts.MkAbs("world.json"), w.FirstRoot(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("world.token"), []byte(w.EnrolmentToken().Reveal()+"\n"), 0o600))
}

// worlds are the hostileWorlds by their *testscript.TestScript.
var worlds sync.Map

// cmdAttack mounts one attack of the catalogue, with its next release waiting
// behind it; or ends it.
func cmdAttack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: attack NAME|none")
	}
	v, ok := worlds.Load(ts)
	if !ok {
		ts.Fatalf("there is no world")
	}
	h := v.(hostileWorld)
	h.hostile.Unmount()
	if args[0] == "none" {
		_, err := h.world.Publish(sealifttest.Spec{Version: "9.0.0", Bases: h.world.Offered()})
		ts.Check(err)
		return
	}
	for _, a := range slices.Concat(sealifttest.Attacks(), sealifttest.PatchAttacks()) {
		if a.Name == args[0] {
			_, err := a.Stage(h.world, sealifttest.Spec{Version: "2.0.0"})
			ts.Check(err)
			ts.Check(h.hostile.Mount(a))
			return
		}
	}
	ts.Fatalf("there is no attack %s", args[0])
}

// cmdEventually runs a command until it prints what is wanted, and fails or not.
func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND…")
	}
	want := regexp.MustCompile(args[0])
	for range 150 { // 30 seconds: the machine may be busy
		_ = ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("waited in vain for %s", args[0])
}

// cmdAwait waits for what another process does.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: await FILE [PATH VALUE]")
	}
	for range 3000 { // 30 seconds: the machine may be busy
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 && len(args) == 1 {
			return
		}
		if len(found) > 0 {
			if text, ok := readJSON(ts, found[0], args[1]); ok && text == args[2] {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("waited in vain for %s", strings.Join(args, " "))
}

func cmdBigFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bigfile FILE MIB")
	}
	mib, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	_, err = io.CopyN(f, rand.Reader, mib<<20)
	ts.Check(err)
}

func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[0] != "flip" && args[0] != "halve" {
		ts.Fatalf("usage: damage flip|halve FILE…")
	}
	for _, name := range args[1:] {
		data := []byte(ts.ReadFile(name))
		middle := len(data) / 2
		if args[0] == "halve" {
			data = data[:middle]
		} else {
			data[middle] ^= 1
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o644))
	}
}

// cmdLossy serves a proxy to the script's server that passes every request on,
// and ends the connection in place of some answers, or before it asks.
func cmdLossy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 && (len(args) != 5 || args[4] != "unasked") {
		ts.Fatalf("usage: lossy NAME N METHOD SUFFIX [unasked]")
	}
	left, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	target, err := url.Parse(ts.Getenv("SEALIFT_SERVER"))
	ts.Check(err)
	var lost atomic.Int64
	loses := func(req *http.Request) bool {
		return req.Method == args[2] && strings.HasSuffix(req.URL.Path, args[3]) && lost.Add(1) <= left
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ModifyResponse = func(answer *http.Response) error {
		if len(args) == 4 && loses(answer.Request) {
			return errors.New("lost")
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		if len(args) == 5 && loses(req) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(out, req)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

func cmdSelfSigned(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: selfsigned CERT KEY")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}
