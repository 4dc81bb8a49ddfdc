package storetest

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// testConcurrentUpdates has many goroutines count and append, some of them in
// vain, while others look: a counter and the size of the log that are changed
// together must be seen together.
func testConcurrentUpdates(t *testing.T, s store.Store) {
	const writers, each = 8, 12
	update(t, s, func(tx store.Tx) { do(t, tx.InsertApp(t.Context(), anApp(app))) })
	var mu sync.Mutex
	var counters []sealift.Counter
	var writing, reading sync.WaitGroup
	for writer := range writers {
		writing.Go(func() {
			for i := range each {
				counter, err := countAndAppend(t, s, (writer+i)%4 == 0)
				if err != nil && !errors.Is(err, errOwn) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					counters = append(counters, counter)
					mu.Unlock()
				}
			}
		})
	}
	stop := make(chan struct{})
	for range 3 {
		reading.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true // after one last look
				default:
				}
				checkTogether(t, s)
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	slices.Sort(counters)
	const kept = writers * each * 3 / 4
	if len(counters) != kept {
		t.Fatalf("%d Updates succeeded, want %d", len(counters), kept)
	}
	for i, counter := range counters {
		if counter != sealift.Counter(i+1) {
			t.Fatalf("counters are not 1, 2, 3…: %v", counters)
		}
	}
	view(t, s, func(tx store.Tx) {
		entries, err := tx.AuditEntries(t.Context(), 0, 2*kept)
		do(t, err)
		for i, entry := range entries {
			if entry.Index != int64(i) {
				t.Fatalf("entry %d has index %d", i, entry.Index)
			}
		}
		if len(entries) != kept {
			t.Errorf("the log has %d entries, want %d", len(entries), kept)
		}
	})
}

func countAndAppend(t *testing.T, s store.Store, inVain bool) (counter sealift.Counter, err error) {
	ctx := t.Context()
	err = s.Update(ctx, func(tx store.Tx) (err error) {
		if counter, err = tx.NextCounter(ctx, app); err != nil {
			return err
		}
		size, err := tx.AuditSize(ctx)
		if err != nil {
			return err
		}
		if err := tx.AppendAudit(ctx, size, leaf(size), size, hashes(0)); err != nil {
			return err
		}
		if err := tx.SetDocument(ctx, "counter", binary.BigEndian.AppendUint64(nil, uint64(counter))); err != nil {
			return err
		}
		if inVain {
			return errOwn
		}
		return nil
	})
	return counter, err
}

func checkTogether(t *testing.T, s store.Store) {
	err := s.View(t.Context(), func(tx store.Tx) error {
		size, err := tx.AuditSize(t.Context())
		if err != nil || size == 0 {
			return err
		}
		counter, err := tx.Document(t.Context(), "counter")
		if err != nil {
			return err
		}
		if n := binary.BigEndian.Uint64(counter); n != uint64(size) {
			t.Errorf("a View saw counter %d with %d log entries", n, size)
		}
		_, err = tx.AuditHashes(t.Context(), []int64{0, size - 1})
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
