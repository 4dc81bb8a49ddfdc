package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/bundle"
)

// What patches are held to: their sum by the sum of what zstd makes of the same
// archives, in percent of the zips of the newer bundles, and the time to apply one
// by that to open the whole bundle.
const (
	maxPatchRatio = 1.35
	maxPatchShare = 1.0
	maxPatchTime  = 2.0
)

// pairs are two releases of packages from npm, and the folder of them that is a
// bundle.
var pairs = []struct{ name, folder, older, newer string }{
	{"monaco-editor", "package/min", "0.52.0", "0.52.2"},
	{"@excalidraw/excalidraw", "package/dist/prod", "0.18.0", "0.18.1"},
	{"swagger-ui-dist", "package", "5.17.14", "5.18.2"},
	{"@ionic/core", "package/dist", "8.4.1", "8.4.2"},
}

// measurePatch makes patches of real bundles and applies them, next to what zip
// and zstd make of the same.
func measurePatch(b *testing.B, r *report) {
	s := r.section("Patches of real bundles")
	var ours, theirs, zips, wholes int64
	var made []*patched
	for _, pair := range pairs {
		say("patching %s %s to %s", pair.name, pair.older, pair.newer)
		dir := b.TempDir()
		older, newer := filepath.Join(dir, "older"), filepath.Join(dir, "newer")
		for version, to := range map[string]string{pair.older: older, pair.newer: newer} {
			run(b, "", filepath.Join(root, "scripts", "npm.sh"), pair.name, version, pair.folder, to)
		}
		p := patchOf(b, older, newer)
		made = append(made, p)
		zstd, zip := zstdPatch(b, p, dir), zipOf(b, newer, dir)
		patch := int64(len(p.patch))
		ours, theirs, zips, wholes = ours+patch, theirs+zstd, zips+zip, wholes+int64(len(p.whole))
		s.add(fmt.Sprintf("%s %s → %s", pair.name, pair.older, pair.newer), float64(patch), "bytes",
			fmt.Sprintf("zstd %d, so %.2f of it; whole bundle %d, zip %d; made in %.1f s", zstd, float64(patch)/float64(zstd), len(p.whole), zip, p.took.Seconds()))
	}
	s.target("all four, by what zstd makes", float64(ours)/float64(theirs), maxPatchRatio, "×", fmt.Sprintf("%d bytes, zstd %d", ours, theirs))
	s.target("all four, by the zips of the newer bundles", 100*float64(ours)/float64(zips), maxPatchShare, "%",
		fmt.Sprintf("zips %d bytes; our whole bundles %d", zips, wholes))
	patch, whole := openInTurns(b, made)
	s.target("apply all four, by opening the whole bundles", patch.wall/whole.wall, maxPatchTime, "×", fmt.Sprintf("%.0f ms against %.0f ms", 1000*patch.wall, 1000*whole.wall))
	s.add("the same, of processor time", patch.cpu/whole.cpu, "×", fmt.Sprintf("%.0f ms against %.0f ms", 1000*patch.cpu, 1000*whole.cpu))
	s.remark("Bytes are of the sealed patch. zstd is `zstd -19 --long=31 --patch-from`, %s, of the same archives, and zip `zip -9 -r -X`. Applying reads the installed folder, which is the older archive, and hashes the newer one; files are thrown away, for both. Medians of 15 rounds in turns.", zstdVersion(b))
	measurePatchMemory(b, r)
}

// measurePatchMemory makes and applies patches of archives of some lengths, each
// in a process of its own.
func measurePatchMemory(b *testing.B, r *report) {
	s := r.section("Memory for a patch: peak of a process")
	for _, mib := range []int{10, 50, 64, 127} {
		say("patching %d MiB", mib)
		dir := b.TempDir()
		o := order{Base: filepath.Join(dir, "older"), Source: filepath.Join(dir, "newer"), Out: dir}
		makePair(b, o.Base, o.Source, mib)
		making := do(b, "make-patch", o)
		s.add(fmt.Sprintf("make, archives of %d MiB", mib), making.Peak, "MiB", fmt.Sprintf("%.1f s", making.Seconds))
		opening := do(b, "open-patch", o)
		s.add(fmt.Sprintf("apply, archives of %d MiB", mib), opening.Peak, "MiB", fmt.Sprintf("%.2f s", opening.Seconds))
	}
	s.remark("Of both archives; files of 1 MiB that do not compress, each changed in one place. The process has read both folders before, to know the archives' SHA-256, and its time is with that.")
}

// patched is what came of two folders.
type patched struct {
	older, newer string // folders
	base, id     bundle.Identity
	patch, whole []byte // sealed
	took         time.Duration
}

func openFolder(dir string) (*bundle.Source, bundle.Identity, error) {
	source, err := bundle.OpenSource(os.DirFS(dir))
	if err != nil {
		return nil, bundle.Identity{}, err
	}
	id, err := source.Digest(context.Background(), nil)
	return source, id, err
}

func patchOf(tb testing.TB, older, newer string) *patched {
	p := &patched{older: older, newer: newer}
	from, base, err := openFolder(older)
	check(tb, err)
	to, id, err := openFolder(newer)
	check(tb, err)
	p.base, p.id = base, id
	var patch, whole bytes.Buffer
	begin := time.Now()
	_, err = bundle.SealPatch(tb.Context(), &patch, bundle.Base{Identity: base, Archiver: from}, to, id, app, bundle.ContentKey{}, nil)
	check(tb, err)
	p.took = time.Since(begin)
	_, err = bundle.Seal(tb.Context(), &whole, to, id, app, bundle.ContentKey{}, nil)
	check(tb, err)
	p.patch, p.whole = patch.Bytes(), whole.Bytes()
	return p
}

// spent is time on the wall and of the processor, in seconds.
type spent struct{ wall, cpu float64 }

// spend does work for each of all, and says what that took.
func spend(tb testing.TB, all []*patched, work func(*patched) error) spent {
	begin, busy := time.Now(), processorTime()
	for _, p := range all {
		check(tb, work(p))
	}
	return spent{time.Since(begin).Seconds(), processorTime() - busy}
}

// openInTurns returns the medians of what it takes to apply all patches, and to
// open all whole bundles.
func openInTurns(tb testing.TB, all []*patched) (patch, whole spent) {
	say("applying them")
	var patches, wholes, patchesCPU, wholesCPU []float64
	for range 15 {
		took := spend(tb, all, func(p *patched) error { return applyPatch(p.older, p.base, p.id, p.patch) })
		patches, patchesCPU = append(patches, took.wall), append(patchesCPU, took.cpu)
		took = spend(tb, all, func(p *patched) error {
			return bundle.Open(tb.Context(), bytes.NewReader(p.whole), p.id, app, bundle.ContentKey{}, nowhere{}, nil)
		})
		wholes, wholesCPU = append(wholes, took.wall), append(wholesCPU, took.cpu)
	}
	return spent{median(patches), median(patchesCPU)}, spent{median(wholes), median(wholesCPU)}
}

// applyPatch is what a device does, without the disk that takes the files.
func applyPatch(older string, base, id bundle.Identity, patch []byte) error {
	from, err := bundle.OpenSource(os.DirFS(older))
	if err != nil {
		return err
	}
	return bundle.OpenPatch(context.Background(), bytes.NewReader(patch), bundle.Base{Identity: base, Archiver: from}, id, app, bundle.ContentKey{}, nowhere{}, nil)
}

// nowhere is a bundle.Sink that keeps nothing.
type nowhere struct{}

func (nowhere) Create(string, int64, bool) (io.WriteCloser, error) { return nowhere{}, nil }
func (nowhere) Write(b []byte) (int, error)                        { return len(b), nil }
func (nowhere) Close() error                                       { return nil }

// zstdPatch is how many bytes zstd's own patch has.
func zstdPatch(tb testing.TB, p *patched, dir string) int64 {
	archives := map[string]string{"older.tar": p.older, "newer.tar": p.newer}
	for name, folder := range archives {
		source, _, err := openFolder(folder)
		check(tb, err)
		f, err := os.Create(filepath.Join(dir, name))
		check(tb, err)
		check(tb, errors.Join(source.WriteArchive(tb.Context(), f), f.Close()))
	}
	run(tb, dir, "zstd", "-qq", "-19", "--long=31", "--patch-from=older.tar", "newer.tar", "-o", "patch.zst")
	return lengthOf(tb, filepath.Join(dir, "patch.zst"))
}

// zipOf is how many bytes the zip of a folder has.
func zipOf(tb testing.TB, folder, dir string) int64 {
	zip := filepath.Join(dir, "newer.zip")
	run(tb, folder, "zip", "-9", "-q", "-r", "-X", zip, ".")
	return lengthOf(tb, zip)
}

func lengthOf(tb testing.TB, path string) int64 {
	info, err := os.Stat(path)
	check(tb, err)
	return info.Size()
}

func zstdVersion(tb testing.TB) string {
	for word := range strings.FieldsSeq(run(tb, "", "zstd", "--version")) {
		if version, ok := strings.CutPrefix(word, "v"); ok {
			return strings.TrimRight(version, ",*")
		}
	}
	return "of unknown version"
}

// run runs a program in a folder and returns what it prints.
func run(tb testing.TB, dir, name string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	output, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return string(output)
}

// makePair writes two bundles of files of 1 MiB that differ in their beginnings.
func makePair(tb testing.TB, older, newer string, mib int) {
	content := make([]byte, 1<<20-512) // a file and its header fill the MiB
	random := rand.NewChaCha8([32]byte{2})
	for _, dir := range []string{older, newer} {
		check(tb, os.MkdirAll(dir, 0o755))
	}
	for i := range mib {
		_, _ = random.Read(content) // never fails
		name := fmt.Sprintf("file-%03d.bin", i)
		check(tb, os.WriteFile(filepath.Join(older, name), content, 0o644))
		copy(content, "changed")
		check(tb, os.WriteFile(filepath.Join(newer, name), content, 0o644))
	}
}

const patchFile = "patch"

// makePatch is a job: it makes the patch from Base to Source.
func makePatch(o order) error {
	from, base, err := openFolder(o.Base)
	if err != nil {
		return err
	}
	to, id, err := openFolder(o.Source)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(o.Out, patchFile))
	if err != nil {
		return err
	}
	_, err = bundle.SealPatch(context.Background(), out, bundle.Base{Identity: base, Archiver: from}, to, id, app, bundle.ContentKey{}, nil)
	return errors.Join(err, out.Close())
}

// openPatch is a job: it applies what makePatch made.
func openPatch(o order) error {
	_, base, err := openFolder(o.Base)
	if err != nil {
		return err
	}
	_, id, err := openFolder(o.Source)
	if err != nil {
		return err
	}
	patch, err := os.ReadFile(filepath.Join(o.Out, patchFile))
	if err != nil {
		return err
	}
	return applyPatch(o.Base, base, id, patch)
}
