package postgres_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/store/postgrestest"
	"github.com/sealift/sealift/internal/store/storetest"
)

func wantKind(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || sealift.HintOf(err) == "" {
		t.Errorf("error %v has kind %q, reason %q and hint %q, want %q and %q", err, sealift.KindOf(err), sealift.ReasonOf(err), sealift.HintOf(err), kind, reason)
	}
	if err != nil && strings.Contains(err.Error(), "failed to") {
		t.Errorf("error %v", err)
	}
}

func isAway(t *testing.T, err error) {
	t.Helper()
	wantKind(t, err, sealift.KindNetwork, store.ReasonAway)
}

func look(db store.Store) error {
	return db.View(context.Background(), func(tx store.Tx) error {
		_, err := tx.AuditSize(context.Background())
		return err
	})
}

func read(db store.Store) error {
	return db.Read(context.Background(), func(tx store.Tx) error {
		_, err := tx.AuditSize(context.Background())
		return err
	})
}

// TestAway stops the database below a store, in its rest and in the middle of a
// transaction, and starts it again.
func TestAway(t *testing.T) {
	cluster := postgrestest.Start(t)
	t.Cleanup(func() { cluster.Run(t) })
	db := open(t, cluster.Schema(t))
	write := func() (sealift.Counter, error) { return storetest.AppendCounted(db) }
	if _, err := write(); err != nil {
		t.Fatal(err)
	}
	if err := look(db); err != nil {
		t.Fatal(err)
	}
	cluster.Stop(t)
	_, err := write()
	isAway(t, err)
	isAway(t, look(db))
	isAway(t, read(db))
	cluster.Run(t)
	// All connections of before are dead, and nobody notices.
	if err := read(db); err != nil {
		t.Error(err)
	}
	if got, err := write(); got != 2 || err != nil {
		t.Errorf("after the database is back: counter %d, %v", got, err)
	}
	if err := look(db); err != nil {
		t.Error(err)
	}
	for name, end := range map[string]func(postgrestest.T){"stopped": cluster.Stop, "crashed": cluster.Kill} {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			if _, err := tx.NextCounter(t.Context(), "com.acme.killed"); err != nil {
				t.Error(err)
			}
			end(t)
			if _, err := tx.AuditSize(t.Context()); err == nil {
				t.Errorf("%s: a read succeeded", name)
			}
			return nil // fn goes on all the same
		})
		isAway(t, err)
		cluster.Run(t)
	}
	if got, err := write(); got != 3 || err != nil {
		t.Errorf("after two that broke: counter %d, %v", got, err)
	}
}

// TestCrash has the server crash again and again while several write: what was
// acknowledged is there after its recovery.
func TestCrash(t *testing.T) {
	cluster := postgrestest.Start(t)
	t.Cleanup(func() { cluster.Run(t) })
	db := open(t, cluster.Schema(t))
	for range 3 {
		var mu sync.Mutex
		var largest sealift.Counter
		stop, warm := make(chan struct{}), make(chan struct{}, 1000)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				for {
					counter, err := storetest.AppendCounted(db)
					if sealift.ReasonOf(err) == "commit-unknown" {
						t.Log(err) // the machine is so busy that the server was away for longer
					} else if err != nil {
						isAway(t, err)
					} else {
						mu.Lock()
						largest = max(largest, counter)
						mu.Unlock()
					}
					select {
					case <-stop:
						return
					case warm <- struct{}{}:
					}
				}
			})
		}
		for range 10 {
			<-warm
		}
		time.Sleep(rand.N(50 * time.Millisecond))
		cluster.Kill(t)
		close(stop)
		cluster.Run(t) // while those that were committing ask what became of it
		writers.Wait()
		t.Logf("%d acknowledged, %d there", largest, storetest.CheckWritten(t, db, largest))
	}
}

// TestCommitLost cuts the connection when the commit is on its way to the
// server, and on the way back.
func TestCommitLost(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	cut := newCutter(t, socketOf(dsn))
	db := open(t, strings.Replace(dsn, filepath.Dir(socketOf(dsn)), cut.dir, 1))
	for n, c := range []struct {
		cutAt string
		kept  bool
	}{{"", true}, {"there", false}, {"", true}, {"back", true}, {"", true}} {
		cut.at.Store(c.cutAt)
		_, err := storetest.AppendCounted(db)
		if c.kept != (err == nil) {
			t.Errorf("%d: cut %q: %v", n, c.cutAt, err)
		}
		if err != nil {
			isAway(t, err)
		}
		if got := cut.at.Load(); got != "" {
			t.Errorf("%d: nothing was cut", n)
		}
	}
	if got := storetest.CheckWritten(t, db, 4); got != 4 {
		t.Errorf("%d entries, want 4", got)
	}
	cut.at.Store("for good")
	_, err := storetest.AppendCounted(db)
	wantKind(t, err, sealift.KindNetwork, "commit-unknown")
}

// cutter is a proxy before a Unix socket that cuts a connection at its commit.
type cutter struct {
	dir string
	to  string
	at  atomic.Value // "there", "back", "for good", or "" once it has cut
}

func socketOf(dsn string) string {
	host := strings.TrimPrefix(strings.Fields(dsn)[0], "host=")
	return filepath.Join(host, ".s.PGSQL.5432")
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sealift-cut-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cutter{dir: dir, to: to}
	c.at.Store("")
	listener, err := net.Listen("unix", filepath.Join(dir, filepath.Base(to)))
	if err != nil {
		t.Fatal(err)
	}
	serveConns(t, listener, c.serve)
	return c
}

// serveConns has serve speak with everybody who comes to listener, until the end of
// the test.
func serveConns(t *testing.T, listener net.Listener, serve func(net.Conn)) {
	t.Helper()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", c.to)
	if err != nil || c.at.Load() == "gone" {
		return
	}
	defer server.Close()
	var muted atomic.Bool
	back := make(chan struct{})
	go func() {
		defer close(back)
		buffer := make([]byte, 32<<10)
		for {
			n, err := server.Read(buffer)
			if n > 0 && muted.Load() { // the answer to the commit
				client.Close()
				return
			}
			if n > 0 {
				_, _ = client.Write(buffer[:n])
			}
			if err != nil {
				client.Close()
				return
			}
		}
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], []byte("commit\x00")) {
			switch c.at.Load() {
			case "there":
				c.at.Store("")
				err = io.EOF
				n = 0
			case "back":
				c.at.Store("")
				muted.Store(true)
			case "for good":
				c.at.Store("gone")
				muted.Store(true)
			}
		}
		if n > 0 {
			_, _ = server.Write(buffer[:n])
		}
		if err != nil {
			break
		}
	}
	if !muted.Load() {
		server.Close()
	}
	<-back
}

// TestAlone has one server on a database, and commands beside it.
func TestAlone(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn, other := cluster.Schema(t), cluster.Schema(t)
	alone := func(dsn string) (*postgres.DB, error) {
		return postgres.Open(t.Context(), dsn, postgres.Options{Alone: true})
	}
	db, err := alone(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = alone(dsn)
	wantKind(t, err, sealift.KindConflict, "locked")
	elsewhere, err := alone(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := elsewhere.Close(); err != nil {
		t.Error(err)
	}
	beside := open(t, dsn)
	for _, db := range []store.Store{beside, db, beside} {
		if _, err := storetest.AppendCounted(db); err != nil {
			t.Error(err)
		}
	}
	// The connection that bears the lock breaks, and the next one takes it again.
	cluster.Exec(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'sealift'")
	if _, err := storetest.AppendCounted(db); err != nil {
		t.Error(err)
	}
	_, err = alone(dsn)
	wantKind(t, err, sealift.KindConflict, "locked")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	db, err = alone(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestHung stops the processes of the server that have a store's connections: an
// answer never comes, and nothing breaks.
func TestHung(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	open(t, dsn) // makes the tables, which may take longer than
	db := open(t, dsn+" statement_timeout=1000 application_name=hung")
	if _, err := storetest.AppendCounted(db); err != nil {
		t.Fatal(err)
	}
	if err := look(db); err != nil {
		t.Fatal(err)
	}
	// As long ago as that some drivers look whether the connection is alive.
	time.Sleep(1100 * time.Millisecond)
	pids := strings.Fields(ask(t, dsn, "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'hung'"))
	if len(pids) != 2 {
		t.Fatalf("%d connections", len(pids))
	}
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			n, err := strconv.Atoi(pid)
			if err == nil {
				err = syscall.Kill(n, s)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	began := time.Now()
	isAway(t, look(db))
	_, err := storetest.AppendCounted(db)
	isAway(t, err)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	signal(syscall.SIGCONT)
	if got, err := storetest.AppendCounted(db); got != 2 || err != nil {
		t.Errorf("counter %d, %v", got, err)
	}
	if err := look(db); err != nil {
		t.Error(err)
	}
}

// TestBusy has a process hold the others up, and one that hangs.
func TestBusy(t *testing.T) {
	cluster := postgrestest.Start(t)
	dsn := cluster.Schema(t)
	holder, waiting := open(t, dsn+" idle_in_transaction_session_timeout=500"), open(t, dsn+" lock_timeout=20")
	err := holder.Update(t.Context(), func(tx store.Tx) error {
		_, err := storetest.AppendCounted(waiting)
		wantKind(t, err, sealift.KindInternal, "busy")
		if err := look(waiting); err != nil {
			t.Error(err)
		}
		for range 1500 { // until the server ends the one that rests; 30 seconds, since the machine may be busy
			if _, err := storetest.AppendCounted(waiting); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err := tx.SetDocument(t.Context(), "p", []byte("x")); err == nil {
			t.Error("a transaction that rested for too long went on")
		}
		return nil
	})
	if err == nil {
		t.Error("its Update succeeded")
	}
	if _, err := storetest.AppendCounted(holder); err != nil {
		t.Error(err)
	}
}
