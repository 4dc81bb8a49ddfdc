package audit_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func (w *world) witness(name string) *sealifttest.Witness {
	w.t.Helper()
	made, err := sealifttest.NewWitness(name, func() time.Time { return start }, origin, w.keys)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func (w *world) quorum(needed int, list ...*sealifttest.Witness) *trust.Quorum {
	w.t.Helper()
	var keys []string
	for _, made := range list {
		keys = append(keys, made.Key())
	}
	q, err := trust.NewQuorum(keys, needed)
	if err != nil {
		w.t.Fatal(err)
	}
	return q
}

// cosign has witnesses cosign the latest checkpoint whatever it is.
func (w *world) cosign(list ...*sealifttest.Witness) {
	w.t.Helper()
	w.update(func(ctx context.Context, tx store.Tx) error {
		size, signed, err := tx.LatestCheckpoint(ctx)
		if err != nil {
			return err
		}
		text := signed[:bytes.Index(signed, []byte("\n\n"))+1]
		for _, made := range list {
			sig, err := made.Sign(text)
			if err != nil {
				return err
			}
			signed = append(signed, signatureLine(made, sig)...)
		}
		return tx.InsertCheckpoint(ctx, size, signed)
	})
}

// TestWitnesses: the newest checkpoint must be cosigned by enough of the
// witnesses, in rows and in an export, and whoever is missing is named.
func TestWitnesses(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.witness("a.example"), w.witness("b.example"), w.witness("c.example")
	both := func(d audit.Demands) (audit.Verified, error) {
		t.Helper()
		d.Origin, d.Keys = origin, w.keys
		fromExport, exportErr := audit.VerifyExport(bytes.NewReader(w.export()), d)
		var fromRows audit.Verified
		rowsErr := w.store.View(t.Context(), func(tx store.Tx) (err error) {
			fromRows, err = audit.Verify(t.Context(), tx, d)
			return err
		})
		if len(fromRows.Cosigned) != len(fromExport.Cosigned) || fromRows.Tree != fromExport.Tree || (rowsErr == nil) != (exportErr == nil) || rowsErr != nil && rowsErr.Error() != exportErr.Error() {
			t.Errorf("rows: %+v, %v; export: %+v, %v", fromRows, rowsErr, fromExport, exportErr)
		}
		return fromRows, rowsErr
	}
	w.grow(4)
	w.checkpoint()
	w.cosign(a, b)
	w.grow(9)
	w.checkpoint()
	w.cosign(b, c)

	v, err := both(audit.Demands{Witnesses: w.quorum(1, a, b)})
	if err != nil || len(v.Cosigned) != 1 || v.Cosigned[0].Witness.Name() != "b.example" || !v.Cosigned[0].Time.Equal(start.Truncate(time.Second)) {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err = both(audit.Demands{Witnesses: w.quorum(2, a, b, c)}); err != nil || len(v.Cosigned) != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err = both(audit.Demands{}); err != nil || v.Cosigned != nil {
		t.Errorf("%+v, %v", v, err)
	}
	for _, test := range []struct {
		quorum *trust.Quorum
		want   string
	}{
		{w.quorum(2, a, b), "the newest checkpoint, of 9 entries: 1 of 2 witnesses cosigned it, and 2 must; missing: a.example (the newest one with enough is of 4)"},
		{w.quorum(3, a, b, c), "missing: a.example (no checkpoint has enough)"},
		{w.quorum(1, w.witness("d.example")), "0 of 1 witnesses cosigned it, and 1 must; missing: d.example (no checkpoint has enough)"},
	} {
		_, err := both(audit.Demands{Witnesses: test.quorum})
		wantError(t, err, sealift.KindIntegrity, "witness")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}

	// A proof's checkpoint is held to the same.
	var proof []byte
	w.update(func(ctx context.Context, tx store.Tx) error {
		tree, err := audit.Tree(ctx, tx)
		if err != nil {
			return err
		}
		_, signed, err := tx.LatestCheckpoint(ctx)
		if err == nil {
			proof, err = audit.Prove(ctx, tx, 5, tree, signed)
		}
		return err
	})
	if _, v, err := audit.VerifyProof(releaseLeaf(5), proof, audit.Demands{Origin: origin, Keys: w.keys, Witnesses: w.quorum(2, b, c)}); err != nil || len(v.Cosigned) != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	_, _, err = audit.VerifyProof(releaseLeaf(5), proof, audit.Demands{Origin: origin, Keys: w.keys, Witnesses: w.quorum(2, a, c)})
	wantError(t, err, sealift.KindIntegrity, "witness")

	// A cosignature that does not verify is not read over.
	w.sql("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 4) WHERE size = 9")
	wantError(t, w.verifyWith(audit.Demands{Witnesses: w.quorum(1, a)}), sealift.KindIntegrity, "checkpoint")
}

func (w *world) verifyWith(d audit.Demands) error {
	d.Origin, d.Keys = origin, w.keys
	return w.store.View(w.t.Context(), func(tx store.Tx) error {
		_, err := audit.Verify(w.t.Context(), tx, d)
		return err
	})
}

// TestRebuiltWithTheLogKey: whoever has the log's key and can write rows can
// build the whole log anew, and nothing in it tells. A witness tells, and so
// does a checkpoint that was kept.
func TestRebuiltWithTheLogKey(t *testing.T) {
	w := newWorld(t)
	a := w.witness("a.example")
	w.grow(6)
	kept := w.checkpoint()
	w.cosign(a)
	quorum := w.quorum(1, a)
	if err := w.verifyWith(audit.Demands{Witnesses: quorum}); err != nil {
		t.Fatal(err)
	}

	for _, table := range []string{"audit_entries", "audit_hashes", "checkpoints"} {
		w.sql("DELETE FROM " + table)
	}
	w.update(func(ctx context.Context, tx store.Tx) error {
		for n := range int64(9) { // without entry 2
			if n != 2 {
				if _, err := audit.Append(ctx, tx, entry(n)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	w.checkpoint() // by the stolen key
	if err := w.verify(); err != nil {
		t.Errorf("within itself it is sound: %v", err)
	}
	if _, err := w.verifyExport(w.export()); err != nil {
		t.Errorf("within itself it is sound: %v", err)
	}
	wantError(t, w.verifyWith(audit.Demands{Witnesses: quorum}), sealift.KindIntegrity, "witness")
	wantError(t, w.verify(kept), sealift.KindIntegrity, "log")
	_, err := w.verifyExport(w.export(), kept)
	wantError(t, err, sealift.KindIntegrity, "log")
}

// TestClockBack: entries whose time goes back are no error, and the first of
// them is named.
func TestClockBack(t *testing.T) {
	w := newWorld(t)
	at := func(minutes ...float64) *audit.Jump {
		t.Helper()
		for _, table := range []string{"audit_entries", "audit_hashes", "checkpoints"} {
			w.sqlMaybe("DELETE FROM " + table)
		}
		w.update(func(ctx context.Context, tx store.Tx) error {
			for i, m := range minutes {
				e := entry(int64(i))
				e.Time = start.Add(time.Duration(m * float64(time.Minute)))
				if _, err := audit.Append(ctx, tx, e); err != nil {
					return err
				}
				if _, err := audit.AppendLeaf(ctx, tx, releaseLeaf(int64(i))); err != nil { // has no time
					return err
				}
			}
			return nil
		})
		w.checkpoint()
		file, err := w.verifyExport(w.export())
		if err != nil {
			t.Fatal(err)
		}
		var rows audit.Verified
		w.view(func(ctx context.Context, tx store.Tx) (err error) {
			rows, err = audit.Verify(ctx, tx, audit.Demands{Origin: origin, Keys: w.keys})
			return err
		})
		if (rows.Back == nil) != (file.Back == nil) || rows.Back != nil && *rows.Back != *file.Back {
			t.Errorf("rows: %+v, export: %+v", rows.Back, file.Back)
		}
		return rows.Back
	}
	for _, minutes := range [][]float64{{0}, {0, 1, 2}, {10, 5}, {10, 6, 11, 7}, {0, 3, 100_000}} {
		if back := at(minutes...); back != nil {
			t.Errorf("%v: %+v", minutes, back)
		}
	}
	for _, test := range []struct {
		minutes []float64
		index   int64
	}{
		{[]float64{10, 4.9}, 2},
		{[]float64{10, 6, 4.5}, 4}, // measured from the latest
		{[]float64{1, 100, 2, 3, 200, 4}, 4},
		{[]float64{0, -100_000}, 2},
	} {
		back := at(test.minutes...)
		if back == nil || back.Index != test.index || back.Time.After(back.Before) {
			t.Errorf("%v: %+v, want entry %d", test.minutes, back, test.index)
		}
	}
}
