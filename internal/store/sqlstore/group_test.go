package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

var (
	errDisk = errors.New("the disk's own")
	errOwn  = errors.New("the caller's own")
)

// database writes down what reaches it, and fails where it is told to.
type database struct {
	mu    sync.Mutex
	log   []string
	fails map[string]error // by the text of a statement
}

func (d *database) did(text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, text)
	return d.fails[text]
}

func (d *database) Connect(context.Context) (driver.Conn, error) { return conn{d}, nil }
func (d *database) Driver() driver.Driver                        { return nil }

type conn struct{ *database }

func (c conn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c conn) Close() error                        { return nil }
func (c conn) Begin() (driver.Tx, error)           { return c, c.did("BEGIN") }
func (c conn) Commit() error                       { return c.did("COMMIT") }
func (c conn) Rollback() error                     { return c.did("ROLLBACK") }
func (c conn) ExecContext(_ context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 {
		text = fmt.Sprintf("%s", args[0].Value)
	}
	return driver.RowsAffected(1), c.did(text)
}

// newGrouping returns a store over a database of its own, in which a refused
// statement leaves the transaction as it was.
func newGrouping(t *testing.T) (*DB, *database) { return newGroupingIn(t, false) }

func newGroupingIn(t *testing.T, savepoints bool) (*DB, *database) {
	t.Helper()
	d := &database{fails: map[string]error{}}
	writer := sql.OpenDB(d)
	writer.SetMaxOpenConns(1)
	db, err := New(t.Context(), writer, sql.OpenDB(d), Dialect{Savepoints: savepoints, Refusal: func(string, error) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, d
}

// write returns an Update's fn that writes one row.
func write(t *testing.T, name string, err error) func(store.Tx) error {
	return func(tx store.Tx) error { return errors.Join(tx.SetVaultSeal(t.Context(), []byte(name)), err) }
}

// together runs each fn in an Update, the first one until all others wait in
// line, and returns their errors. Call it in a synctest bubble.
func together(t *testing.T, db *DB, fns ...func(store.Tx) error) []error {
	t.Helper()
	errs := make([]error, len(fns))
	inLine := make(chan struct{})
	var all sync.WaitGroup
	for i, fn := range fns {
		all.Go(func() {
			errs[i] = db.Update(t.Context(), func(tx store.Tx) error {
				if i == 0 {
					<-inLine
				}
				return fn(tx)
			})
		})
		synctest.Wait()
	}
	close(inLine)
	all.Wait()
	return errs
}

func wantLog(t *testing.T, d *database, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.log, want) {
		t.Errorf("the database did\n%s\nwant\n%s", strings.Join(d.log, "\n"), strings.Join(want, "\n"))
	}
}

func TestOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		for i, err := range together(t, db, write(t, "a", nil), write(t, "b", errOwn), write(t, "c", nil)) {
			if (i == 1) != errors.Is(err, errOwn) || i != 1 && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		wantLog(t, d, "BEGIN", "a", savepoint, "b", undoSavepoint, releaseSavepoint, savepoint, "c", releaseSavepoint, "COMMIT")
		if got := db.Counts(); got != (store.Counts{Updates: 2, Commits: 1}) {
			t.Errorf("counts %+v", got)
		}
	})
}

// TestAlone has nobody wait: no savepoint, and no time passes.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		began := time.Now()
		if err := db.Update(t.Context(), write(t, "a", nil)); err != nil {
			t.Error(err)
		}
		if !time.Now().Equal(began) {
			t.Error("a lone Update waited")
		}
		wantLog(t, d, "BEGIN", "a", "COMMIT")
	})
}

// TestFirstFails has the others begin anew.
func TestFirstFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		errs := together(t, db, write(t, "a", errOwn), write(t, "b", nil), write(t, "c", nil))
		if !errors.Is(errs[0], errOwn) || errs[1] != nil || errs[2] != nil {
			t.Error(errs)
		}
		wantLog(t, d, "BEGIN", "a", "ROLLBACK", "BEGIN", "b", savepoint, "c", releaseSavepoint, "COMMIT")
	})
}

// TestCommitFails has all fail, each with an error of its own.
func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		d.fails["COMMIT"] = errDisk
		errs := together(t, db, write(t, "a", nil), write(t, "b", nil))
		if !errors.Is(errs[0], errDisk) || !errors.Is(errs[1], errDisk) || errs[0] == errs[1] {
			t.Error(errs)
		}
		if got := db.Counts(); got != (store.Counts{}) {
			t.Errorf("counts %+v", got)
		}
	})
}

// TestGroupLost has the database give the transaction up: those who were in it
// fail, and those behind them do not.
func TestGroupLost(t *testing.T) {
	for _, lost := range []string{undoSavepoint, releaseSavepoint} {
		synctest.Test(t, func(t *testing.T) {
			db, d := newGrouping(t)
			d.fails[lost] = errDisk
			fails := write(t, "b", errOwn)
			errs := together(t, db, write(t, "a", nil), fails, write(t, "c", nil))
			if !errors.Is(errs[0], errDisk) || !errors.Is(errs[1], errOwn) || errs[2] != nil {
				t.Errorf("%s: %v", lost, errs)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if tail := d.log[len(d.log)-4:]; !slices.Equal(tail, []string{"ROLLBACK", "BEGIN", "c", "COMMIT"}) {
				t.Errorf("%s: %q", lost, d.log)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		db, d := newGroupingIn(t, true)
		d.fails[savepoint] = errDisk
		errs := together(t, db, write(t, "a", nil), write(t, "b", nil))
		if !errors.Is(errs[0], errDisk) || errs[1] != nil {
			t.Error(errs)
		}
		wantLog(t, d, "BEGIN", "a", savepoint, "ROLLBACK", "BEGIN", "b", "COMMIT")
	})
	// Where the savepoint waits for the first write, so does the news.
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		d.fails[savepoint] = errDisk
		errs := together(t, db, write(t, "a", nil), write(t, "b", nil), write(t, "c", nil))
		if !errors.Is(errs[0], errDisk) || !errors.Is(errs[1], errDisk) || errs[2] != nil {
			t.Error(errs)
		}
		wantLog(t, d, "BEGIN", "a", savepoint, "ROLLBACK", "BEGIN", "c", "COMMIT")
	})
}

// TestNoSavepoint has Updates that write nothing: no savepoint is theirs, unless
// the database wants one for every statement that may be refused.
func TestNoSavepoint(t *testing.T) {
	nothing := func(err error) func(store.Tx) error { return func(store.Tx) error { return err } }
	for savepoints, want := range map[bool][]string{
		false: {"BEGIN", "a", "COMMIT"},
		true:  {"BEGIN", "a", savepoint, releaseSavepoint, savepoint, undoSavepoint, releaseSavepoint, "COMMIT"},
	} {
		synctest.Test(t, func(t *testing.T) {
			db, d := newGroupingIn(t, savepoints)
			errs := together(t, db, write(t, "a", nil), nothing(nil), nothing(errOwn))
			if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], errOwn) {
				t.Error(errs)
			}
			wantLog(t, d, want...)
		})
	}
}

// TestPanicCommits has the last one panic: the others are durable all the same.
func TestPanicCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		inLine := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			err := db.Update(t.Context(), func(tx store.Tx) error {
				<-inLine
				return write(t, "a", nil)(tx)
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			defer func() {
				if recover() != "own" {
					t.Error("the panic did not come through")
				}
			}()
			_ = db.Update(t.Context(), func(tx store.Tx) error {
				_ = write(t, "b", nil)(tx)
				panic("own")
			})
		})
		synctest.Wait()
		close(inLine)
		all.Wait()
		wantLog(t, d, "BEGIN", "a", savepoint, "b", undoSavepoint, releaseSavepoint, "COMMIT")
	})
}

// TestGroupBounds has more Updates wait than one commit may make durable, and a
// group that is old.
func TestGroupBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		var order []int
		fns := make([]func(store.Tx) error, 2*sealift.MaxGroup+1)
		for i := range fns {
			fns[i] = func(store.Tx) error { order = append(order, i); return nil }
		}
		if err := errors.Join(together(t, db, fns...)...); err != nil {
			t.Error(err)
		}
		if !slices.IsSorted(order) || len(order) != len(fns) {
			t.Errorf("they ran in the order %v", order)
		}
		if got := db.Counts(); got != (store.Counts{Updates: int64(len(fns)), Commits: 3}) {
			t.Errorf("counts %+v", got)
		}
		d.log = nil
		slow := func(store.Tx) error { time.Sleep(sealift.MaxGroupTime); return nil }
		if err := errors.Join(together(t, db, slow, slow)...); err != nil {
			t.Error(err)
		}
		wantLog(t, d, "BEGIN", "COMMIT", "BEGIN", "COMMIT")
	})
}

// TestGivesUpInLine has those who wait give up, some of them at the moment at
// which the turn is theirs: what was done before them is made durable.
func TestGivesUpInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, d := newGrouping(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			err := db.Update(t.Context(), func(tx store.Tx) error {
				time.Sleep(time.Millisecond)
				return write(t, "a", nil)(tx)
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 20 {
			all.Go(func() {
				err := db.Update(ctx, func(store.Tx) error {
					if i > 0 {
						t.Errorf("%d ran", i)
					}
					cancel() // while those behind it wait
					return nil
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if db.turn.taken || len(db.turn.line) > 0 || db.group != nil {
			t.Errorf("the turn is %+v", &db.turn)
		}
		wantLog(t, d, "BEGIN", "a", "COMMIT")
	})
}
