package release

import (
	"bytes"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const (
	// flushBatch is how many files Flush reads from the outbox at a time.
	flushBatch = 128
	// flushWriters is how many of them are written at once: each waits for the
	// disk twice, and disks take such waits together.
	flushWriters = 16
)

// Flush writes the outbox to the published tree, in order. What could not be
// written stays and is written by the next Flush.
func (s *Service) Flush(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		waiting, err := view(ctx, s.store, func(tx store.Tx) ([]store.Outgoing, error) { return tx.Outbox(ctx, flushBatch) })
		if err != nil || len(waiting) == 0 {
			return err
		}
		if err := s.write(ctx, waiting); err != nil {
			return sealift.Errorf(kindOr(err, sealift.KindInternal), "writing the published tree", "%w", err).
				WithReason("unwritten").
				WithHint("it is signed and kept; the server writes it by itself as soon as it can, so do not repeat it")
		}
		last := waiting[len(waiting)-1].Seq
		if err := s.store.Update(ctx, func(tx store.Tx) error { return tx.TrimOutbox(ctx, last) }); err != nil {
			return err
		}
	}
}

// write puts files in place. Those whose name holds their version or digest
// are seen by nobody before something points to them, so their order among
// themselves does not matter; what points to them waits for all before it.
func (s *Service) write(ctx context.Context, files []store.Outgoing) error {
	for len(files) > 0 {
		points := slices.IndexFunc(files, func(f store.Outgoing) bool { return isPointer(f.Key) })
		if points < 0 {
			points = len(files)
		}
		group, each := errgroup.WithContext(ctx)
		group.SetLimit(flushWriters)
		for _, file := range files[:points] {
			group.Go(func() error { return s.put(each, file) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		files = files[points:]
		if len(files) > 0 {
			if err := s.put(ctx, files[0]); err != nil {
				return err
			}
			files = files[1:]
		}
	}
	return nil
}

func (s *Service) put(ctx context.Context, file store.Outgoing) error {
	return s.published.Put(ctx, file.Key, bytes.NewReader(file.Content), nil)
}

// isPointer reports whether a file leads devices to others.
func isPointer(key string) bool {
	return key == tufrepo.MetadataPath("timestamp", 0) || key == trust.CheckpointPath
}
