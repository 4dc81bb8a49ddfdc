package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// TestLogOfTwo has two processes append to one log in turns, and fails some of
// what they append: neither relies on what it remembers of the log's end.
func TestLogOfTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	var both [2]*DB
	for i := range both {
		db, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		both[i] = db
	}
	errOwn := errors.New("own")
	var leaves []tlog.Hash
	add := func(db *DB, n int, fails error) {
		t.Helper()
		err := db.Update(t.Context(), func(tx store.Tx) error {
			for i := range n {
				leaf := fmt.Appendf(nil, "%d\n", len(leaves)+i)
				if _, err := audit.AppendLeaf(t.Context(), tx, leaf); err != nil {
					return err
				}
			}
			return fails
		})
		if !errors.Is(err, fails) {
			t.Fatal(err)
		}
		for range n {
			if fails == nil {
				leaves = append(leaves, tlog.RecordHash(fmt.Appendf(nil, "%d\n", len(leaves))))
			}
		}
	}
	for i := range 40 {
		db := both[i/3%2]
		add(db, i%5+1, nil)
		add(db, i%3+1, errOwn)
	}
	want := treeOf(leaves)
	for _, db := range both {
		err := db.View(t.Context(), func(tx store.Tx) error {
			tree, err := audit.Tree(context.Background(), tx)
			if err == nil && (tree.N != int64(len(leaves)) || tree.Hash != want) {
				t.Errorf("the log of %d entries is another one, of %d", len(leaves), tree.N)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestLogCut has somebody else cut the log's end off, and an Update fail that
// appended: nothing of what it appended is left for its neighbour to commit.
func TestLogCut(t *testing.T) {
	db := openHere(t)
	add := func(tx store.Tx, text string) {
		if _, err := audit.AppendLeaf(t.Context(), tx, []byte(text)); err != nil {
			t.Error(err)
		}
	}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for range 5 {
			add(tx, "before")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db.writer, "DELETE FROM audit_entries WHERE position >= 2")
	exec(t, db.writer, "DELETE FROM audit_hashes WHERE position >= 3")
	errOwn := errors.New("own")
	var failed sync.WaitGroup
	err = db.Update(t.Context(), func(tx store.Tx) error {
		failed.Go(func() {
			err := db.Update(t.Context(), func(tx store.Tx) error {
				add(tx, "fails")
				return errOwn
			})
			if !errors.Is(err, errOwn) {
				t.Error(err)
			}
		})
		time.Sleep(20 * time.Millisecond) // it waits in line
		return nil
	})
	failed.Wait()
	if err := errors.Join(err, db.View(t.Context(), func(tx store.Tx) error {
		size, err := tx.AuditSize(t.Context())
		if size != 2 {
			t.Errorf("the log has %d entries", size)
		}
		return err
	})); err != nil {
		t.Error(err)
	}
}

// treeOf is the root hash (RFC 6962 section 2.1) over the hashes of leaves.
func treeOf(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	half := 1
	for 2*half < len(leaves) {
		half *= 2
	}
	return tlog.NodeHash(treeOf(leaves[:half]), treeOf(leaves[half:]))
}
