package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// published is the log as an edge serves it: it implements tlog.TileReader.
type published map[string][]byte

func (published) Height() int { return trust.TileHeight }

func (p published) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, tile := range tiles {
		content, ok := p[trust.TilePath(tile)]
		if !ok {
			return nil, fmt.Errorf("%s was not published", trust.TilePath(tile))
		}
		out[i] = content
	}
	return out, nil
}

func (published) SaveTiles([]tlog.Tile, [][]byte) {}

// TestPublished grows a log and publishes it at some sizes, as the vault does,
// and then plays the device: every release proves itself, and every checkpoint
// is consistent with every other one by what was published alone.
func TestPublished(t *testing.T) {
	w, edge := newWorld(t), published{}
	states := []trust.Seen{{}}
	for _, size := range []int64{1, 2, 3, 7, 8, 255, 256, 257, 600} {
		w.grow(size)
		states = append(states, w.publish(edge, states[len(states)-1].Size))
	}
	for i, a := range states {
		for _, b := range states[i:] {
			if got, err := trust.CheckConsistent(a, b, edge); err != nil || !got.Equal(b) {
				t.Errorf("%d and then %d: %v, %v", a.Size, b.Size, got, err)
			}
			if got, err := trust.CheckConsistent(b, a, edge); err != nil || !got.Equal(b) {
				t.Errorf("%d and then %d: %v, %v", b.Size, a.Size, got, err)
			}
			w.checkGrowth(a, b)
		}
	}
	forged := states[4]
	forged.Root[0] ^= 1
	if _, err := trust.CheckConsistent(forged, states[8], edge); err == nil {
		t.Error("another history is consistent")
	}
}

// publish signs a checkpoint, publishes the tiles that changed and checks a
// proof of each new release, as the vault and then a device do.
func (w *world) publish(edge published, before int64) trust.Seen {
	w.t.Helper()
	var seen trust.Seen
	w.update(func(ctx context.Context, tx store.Tx) error {
		tree, signed, err := audit.SignCheckpoint(ctx, tx, origin, w.signer)
		if err != nil {
			return err
		}
		seen = trust.Seen{Size: tree.N, Root: tree.Hash}
		tiles, err := audit.NewTiles(ctx, tx, before, tree.N)
		if err != nil {
			return err
		}
		for _, tile := range tiles {
			edge[tile.Path] = tile.Content
		}
		for index := before; index < tree.N; index++ {
			if index%3 != 2 {
				continue
			}
			proof, err := audit.Prove(ctx, tx, index, tree, signed)
			if err != nil {
				return err
			}
			w.checkProof(proof, index)
		}
		return nil
	})
	return seen
}

func (w *world) checkProof(text []byte, index int64) {
	w.t.Helper()
	proof, err := trust.ParseProof(text)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := trust.ParseCheckpoint(proof.Checkpoint, origin, w.keys)
	if err != nil {
		w.t.Fatal(err)
	}
	if proof.Index != index {
		w.t.Errorf("the proof of %d is of %d", index, proof.Index)
	}
	if err := tlog.CheckRecord(proof.Hashes, c.Tree.N, c.Tree.Hash, index, tlog.RecordHash(releaseLeaf(index))); err != nil {
		w.t.Errorf("entry %d of %d: %v", index, c.Tree.N, err)
	}
	if tlog.CheckRecord(proof.Hashes, c.Tree.N, c.Tree.Hash, index, tlog.RecordHash(releaseLeaf(index+1))) == nil {
		w.t.Errorf("the proof of %d proves another release", index)
	}
}

func (w *world) checkGrowth(older, newer trust.Seen) {
	w.t.Helper()
	if older.Size == 0 {
		return
	}
	w.view(func(ctx context.Context, tx store.Tx) error {
		proof, err := audit.ProveTree(ctx, tx, older.Size, newer.Size)
		if err != nil {
			return err
		}
		return tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root)
	})
}

func TestTiles(t *testing.T) {
	w := newWorld(t)
	w.grow(600)
	w.view(func(ctx context.Context, tx store.Tx) error {
		tiles, err := audit.NewTiles(ctx, tx, 255, 600)
		if err != nil {
			return err
		}
		want := []string{"log/tile/0/000", "log/tile/0/001", "log/tile/0/002.p/88", "log/tile/1/000.p/2"}
		paths := []string{}
		for _, tile := range tiles {
			paths = append(paths, tile.Path)
			if len(tile.Content) > sealift.MaxLogTile {
				t.Errorf("%s has %d bytes", tile.Path, len(tile.Content))
			}
		}
		slices.Sort(paths)
		if diff := cmp.Diff(want, paths); diff != "" {
			t.Error(diff)
		}
		leaf := tlog.RecordHash(releaseLeaf(257))
		if got := tiles[1].Content[32:64]; string(got) != string(leaf[:]) {
			t.Errorf("the second hash of %s is %x, want %v", tiles[1].Path, got, leaf)
		}
		none, err := audit.NewTiles(ctx, tx, 600, 600)
		if len(none) != 0 {
			t.Errorf("%d tiles are new where nothing is", len(none))
		}
		return err
	})
}

func TestCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.grow(1)
	signed := w.checkpoint()
	c, err := trust.ParseCheckpoint(signed, origin, w.keys)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := entry(0).Leaf()
	if err != nil {
		t.Fatal(err)
	}
	if want := (tlog.Tree{N: 1, Hash: tlog.RecordHash(leaf)}); c.Tree != want {
		t.Errorf("got %v, want %v", c.Tree, want)
	}
	w.view(func(ctx context.Context, tx store.Tx) error {
		size, kept, err := tx.LatestCheckpoint(ctx)
		if size != 1 || string(kept) != string(signed) {
			t.Errorf("%d entries and %q were kept", size, kept)
		}
		return err
	})
}

// TestCheckpointOfAnother: a log signs under its own name only.
func TestCheckpointOfAnother(t *testing.T) {
	w := newWorld(t)
	w.grow(1)
	ctx := t.Context()
	err := w.store.Update(ctx, func(tx store.Tx) error {
		_, _, err := audit.SignCheckpoint(ctx, tx, origin[:len(origin)-1]+"1", w.signer)
		return err
	})
	wantError(t, err, sealift.KindInternal, "")
}

func TestImpossibleProofs(t *testing.T) {
	w := newWorld(t)
	w.grow(4)
	w.view(func(ctx context.Context, tx store.Tx) error {
		tree, err := audit.Tree(ctx, tx)
		if err != nil {
			return err
		}
		_, err = audit.Prove(ctx, tx, 4, tree, nil)
		wantError(t, err, sealift.KindInternal, "")
		for _, sizes := range [][2]int64{{0, 4}, {3, 2}} {
			_, err := audit.ProveTree(ctx, tx, sizes[0], sizes[1])
			wantError(t, err, sealift.KindInternal, "")
		}
		return nil
	})
}
