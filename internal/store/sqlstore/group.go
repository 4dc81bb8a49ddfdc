package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
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
// on which the database gives the transaction up, is the failure of all. An fn
// that does no more than read and append to the log (see tail) needs no savepoint,
// unless a refused statement would end the transaction: what it did is in memory.
type group struct {
	inner *sql.Tx
	name  string    // of the transaction, if it has one
	since time.Time // when it began
	parts int       // those that are to be committed
	read  readCache
	tail  bool   // the log's tail was compared with the database
	end   func() // of the context of the transaction
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

// part is an Update in the open group, whose turn it is.
type part struct {
	db    *DB
	group *group
	saved bool     // it has a savepoint
	knew  bool     // the tail was compared with the database before it
	log   end      // where the log ended before it
	wrote *waiting // what of the log it wrote in its savepoint that others had appended
}

// takePart runs fn in the open group, and hands the turn on. Without an error,
// what fn did is as durable as the group is going to be.
func (d *DB) takePart(ctx context.Context, fn func(store.Tx) error) (g *group, err error) {
	defer d.endTurn(ctx) // also where fn panics
	p, err := d.openPart(ctx)
	if err != nil {
		return nil, d.dialect.Failure(updating, err)
	}
	s := &session{inner: p.group.inner, prepared: d.writer.prepared, caller: ctx, part: p}
	t := &tx{q: sqlcgen.New(s), session: s, dialect: d.dialect}
	kept := false
	defer func() {
		if !kept {
			p.undo(ctx, t.broken)
		}
	}()
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
	if p.saved {
		if err := p.exec(ctx, releaseSavepoint); err != nil {
			return nil, d.dialect.Failure(updating, err)
		}
	}
	p.group.parts++
	kept = true
	return p.group, nil
}

// openPart joins the open group, or begins one.
func (d *DB) openPart(ctx context.Context) (*part, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.group != nil {
		p := &part{db: d, group: d.group, knew: d.group.tail, log: d.tail.end}
		if !d.dialect.Savepoints {
			return p, nil
		}
		err := p.save(ctx)
		if err == nil {
			return p, nil
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
		return nil, because(ctx, err)
	}
	d.group = g
	return &part{db: d, group: g, log: d.tail.end}, nil
}

// exec runs a statement without a result, which the end of ctx does not break
// off.
func (p *part) exec(ctx context.Context, text string, args ...any) error {
	return p.db.writer.exec(ctx, p.group.inner, text, args...)
}

// save makes the part's savepoint, before its first statement that writes.
func (p *part) save(ctx context.Context) error {
	if p.saved || p.group.parts == 0 {
		return nil
	}
	err := p.exec(ctx, savepoint)
	p.saved = err == nil
	return err
}

// writeTail writes what waits of the log.
func (p *part) writeTail(ctx context.Context) error {
	if err := p.save(ctx); err != nil {
		return err
	}
	l := &p.db.tail
	if p.saved && p.wrote == nil {
		p.wrote = l.until(p.log).clone()
	}
	return l.write(ctx, p.exec)
}

// undoTail takes the log back to where it ended before the part.
func (p *part) undoTail() {
	l := &p.db.tail
	l.end, p.group.tail = p.log, p.knew
	if p.wrote != nil {
		l.waiting = *p.wrote
	} else {
		l.waiting = l.until(p.log)
	}
}

// abandon gives the transaction up.
func (g *group) abandon() {
	if g.inner != nil {
		_ = g.inner.Rollback() // there may be nothing left to roll back
	}
	g.end()
}

// undo takes back what the part did. broken is what ended it before its time, if
// something did.
func (p *part) undo(ctx context.Context, broken error) {
	d, g := p.db, p.group
	g.read = readCache{}
	if g.parts == 0 {
		d.group = nil
		g.abandon()
		p.undoTail()
		return
	}
	var err error
	switch {
	case p.saved:
		if err = p.exec(ctx, undoSavepoint); err == nil {
			err = p.exec(ctx, releaseSavepoint)
		}
	case !neverRan(broken): // SQLite may have rolled all back, and nothing would say so
		err = broken
	}
	if err != nil {
		d.lose(err)
		return
	}
	p.undoTail()
}

// neverRan reports whether err, of a statement, is nil or the end of a context
// that was noticed before it (see session).
func neverRan(err error) bool {
	return err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// lose gives the open group up, for all of its parts.
func (d *DB) lose(err error) {
	g := d.group
	d.group, d.tail = nil, tail{}
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
		if !full && d.passTurn() {
			return
		}
		d.group = nil
		g.settled(d.commit(ctx, g))
	}
	d.turn.leave()
}

// passTurn hands the turn to who waits for it; false if nobody does. Before it
// gives up it lets run what could run: where many call, some are about to wait, and
// where nobody does, nothing is waited for.
func (d *DB) passTurn() bool {
	for range 2 {
		if d.turn.pass() {
			return true
		}
		runtime.Gosched()
	}
	return d.turn.pass()
}

// commit writes what waits of the log, and makes a group durable.
func (d *DB) commit(ctx context.Context, g *group) error {
	defer g.end()
	hung := time.AfterFunc(commitTimeout, g.end)
	defer hung.Stop()
	err := d.tail.write(ctx, func(ctx context.Context, text string, args ...any) error {
		return d.writer.exec(ctx, g.inner, text, args...)
	})
	if err != nil {
		_ = g.inner.Rollback() // there may be nothing left to roll back
		d.tail = tail{}
		return d.dialect.Failure(updating, err)
	}
	if err := g.inner.Commit(); err != nil {
		if err := d.settle(ctx, d.writer, updating, g.name, err); err != nil {
			d.tail = tail{}
			return err
		}
	}
	d.commits.Add(1)
	d.updates.Add(int64(g.parts))
	return nil
}
