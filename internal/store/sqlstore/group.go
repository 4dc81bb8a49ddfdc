package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// group is Updates that share a transaction, and so one commit: a disk that
// syncs a thousand times a second would else be a thousand Updates.
//
// Each Update takes a turn: it runs its fn in the open group's transaction, or
// in one that it begins, and hands the turn to whoever waits for it. The one
// behind whom nobody waits commits for all, and so does the one that fills the
// group; whoever comes while it commits makes the next group. There is no timer:
// a caller that is alone commits at once, and a busy store has the larger groups.
//
// Each fn but the first is in a savepoint of its own, to which its failure
// returns; the failure of the first takes the transaction back as a whole, which
// is then its own. What takes more than that, a connection that is lost or a disk
// on which the database gives the transaction up, is the failure of all.
type group struct {
	inner *sql.Tx
	name  string    // of the transaction, if it has one
	since time.Time // when it began
	parts int       // those that are to be committed
	end   func()    // of the context of the transaction
	done  chan struct{}
	err   error // what became of the commit, once done is closed
}

const updating = "updating the store"

// The statements of a part that is not the first.
const (
	savepoint        = "SAVEPOINT part"
	undoSavepoint    = "ROLLBACK TO SAVEPOINT part"
	releaseSavepoint = "RELEASE SAVEPOINT part"
)

// Update implements store.Store. fn must not call Update: it would wait for
// itself.
func (d *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := d.enter(updating); err != nil {
		return err
	}
	defer d.running.Done()
	if err := d.turn.take(ctx); err != nil {
		return d.dialect.Failure(updating, err)
	}
	g, err := d.takePart(ctx, fn)
	if err != nil {
		return err
	}
	<-g.done
	return g.outcome()
}

// takePart runs fn in the open group, and hands the turn on. Without an error,
// what fn did is as durable as the group is going to be.
func (d *DB) takePart(ctx context.Context, fn func(store.Tx) error) (g *group, err error) {
	defer d.endTurn(ctx) // also where fn panics
	if err := d.openPart(ctx); err != nil {
		return nil, d.dialect.Failure(updating, err)
	}
	g = d.group
	kept := false
	defer func() {
		if !kept {
			d.undoPart(ctx)
		}
	}()
	s := &session{inner: g.inner, prepared: d.writer.prepared, caller: ctx}
	t := &tx{q: sqlcgen.New(s), session: s, dialect: d.dialect}
	defer s.end()
	defer t.closeInserts()
	if err := fn(t); err != nil {
		return nil, err
	}
	if t.broken != nil {
		return nil, t.broken
	}
	// The end of ctx takes fn back, and no more after this: the others go on, and
	// a commit that is broken off has an outcome that nobody knows.
	if err := ctx.Err(); err != nil {
		return nil, d.dialect.Failure(updating, err)
	}
	if g.parts > 0 {
		if err := d.writer.exec(ctx, g.inner, releaseSavepoint); err != nil {
			return nil, d.dialect.Failure(updating, err)
		}
	}
	g.parts++
	kept = true
	return g, nil
}

// openPart begins a group's transaction, or a savepoint in the open one.
func (d *DB) openPart(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.group != nil {
		err := d.writer.exec(ctx, d.group.inner, savepoint)
		if err == nil {
			return nil
		}
		d.lose(err) // and this part begins anew
	}
	g := &group{since: time.Now(), done: make(chan struct{})}
	var inside context.Context
	inside, g.end = context.WithCancel(context.WithoutCancel(ctx))
	goOn := context.AfterFunc(ctx, g.end)
	var err error
	g.inner, g.name, err = d.begin(inside, d.writer)
	if !goOn() || err != nil {
		g.abandon()
		return because(ctx, err)
	}
	d.group = g
	return nil
}

// abandon gives the transaction up.
func (g *group) abandon() {
	if g.inner != nil {
		_ = g.inner.Rollback() // there may be nothing left to roll back
	}
	g.end()
}

// undoPart takes back what the part did whose turn it is.
func (d *DB) undoPart(ctx context.Context) {
	g := d.group
	if g.parts == 0 {
		d.group = nil
		g.abandon()
		return
	}
	err := d.writer.exec(ctx, g.inner, undoSavepoint)
	if err == nil {
		err = d.writer.exec(ctx, g.inner, releaseSavepoint)
	}
	if err != nil {
		d.lose(err)
	}
}

// lose gives the open group up, for all of its parts.
func (d *DB) lose(err error) {
	g := d.group
	d.group = nil
	g.abandon()
	g.settled(d.dialect.Failure(updating, err))
}

// settled tells all parts what became of them.
func (g *group) settled(err error) {
	g.err = err
	close(g.done)
}

// outcome is err, of each part its own: who gets it may add a hint.
func (g *group) outcome() error {
	var shared *sealift.Error
	if !errors.As(g.err, &shared) {
		return g.err
	}
	own := *shared
	return &own
}

// endTurn hands the turn to the next part, or commits.
func (d *DB) endTurn(ctx context.Context) {
	g := d.group
	if g != nil {
		full := g.parts >= sealift.MaxGroup || time.Since(g.since) >= sealift.MaxGroupTime
		if !full && d.turn.pass() {
			return
		}
		d.group = nil
		g.settled(d.commit(ctx, g))
	}
	d.turn.leave()
}

// commit makes a group durable.
func (d *DB) commit(ctx context.Context, g *group) error {
	defer g.end()
	hung := time.AfterFunc(commitTimeout, g.end)
	defer hung.Stop()
	if err := g.inner.Commit(); err != nil {
		if err := d.settle(ctx, d.writer, updating, g.name, err); err != nil {
			return err
		}
	}
	d.commits.Add(1)
	d.updates.Add(int64(g.parts))
	return nil
}
