package installation

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
)

// checkPeriod is how often a running server verifies its whole log: a million
// entries take about ten seconds of one core.
const checkPeriod = 24 * time.Hour

// CheckLog verifies the log from its first entry on, against every checkpoint,
// with the keys that trust.json names. It finds what was changed behind the
// vault's back; whoever changes trust.json and signs the log anew is found only
// with what was kept elsewhere. The error is that of audit.Verify, which names
// the first bad entry.
func (i *Installation) CheckLog(ctx context.Context) (verified audit.Verified, err error) {
	err = i.store.View(ctx, func(tx store.Tx) error {
		origin, keys, err := audit.Keys(ctx, tx)
		if err != nil {
			return err
		}
		verified, err = audit.Verify(ctx, tx, audit.Demands{Origin: origin, Keys: keys})
		return err
	})
	return verified, err
}

// watchLog checks the log now and every checkPeriod until ctx ends. The server
// goes on where it does not hold: devices are served what is signed, and stopping
// would give whoever can write to the database one more way to stop it. What it
// must not do is go on in silence.
func (i *Installation) watchLog(ctx context.Context) {
	tick := time.NewTicker(checkPeriod)
	defer tick.Stop()
	for {
		switch verified, err := i.CheckLog(ctx); {
		case ctx.Err() != nil:
			return
		case sealift.KindOf(err) == sealift.KindNetwork:
			i.log.Error("the log could not be checked", "error", err, "hint", sealift.HintOf(err))
		case err != nil:
			i.log.Error("the log does not hold: somebody changed the database", "error", err, "hint", sealift.HintOf(err))
		default:
			i.log.Info("the log holds", "entries", verified.Tree.N)
			if back := verified.Back; back != nil {
				i.log.Warn("the clock went back", "entry", back.Index, "time", back.Time, "after", back.Before)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// checkRows has the vault hold its rows against the log, if it is unsealed, and
// tells what is amiss. The server goes on: what goes by such a row is refused.
func (i *Installation) checkRows(ctx context.Context) {
	found, rows, err := i.Vault.SweepRows(ctx, release.System("rows"), i.now())
	switch {
	case sealift.KindOf(err) == sealift.KindSealed, ctx.Err() != nil:
	case err != nil:
		i.log.Error("the rows could not be held against the log", "error", err, "hint", sealift.HintOf(err))
	case len(found) == 0:
		i.log.Info("the rows are as the log says", "rows", rows)
	}
	for _, a := range found {
		i.log.Error("a row is not as the log says: somebody changed the database", "row", a.Row, "error", a.Err, "hint", sealift.HintOf(a.Err))
	}
}
