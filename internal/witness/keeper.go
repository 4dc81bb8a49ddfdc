package witness

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

const (
	// lookPeriod is how often it is looked whether there is a newer checkpoint:
	// one row by its key. So long a published checkpoint is without
	// cosignatures.
	lookPeriod = 2 * time.Second
	// firstPause and maxPause bound how long a witness that did not cosign is
	// left alone; the pause doubles. maxDelay bounds what a witness may ask for.
	firstPause = 10 * time.Second
	maxPause   = 10 * time.Minute
	maxDelay   = time.Hour
	// maxTries is how often a witness is asked anew from the size that it names,
	// which another server of ours may have raised meanwhile.
	maxTries = 3
)

// Config is what a Keeper works with.
type Config struct {
	Store store.Store
	Peers []Peer
	// Publish writes the outbox to the published tree.
	Publish func(context.Context) error
	Now     func() time.Time
	Log     *slog.Logger
	// Transport reaches the witnesses; nil for the network.
	Transport http.RoundTripper
}

// Keeper has checkpoints cosigned for as long as it runs. It is a
// service.Witnesses.
type Keeper struct {
	cfg   Config
	asker asker

	mu    sync.Mutex
	known []service.Witness // of each peer
}

// New returns a keeper for the peers, of whom it knows nothing yet.
func New(cfg Config) *Keeper {
	if cfg.Transport == nil {
		cfg.Transport = network()
	}
	k := &Keeper{cfg: cfg, asker: newAsker(cfg.Transport, cfg.Now)}
	for _, p := range cfg.Peers {
		k.known = append(k.known, service.Witness{Name: p.Key.Name(), Key: p.Key.String(), URL: p.URL})
	}
	return k
}

// network reaches witnesses, through the proxy that the environment names.
func network() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: sealift.ConnectTimeout}).DialContext,
		TLSHandshakeTimeout:    sealift.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: sealift.MaxHeader,
		IdleConnTimeout:        sealift.KeepAliveTimeout,
		DisableCompression:     true,
	}
}

// Witnesses implements service.Witnesses.
func (k *Keeper) Witnesses(context.Context, access.Caller) ([]service.Witness, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]service.Witness(nil), k.known...), nil
}

func (k *Keeper) status(i int) service.Witness {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[i]
}

func (k *Keeper) set(i int, change func(*service.Witness)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.known[i])
}

// Run asks each witness about each newest checkpoint, until ctx ends. None
// waits for another.
func (k *Keeper) Run(ctx context.Context) {
	if err := k.recall(ctx); err != nil && ctx.Err() == nil {
		k.cfg.Log.Error("reading who cosigned the log", "error", err, "hint", sealift.HintOf(err))
	}
	var all sync.WaitGroup
	for i := range k.cfg.Peers {
		all.Go(func() { k.attend(ctx, i) })
	}
	all.Wait()
	if t, ok := k.cfg.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// attend looks after one witness.
func (k *Keeper) attend(ctx context.Context, i int) {
	for pause := time.Duration(0); ; {
		wait := lookPeriod
		switch err := k.Turn(ctx, i); {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = 0
		default:
			pause = min(max(firstPause, 2*pause), maxPause)
			wait = pause
			var later delayed
			if errors.As(err, &later) {
				wait = min(max(wait, later.after), maxDelay)
			}
			k.report(i, err, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// report says in the server's log that a witness did not cosign.
func (k *Keeper) report(i int, err error, wait time.Duration) {
	w := k.status(i)
	last := "never"
	if !w.Cosigned.IsZero() {
		last = k.cfg.Now().Sub(w.Cosigned).Round(time.Second).String() + " ago"
	}
	level, message := slog.LevelWarn, "a witness did not cosign the log"
	if w.Reason == ReasonFork {
		level, message = slog.LevelError, "a witness says that the log forked"
	}
	k.cfg.Log.Log(context.Background(), level, message,
		"witness", w.Name, "error", err, "hint", sealift.HintOf(err), "last", last, "again", wait)
}

// Turn has witness i cosign the newest checkpoint, if it has not. Its outcome
// is what Witnesses tells of it from then on.
func (k *Keeper) Turn(ctx context.Context, i int) error {
	current, err := k.newest(ctx)
	if err != nil || current == nil || current.tree.N == k.status(i).Size {
		return err
	}
	cosignature, size, err := k.ask(ctx, i, current)
	if err == nil {
		err = k.keep(ctx, size, cosignature)
	}
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		return errors.Join(err, k.refuse(ctx, i, err))
	}
	k.set(i, func(w *service.Witness) {
		if w.Reason != "" {
			k.cfg.Log.Info("a witness cosigns the log again", "witness", w.Name, "entries", size)
		}
		w.Size, w.Cosigned, w.Reason, w.Problem, w.Since = size, cosignature.Time, "", "", time.Time{}
	})
	return nil
}

// ask asks from the size that the witness cosigned last, as far as that is
// known, and returns the size of what it cosigned.
func (k *Keeper) ask(ctx context.Context, i int, current *state) (trust.Cosignature, int64, error) {
	peer, old := k.cfg.Peers[i], k.status(i).Size
	for try := 1; ; try++ {
		s := submission{old: old, state: *current}
		if err := k.prove(ctx, &s); err != nil {
			return trust.Cosignature{}, 0, err
		}
		cosignature, err := k.asker.ask(ctx, peer, s)
		var other conflict
		if !errors.As(err, &other) {
			return cosignature, current.tree.N, err
		}
		if try == maxTries {
			return trust.Cosignature{}, 0, refused(sealift.KindNetwork, ReasonAnswer, "asked from the size that it named, it names another: %w", other)
		}
		if old = other.size; old > current.tree.N { // another server of ours may have had a newer one cosigned
			if current, err = k.newest(ctx); err != nil {
				return trust.Cosignature{}, 0, err
			}
			if old > current.tree.N {
				return trust.Cosignature{}, 0, forked("it cosigned a log of %d entries, and this one has %d", old, current.tree.N)
			}
		}
	}
}

// newest returns the newest checkpoint, or nil where there is none.
func (k *Keeper) newest(ctx context.Context) (*state, error) {
	var s *state
	err := k.cfg.Store.View(ctx, func(tx store.Tx) error {
		_, signed, err := tx.LatestCheckpoint(ctx)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		origin, keys, err := audit.Keys(ctx, tx)
		if err != nil {
			return err
		}
		c, err := trust.ParseCheckpoint(signed, origin, keys)
		if err != nil {
			return refused(sealift.KindIntegrity, "checkpoint", "the newest checkpoint does not verify: %w", err).
				WithHint("see the whole of it with: sealift audit verify --data DIR")
		}
		s = &state{c.Tree, signed, origin, keys}
		return nil
	})
	return s, err
}

// prove adds the proof that the log has grown from the old size.
func (k *Keeper) prove(ctx context.Context, s *submission) error {
	if s.old == 0 || s.old == s.state.tree.N {
		return nil
	}
	return k.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		s.proof, err = audit.ProveTree(ctx, tx, s.old, s.state.tree.N)
		return err
	})
}
