package capgo

import (
	"context"
	"errors"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Refresh looks what is offered now. Where that is something else, it also reads anew
// which of it failed on devices, and which asked to be on a channel. An error may be
// about some apps alone; of whatever it is, the edge goes on with what it knew.
func (e *Edge) Refresh(ctx context.Context) error {
	before := e.catalog.Load()
	now, failed := e.Source.Catalog(ctx, before, e.Base)
	if now == before {
		return failed
	}
	e.memory.begin()
	defer e.memory.end()
	with := newHeld()
	err := e.Store.View(ctx, func(tx store.Tx) error {
		for _, app := range now.Apps {
			if err := app.recall(ctx, tx, &with); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(failed, err)
	}
	e.memory.replace(with)
	e.catalog.Store(now)
	return failed
}

// recall reads what decisions about an app look at beside the catalog.
func (a *App) recall(ctx context.Context, tx store.Tx, with *held) error {
	chosen, err := tx.CapgoChosen(ctx, a.ID, sealift.MaxCapgoChosen)
	if err != nil {
		return err
	}
	for _, d := range chosen {
		choose(a.ID, d.ID, d.Chosen)(with)
	}
	for _, channel := range a.Channels {
		for _, line := range channel.Lines {
			for _, c := range line.Candidates {
				devices, err := tx.CapgoFailed(ctx, a.ID, c.Release, "", sealift.MaxCapgoKnown)
				if err != nil {
					return err
				}
				for _, device := range devices {
					fail(a.ID, device, []sealift.Digest{c.Release})(with)
				}
			}
		}
	}
	return nil
}
