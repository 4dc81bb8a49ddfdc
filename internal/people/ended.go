package people

import (
	"context"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
)

// endings remembers sessions that were ended, until they would have been over
// anyhow. Their rows are gone, so that nothing brings them back; but somebody who
// uses one has kept a secret that they should not have. It is in memory: a server
// that was restarted takes such a secret for any other. The zero value is ready.
type endings struct {
	mu   sync.Mutex
	rows map[string]store.Session // by id
}

// add remembers row. Where there are sealift.MaxEndedSessions, one makes room.
func (e *endings) add(row store.Session, now time.Time) {
	if row.Kind != string(access.KindSession) || isOver(row, now) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		e.rows = map[string]store.Session{}
	}
	if len(e.rows) >= sealift.MaxEndedSessions {
		e.forget(now)
	}
	for id := range e.rows {
		if len(e.rows) < sealift.MaxEndedSessions {
			break
		}
		delete(e.rows, id)
	}
	e.rows[row.ID] = row
}

// prune drops those that are over.
func (e *endings) prune(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(now)
}

// forget drops those that are over. The caller holds mu.
func (e *endings) forget(now time.Time) {
	for id, row := range e.rows {
		if !now.Before(row.Expires) {
			delete(e.rows, id)
		}
	}
}

// find returns a session that was ended.
func (e *endings) find(id string) (row store.Session, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	row, ok = e.rows[id]
	return row, ok
}

// endSession ends one. It is remembered even if tx comes to nothing: nobody is
// asked who still has a row.
func (r *Registry) endSession(ctx context.Context, tx store.Tx, row store.Session) error {
	if err := tx.DeleteSession(ctx, row.ID); err != nil {
		return err
	}
	r.endings.add(row, r.now())
	return nil
}

// endedSession is what a directory finds of a session that was ended.
func endedSession(row store.Session) (access.Found[store.Session], access.Found[store.Person]) {
	wrong := sealift.Errorf(sealift.KindDenied, "finding session", "it was ended").WithReason(access.ReasonEnded)
	return access.Found[store.Session]{Row: row, Wrong: wrong}, access.Found[store.Person]{Row: store.Person{ID: row.Person}}
}
