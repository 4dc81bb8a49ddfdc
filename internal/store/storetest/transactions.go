package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

var errOwn = errors.New("the caller's own")

func testFailureLeavesNothing(t *testing.T, s store.Store) {
	empty := contentsOf(t, s)
	fail := func(writes []write) {
		t.Helper()
		err := s.Update(t.Context(), func(tx store.Tx) error {
			perform(t, tx, writes)
			return errOwn
		})
		if !errors.Is(err, errOwn) {
			t.Errorf("Update = %v, want the error of fn", err)
		}
	}
	fail(populate)
	wantContents(t, s, empty)
	// What contents do not show is there to be taken again.
	update(t, s, func(tx store.Tx) { perform(t, tx, populate) })
	full := contentsOf(t, s)
	for _, w := range change {
		fail([]write{w})
		wantContents(t, s, full)
	}
	update(t, s, func(tx store.Tx) {
		gives(t, sealift.Counter(2))(tx.NextCounter(t.Context(), app))
		isConflictNonce(t, tx.UseNonce(t.Context(), aNonce()))
		perform(t, tx, change)
	})
	if diff := cmp.Diff(full, contentsOf(t, s)); diff == "" {
		t.Error("contents do not show what was changed")
	}
}

func testPanicLeavesNothing(t *testing.T, s store.Store) {
	empty := contentsOf(t, s)
	func() {
		defer func() {
			if recover() != "own" {
				t.Error("the panic of fn did not come through")
			}
		}()
		err := s.Update(t.Context(), func(tx store.Tx) error {
			perform(t, tx, populate)
			panic("own")
		})
		t.Errorf("Update returned %v", err)
	}()
	wantContents(t, s, empty)
	update(t, s, func(tx store.Tx) { perform(t, tx, populate) })
}

func testRefusalLeavesTheRest(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		do(t, tx.SetDocument(ctx, "before", []byte("x")))
		isAbsent(t)(tx.Secret(ctx, "s1"))
		isAbsent(t)(tx.InsertChannel(ctx, aChannel(app, channel)))
		do(t, tx.InsertApp(ctx, anApp(app)))
		isConflict(t)(tx.InsertApp(ctx, anApp(app)))
		isConflict(t)(tx.AppendAudit(ctx, 1, leaf(1), 0, hashes(1)))
		do(t, tx.UseNonce(ctx, store.Nonce{Device: "d1", Nonce: "n1", Expires: someTime}))
		refuses(t, sealift.KindConflict, "nonce")(tx.UseNonce(ctx, store.Nonce{Device: "d1", Nonce: "n1", Expires: someTime}))
		do(t, tx.SetDocument(ctx, "after", []byte("x")))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []byte("x"))(tx.Document(ctx, "before"))
		gives(t, []byte("x"))(tx.Document(ctx, "after"))
		gives(t, []store.App{anApp(app)})(tx.Apps(ctx))
		gives(t, []store.Channel{})(tx.Channels(ctx, app))
		gives(t, int64(0))(tx.AuditSize(ctx))
	})
}

// testBrokenStaysBroken has fn overlook an error that ends its transaction.
func testBrokenStaysBroken(t *testing.T, s store.Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	empty := contentsOf(t, s)
	for _, w := range populate {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			do(t, tx.SetDocument(t.Context(), "trust.json", []byte("before")))
			if err := w.do(ended, tx); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled %s: %v", w.name, err)
			}
			if err := tx.SetVaultSeal(t.Context(), []byte("after")); err == nil {
				t.Errorf("a write after a cancelled %s succeeded", w.name)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Update with a cancelled %s: %v", w.name, err)
		}
		wantContents(t, s, empty)
	}
}

func testViewRefusesWrites(t *testing.T, s store.Store) {
	refused := func(w write) {
		t.Helper()
		for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"View": s.View, "Read": s.Read} {
			if run(t.Context(), func(tx store.Tx) error { return w.do(t.Context(), tx) }) == nil {
				t.Errorf("%s in a %s succeeded", w.name, name)
			}
			if run(t.Context(), func(tx store.Tx) error { _ = w.do(t.Context(), tx); return nil }) == nil {
				t.Errorf("%s in a %s that went on succeeded", w.name, name)
			}
		}
	}
	empty := contentsOf(t, s)
	for _, w := range populate {
		refused(w)
	}
	wantContents(t, s, empty)
	update(t, s, func(tx store.Tx) { perform(t, tx, populate) })
	full := contentsOf(t, s)
	for _, w := range change {
		refused(w)
	}
	wantContents(t, s, full)
}

func testViewIsOneState(t *testing.T, s store.Store) {
	empty := contentsOf(t, s)
	view(t, s, func(tx store.Tx) {
		if diff := cmp.Diff(empty, readContents(t, tx), exactly); diff != "" {
			t.Error(diff)
		}
		update(t, s, func(w store.Tx) {
			perform(t, w, populate)
			wantContents(t, s, empty) // another View sees nothing unfinished
		})
		if diff := cmp.Diff(empty, readContents(t, tx), exactly); diff != "" {
			t.Errorf("a View saw a later Update: %s", diff)
		}
		view(t, s, func(later store.Tx) {
			gives(t, []store.App{anApp(app)})(later.Apps(t.Context()))
		})
	})
	err := s.Read(t.Context(), func(tx store.Tx) error { // which sees what there is by and by
		update(t, s, func(w store.Tx) { do(t, w.SetDocument(t.Context(), "read", []byte("x"))) })
		gives(t, []byte("x"))(tx.Document(t.Context(), "read"))
		isAbsent(t)(tx.Document(t.Context(), "none"))
		gives(t, []byte("x"))(tx.Document(t.Context(), "read"))
		return errOwn
	})
	if !errors.Is(err, errOwn) {
		t.Errorf("Read = %v", err)
	}
	if diff := cmp.Diff(empty, contentsOf(t, s), exactly); diff == "" {
		t.Error("a View after an Update does not see it")
	}
}

func testTxEnds(t *testing.T, s store.Store) {
	var kept store.Tx
	update(t, s, func(tx store.Tx) { kept = tx })
	if err := kept.SetDocument(t.Context(), "p", []byte("x")); err == nil {
		t.Error("a Tx wrote after its Update")
	}
	view(t, s, func(tx store.Tx) { kept = tx })
	if _, err := kept.AuditSize(t.Context()); err == nil {
		t.Error("a Tx read after its View")
	}
	do(t, s.Read(t.Context(), func(tx store.Tx) error { kept = tx; return nil }))
	if _, err := kept.AuditSize(t.Context()); err == nil {
		t.Error("a Tx read after its Read")
	}
	view(t, s, func(tx store.Tx) { isAbsent(t)(tx.Document(t.Context(), "p")) })
}

func testCancelled(t *testing.T, s store.Store) {
	empty := contentsOf(t, s)
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"Update": s.Update, "View": s.View, "Read": s.Read} {
		ctx, cancel := context.WithCancel(t.Context())
		err := run(ctx, func(tx store.Tx) error {
			_, _ = tx.AuditSize(ctx)
			cancel()
			_, err := tx.AuditSize(ctx)
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s that was cancelled: %v", name, err)
		}
		if err := run(ctx, func(store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s after it was cancelled: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		perform(t, tx, populate)
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update that was cancelled before its commit: %v", err)
	}
	wantContents(t, s, empty)
}

func testCancelledWaiting(t *testing.T, s store.Store) {
	update(t, s, func(store.Tx) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := s.Update(ctx, func(store.Tx) error {
			t.Error("two Updates ran at once")
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update that waited too long: %v", err)
		}
	})
}

func testClose(t *testing.T, s store.Store) {
	started, finish := make(chan struct{}), make(chan struct{})
	var ended atomic.Int32
	var wg sync.WaitGroup
	for _, run := range []func(context.Context, func(store.Tx) error) error{s.Update, s.View, s.Read} {
		wg.Go(func() {
			err := run(t.Context(), func(tx store.Tx) error {
				started <- struct{}{}
				<-finish
				_, err := tx.AuditSize(t.Context())
				ended.Add(1)
				return err
			})
			if err != nil {
				t.Errorf("what ran when Close was called: %v", err)
			}
		})
	}
	for range 3 {
		<-started
	}
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if ended.Load() != 3 {
			t.Error("Close returned before what ran had ended")
		}
	})
	for s.View(t.Context(), func(store.Tx) error { return nil }) == nil {
		time.Sleep(time.Millisecond) // until Close has begun
	}
	close(finish)
	wg.Wait()
	if err := s.Update(t.Context(), func(store.Tx) error { return nil }); err == nil {
		t.Error("Update of a closed store succeeded")
	}
	do(t, s.Close())
}

// testBytesAreTheCallers changes bytes after they were given and after they
// were returned.
func testBytesAreTheCallers(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		given := []byte("given")
		do(t, tx.SetDocument(ctx, "p", given))
		clear(given)
		returned, err := tx.Document(ctx, "p")
		do(t, err)
		clear(returned)
		gives(t, []byte("given"))(tx.Document(ctx, "p"))
	})
	var kept []byte
	view(t, s, func(tx store.Tx) {
		var err error
		kept, err = tx.Document(ctx, "p")
		do(t, err)
	})
	update(t, s, func(tx store.Tx) { do(t, tx.SetDocument(ctx, "p", []byte("other"))) })
	if string(kept) != "given" {
		t.Errorf("bytes that were returned became %q", kept)
	}
}

func testReopen(t *testing.T, open func(t *testing.T) (store.Store, func() store.Store)) {
	s, reopen := open(t)
	empty := contentsOf(t, s)
	s = reopen()
	wantContents(t, s, empty)
	update(t, s, func(tx store.Tx) { perform(t, tx, populate) })
	full := contentsOf(t, s)
	do(t, s.Close())
	s = reopen()
	wantContents(t, s, full)
	update(t, s, func(tx store.Tx) {
		gives(t, sealift.Counter(2))(tx.NextCounter(t.Context(), app))
		isConflictNonce(t, tx.UseNonce(t.Context(), aNonce()))
		outbox, err := tx.Outbox(t.Context(), 1)
		do(t, err)
		do(t, tx.TrimOutbox(t.Context(), outbox[0].Seq))
	})
	s = reopen()
	update(t, s, func(tx store.Tx) {
		perform(t, tx, change[:1])
		do(t, tx.AppendOutbox(t.Context(), "later", nil))
		outbox, err := tx.Outbox(t.Context(), 1)
		do(t, err)
		if len(outbox) != 1 || outbox[0].Seq <= full["Outbox"].([]store.Outgoing)[0].Seq {
			t.Errorf("after reopening, a file came before those that had been there: %+v", outbox)
		}
	})
}
