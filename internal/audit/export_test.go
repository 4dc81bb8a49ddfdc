package audit_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// export writes the log up to its latest checkpoint as a server and its client
// do together.
func (w *world) export() []byte {
	w.t.Helper()
	var out bytes.Buffer
	w.view(func(ctx context.Context, tx store.Tx) error {
		size, _, err := tx.LatestCheckpoint(ctx)
		if err != nil {
			return err
		}
		e, err := audit.NewExporter(&out, origin, size, []string{"shown+only"})
		if err != nil {
			return err
		}
		leaves, err := audit.Leaves(ctx, tx, 0, int(size))
		if err != nil {
			return err
		}
		signed, err := tx.Checkpoints(ctx, 1, 100) // one of nothing says nothing
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			if err := e.Entry(leaf); err != nil {
				return err
			}
			if signed[0].Size == leaf.Index+1 {
				if err := e.Checkpoint(signed[0].Note); err != nil {
					return err
				}
				signed = signed[1:]
			}
		}
		return e.Flush()
	})
	return out.Bytes()
}

func (w *world) verifyExport(file []byte, kept ...[]byte) (audit.Verified, error) {
	return audit.VerifyExport(bytes.NewReader(file), audit.Demands{Origin: origin, Keys: w.keys, Kept: kept})
}

func TestExportIsWhatTheLogIs(t *testing.T) {
	w := newWorld(t)
	w.grow(5)
	early := w.checkpoint()
	w.grow(11)
	w.checkpoint()
	w.grow(12) // after the latest checkpoint: not exported
	file := w.export()
	var seen []int64
	got, err := audit.VerifyExport(bytes.NewReader(file), audit.Demands{Origin: origin, Keys: w.keys, Kept: [][]byte{early}, See: func(r audit.Record) {
		seen = append(seen, r.Index)
		if want := r.Index%3 != 2; (r.Entry != nil) != want {
			t.Errorf("entry %d: %v", r.Index, r.Entry)
		}
	}})
	if err != nil || got.Tree.N != 11 || got.Checkpoints != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !slices.Equal(seen, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("saw %v", seen)
	}
	if !bytes.HasPrefix(file, []byte(`{"format":"sealift/audit-export/v1","origin":"`+origin+`","size":11,"keys":["shown+only"]}`+"\n")) {
		t.Errorf("the header is %.120s", file)
	}
}

// Every line bent in every way is refused, and the refusal names the first bad
// entry, or the first of those among which it is.
func TestVerifyExportNamesTheFirstBadEntry(t *testing.T) {
	w := newWorld(t)
	w.grow(4)
	w.checkpoint()
	w.grow(9)
	w.checkpoint()
	lines := strings.SplitAfter(strings.TrimSuffix(string(w.export()), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	// 0 header, 1-4 entries 0-3, 5 checkpoint of 4, 6-10 entries 4-8, 11 checkpoint of 9
	without := func(i int) []string { return slices.Concat(lines[:i], lines[i+1:]) }
	with := func(i int, line string) []string { return slices.Concat(lines[:i], []string{line}, lines[i+1:]) }
	for name, test := range map[string]struct {
		lines  []string
		reason string
		want   string
	}{
		"entry changed":           {with(3, strings.Replace(lines[3], "release", "relaese", 1)), "log", "entry 2 was changed or moved"},
		"entry changed, readable": {with(2, strings.Replace(lines[2], "alice", "mallory", 1)), "log", "it reads key.use at 2026-03-01T12:00:01"},
		"hash changed":            {with(1, strings.Replace(lines[1], `"hash":"`, `"hash":"A`, 1)), "log", "entry 0 was changed"},
		"entry removed":           {without(2), "log", "entry 1 is missing"},
		"entries swapped":         {slices.Concat(lines[:2], []string{lines[3], lines[2]}, lines[4:]), "log", "entry 1 is missing: entry 2 stands"},
		"entry twice":             {slices.Concat(lines[:3], lines[2:]), "log", "entry 2 is missing: entry 1 stands"},
		"last entry removed":      {without(10), "log", "entry 8 is missing"},
		"cut off":                 {lines[:8], "log", "entry 6 is missing: the export ends before it"},
		"cut off at a checkpoint": {lines[:6], "log", "entry 4 is missing: the export ends before it"},
		"cut off, header too":     {slices.Concat([]string{strings.Replace(lines[0], `"size":9`, `"size":4`, 1)}, lines[1:]), "log", "entry 4 was added"},
		"last line removed":       {lines[:11], "log", "entry 4 and those after it are covered by no checkpoint"},
		"no checkpoint at all":    {slices.Concat(lines[:5], lines[6:11]), "log", "entry 0 and those after it are covered by no checkpoint"},
		"half a line":             {slices.Concat(lines[:7], []string{lines[7][:40]}), "log", "entry 5 cannot be read"},
		"not JSON":                {with(7, "garbage\n"), "log", "entry 5 cannot be read"},
		"null":                    {with(7, "null\n"), "log", "entry 5 cannot be read"},
		"unknown field":           {with(7, `{"index":5,"more":1}`+"\n"), "log", "entry 5 cannot be read"},
		"entry and checkpoint":    {with(7, strings.Replace(lines[7], `{`, `{"checkpoint":"x",`, 1)), "log", "entry 5 cannot be read"},
		"too long":                {with(7, strings.Repeat("x", 1<<20)+"\n"), "log", "entry 5 cannot be read"},
		"more behind the end":     {append(slices.Clone(lines), lines[10]), "log", "entry 9 is missing: entry 8 stands"},
		"checkpoint bent":         {with(5, strings.Replace(lines[5], `\n4\n`, `\n3\n`, 1)), "checkpoint", "line 6"},
		"checkpoint too early":    {slices.Concat(lines[:4], []string{lines[5], lines[4]}, lines[6:]), "log", "entry 3 is missing: a checkpoint of 4"},
		"checkpoint too late":     {slices.Concat(lines[:5], []string{lines[6], lines[5]}, lines[7:]), "checkpoint", "one of 4 entries stands behind 5"},
		"another log":             {with(0, strings.Replace(lines[0], "sealift/0f", "sealift/1f", 1)), "log", "it is the log"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.verifyExport([]byte(strings.Join(test.lines, "")))
			if err == nil || sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != test.reason || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v (%s), want %q (%s)", err, sealift.ReasonOf(err), test.want, test.reason)
			}
		})
	}
}

// A change that takes the hash beside it along is found by the checkpoint that
// follows, and so narrowed down to the entries since the one before.
func TestVerifyExportNarrowsDown(t *testing.T) {
	w, forger := newWorld(t), newWorld(t)
	w.grow(4)
	w.checkpoint()
	w.grow(9)
	w.checkpoint()
	forger.grow(5)
	forger.update(func(ctx context.Context, tx store.Tx) error {
		e := entry(5)
		e.Actor.ID = "mallory"
		_, err := audit.Append(ctx, tx, e)
		return err
	})
	forger.checkpoint()
	lines := strings.SplitAfter(string(w.export()), "\n")
	lines[7] = strings.SplitAfter(string(forger.export()), "\n")[6]
	_, err := w.verifyExport([]byte(strings.Join(lines, "")))
	if err == nil || !strings.Contains(err.Error(), "entry 4 or one up to 8 was changed") {
		t.Errorf("got %v", err)
	}
}

func TestVerifyExportAgainstKept(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	empty := w.checkpoint()
	w.grow(4)
	w.checkpoint()
	short := w.export()
	w.grow(9)
	late := w.checkpoint()
	if _, err := w.verifyExport(short, empty); err != nil {
		t.Errorf("a checkpoint of nothing: %v", err)
	}
	_, err := w.verifyExport(short, late)
	if err == nil || !strings.Contains(err.Error(), "entry 4 is missing: the export ends before it, and a checkpoint that was kept elsewhere covers 9") {
		t.Errorf("an export from before: %v", err)
	}
	if _, err := w.verifyExport(w.export(), late, empty); err != nil {
		t.Error(err)
	}
	other.grow(4)
	if _, err := w.verifyExport(short, other.checkpoint()); sealift.ReasonOf(err) != "checkpoint" {
		t.Errorf("a checkpoint by another key: %v", err)
	}
	if _, err := audit.VerifyExport(bytes.NewReader(short), audit.Demands{Origin: origin, Keys: other.keys}); sealift.ReasonOf(err) != "checkpoint" {
		t.Errorf("another log key: %v", err)
	}
	// The same key signed another history.
	other.signer, other.keys = w.signer, w.keys
	other.update(func(ctx context.Context, tx store.Tx) error {
		_, err := audit.AppendLeaf(ctx, tx, trust.LogEntry(sealift.Digest{9}))
		return err
	})
	fork := other.checkpoint()
	_, err = w.verifyExport(w.export(), fork)
	if err == nil || !strings.Contains(err.Error(), "entry 4 or one up to 4 was changed, moved or left out") {
		t.Errorf("a fork: %v", err)
	}
}

func TestVerifyExportOfAnotherFormat(t *testing.T) {
	w := newWorld(t)
	for _, file := range []string{"", "\n", "{}\n", "garbage", `{"format":"sealift/audit-export/v2","origin":"` + origin + `","size":0,"keys":[]}` + "\n",
		`{"format":"sealift/audit-export/v1","origin":"` + origin + `","size":-1,"keys":[]}` + "\n"} {
		if _, err := w.verifyExport([]byte(file)); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// BenchmarkVerifyExport says how long a million entries take.
func BenchmarkVerifyExport(b *testing.B) {
	w := newWorld(b)
	const n = 10_000
	w.grow(n)
	w.checkpoint()
	file := w.export()
	b.ResetTimer()
	for b.Loop() {
		if _, err := w.verifyExport(file); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N)*1e6/n, "s/1e6entries")
}

func TestVerifyProof(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.grow(9)
	signed := w.checkpoint()
	var proof []byte
	w.update(func(ctx context.Context, tx store.Tx) error {
		tree, err := audit.Tree(ctx, tx)
		if err == nil {
			proof, err = audit.Prove(ctx, tx, 5, tree, signed)
		}
		return err
	})
	index, verified, err := audit.VerifyProof(releaseLeaf(5), proof, audit.Demands{Origin: origin, Keys: w.keys})
	if err != nil || index != 5 || verified.Tree.N != 9 {
		t.Fatalf("%d of %v, %v", index, verified.Tree, err)
	}
	refused := func(what string, leaf, proof []byte, origin string, by *world) {
		t.Helper()
		if _, _, err := audit.VerifyProof(leaf, proof, audit.Demands{Origin: origin, Keys: by.keys}); sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "log" {
			t.Errorf("%s: %v", what, err)
		}
	}
	bent := func(old, with string) []byte { return bytes.Replace(proof, []byte(old), []byte(with), 1) }
	refused("another entry", releaseLeaf(8), proof, origin, w)
	refused("another key", releaseLeaf(5), proof, origin, other)
	refused("another log", releaseLeaf(5), proof, "sealift/1f", w)
	refused("another index", releaseLeaf(5), bent("index 5", "index 4"), origin, w)
	refused("an index beyond the log", releaseLeaf(5), bent("index 5", "index 9"), origin, w)
	refused("another size", releaseLeaf(5), bent("\n9\n", "\n8\n"), origin, w)
	refused("no proof", releaseLeaf(5), nil, origin, w)
}
