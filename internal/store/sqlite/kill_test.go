package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// killedStore names the store of a child process that is there to be killed.
const killedStore = "SEALIFT_TEST_KILLED_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedStore); path != "" {
		if err := writeForEver(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

const killedApp sealift.AppID = "com.acme.killed"

// killedWriters is how many goroutines write at a time: so many Updates may be
// durable without having been acknowledged.
const killedWriters = 3

// writeForEver appends entries and prints the counter of each once its Update
// has returned. It returns with the first error.
func writeForEver(path string) error {
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range killedWriters {
		go func() {
			for {
				counter, err := appendCounted(db)
				if err == nil {
					_, err = fmt.Fprintln(os.Stdout, counter)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// appendCounted makes changes in several tables, which must stay together.
func appendCounted(db *sqlite.DB) (counter sealift.Counter, err error) {
	ctx := context.Background()
	err = db.Update(ctx, func(tx store.Tx) error {
		err := tx.InsertApp(ctx, store.App{ID: killedApp})
		if err != nil && sealift.KindOf(err) != sealift.KindConflict {
			return err
		}
		if counter, err = tx.NextCounter(ctx, killedApp); err != nil {
			return err
		}
		index := int64(counter) - 1
		if err := tx.AppendAudit(ctx, index, killedLeaf(counter), index, [][32]byte{sealift.DigestOf(killedLeaf(counter))}); err != nil {
			return err
		}
		return tx.SetDocument(ctx, "counter", killedLeaf(counter))
	})
	return counter, err
}

func killedLeaf(counter sealift.Counter) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("entry %d\n", counter), int(counter)%300+1)) // some take several pages
}

// TestKilled kills a process that writes, at any moment from its start on, again
// and again on one file: what it acknowledged must be there, and nothing by
// halves.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	var before sealift.Counter
	for round := range 10 {
		acknowledged := writeAndKill(t, path, round)
		last := max(before, acknowledged)
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		before = checkKilled(t, db, last)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged, %d there", round, acknowledged, before)
	}
	if before == 0 {
		t.Error("nothing was ever written: the moments are too early")
	}
	checkIntegrity(t, path)
}

// writeAndKill returns the largest counter that the child printed before it was
// killed. Each is printed after those below it are durable, since Updates run
// one after the other.
func writeAndKill(t *testing.T, path string, round int) (largest sealift.Counter) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killedStore+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if round%3 == 0 { // in its start, or soon after
		time.Sleep(rand.N(80 * time.Millisecond))
	} else { // in its writing
		largest = readCounter(t, lines)
		time.Sleep(rand.N(200 * time.Millisecond))
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		counter := readCounter(t, lines)
		if counter == 0 {
			break
		}
		largest = max(largest, counter)
	}
	if err := child.Wait(); child.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return largest
}

// readCounter returns 0 at the end, where a line may be cut off.
func readCounter(t *testing.T, lines *bufio.Reader) sealift.Counter {
	t.Helper()
	line, err := lines.ReadString('\n')
	if err == io.EOF {
		return 0
	}
	counter, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return sealift.Counter(counter)
}

// checkKilled wants all entries up to acknowledged, at most one more for each
// writer, and every table to tell of the same ones. It returns the last.
func checkKilled(t *testing.T, db *sqlite.DB, acknowledged sealift.Counter) sealift.Counter {
	t.Helper()
	var size int64
	err := db.Update(t.Context(), func(tx store.Tx) (err error) {
		if size, err = tx.AuditSize(t.Context()); err != nil || size == 0 {
			return err
		}
		entries, err := tx.AuditEntries(t.Context(), 0, int(size)+1)
		if err != nil {
			return err
		}
		hashes, err := tx.AuditHashes(t.Context(), indexes(size))
		if err != nil {
			return err
		}
		for i, entry := range entries {
			leaf := killedLeaf(sealift.Counter(i + 1))
			if entry.Index != int64(i) || string(entry.Leaf) != string(leaf) || hashes[i] != sealift.DigestOf(leaf) {
				t.Errorf("entry %d is not what was written", i)
			}
		}
		if document, err := tx.Document(t.Context(), "counter"); err != nil || string(document) != string(killedLeaf(sealift.Counter(size))) {
			t.Errorf("the document is not that of entry %d (%v)", size, err)
		}
		next, err := tx.NextCounter(t.Context(), killedApp)
		if err != nil || int64(next) != size+1 || int64(len(entries)) != size {
			t.Errorf("counter %d follows %d entries of %d (%v)", next, len(entries), size, err)
		}
		return errLook
	})
	if err != nil && err != errLook {
		t.Fatal(err)
	}
	there := sealift.Counter(size)
	if there < acknowledged || there > acknowledged+killedWriters+1 {
		t.Errorf("%d entries are there, %d were acknowledged", there, acknowledged)
	}
	return there
}

// errLook takes back what was done to see something.
var errLook = fmt.Errorf("only looking")

func indexes(size int64) []int64 {
	out := make([]int64, size)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

// checkIntegrity has SQLite look at every page and every reference.
func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var found string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		t.Errorf("integrity_check: %q, %v", found, err)
	}
	rows, err := db.Query("PRAGMA foreign_key_check")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() {
		t.Error("a row belongs to one that is not there")
	}
}
