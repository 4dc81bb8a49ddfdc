package release

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/throttle"
	"github.com/sealift/sealift/internal/vault"
)

// Service answers the people-facing API about apps and releases. It is safe
// for concurrent use.
type Service struct {
	store     store.Store
	vault     *vault.Vault
	published blob.Store
	approvals Approvals
	now       func() time.Time
	reserved  *throttle.Counter[reserver]
	patching  chan struct{} // holds one: patches are opened one at a time
	// TimestampLife is how long a signed timestamp is good for.
	timestampLife time.Duration
	fleets        fleets
	writing       sync.Mutex // one writer empties the outbox at a time, in order
}

// Config is what a Service works with.
type Config struct {
	Store     store.Store
	Vault     *vault.Vault
	Published blob.Store
	Approvals Approvals
	Now       func() time.Time
	// TimestampLife is between sealift.MinTimestampLife and MaxTimestampLife;
	// 0 is sealift.TimestampLife.
	TimestampLife time.Duration
}

// New returns the service over what an installation keeps.
func New(c Config) *Service {
	if c.TimestampLife == 0 {
		c.TimestampLife = sealift.TimestampLife
	}
	return &Service{
		store: c.Store, vault: c.Vault, published: c.Published, approvals: c.Approvals, now: c.Now,
		reserved: throttle.NewCounter[reserver](sealift.ReservationsPerHour, time.Hour), timestampLife: c.TimestampLife,
		patching: make(chan struct{}, 1),
	}
}

// System is the actor of what Sealift does by itself.
func System(part string) audit.Actor { return audit.Actor{Kind: audit.System, ID: part} }

// view runs fn on one state of the store and returns its result.
func view[T any](ctx context.Context, s store.Store, fn func(store.Tx) (T, error)) (T, error) {
	var out T
	err := s.View(ctx, func(tx store.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	return out, err
}

// CreateApp makes an app; KindConflict if its id is taken.
func (s *Service) CreateApp(ctx context.Context, by access.Caller, app service.NewApp) (service.App, error) {
	row := store.App{
		ID: app.ID, Device: app.Kind == service.AppDevice, OpenEnrolment: app.OpenEnrolment, Created: s.now().UTC(),
		Patches: sealift.DefaultPatches, PatchLimit: sealift.DefaultPatchLimit,
	}
	err := s.vault.Update(ctx, func(tx *vault.Tx) (err error) {
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		if err := tx.InsertApp(ctx, row); err != nil {
			return hinted(err, "creating app "+string(app.ID), "see the apps there are with: sealift app list")
		}
		return record(ctx, tx, s.now(), by, "app.create", string(app.ID), map[string]string{"kind": string(app.Kind), vault.RowDetail: vault.RowTag(row.MAC)})
	})
	if err != nil {
		return service.App{}, err
	}
	return appOf(row), nil
}

func appOf(row store.App) service.App {
	kind := service.AppWeb
	if row.Device {
		kind = service.AppDevice
	}
	return service.App{
		NewApp:      service.NewApp{ID: row.ID, Kind: kind, OpenEnrolment: row.OpenEnrolment},
		AppSettings: service.AppSettings{Patches: row.Patches, PatchLimit: row.PatchLimit, BlastRadius: row.BlastRadius},
		Created:     row.Created,
	}
}

// App returns one app, or KindNotFound.
func (s *Service) App(ctx context.Context, id sealift.AppID) (service.App, error) {
	row, err := view(ctx, s.store, func(tx store.Tx) (store.App, error) { return s.findApp(ctx, tx, id) })
	return appOf(row), err
}

// Apps returns every app, by id.
func (s *Service) Apps(ctx context.Context) ([]service.App, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.App, error) {
		rows, err := tx.Apps(ctx)
		apps := make([]service.App, len(rows))
		for i, row := range rows {
			if err := s.vault.CheckRow(ctx, tx, row); err != nil {
				return nil, err
			}
			apps[i] = appOf(row)
		}
		return apps, err
	})
}

// findApp says which app is unknown and how to make one, and refuses one that
// the vault did not make.
func (s *Service) findApp(ctx context.Context, tx store.Tx, id sealift.AppID) (store.App, error) {
	row, err := tx.App(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return row, service.NoApp("looking up the app", id)
	}
	if err == nil {
		err = s.vault.CheckRow(ctx, tx, row)
	}
	return row, err
}

// findPlaces refuses an app that is not there, and a channel of it that is not, where
// only what is of one is wanted.
func (s *Service) findPlaces(ctx context.Context, tx store.Tx, app sealift.AppID, only sealift.Channel) error {
	if only == "" {
		_, err := s.findApp(ctx, tx, app)
		return err
	}
	_, err := s.findChannel(ctx, tx, app, only)
	return err
}

func (s *Service) findChannel(ctx context.Context, tx store.Tx, app sealift.AppID, name sealift.Channel) (store.Channel, error) {
	if _, err := s.findApp(ctx, tx, app); err != nil {
		return store.Channel{}, err
	}
	row, err := tx.Channel(ctx, app, name)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return row, service.NoChannel("looking up the channel", app, name)
	}
	return row, err
}

// hinted says what to do about a conflict; other errors stay as they are.
func hinted(err error, op, hint string) error {
	if sealift.KindOf(err) != sealift.KindConflict {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it exists already").WithReason("exists").WithHint("%s", hint)
}

// record enters what a caller did into the log.
func record(ctx context.Context, tx store.AuditTx, now time.Time, by access.Caller, action, subject string, details map[string]string) error {
	return recordAs(ctx, tx, now, by.Actor(), action, subject, details)
}

func recordAs(ctx context.Context, tx store.AuditTx, now time.Time, actor audit.Actor, action, subject string, details map[string]string) error {
	_, err := audit.Append(ctx, tx, audit.Entry{
		Time: now, Actor: actor, Action: action, Subject: subject, Details: details, Result: audit.OK,
	})
	return err
}

// refuse is vault.Refuse, of what a caller wanted.
func (s *Service) refuse(ctx context.Context, by access.Caller, action, subject string, details map[string]string, why error) error {
	return s.vault.Refuse(ctx, audit.Entry{Time: s.now(), Actor: by.Actor(), Action: action, Subject: subject, Details: details}, why)
}

// numbered names the detail of an entry of which there may be several.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, i+1)
}
