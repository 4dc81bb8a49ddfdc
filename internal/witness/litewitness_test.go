package witness_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/witness"
	"github.com/sealift/sealift/trust"
)

// TestLitewitness has the log cosigned by somebody else's witness, as pinned in
// tools/litewitness/go.mod: what we send it takes, what it sends we verify, and
// it sees that a log forked.
func TestLitewitness(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "litewitness")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "filippo.io/torchwood/cmd/litewitness")
	build.Dir = filepath.Join("..", "..", "tools", "litewitness")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building litewitness, whose modules the go command fetches once: %v\n%s", err, out)
	}

	fingerprint := serveKey(t, filepath.Join(dir, "agent"))
	address := freePort(t)
	said := startWitness(t, dir, program, "-name", "litewitness.example", "-ssh-agent", "agent", "-key", fingerprint, "-listen", address)
	key, err := trust.ParseWitness(said)
	w.check(err)
	p := witness.Peer{Key: key, URL: "http://" + address}
	k := witness.New(witness.Config{Store: w.store, Peers: []witness.Peer{p}, Publish: w.publish, Now: time.Now, Log: slog.New(slog.NewTextHandler(w, nil)), Transport: transport(t)})

	w.grow(3)
	reachable(t, address)
	if err := k.Turn(t.Context(), 0); sealift.ReasonOf(err) != witness.ReasonUnknown {
		t.Fatalf("a log that it was not told of: %v", err)
	}
	tell(t, filepath.Join(dir, "witness.db"), w.logKey)
	for _, size := range []int64{3, 4, 64, 65, 300} {
		w.grow(size)
		w.check(k.Turn(t.Context(), 0))
		if got := w.cosigners(w.shown(), p); len(got) != 1 || got[0] != "litewitness.example" {
			t.Errorf("%d entries: cosigned by %v", size, got)
		}
	}
	again := witness.New(witness.Config{Store: w.store, Peers: []witness.Peer{p}, Publish: w.publish, Now: time.Now, Log: slog.New(slog.DiscardHandler), Transport: transport(t)})
	w.grow(301)
	w.check(again.Turn(t.Context(), 0)) // which does not know where it stands

	for name, size := range map[string]int64{"shorter": 200, "of one size": 301, "longer": 400} {
		thief := newWorld(t)
		thief.signer, thief.keys, thief.clock = w.signer, w.keys, start.Add(time.Hour)
		data, err := (&trust.Trust{Vault: vaultID, Log: trust.Log{Keys: []string{w.logKey}}}).Encode()
		w.check(err)
		thief.update(func(tx store.Tx) error { return tx.SetDocument(t.Context(), trust.TrustPath, data) })
		thief.grow(size)
		k := witness.New(witness.Config{Store: thief.store, Peers: []witness.Peer{p}, Publish: thief.publish, Now: time.Now, Log: slog.New(slog.DiscardHandler), Transport: transport(t)})
		if err := k.Turn(t.Context(), 0); sealift.ReasonOf(err) != witness.ReasonFork {
			t.Errorf("a second history, %s: %v", name, err)
		}
	}
}

// transport is one whose connections end with the test.
func transport(t *testing.T) http.RoundTripper {
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// serveKey makes an Ed25519 key, serves it as an SSH agent does, where
// litewitness wants it, and returns its fingerprint.
func serveKey(t *testing.T, socket string) (fingerprint string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = agent.ServeAgent(ring, conn) // until the witness ends
	}()
	t.Cleanup(func() { listener.Close(); <-served })
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(public)
}

// startWitness starts the program and returns the verifier key that it says is
// its.
func startWitness(t *testing.T, dir, program string, args ...string) (key string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append(args, "-db", "witness.db")...)
	cmd.Dir = dir
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	drained := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		<-drained
		_ = cmd.Wait()
	})
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "vkey="); ok {
			go func() {
				defer close(drained)
				for lines.Scan() {
				}
			}()
			return strings.Trim(rest, `"`)
		}
		t.Log(lines.Text())
	}
	close(drained)
	t.Fatal("litewitness ended without saying its key")
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func reachable(t *testing.T, address string) {
	t.Helper()
	var err error
	for range 300 { // 30 seconds: the machine may be busy
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(errors.Join(errors.New("litewitness does not listen"), err))
}

// tell makes the log known to the witness, as its witnessctl add-log and add-key
// do.
func tell(t *testing.T, database, logKey string) {
	t.Helper()
	db, err := sql.Open("sqlite", database+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	empty := sha256.Sum256(nil)
	for _, insert := range []struct {
		statement string
		args      []any
	}{
		{"INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", []any{origin, base64.StdEncoding.EncodeToString(empty[:])}},
		{"INSERT INTO key (origin, key) VALUES (?, ?)", []any{origin, logKey}},
	} {
		if _, err := db.ExecContext(t.Context(), insert.statement, insert.args...); err != nil {
			t.Fatal(err)
		}
	}
}
