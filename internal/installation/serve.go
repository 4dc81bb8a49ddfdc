package installation

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/edge"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// drain is how long a stopping server lets requests in progress go on.
const drain = 10 * time.Second

// Serve answers on listener, keeps what is signed fresh, has the log cosigned and
// checks it, until ctx ends. To keep it fresh the vault must be unsealed; what cannot be done is
// logged and tried again.
func (i *Installation) Serve(ctx context.Context, listener net.Listener, settings config.Server, version string) error {
	server := edge.NewServer(i.Handler(version, settings.ClientAddress), i.log)
	if settings.TLS != nil {
		listener = tls.NewListener(listener, settings.TLS)
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer func() { cancel(); background.Wait() }()
	background.Go(func() { i.keep(ctx) })
	background.Go(func() { i.watchLog(ctx) })
	background.Go(func() { i.witnesses.Run(ctx) })
	background.Go(func() { i.keepBackups(ctx) })
	background.Go(func() { i.serveMetrics(ctx, version) })
	if i.capgo != nil {
		background.Go(func() { i.capgo.Run(ctx) })
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(grace), server.Close())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		cancel()
		<-stopped
		return sealift.Errorf(sealift.KindInternal, "serving", "%w", err)
	}
	<-stopped
	done := i.store.Counts() // how many shared a sync of the disk
	i.log.Info("served", "updates", done.Updates, "commits", done.Commits)
	return nil
}

// keepPeriod is how often the server looks whether something is to be signed
// or written; what it finds due it does.
const keepPeriod = 15 * time.Second

// keep signs the timestamp anew every sealift.TimestampPeriod, writes what an
// earlier attempt left unwritten, moves roll-outs on, renews the assignments of devices; and once the vault is unsealed, and then every
// hour, sees to the keys, forgets old nonces, sessions and requests, and holds the
// rows against the log.
func (i *Installation) keep(ctx context.Context) {
	tick := time.NewTicker(keepPeriod)
	defer tick.Stop()
	defer func() { // what nobody was told yet
		if err := i.Vault.Settle(context.WithoutCancel(ctx), i.now(), true); err != nil {
			i.log.Error("recording attempts to unseal the vault", "error", err)
		}
	}()
	var pruned, told, stuck time.Time
	sealed := true
	for {
		switch err := i.Fresh(ctx); {
		case err == nil, ctx.Err() != nil:
		case sealift.KindOf(err) != sealift.KindSealed:
			i.log.Error("keeping the metadata fresh", "error", err, "hint", sealift.HintOf(err))
		case i.now().Sub(told) >= sealedPeriod: // it stays so until people come
			told = i.now()
			i.log.Log(ctx, i.sealedLevel(ctx), "the vault is sealed", "error", err, "hint", sealift.HintOf(err))
		}
		i.keepRollouts(ctx)
		i.keepAssignments(ctx)
		if err := i.Vault.Settle(ctx, i.now(), false); err != nil && ctx.Err() == nil {
			i.log.Error("recording attempts to unseal the vault", "error", err)
		}
		if now := i.now(); now.Sub(stuck) >= stuckPeriod {
			if _, err := i.Vault.Rewrap(ctx, release.System("rotate"), i.now); sealift.KindOf(err) != sealift.KindSealed && err != nil && ctx.Err() == nil {
				stuck = now // each attempt is entries in the log
				i.log.Error("going on with a rotation of the key-encryption key", "error", err, "hint", sealift.HintOf(err))
			}
		}
		was := sealed
		sealed = i.Vault.Sealed()
		opened := was && !sealed
		if now := i.now(); now.Sub(pruned) >= time.Hour || opened {
			pruned = now
			i.keepKeys(ctx)
			i.checkRows(ctx)
			if err := i.prune(ctx, now); err != nil && ctx.Err() == nil {
				i.log.Error("forgetting old nonces, sessions and requests", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sealedPeriod is how often the log says that the vault is sealed.
const sealedPeriod = 10 * time.Minute

// stuckPeriod is how long the server waits with a rotation of the key-encryption
// key that cannot go on: a row was bent, and people have to look at it.
const stuckPeriod = time.Hour

// sealedLevel is how loud it says so: past half of the timestamp's life the fleet
// is about to go stale, and that is an error.
func (i *Installation) sealedLevel(ctx context.Context) slog.Level {
	if issued, expires, err := i.Releases.Timestamp(ctx); err == nil && i.now().Sub(issued) < expires.Sub(issued)/2 {
		return slog.LevelWarn
	}
	return slog.LevelError
}

// Fresh writes what waits in the outbox and, if the vault is unsealed, does what
// a restore left to do and renews the timestamp when that is due. Then it also
// looks at the drafts that wait.
func (i *Installation) Fresh(ctx context.Context) error {
	if err := i.Releases.Flush(ctx); err != nil {
		return err
	}
	status, err := i.Vault.Status(ctx)
	if err != nil {
		return err
	}
	if !status.Sealed {
		if err := i.Releases.Continue(ctx); err != nil {
			return err
		}
	}
	due, err := i.Releases.NextRenewal(ctx)
	if err != nil || i.now().Before(due) {
		return err
	}
	if status.Sealed {
		return sealift.Errorf(sealift.KindSealed, "renewing the timestamp", "the vault is sealed since %s is due", due.UTC().Format(time.RFC3339)).
			WithHint("unseal it soon: devices stop updating when the timestamp expires")
	}
	if err := i.Releases.Renew(ctx); err != nil {
		return err
	}
	return i.Releases.Settle(ctx)
}

// keepRollouts moves roll-outs on, if the vault is unsealed. It has no part in
// keeping the metadata fresh: a roll-out that cannot be read must not let that go
// stale.
func (i *Installation) keepRollouts(ctx context.Context) {
	if i.Vault.Sealed() {
		return // Fresh says so
	}
	done, err := i.Releases.Look(ctx)
	for _, moved := range done {
		level := slog.LevelInfo
		if moved.Phase == rollout.Halted || moved.Phase == rollout.Waiting { // for people
			level = slog.LevelWarn
		}
		i.log.Log(ctx, level, "a roll-out moved", "done", moved.What)
	}
	if err != nil && ctx.Err() == nil {
		i.log.Error("looking at the roll-outs", "error", err, "hint", sealift.HintOf(err))
	}
}

// keepAssignments has the assignments of devices renewed and ended that are due, if
// the vault is unsealed.
func (i *Installation) keepAssignments(ctx context.Context) {
	if i.Vault.Sealed() {
		return // Fresh says so
	}
	n, err := i.Desk.KeepAssignments(ctx, release.System("director"))
	if n > 0 {
		i.log.Info("kept assignments of devices", "done", n)
	}
	if err != nil && ctx.Err() == nil {
		i.log.Error("keeping the assignments of devices", "error", err, "hint", sealift.HintOf(err))
	}
}

// keepKeys rotates and retires what is due, if the vault is unsealed.
func (i *Installation) keepKeys(ctx context.Context) {
	if status, err := i.Vault.Status(ctx); err != nil || status.Sealed {
		return // Fresh says so
	}
	done, failed := i.Keys.Keep(ctx)
	for _, what := range done {
		i.log.Info("keeping the keys", "done", what)
	}
	for _, err := range failed {
		if ctx.Err() == nil {
			i.log.Error("keeping the keys", "error", err, "hint", sealift.HintOf(err))
		}
	}
	turned, err := i.Releases.TurnDue(ctx)
	for _, channel := range turned {
		i.log.Info("keeping the keys", "done", "turned the epoch of "+channel)
	}
	if err != nil && ctx.Err() == nil {
		i.log.Error("turning epochs", "error", err, "hint", sealift.HintOf(err))
	}
}

func (i *Installation) prune(ctx context.Context, now time.Time) error {
	err := i.store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.PruneNonces(ctx, now)
		return err
	})
	err = errors.Join(err, i.pruneCapgo(ctx, now))
	for _, pruned := range []error{i.People.Prune(ctx), i.Approvals.Prune(ctx)} {
		if sealift.KindOf(pruned) != sealift.KindSealed { // Fresh says so
			err = errors.Join(err, pruned)
		}
	}
	return err
}
