package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Each thing is measured so often, in turns with the baseline: what has a
// target, and what is only reported.
const (
	rounds    = 5
	fewRounds = 3
	maxPeak   = 64 // MiB
)

// measureBundle publishes and installs a bundle of 1 GiB.
func measureBundle(b *testing.B, r *report) {
	m := &bundleRun{B: b, dir: b.TempDir(), all: map[string][]measure{}}
	say("writing a bundle of %d MiB that does not compress to %s", sourceMiB, m.dir)
	makeSource(b, m.source())
	m.publish()
	m.install()
	m.report(r)
	say("processor time of the pipelines, without a disk")
	reportCPU(b, r)
}

// bundleRun holds what was measured, by what it was measured of.
type bundleRun struct {
	*testing.B
	dir string
	all map[string][]measure
}

func (m *bundleRun) source() string { return filepath.Join(m.dir, "source") }

// turn measures a job in a fresh folder, which prepare may fill and use.
func (m *bundleRun) turn(what, job string, o order) measure {
	m.Helper()
	if o.Out == "" {
		o.Out = filepath.Join(m.dir, "out")
		check(m, os.Mkdir(o.Out, 0o755))
		defer func() { check(m, os.RemoveAll(o.Out)) }()
	}
	got := do(m, job, o)
	m.all[what] = append(m.all[what], got)
	fmt.Fprintf(os.Stderr, "   %-28s %6.2f s  %6.2f s of processor  %4.0f MiB\n", what, got.Seconds, got.CPU, got.Peak)
	return got
}

func (m *bundleRun) baseline(of string) {
	m.turn("baseline of "+of, "baseline", order{Source: m.source()})
}

const (
	whatSeal    = "publish (library)"
	whatPublish = "publish (publisher)"
	whatInstall = "install"
	whatUpload  = "publish over HTTP"
	whatFetch   = "install over HTTP"
	whatServer  = "server"
)

func (m *bundleRun) publish() {
	say("publishing to a local folder, in turns with the baseline")
	for i := range rounds {
		m.baseline(whatSeal)
		m.turn(whatSeal, "seal", order{Source: m.source()})
		if i < fewRounds {
			m.baseline(whatPublish)
			m.turn(whatPublish, "publish", order{Source: m.source()})
		}
	}
}

// install publishes once more, through a real server, for real agents.
func (m *bundleRun) install() {
	say("publishing through a server, and installing what was downloaded, in turns with the baseline")
	s := startServer(m.B, m.dir)
	blob := m.publishProgram(s, 1)
	for i := range rounds {
		device := s.device(m.B, fmt.Sprint("downloaded-", i))
		s.stage(m.B, device, blob)
		m.baseline(whatInstall)
		m.agent(whatInstall, s, device)
	}
	say("downloading over HTTP")
	for i := range fewRounds {
		m.baseline(whatFetch)
		m.agent(whatFetch, s, s.device(m.B, fmt.Sprint("fresh-", i)))
		if i > 0 {
			m.baseline(whatUpload)
			check(m, os.Remove(s.blobFile(blob)))
			blob = m.publishProgram(s, i+1)
		}
	}
	m.all[whatServer] = append(m.all[whatServer], s.stop(m.B))
}

func (m *bundleRun) publishProgram(s *server, version int) (blob string) {
	if version == 1 {
		m.baseline(whatUpload)
	}
	got := m.turn(whatUpload, "program", order{Out: m.dir, Command: []string{
		s.program, "publish", m.source(), "--app", string(app), "--channel", string(channel),
		"--version", fmt.Sprintf("%d.0.0", version), "--json",
	}})
	return blobOf(m.B, got.Output)
}

// agent lets the real agent update a device, and checks that it did.
func (m *bundleRun) agent(what string, s *server, device string) {
	m.turn(what, "program", order{Out: m.dir, Command: s.agentCommand(device)})
	installed, err := os.ReadDir(filepath.Join(device, "current"))
	check(m, err)
	if len(installed) != sourceFiles+1 {
		m.Fatalf("%d files were installed, not %d", len(installed), sourceFiles+1)
	}
	check(m, os.RemoveAll(device))
}

func (m *bundleRun) seconds(what string) float64 {
	return m.median(what, func(x measure) float64 { return x.Seconds })
}

func (m *bundleRun) median(what string, of func(measure) float64) float64 {
	var all []float64
	for _, x := range m.all[what] {
		all = append(all, of(x))
	}
	return median(all)
}

// peak is the most of all runs.
func (m *bundleRun) peak(what string) (most float64) {
	for _, x := range m.all[what] {
		most = max(most, x.Peak)
	}
	return most
}

// ratio is a median in multiples of the median of the baselines it took turns
// with, with a note that says both.
func (m *bundleRun) ratio(what string) (float64, string) {
	base := m.seconds("baseline of " + what)
	return m.seconds(what) / base, fmt.Sprintf("%.2f s against %.2f s (baselines from %s)", m.seconds(what), base, m.spread("baseline of "+what))
}

func (m *bundleRun) spread(what string) string {
	byTime := func(a, b measure) int {
		if a.Seconds < b.Seconds {
			return -1
		}
		return 1
	}
	return fmt.Sprintf("%.2f to %.2f s", slices.MinFunc(m.all[what], byTime).Seconds, slices.MaxFunc(m.all[what], byTime).Seconds)
}

func (m *bundleRun) report(r *report) {
	s := r.section("A bundle of 1 GiB: time")
	for _, row := range []struct {
		title, what string
		limit       float64
	}{
		{"publish to a local folder: both passes, seal, sync", whatSeal, 3},
		{"install a downloaded blob: the whole of `sealift agent --once`", whatInstall, 3},
		{"publish by way of package publisher: temporary file, signature, checked copy into a blob store", whatPublish, 0},
		{"`sealift publish` through a server on loopback", whatUpload, 0},
		{"`sealift agent --once` from a server on loopback, download included", whatFetch, 0},
	} {
		value, note := m.ratio(row.what)
		s.target(row.title, value, row.limit, "×", note)
	}
	s.remark("× is the time to read, SHA-256, write and fsync the same bytes: medians of %d runs in turns, of %d where nothing but reported.", rounds, fewRounds)
	s = r.section("A bundle of 1 GiB: peak of resident memory")
	s.target("publish: library, in a process of its own", m.peak(whatSeal), maxPeak, "MiB", "")
	s.target("publish: publisher, in a process of its own", m.peak(whatPublish), maxPeak, "MiB", "")
	s.target("publish: `sealift publish`", m.peak(whatUpload), maxPeak, "MiB", "the most of all runs, as below")
	s.target("install: `sealift agent --once`, blob downloaded before", m.peak(whatInstall), maxPeak, "MiB", "")
	s.target("install: `sealift agent --once`, download included", m.peak(whatFetch), maxPeak, "MiB", "")
	s.add("`sealift server` that took the uploads and served the downloads", m.peak(whatServer), "MiB", "64 MiB of it for Argon2id, once, at its start")
}

// reportCPU takes the figures of package bundle's own benchmark.
func reportCPU(b *testing.B, r *report) {
	got := goBench(b, "./bundle", "BenchmarkCPU", "5x")
	s := r.section("Processor time of the pipelines without a disk")
	s.target("publish: both passes, compress, seal", got["publish/sha256"], 2.6, "×", "")
	s.target("install: SHA-256 of the blob, open, decompress, SHA-256 of the archive", got["install/sha256"], 2.3, "×", "")
	s.add("two passes of SHA-256 and one of AES-256-GCM, which no pipeline of this design gets below", got["floor/sha256"], "×", "")
	s.remark("× is one pass of SHA-256 over the same bytes, at %.0f MB/s; user and system time, 512 MiB, medians of 5 (`BenchmarkCPU` of package bundle).", got["sha256-MB/s"])
}
