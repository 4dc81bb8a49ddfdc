package release

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Republish writes the published tree again from rows: all but the blobs, which
// are nowhere else, and timestamp.json, which leads devices to the rest and is for
// the next signing to bring.
func (s *Service) Republish(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	r := &republishing{ctx: ctx, s: s, sizes: map[int64]bool{}}
	for _, step := range []func() error{r.metadata, r.documents, r.releases, r.log, r.flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

type republishing struct {
	ctx     context.Context
	s       *Service
	waiting []store.Outgoing
	sizes   map[int64]bool // of the log, by the proofs there are
}

// add writes a file, with others.
func (r *republishing) add(key string, content []byte) error {
	r.waiting = append(r.waiting, store.Outgoing{Key: key, Content: content})
	if len(r.waiting) < flushBatch {
		return nil
	}
	return r.flush()
}

func (r *republishing) flush() error {
	err := r.s.write(r.ctx, r.waiting)
	r.waiting = nil
	return err
}

func (r *republishing) metadata() error {
	return r.s.store.View(r.ctx, func(tx store.Tx) error {
		newest, err := tx.Metadata(r.ctx, metadata.ROOT)
		if err != nil {
			return err
		}
		for version := int64(1); version <= newest.Version; version++ {
			root, err := tx.Root(r.ctx, version)
			if err != nil {
				return err
			}
			if err := r.add(tufrepo.MetadataPath(metadata.ROOT, version), root.Content); err != nil {
				return err
			}
		}
		for _, role := range append([]string{metadata.TARGETS, metadata.SNAPSHOT}, tufrepo.Bins()...) {
			m, err := tx.Metadata(r.ctx, role)
			if err != nil {
				return err
			}
			if err := r.add(tufrepo.MetadataPath(role, m.Version), m.Content); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *republishing) documents() error {
	return r.s.store.View(r.ctx, func(tx store.Tx) error {
		paths, err := tx.Documents(r.ctx)
		if err != nil {
			return err
		}
		for _, path := range paths {
			content, err := tx.Document(r.ctx, path)
			if err != nil {
				return err
			}
			if err := r.add(tufrepo.TargetPath(path, content), content); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *republishing) releases() error {
	apps, err := view(r.ctx, r.s.store, func(tx store.Tx) ([]store.App, error) { return tx.Apps(r.ctx) })
	if err != nil {
		return err
	}
	for _, app := range apps {
		for before := sealift.Counter(0); ; {
			page, err := view(r.ctx, r.s.store, func(tx store.Tx) ([]store.Release, error) {
				return tx.Releases(r.ctx, app.ID, store.ReleaseFilter{Before: before, Limit: sealift.MaxPage})
			})
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, row := range page {
				if err := r.release(row); err != nil {
					return err
				}
			}
			before = page[len(page)-1].Counter
		}
	}
	return nil
}

func (r *republishing) release(row store.Release) error {
	if proof, err := trust.ParseProof(row.Proof); err == nil {
		if lines := strings.SplitN(string(proof.Checkpoint), "\n", 3); len(lines) == 3 {
			if size, err := strconv.ParseInt(lines[1], 10, 64); err == nil {
				r.sizes[size] = true
			}
		}
	}
	if err := r.add("releases/"+row.Digest.String(), row.File); err != nil {
		return err
	}
	return r.add("proofs/"+sealift.DigestOf(row.Proof).String(), row.Proof)
}

// log writes every full tile, the partial ones of each state of the log that a
// device may have seen, by the proofs of releases, and the newest checkpoint.
func (r *republishing) log() error {
	return r.s.store.View(r.ctx, func(tx store.Tx) error {
		size, checkpoint, err := tx.LatestCheckpoint(r.ctx)
		if err != nil {
			return err
		}
		tiles, err := audit.NewTiles(r.ctx, tx, 0, size)
		if err != nil {
			return err
		}
		for _, tile := range tiles {
			if err := r.add(tile.Path, tile.Content); err != nil {
				return err
			}
		}
		for seen := range r.sizes {
			if err := r.edge(tx, min(seen, size)); err != nil {
				return err
			}
		}
		return r.add(trust.CheckpointPath, checkpoint)
	})
}

// edge writes the partial tiles of the log as it was at a size.
func (r *republishing) edge(tx store.Tx, size int64) error {
	const full = 1 << trust.TileHeight
	for level := 0; size>>(level*trust.TileHeight) > 0; level++ {
		hashes := size >> (level * trust.TileHeight)
		if hashes%full == 0 {
			continue
		}
		tile := tlog.Tile{H: trust.TileHeight, L: level, N: hashes / full, W: int(hashes % full)}
		content, err := tlog.ReadTileData(tile, audit.HashReader(r.ctx, tx))
		if err != nil {
			return sealift.Errorf(sealift.KindInternal, fmt.Sprintf("reading tile %s", trust.TilePath(tile)), "%w", err)
		}
		if err := r.add(trust.TilePath(tile), content); err != nil {
			return err
		}
	}
	return nil
}
