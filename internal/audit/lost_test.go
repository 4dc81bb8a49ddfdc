package audit_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// lose appends what a restore knows of the entries up to size: releases, and the
// hashes of all others.
func (w *world) lose(size int64) {
	w.update(func(ctx context.Context, tx store.Tx) error {
		for {
			n, err := tx.AuditSize(ctx)
			if err != nil || n >= size {
				return err
			}
			if n%3 == 2 {
				_, err = audit.AppendLeaf(ctx, tx, releaseLeaf(n))
			} else {
				leaf, leafErr := entry(n).Leaf()
				if leafErr != nil {
					return leafErr
				}
				_, err = audit.AppendHash(ctx, tx, tlog.RecordHash(leaf))
			}
			if err != nil {
				return err
			}
		}
	})
}

// tell appends the entry of a restore that lost count entries from first on.
func (w *world) tell(first, count int64) {
	w.update(func(ctx context.Context, tx store.Tx) error {
		e := audit.Entry{Time: start, Action: audit.ActionRestore, Result: audit.OK, Details: map[string]string{}}
		e.LoseEntries(first, count)
		_, err := audit.Append(ctx, tx, e)
		return err
	})
}

func (w *world) verifyAll(kept ...[]byte) (got audit.Verified, err error) {
	_ = w.store.View(w.t.Context(), func(tx store.Tx) error {
		got, err = audit.Verify(w.t.Context(), tx, audit.Demands{Origin: origin, Keys: w.keys, Kept: kept})
		return nil
	})
	return got, err
}

// TestLostEntries: a log that lost its end and knows its hashes is the same log,
// by its rows and by an export, and says what cannot be read any more.
func TestLostEntries(t *testing.T) {
	before := newWorld(t)
	before.grow(20)
	early := before.checkpoint()
	before.grow(30)
	late := before.checkpoint()

	w := newWorld(t)
	w.signer, w.keys = before.signer, before.keys
	w.grow(17)
	w.lose(30)
	w.tell(17, 13)
	w.grow(40)
	w.checkpoint()
	got, err := w.verifyAll(early, late)
	if err != nil || got.Tree.N != 40 || len(got.Lost) != 1 || got.Lost[0].First != 17 || got.Lost[0].Count != 13 || !got.Lost[0].Restored.Equal(start) {
		t.Errorf("%+v, %v", got, err)
	}
	file := w.export()
	exported, err := w.verifyExport(file, early, late)
	if err != nil || len(exported.Lost) != 1 || exported.Lost[0] != got.Lost[0] {
		t.Errorf("%+v, %v", exported, err)
	}
	if n := bytes.Count(file, []byte(`"lost":true`)); n != 8 { // of 13: 17, 20, 23, 26 and 29 are releases
		t.Errorf("%d lost entries in the export", n)
	}
	for name, bend := range map[string]struct{ old, new, want string }{
		"its hash gone":     {`"index":18,"hash":"`, `"index":18,"hash":"AA`, "entry 18"},
		"one lost more":     {`"index":12,"hash":`, `"index":12,"lost":true,"hash":`, "entry 12"},
		"a leaf and lost":   {`,"lost":true}`, `,"leaf":"","lost":true}`, "entry 18"},
		"another loss told": {`"lost-first\":\"17\"`, `"lost-first\":\"18\"`, "entry 18"},
	} {
		bent := strings.Replace(string(file), bend.old, bend.new, 1)
		if bent == string(file) {
			t.Fatalf("%s: nothing to bend", name)
		}
		if _, err := w.verifyExport([]byte(bent)); err == nil || !strings.Contains(err.Error(), bend.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEmptiedEntries: an entry whose content somebody took away is named, where
// no restore says that it was lost.
func TestEmptiedEntries(t *testing.T) {
	for name, c := range map[string]struct {
		build func(w *world)
		want  string
	}{
		"nobody tells":    {func(w *world) { w.grow(5); w.lose(8); w.grow(12) }, "entry 6 is empty"},
		"nothing follows": {func(w *world) { w.grow(5); w.lose(8) }, "entry 6 is empty"},
		"told too late":   {func(w *world) { w.grow(5); w.lose(8); w.grow(10); w.tell(5, 3) }, "entry 6 is empty"},
		"told of fewer":   {func(w *world) { w.grow(3); w.lose(8); w.tell(5, 3) }, "entry 3 is empty"},
		"told of others":  {func(w *world) { w.grow(3); w.lose(8); w.tell(0, 3) }, "entry 3 is empty"},
		"emptied before the loss": {func(w *world) {
			w.grow(9)
			w.lose(12)
			w.tell(9, 3)
			w.sql("UPDATE audit_entries SET leaf = x'' WHERE position = 4")
		}, "entry 4 is empty"},
		"emptied after it": {func(w *world) {
			w.grow(3)
			w.lose(6)
			w.tell(3, 3)
			w.grow(12)
			w.sql("UPDATE audit_entries SET leaf = x'' WHERE position = 9")
		}, "entry 9 is empty"},
		"the hash of a lost one": {func(w *world) {
			w.grow(3)
			w.lose(6)
			w.checkpoint()
			w.tell(3, 3)
			w.sql("UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = 4")
		}, "entry "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.build(w)
			if _, err := w.verifyAll(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
