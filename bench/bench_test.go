// Package bench measures what docs/benchmarks.md promises, on the code that
// runs in earnest: the program itself, the publisher's and the device's
// libraries, a disk, and HTTP over loopback. It has no code but tests, so it
// is in no program and counts in no coverage.
//
//	make bench                         measure all, print the table, write docs/benchmarks.md
//	scripts/bench.sh PART              measure one part (bundle, check, patch, vault, log, token, sign, rollout, reports, capgo), or all, and print its table
//
// Whatever is compared with a baseline is run in turns with it, in processes of
// their own, and medians are compared: a machine that is busy with something
// else then disturbs both alike. What a process measures of itself (time,
// processor time, peak of its memory) it prints as JSON: see job.
package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var document = flag.String("document", "", "the Markdown file that takes the figures between its marks")

// root is the module's folder, seen from that of this package.
const root = ".."

func TestMain(m *testing.M) {
	if name := os.Getenv(jobVariable); name != "" {
		if err := runJob(name); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// BenchmarkSealift makes one report of all parts. Run it with -benchtime=1x:
// each part repeats by itself what it measures.
func BenchmarkSealift(b *testing.B) {
	r := &report{machine: describeMachine(b)}
	busy := watchMachine(b)
	for _, part := range []struct {
		name string
		run  func(*testing.B, *report)
	}{
		{"bundle", measureBundle},
		{"check", measureCheck},
		{"patch", measurePatch},
		{"vault", measureVault},
		{"log", measureLog},
		{"sign", measureSign},
		{"token", measureToken},
		{"rollout", measureRollout},
		{"reports", measureReports},
		{"capgo", measureCapgo},
	} {
		b.Run(part.name, func(b *testing.B) { part.run(b, r) })
	}
	if b.Failed() {
		return
	}
	r.machine += fmt.Sprintf("; other work took %.1f of the cores meanwhile", busy())
	fmt.Print("\n", r.text(), "\n")
	if *document == "" {
		return
	}
	path := filepath.Join(root, *document)
	old, err := os.ReadFile(path)
	check(b, err)
	next, err := r.enter(old)
	check(b, err)
	check(b, os.WriteFile(path, next, 0o644))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// say tells the person who waits what is being done.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "== "+format+"\n", args...) }

// median returns the middle one, the upper of two.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
