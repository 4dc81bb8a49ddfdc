package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

const killedApp sealift.AppID = "com.acme.killed"

// killedWriters is how many goroutines write at a time: so many Updates may be
// durable without having been acknowledged.
const killedWriters = 3

// WriteForEver appends entries and prints the counter of each once its Update
// has returned. It returns with the first error.
func WriteForEver(s store.Store, out io.Writer) error {
	failed := make(chan error)
	for range killedWriters {
		go func() {
			for {
				counter, err := AppendCounted(s)
				if err == nil {
					_, err = fmt.Fprintln(out, counter)
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

// AppendCounted makes changes in several tables, which must stay together, and
// returns the counter of what it appended.
func AppendCounted(s store.Store) (counter sealift.Counter, err error) {
	ctx := context.Background()
	err = s.Update(ctx, func(tx store.Tx) error {
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
// and again on one store: what it acknowledged must be there, and nothing by
// halves. child is a process that opens the store and runs WriteForEver on its
// stdout; open opens it in this one, and closes it when the test ends.
func TestKilled(t *testing.T, child func() *exec.Cmd, open func(t *testing.T) store.Store) {
	var before sealift.Counter
	for round := range 10 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			acknowledged := writeAndKill(t, child(), round)
			before = CheckWritten(t, open(t), max(before, acknowledged))
			t.Logf("%d acknowledged, %d there", acknowledged, before)
		})
	}
	if before == 0 {
		t.Error("nothing was ever written: the moments are too early")
	}
}

// writeAndKill returns the largest counter that the child printed before it was
// killed. Each is printed after those below it are durable, since Updates run
// one after the other.
func writeAndKill(t *testing.T, child *exec.Cmd, round int) (largest sealift.Counter) {
	t.Helper()
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

// CheckWritten wants all entries of AppendCounted up to acknowledged, at most one
// more for each writer, and every table to tell of the same ones. It returns the
// last.
func CheckWritten(t *testing.T, s store.Store, acknowledged sealift.Counter) sealift.Counter {
	t.Helper()
	var size int64
	err := s.Update(t.Context(), func(tx store.Tx) (err error) {
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
var errLook = errors.New("only looking")

func indexes(size int64) []int64 {
	out := make([]int64, size)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}
