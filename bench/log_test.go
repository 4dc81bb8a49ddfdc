package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

const (
	logOrigin  = "sealift/00112233445566778899aabbccddeeff"
	logEntries = 1_000_000
	logBatch   = 1000   // entries in one transaction
	logSigned  = 10_000 // entries from one checkpoint to the next
	logProofs  = 5000   // proofs measured
)

// measureLog measures a log of a million entries.
func measureLog(b *testing.B, r *report) {
	s := r.section(fmt.Sprintf("A log of %d entries", logEntries))
	l := newLog(b)
	say("appending to the log, one by one")
	rate := l.appendEach(500)
	s.add("entries, each in a transaction of its own", rate, "a second", fmt.Sprintf("as many commits, and so at least as many fsyncs: %.0f a second", rate))
	say("appending %d entries", logEntries)
	begin, from := time.Now(), l.size
	for l.size < logEntries {
		l.append(min(logBatch, logEntries-l.size))
		if l.size%logSigned == 0 {
			l.sign()
		}
	}
	took := time.Since(begin).Seconds()
	commits := float64((logEntries-from)/logBatch + logEntries/logSigned)
	s.add(fmt.Sprintf("entries, %d in one transaction", logBatch), float64(logEntries-from)/took, "a second", fmt.Sprintf("%.0f commits a second", commits/took))
	l.sign()

	say("proving %d of them", logProofs)
	half, p99 := l.prove()
	s.target("an inclusion proof from the store, 99 of 100 within", p99, 1, "ms", fmt.Sprintf("median %s", amount(half, "ms")))

	say("exporting the log")
	begin = time.Now()
	file, size := l.export()
	s.add("export, without HTTP", time.Since(begin).Seconds(), "s", amount(float64(size)/(1<<20), "MiB"))
	say("verifying the export, offline")
	var seconds, cpu, peak []float64
	for range 3 {
		m := do(b, "verify-log", order{Source: file, Command: []string{l.key}})
		seconds, cpu, peak = append(seconds, m.Seconds), append(cpu, m.CPU), append(peak, m.Peak)
	}
	s.target("verify the export offline, on one core", median(seconds), 30, "s", fmt.Sprintf("%s of processor", amount(median(cpu), "s")))
	s.add("its peak of resident memory", slices.Max(peak), "MiB", "")
	s.target("verify the rows of the store, as the server does once a day", l.verify(), 30, "s", "")
	s.remark("Entries of %d bytes, as of a key's use; a checkpoint every %d. SQLite with WAL and synchronous=FULL: a commit waits for one fsync of the write-ahead log.", l.leaf, logSigned)
	s.remark("Proofs are of random entries, each in a View of its own, from a database of %s. The export is verified in a process of its own with one thread of Go (medians of 3).", amount(l.bytes()/(1<<20), "MiB"))
}

// logUnderTest is a log in a store.
type logUnderTest struct {
	*testing.B
	path   string
	db     *sqlite.DB
	signer note.Signer
	key    string
	size   int64
	leaf   int // bytes of an entry
	tree   tlog.Tree
	signed []byte
}

func newLog(b *testing.B) *logUnderTest {
	l := &logUnderTest{B: b, path: filepath.Join(b.TempDir(), "vault.db")}
	secret, public, err := note.GenerateKey(rand.Reader, logOrigin)
	check(b, err)
	l.key = public
	l.signer, err = note.NewSigner(secret)
	check(b, err)
	l.db, err = sqlite.Open(b.Context(), l.path)
	check(b, err)
	b.Cleanup(func() { check(b, l.db.Close()) })
	return l
}

func (l *logUnderTest) append(n int64) {
	check(l, l.db.Update(l.Context(), func(tx store.Tx) error {
		for range n {
			if err := l.appendOne(l.Context(), tx); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (l *logUnderTest) appendOne(ctx context.Context, tx store.Tx) error {
	e := audit.Entry{
		Time: time.Unix(1_800_000_000+l.size, 0), Actor: audit.Actor{Kind: audit.Service, ID: "909432b7adc8a37f", Address: "192.0.2.1"},
		Action: "key.use", Key: "director", Version: 1, Subject: "sha256:" + sealift.DigestOf(fmt.Append(nil, l.size)).String(),
		Details: map[string]string{"for": "metadata.sign", "purpose": "director"}, Result: audit.OK,
	}
	if l.leaf == 0 {
		leaf, err := e.Leaf()
		if err != nil {
			return err
		}
		l.leaf = len(leaf)
	}
	_, err := audit.Append(ctx, tx, e)
	l.size++
	return err
}

// appendEach returns the entries a second of so many transactions.
func (l *logUnderTest) appendEach(n int) float64 {
	begin := time.Now()
	for range n {
		l.append(1)
	}
	return float64(n) / time.Since(begin).Seconds()
}

func (l *logUnderTest) sign() {
	check(l, l.db.Update(l.Context(), func(tx store.Tx) (err error) {
		l.tree, l.signed, err = audit.SignCheckpoint(l.Context(), tx, logOrigin, l.signer)
		return err
	}))
}

// prove returns the median and the 99th percentile of proofs, in milliseconds.
func (l *logUnderTest) prove() (half, p99 float64) {
	var all []float64
	for range logProofs {
		begin := time.Now()
		check(l, l.db.View(l.Context(), func(tx store.Tx) error {
			_, err := audit.Prove(l.Context(), tx, mathrand.Int64N(logEntries), l.tree, l.signed)
			return err
		}))
		all = append(all, float64(time.Since(begin).Microseconds())/1000)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// export writes the log as a server and its client do together.
func (l *logUnderTest) export() (path string, size int64) {
	path = filepath.Join(l.TempDir(), "log.jsonl")
	f, err := os.Create(path)
	check(l, err)
	out := bufio.NewWriterSize(f, 1<<20)
	check(l, l.db.View(l.Context(), func(tx store.Tx) error {
		e, err := audit.NewExporter(out, logOrigin, l.size, []string{l.key})
		if err != nil {
			return err
		}
		signed, err := tx.Checkpoints(l.Context(), 1, 1000)
		for first := int64(0); err == nil && first < l.size; {
			var leaves []audit.Stored
			if leaves, err = audit.Leaves(l.Context(), tx, first, sealift.MaxLeaves); err != nil {
				break
			}
			for _, leaf := range leaves {
				if err = e.Entry(leaf); err == nil && len(signed) > 0 && signed[0].Size == leaf.Index+1 {
					err, signed = e.Checkpoint(signed[0].Note), signed[1:]
				}
				if err != nil {
					return err
				}
			}
			first += int64(len(leaves))
		}
		if err != nil {
			return err
		}
		return e.Flush()
	}))
	check(l, out.Flush())
	info, err := f.Stat()
	check(l, err)
	check(l, f.Close())
	return path, info.Size()
}

// verify returns the seconds that the rows take.
func (l *logUnderTest) verify() float64 {
	key, err := note.NewVerifier(l.key)
	check(l, err)
	begin := time.Now()
	check(l, l.db.View(l.Context(), func(tx store.Tx) error {
		_, err := audit.Verify(l.Context(), tx, audit.Demands{Origin: logOrigin, Keys: note.VerifierList(key)})
		return err
	}))
	return time.Since(begin).Seconds()
}

func (l *logUnderTest) bytes() float64 {
	info, err := os.Stat(l.path)
	check(l, err)
	return float64(info.Size())
}

// verifyLog is what sealift audit verify does with an export.
func verifyLog(o order) error {
	runtime.GOMAXPROCS(1)
	key, err := note.NewVerifier(o.Command[0])
	if err != nil {
		return err
	}
	f, err := os.Open(o.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := audit.VerifyExport(f, audit.Demands{Origin: logOrigin, Keys: note.VerifierList(key)})
	if err == nil && v.Tree.N < logEntries {
		err = fmt.Errorf("%d entries were verified", v.Tree.N)
	}
	return err
}
