package sqlstore

import (
	"context"
	"slices"
	"sync"
)

// turn is what one at a time has, in the order in which they came for it.
type turn struct {
	mu    sync.Mutex
	taken bool
	line  []chan struct{} // who waits, each closed when it is theirs
}

// take waits for the turn. Only where it returns nil has the caller got it; the
// end of ctx may go unnoticed.
func (t *turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	t.line = append(t.line, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.line, mine)
	if i < 0 { // it was handed over meanwhile, and somebody has to hand it on
		return nil
	}
	t.line = slices.Delete(t.line, i, i+1)
	return ctx.Err()
}

// pass hands the turn to the first in line; false if there is nobody, and the
// turn stays with the caller.
func (t *turn) pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next()
}

// leave is pass, but leaves the turn to whoever comes if there is nobody.
func (t *turn) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = t.next()
}

func (t *turn) next() bool {
	if len(t.line) == 0 {
		return false
	}
	close(t.line[0])
	t.line = slices.Delete(t.line, 0, 1)
	return true
}
