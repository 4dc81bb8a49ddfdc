package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// inLine has the Updates wait for one another, each begun after the one before
// it, and so lets a store do them together. It returns when all have returned.
func inLine(t *testing.T, s store.Store, updates ...func()) {
	t.Helper()
	var all sync.WaitGroup
	update(t, s, func(store.Tx) {
		for _, run := range updates {
			all.Go(run)
			time.Sleep(5 * time.Millisecond) // or they come in another order
		}
	})
	all.Wait()
}

// put returns a write of one document.
func put(ctx context.Context, tx store.Tx, name string) error {
	return tx.SetDocument(ctx, name, []byte(name))
}

func names(t *testing.T, s store.Store) (all string) {
	view(t, s, func(tx store.Tx) {
		paths, err := tx.Documents(t.Context())
		do(t, err)
		all = strings.Join(paths, " ")
	})
	return all
}

// testNeighbours has Updates fail in every way beside others that do not.
func testNeighbours(t *testing.T, s store.Store) {
	ctx := t.Context()
	ok := func(name string) func() {
		return func() {
			if err := s.Update(ctx, func(tx store.Tx) error { return put(ctx, tx, name) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	fails := func(name string, want error, run func(ctx context.Context, cancel func(), tx store.Tx) error) func() {
		return func() {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			err := s.Update(ctx, func(tx store.Tx) error {
				if err := put(t.Context(), tx, name); err != nil {
					return err
				}
				return run(ctx, cancel, tx)
			})
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	inLine(t, s,
		fails("1-fails", errOwn, func(context.Context, func(), store.Tx) error { return errOwn }),
		ok("2"),
		fails("3-fails", errOwn, func(context.Context, func(), store.Tx) error { return errOwn }),
		ok("4"),
		func() {
			defer func() {
				if recover() != "own" {
					t.Error("the panic of fn did not come through")
				}
			}()
			err := s.Update(ctx, func(tx store.Tx) error {
				do(t, put(ctx, tx, "5-panics"))
				panic("own")
			})
			t.Errorf("Update returned %v", err)
		},
		ok("6"),
		fails("7-cancelled", context.Canceled, func(_ context.Context, cancel func(), _ store.Tx) error {
			cancel()
			return nil
		}),
		ok("8"),
		fails("9-broken", context.Canceled, func(ctx context.Context, _ func(), tx store.Tx) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_ = put(ended, tx, "9-broken-too")
			return nil
		}),
		fails("a-refused-and-fails", errOwn, func(ctx context.Context, _ func(), tx store.Tx) error {
			isAbsent(t)(tx.InsertChannel(ctx, aChannel(app, channel)))
			return errOwn
		}),
		ok("b"),
		func() { // a test's own end, which no error tells of
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = s.Update(ctx, func(tx store.Tx) error {
					do(t, put(ctx, tx, "c-goes"))
					runtime.Goexit()
					return nil
				})
			})
			wg.Wait()
		},
		ok("d"),
		fails("e-fails-last", errOwn, func(context.Context, func(), store.Tx) error { return errOwn }),
	)
	if got, want := names(t, s), "2 4 6 8 b d"; got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

// testNeighboursInOrder wants what Updates do to one row to be as if they had run
// one after the other, in the order in which they came.
func testNeighboursInOrder(t *testing.T, s store.Store) {
	ctx := t.Context()
	var updates []func()
	want := ""
	for i := range 20 {
		updates = append(updates, func() {
			_ = s.Update(ctx, func(tx store.Tx) error {
				before, err := tx.Document(ctx, "p")
				if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
					return err
				}
				if err := tx.SetDocument(ctx, "p", fmt.Append(before, i, " ")); err != nil || i%5 != 3 {
					return err
				}
				return errOwn
			})
		})
		if i%5 != 3 {
			want += fmt.Sprint(i, " ")
		}
	}
	inLine(t, s, updates...)
	view(t, s, func(tx store.Tx) { gives(t, []byte(want))(tx.Document(ctx, "p")) })
}

// testReturnedIsSeen wants what an Update has acknowledged to be there for every
// View after it, and what it has not acknowledged to be seen by none before its
// neighbours are done.
func testReturnedIsSeen(t *testing.T, s store.Store) {
	ctx := t.Context()
	var returned atomic.Bool
	inLine(t, s,
		func() {
			if err := s.Update(ctx, func(tx store.Tx) error { return put(ctx, tx, "p") }); err != nil {
				t.Error(err)
			}
			returned.Store(true)
		},
		func() {
			err := s.Update(ctx, func(store.Tx) error { // a slow one
				for range 20 {
					before := returned.Load()
					seen := names(t, s) == "p"
					if before && !seen {
						t.Error("an Update returned before it was durable")
					}
					if seen && !before {
						time.Sleep(20 * time.Millisecond) // it is about to return
						if !returned.Load() {
							t.Error("an Update is seen, and has not returned")
						}
					}
					time.Sleep(time.Millisecond)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	if !returned.Load() || names(t, s) != "p" {
		t.Error("it is not there")
	}
}
