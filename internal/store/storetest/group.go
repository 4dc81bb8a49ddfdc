package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// inLine has the Updates wait for one another, each begun when the one before it
// waits, and so lets a store do them together. It returns when all have returned.
func inLine(t *testing.T, s store.Store, updates ...inTurn) {
	t.Helper()
	var all sync.WaitGroup
	update(t, s, func(store.Tx) {
		for i, run := range updates {
			waits := make(chan struct{})
			var once sync.Once
			all.Go(func() {
				run(func(ctx context.Context) context.Context {
					return watched{ctx, func() { once.Do(func() { close(waits) }) }}
				})
			})
			select {
			case <-waits:
			case <-time.After(time.Minute):
				t.Errorf("Update %d does not wait for its context", i)
			}
		}
	})
	all.Wait()
}

// inTurn calls Update with a context from seen: who waits for a store asks for the
// end of its context, and that is how inLine sees it wait.
type inTurn func(seen func(context.Context) context.Context)

// watched is a context that says when somebody waits for its end.
type watched struct {
	context.Context
	seen func()
}

func (w watched) Done() <-chan struct{} {
	w.seen()
	return w.Context.Done()
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
	ok := func(name string) inTurn {
		return func(seen func(context.Context) context.Context) {
			if err := s.Update(seen(ctx), func(tx store.Tx) error { return put(ctx, tx, name) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	fails := func(name string, want error, run func(ctx context.Context, cancel func(), tx store.Tx) error) inTurn {
		return func(seen func(context.Context) context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			err := s.Update(seen(ctx), func(tx store.Tx) error {
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
		func(seen func(context.Context) context.Context) {
			defer func() {
				if recover() != "own" {
					t.Error("the panic of fn did not come through")
				}
			}()
			err := s.Update(seen(ctx), func(tx store.Tx) error {
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
		func(seen func(context.Context) context.Context) { // a test's own end, which no error tells of
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = s.Update(seen(ctx), func(tx store.Tx) error {
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
	var updates []inTurn
	want := ""
	for i := range 20 {
		updates = append(updates, func(seen func(context.Context) context.Context) {
			_ = s.Update(seen(ctx), func(tx store.Tx) error {
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
	returned := make(chan struct{})
	hasReturned := func() bool {
		select {
		case <-returned:
			return true
		default:
			return false
		}
	}
	inLine(t, s,
		func(seen func(context.Context) context.Context) {
			if err := s.Update(seen(ctx), func(tx store.Tx) error { return put(ctx, tx, "p") }); err != nil {
				t.Error(err)
			}
			close(returned)
		},
		func(seen func(context.Context) context.Context) {
			err := s.Update(seen(ctx), func(store.Tx) error { // a slow one
				for range 20 {
					before := hasReturned()
					there := names(t, s) == "p"
					if before && !there {
						t.Error("an Update returned before it was durable")
					}
					if there && !before {
						select {
						case <-returned: // it was about to
						case <-time.After(10 * time.Second):
							t.Error("an Update is seen, and does not return")
							return nil
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
	if !hasReturned() || names(t, s) != "p" {
		t.Error("it is not there")
	}
}
