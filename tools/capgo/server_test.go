package capgo

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is an installation that serves on loopback.
type server struct {
	t       *testing.T
	program string
	env     []string
	base    string // its URL
}

// serve founds one and starts it; it ends with the test.
func serve(t *testing.T, program string) *server {
	t.Helper()
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // it was there for a free port
	s := &server{t: t, program: program, base: "http://" + address, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SEALIFT_PASSPHRASE=a passphrase for a test of peers", "SEALIFT_SERVER=http://" + address,
	}}
	s.run("init", "--data", filepath.Join(dir, "data"), "--keys", filepath.Join(dir, "keys"))
	token, err := os.ReadFile(filepath.Join(dir, "keys", "owner.token"))
	if err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "SEALIFT_TOKEN="+strings.TrimSpace(string(token)))
	var said bytes.Buffer
	c := s.command("server", "--data", filepath.Join(dir, "data"), "--listen", address, "--capgo-url", s.base)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait()); err != nil || t.Failed() {
			t.Logf("the server ended with %v, and said:\n%s", err, said.String())
		}
	})
	for range 300 { // thirty seconds
		answer, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			answer.Body.Close()
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server does not listen after 30 seconds")
	return nil
}

func (s *server) command(args ...string) *exec.Cmd {
	c := exec.Command(s.program, args...)
	c.Env = s.env
	return c
}

// run runs a command that must succeed, and returns what it printed.
func (s *server) run(args ...string) string {
	s.t.Helper()
	c := s.command(args...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		s.t.Fatalf("sealift %q: %v: %s", args, err, said.String())
	}
	return out.String()
}
