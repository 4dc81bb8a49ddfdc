// Package postgrestest starts PostgreSQL for tests: one cluster for each test
// binary, in a temporary folder, on a Unix socket, as an unprivileged user, with
// fsync on. It starts when a test first asks for it, and Main stops it:
//
//	func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m.Run, os.Stderr)) }
//
// Its databases sort text by the rules of a language (ICU), as most do, so that
// what relies on the order of bytes has to say so.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// T is what a test is here: a testing.TB, or a testscript.TestScript.
type T interface {
	Fatalf(format string, args ...any)
}

// Cluster is a PostgreSQL server and its data.
type Cluster struct {
	bin, dir string

	mu      sync.Mutex
	server  *exec.Cmd // nil while it is stopped
	schemas int
}

var (
	startOnce sync.Once
	started   *Cluster
	startErr  error
)

// Start returns the test binary's cluster, which runs. A test fails where it
// cannot be started.
func Start(t T) *Cluster {
	startOnce.Do(func() { started, startErr = create() })
	if startErr != nil {
		t.Fatalf("starting PostgreSQL: %v", startErr)
	}
	return started
}

// Main runs the tests, stops the cluster if they have started it, and returns
// their exit code.
func Main(run func() int, stderr io.Writer) int {
	code := run()
	if started != nil {
		if err := errors.Join(started.stop(os.Interrupt), os.RemoveAll(started.dir)); err != nil {
			fmt.Fprintln(stderr, "stopping PostgreSQL:", err)
			return max(code, 1)
		}
	}
	return code
}

// create makes a cluster and starts it.
func create() (_ *Cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(socketRoot(), "sealift-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := giveAway(dir); err != nil {
		return nil, err
	}
	args := []string{"-D", c.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", "--locale=C"}
	if c.hasICU() {
		args = append(args, "--locale-provider=icu", "--icu-locale=und")
	}
	initdb := c.command("initdb", args...)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return c, c.start()
}

// binaries returns the folder of PostgreSQL's programs: that of the PATH, or the
// newest of those that Debian keeps off it.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is sound
	if len(found) == 0 {
		return "", errors.New("there is no initdb: install PostgreSQL's server (Debian: apt-get install postgresql), as scripts/setup.sh test does")
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// socketRoot is where a folder's name stays short enough for a socket in it.
func socketRoot() string {
	if len(os.TempDir()) > 60 {
		return "/tmp"
	}
	return ""
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// hasICU reports whether initdb takes a locale provider: from version 15 on.
func (c *Cluster) hasICU() bool {
	help, err := c.command("initdb", "--help").Output()
	return err == nil && bytes.Contains(help, []byte("--icu-locale"))
}

const superuser = "postgres"

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "TZ=UTC")
	asNobody(cmd)
	return cmd
}

// Run starts a cluster that Stop or Kill has stopped.
func (c *Cluster) Run(t T) {
	if err := c.start(); err != nil {
		t.Fatalf("%v", err)
	}
}

// Stop ends all connections and stops the server in good order.
func (c *Cluster) Stop(t T) {
	if err := c.stop(os.Interrupt); err != nil { // PostgreSQL's "fast shutdown"
		t.Fatalf("%v", err)
	}
}

// Kill has the server end at once, as in a crash: it recovers when it is run
// again.
func (c *Cluster) Kill(t T) {
	if err := c.stop(immediate); err != nil {
		t.Fatalf("%v", err)
	}
}

func (c *Cluster) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	server := c.command("postgres", "-D", c.data(), "-k", c.dir, "-c", "listen_addresses=", "-c", "max_connections=60", "-c", "shared_buffers=16MB")
	server.Stdout, server.Stderr = log, log
	withUs(server)
	if err := server.Start(); err != nil {
		return err
	}
	c.server = server
	return c.awaitReady()
}

// awaitReady waits until the server says so in its pid file, as pg_ctl does.
func (c *Cluster) awaitReady() error {
	for range 600 { // 60 seconds: the machine may be busy
		content, _ := os.ReadFile(filepath.Join(c.data(), "postmaster.pid")) // it may not be there yet
		if lines := strings.Split(string(content), "\n"); len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, err := os.ReadFile(filepath.Join(c.dir, "log"))
	return errors.Join(fmt.Errorf("the server is not ready after a minute; it says:\n%s", log), err)
}

func (c *Cluster) stop(how os.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	if err := c.server.Process.Signal(how); err != nil {
		return err
	}
	err := c.server.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && how == immediate {
		err = nil
	}
	c.server = nil
	return err
}

// Schema makes an empty schema, and returns the connection string of its owner,
// who may do everything.
func (c *Cluster) Schema(t T) (dsn string) {
	c.mu.Lock()
	c.schemas++
	name := fmt.Sprintf("test%d", c.schemas)
	c.mu.Unlock()
	c.Exec(t, c.DSN("postgres"), "CREATE SCHEMA "+name)
	return c.DSN("postgres") + " search_path=" + name
}

// DSN returns the connection string of the superuser to a database.
func (c *Cluster) DSN(database string) string {
	return fmt.Sprintf("host=%s user=%s dbname=%s", c.dir, superuser, database)
}

// As returns dsn with another role.
func As(dsn, role string) string { return strings.Replace(dsn, "user="+superuser, "user="+role, 1) }

// Exec runs SQL statements.
func (c *Cluster) Exec(t T, dsn, statements string) {
	ctx := context.Background() // a test's own has ended where it cleans up
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, statements).ReadAll(); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}
