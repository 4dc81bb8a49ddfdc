package audit_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// TestSpeed is the benchmark's part "log" in small: it would find work that
// grows with the square of the log, on any machine. How fast it is, make bench
// says.
func TestSpeed(t *testing.T) {
	const size, proofs = 10_000, 100
	w := newWorld(t)
	w.grow(size)
	signed := w.checkpoint()
	within := func(what string, most time.Duration, fn func()) {
		t.Helper()
		begin := time.Now()
		fn()
		if took := time.Since(begin); took > most {
			t.Errorf("%s took %s, more than %s", what, took, most)
		}
	}
	file := w.export()
	within("verifying an export", 20*time.Second, func() { // 0.1 s on a quiet machine
		if v, err := w.verifyExport(file); err != nil || v.Tree.N != size {
			t.Errorf("%v, %v", v, err)
		}
	})
	within("verifying the rows", 30*time.Second, func() { // 0.1 s
		if err := w.verify(); err != nil {
			t.Error(err)
		}
	})
	within("proving", proofs*50*time.Millisecond, func() { // 0.1 s
		w.view(func(ctx context.Context, tx store.Tx) error {
			tree, err := audit.Tree(ctx, tx)
			if err != nil {
				return err
			}
			for i := range int64(proofs) {
				index := i * size / proofs
				leaf := releaseLeaf(index)
				if index%3 != 2 {
					if leaf, err = entry(index).Leaf(); err != nil {
						return err
					}
				}
				proof, err := audit.Prove(ctx, tx, index, tree, signed)
				if err != nil {
					return err
				}
				if got, _, err := audit.VerifyProof(leaf, proof, audit.Demands{Origin: origin, Keys: w.keys}); err != nil || got != index {
					t.Errorf("entry %d: %d, %v", index, got, err)
				}
			}
			return nil
		})
	})
	if bytes.Count(file, []byte("\n")) != size+2 {
		t.Errorf("the export has %d lines", bytes.Count(file, []byte("\n")))
	}
}
