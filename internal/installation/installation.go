// Package installation puts the parts of a server together over one data
// folder, and founds new ones.
//
// The folder's layout is that of package config. The published tree holds no
// secret, and nothing but the blobs in it is kept there alone.
package installation

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/custody"
	"github.com/sealift/sealift/internal/edge"
	"github.com/sealift/sealift/internal/edge/capgo"
	"github.com/sealift/sealift/internal/fleet"
	"github.com/sealift/sealift/internal/metrics"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/sealing"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/postgres"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/internal/web"
	"github.com/sealift/sealift/internal/witness"
)

// Installation is an opened data folder. Its vault starts sealed.
type Installation struct {
	Vault     *vault.Vault
	Releases  *release.Service
	Desk      *fleet.Desk
	Keys      *custody.Cabinet
	People    *people.Registry
	Approvals *approval.Board

	witnesses *witness.Keeper
	metrics   *metrics.Metrics
	door      *MetricsDoor
	capgo     *capgo.Edge // nil where Capgo devices are not answered
	schedule  *Schedule
	data      *config.Data
	store     store.Store
	published *blob.Folder
	now       func() time.Time
	log       *slog.Logger
}

// Options are what an installation does not need to work.
type Options struct {
	Now func() time.Time // nil for the clock
	Log *slog.Logger     // nil for none
	// TimestampLife is how long a signed timestamp is good for; 0 for
	// sealift.TimestampLife.
	TimestampLife time.Duration
	// Witnesses are asked to cosign the log while the installation serves.
	Witnesses []witness.Peer
	// Backups are made while the installation serves; nil for none.
	Backups *Schedule
	// Tokens reaches keys in PKCS#11 tokens; nil for none.
	Tokens vault.Tokens
}

// Open opens a data folder that Found made, and keeps every other process out
// of it. Close it.
func Open(ctx context.Context, dir string, o Options) (*Installation, error) {
	data, err := config.OpenData(dir)
	if err != nil {
		return nil, err
	}
	i, err := openIn(ctx, data, o, postgres.Options{Alone: true})
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	return i, nil
}

func openIn(ctx context.Context, data *config.Data, o Options, how postgres.Options) (*Installation, error) {
	where, err := config.StoreOf(data.Dir())
	if err != nil {
		return nil, err
	}
	db, err := openStore(ctx, data.Dir(), where, how)
	if err != nil {
		return nil, err
	}
	return assemble(data, db, o)
}

// assemble puts the parts together over the folder's store, which it closes if
// that does not work, and its published tree, which it makes if it is missing.
func assemble(data *config.Data, db store.Store, o Options) (*Installation, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	published, err := blob.OpenFolder(data.Public())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	v := vault.New(db, vault.WithTokens(o.Tokens))
	registry := people.New(db, v, o.Now)
	board := approval.New(db, v, registry, o.Now)
	registry.SetConfirmations(board)
	releases := release.New(release.Config{Store: db, Vault: v, Published: published, Approvals: board, Now: o.Now, TimestampLife: o.TimestampLife})
	board.OnGranted(func(ctx context.Context, app sealift.AppID, draft string) {
		if err := releases.SettleDraft(ctx, app, draft); err != nil { // the keeper tries again
			o.Log.Error("publishing what was approved", "app", app, "draft", draft, "error", err, "hint", sealift.HintOf(err))
		}
	})
	desk := fleet.New(db, v, releases, o.Now)
	i := &Installation{
		Vault: v, data: data, store: db, published: published, now: o.Now, log: o.Log, schedule: o.Backups,
		Releases:  releases,
		Desk:      desk,
		witnesses: witness.New(witness.Config{Store: db, Peers: o.Witnesses, Publish: releases.Flush, Now: o.Now, Log: o.Log}),
		Keys:      custody.New(db, v, releases, o.Now),
		People:    registry,
		Approvals: board,
	}
	i.metrics = metrics.New(metrics.Source{Store: db, Vault: v, Desk: desk, Capgo: i.capgoCalls, Timestamp: releases.Timestamp, Now: o.Now, Log: o.Log})
	return i, nil
}

// Close forgets the vault's keys, closes what is open and lets others have the
// folder.
func (i *Installation) Close() error {
	i.Vault.Close()
	if i.door != nil {
		_ = i.door.Listener.Close() // which Serve did, if it was called
	}
	return errors.Join(i.published.Close(), i.store.Close(), i.data.Close())
}

// Handler answers devices under /v1/, after OpenCapgo also under /capgo/, and people under /api/v1/. address returns
// the IP address of a request's client; nil for that of its connection.
func (i *Installation) Handler(version string, address func(*http.Request) string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", i.metrics.Requests("devices", edge.Whats(), func(r *http.Request) string { return edge.What(r.URL.Path) },
		edge.New(i.published, i.Desk, edge.Options{Log: i.log, Address: address})))
	if i.capgo != nil {
		mux.Handle(capgo.Prefix, i.metrics.Requests("capgo", capgo.Whats(), func(r *http.Request) string { return capgo.What(r.URL.Path) }, i.capgo))
	}
	mux.Handle(web.Prefix, i.forPeople("page", web.New()))
	mux.Handle(control.Prefix+"/", i.forPeople("api", control.New(control.Services{
		SignIn:     &access.Authenticator{Directory: i.People.Directory(), Sessions: i.People, Now: i.now},
		Vault:      status{i.Vault},
		Apps:       i.Approvals.Apps(i.Releases),
		Enrolment:  i.Desk,
		Devices:    i.Desk,
		Assigning:  i.Approvals.Assigning(i.Desk),
		Publishing: i.Approvals.Publishing(i.Releases),
		Promotions: i.Approvals.Promotions(i.Releases),
		Rollbacks:  i.Releases,
		Drafts:     i.Releases,
		Rollouts:   i.Approvals.Rollouts(i.Releases),
		Plans:      i.Approvals.Plans(i.Releases),
		Denials:    i.Approvals.Denials(i.Releases),
		Releases:   i.Releases,
		Roots:      i.Releases,
		Log:        release.NewJournal(i.Releases),
		Witnesses:  i.witnesses,
		Refusals:   i.People,
		Tokens:     i.Approvals.Tokens(i.People),
		People:     i.Approvals.People(i.People),
		Approvals:  i.Approvals,
		Accounts:   i.People,
		Passkeys:   i.People,
		OIDC:       i.People,
		Keys:       i.Approvals.Keys(i.Keys),
		Seal:       sealing.New(i.Vault, i.now),
		Backups:    i,
	}, control.Options{Version: version, Log: i.log, Address: address, Now: i.now})))
	return mux
}

// forPeople counts the requests to one part of what is for people.
func (i *Installation) forPeople(part string, next http.Handler) http.Handler {
	return i.metrics.Requests("people", []string{part}, func(*http.Request) string { return part }, next)
}

// status tells the API what it may know of the vault.
type status struct{ vault *vault.Vault }

// Status implements service.Vault.
func (s status) Status(ctx context.Context) (service.Status, error) {
	st, err := s.vault.Status(ctx)
	return service.Status{Vault: st.Vault, Sealed: st.Sealed, Unseal: wayOf(st.Unseal), Recovery: wayOf(st.Recovery)}, err
}

// Sealed implements service.Vault.
func (s status) Sealed() bool { return s.vault.Sealed() }

// wayOf leaves a token's URI out: it is for those who may read the folder.
func wayOf(w vault.Way) service.SealWay {
	return service.SealWay{Sealer: w.Sealer, Threshold: w.Threshold, Shares: w.Shares, Set: w.Set, Given: w.Given}
}
