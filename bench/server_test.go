package bench

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/control/api"
)

// server is the real program, serving on loopback.
type server struct {
	program string // path of sealift
	dir     string
	url     string
	cmd     *exec.Cmd
}

// startServer builds the program, founds an installation with one app, which
// any device may enrol for, and serves it.
func startServer(b *testing.B, dir string) *server {
	s := &server{program: filepath.Join(dir, "sealift"), dir: dir}
	build := exec.CommandContext(b.Context(), "scripts/build.sh", s.program)
	build.Dir, build.Stderr = root, os.Stderr
	check(b, build.Run())
	b.Setenv("SEALIFT_PASSPHRASE", rand.Text())
	s.run(b, "init", "--data", s.path("data"), "--keys", s.path("keys"))
	s.serve(b)
	token, err := os.ReadFile(s.path("keys/owner.token"))
	check(b, err)
	b.Setenv("SEALIFT_SERVER", s.url)
	b.Setenv("SEALIFT_TOKEN", strings.TrimSpace(string(token)))
	b.Setenv("XDG_CACHE_HOME", s.path("cache"))
	s.run(b, "app", "create", string(app), "--open-enrolment")
	s.run(b, "channel", "create", string(channel), "--app", string(app))
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) run(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), s.program, args...).CombinedOutput(); err != nil {
		b.Fatalf("sealift %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (s *server) serve(b *testing.B) {
	address := freeAddress(b)
	said, err := os.Create(s.path("server.log"))
	check(b, err)
	defer said.Close()
	s.url = "http://" + address
	s.cmd = exec.Command(s.program, "server", "--data", s.path("data"), "--listen", address)
	s.cmd.Stderr = said
	check(b, s.cmd.Start())
	b.Cleanup(func() { s.end() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			check(b, conn.Close())
			return
		}
		if time.Now().After(deadline) {
			s.end()
			text, _ := os.ReadFile(said.Name())
			b.Fatalf("the server does not listen: %v\n%s", err, text)
		}
	}
}

// stop ends the server and says what memory it took.
func (s *server) stop(b *testing.B) measure {
	peak, err := peakOf(strconv.Itoa(s.cmd.Process.Pid))
	check(b, err)
	check(b, s.end())
	return measure{Peak: peak}
}

func (s *server) end() error {
	if s.cmd == nil {
		return nil
	}
	err := errors.Join(s.cmd.Process.Signal(syscall.SIGTERM), s.cmd.Wait())
	s.cmd = nil
	return err
}

// device makes a device's folder and enrols it. It fetches metadata and
// nothing else.
func (s *server) device(b *testing.B, name string) (dir string) {
	dir = s.path(name)
	firstRoot, err := os.ReadFile(s.path("keys/root.json"))
	check(b, err)
	d, err := client.Open(client.Config{
		Server: s.url, App: app, Channel: channel, Platform: "web", Runtime: "0.0.0", Dir: dir, Root: firstRoot,
	})
	check(b, err)
	check(b, errors.Join(d.Enrol(b.Context(), sealift.EnrolmentToken{}), d.Close()))
	return dir
}

// stage leaves a device as it is when its process ended right after the
// download: the blob whole, in staging, and nothing known of it.
func (s *server) stage(b *testing.B, device, blob string) {
	staging := filepath.Join(device, "staging")
	check(b, os.MkdirAll(staging, 0o755))
	check(b, os.Link(s.blobFile(blob), filepath.Join(staging, blob)))
}

func (s *server) blobFile(blob string) string {
	return filepath.Join(s.path("data/public/blobs"), blob)
}

func (s *server) agentCommand(device string) []string {
	return []string{
		s.program, "agent", "--server", s.url, "--app", string(app), "--channel", string(channel),
		"--dir", device, "--root", s.path("keys/root.json"), "--once", "--json",
	}
}

// blobOf reads the blob's SHA-256 from what "sealift publish --json" prints.
func blobOf(b *testing.B, output string) string {
	var r api.Release
	check(b, json.Unmarshal([]byte(output), &r))
	if r.Blob.SHA256 == "" {
		b.Fatalf("publish names no blob: %s", output)
	}
	return r.Blob.SHA256
}

// goBench runs a benchmark of another package and returns its metrics by unit.
func goBench(b *testing.B, pkg, name, times string, env ...string) map[string]float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "go", "test", "-trimpath", "-run=^$", "-bench=^"+name+"$", "-benchtime="+times, pkg)
	cmd.Dir, cmd.Stderr, cmd.Env = root, os.Stderr, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s of %s: %v\n%s", name, pkg, err, out)
	}
	got := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], name) {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if got[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				b.Fatal(fmt.Errorf("%s of %s: %w", name, pkg, err))
			}
		}
	}
	return got
}

// freeAddress returns one of this machine at which nobody listens yet.
func freeAddress(b *testing.B) string {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	defer func() { check(b, free.Close()) }()
	return free.Addr().String()
}
