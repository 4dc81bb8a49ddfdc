package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertApp implements store.AppTx.
func (t *tx) InsertApp(ctx context.Context, a store.App) error {
	rows, err := t.q.InsertApp(ctx, sqlcgen.InsertAppParams{
		ID: string(a.ID), Device: flag(a.Device), OpenEnrolment: flag(a.OpenEnrolment), Created: micros(a.Created), Mac: some(a.MAC),
		Patches: int64(a.Patches), PatchLimit: a.PatchLimit, BlastRadius: a.BlastRadius,
	})
	return t.added(ctx, "storing app "+string(a.ID), rows, err)
}

// UpdateApp implements store.AppTx.
func (t *tx) UpdateApp(ctx context.Context, a store.App, oldMAC []byte) error {
	rows, err := t.q.UpdateApp(ctx, sqlcgen.UpdateAppParams{
		ID: string(a.ID), Device: flag(a.Device), OpenEnrolment: flag(a.OpenEnrolment), Created: micros(a.Created), Mac: some(a.MAC),
		Patches: int64(a.Patches), PatchLimit: a.PatchLimit, BlastRadius: a.BlastRadius, OldMac: some(oldMAC),
	})
	return t.swapped(ctx, "changing app "+string(a.ID), rows, err, func() error {
		_, err := t.App(ctx, a.ID)
		return err
	})
}

// App implements store.AppTx.
func (t *tx) App(ctx context.Context, id sealift.AppID) (store.App, error) {
	row, err := t.q.App(ctx, string(id))
	if err != nil {
		return store.App{}, t.fail(ctx, "reading app "+string(id), err)
	}
	return appOf(row), nil
}

// Apps implements store.AppTx.
func (t *tx) Apps(ctx context.Context) ([]store.App, error) {
	rows, err := t.q.Apps(ctx)
	return collect(rows, t.fail(ctx, "listing apps", err), appOf)
}

func appOf(r sqlcgen.App) store.App {
	return store.App{
		ID: sealift.AppID(r.ID), Device: r.Device != 0, OpenEnrolment: r.OpenEnrolment != 0, Created: moment(r.Created), MAC: bare(r.Mac),
		Patches: int(r.Patches), PatchLimit: r.PatchLimit, BlastRadius: r.BlastRadius,
	}
}

// InsertChannel implements store.AppTx.
func (t *tx) InsertChannel(ctx context.Context, c store.Channel) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertChannel(ctx, sqlcgen.InsertChannelParams{App: string(c.App), Name: string(c.Name), Created: micros(c.Created)})
	})
	return t.added(ctx, fmt.Sprintf("storing channel %s/%s", c.App, c.Name), rows, err)
}

// Channel implements store.AppTx.
func (t *tx) Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (store.Channel, error) {
	row, err := t.q.Channel(ctx, sqlcgen.ChannelParams{App: string(app), Name: string(name)})
	if err != nil {
		return store.Channel{}, t.fail(ctx, fmt.Sprintf("reading channel %s/%s", app, name), err)
	}
	return channelOf(row), nil
}

// Channels implements store.AppTx.
func (t *tx) Channels(ctx context.Context, app sealift.AppID) ([]store.Channel, error) {
	rows, err := t.q.Channels(ctx, string(app))
	return collect(rows, t.fail(ctx, "listing channels of "+string(app), err), channelOf)
}

func channelOf(r sqlcgen.Channel) store.Channel {
	return store.Channel{App: sealift.AppID(r.App), Name: sealift.Channel(r.Name), Created: moment(r.Created)}
}

// InsertEpoch implements store.AppTx.
func (t *tx) InsertEpoch(ctx context.Context, e store.Epoch) error {
	op := fmt.Sprintf("storing epoch %d of %s/%s", e.Number, e.App, e.Channel)
	newest, err := t.q.NewestEpoch(ctx, sqlcgen.NewestEpochParams{App: string(e.App), Channel: string(e.Channel)})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t.fail(ctx, op, err)
	}
	if next := newest.Number + 1; number(e.Number) != next {
		return sealift.Errorf(sealift.KindConflict, op, "the next one is %d", next)
	}
	_, err = t.refusable(ctx, func() (int64, error) {
		return none(t.q.InsertEpoch(ctx, sqlcgen.InsertEpochParams{
			App: string(e.App), Channel: string(e.Channel), Number: number(e.Number),
			KeyID: e.KeyID, KeyVersion: number(e.KeyVersion),
			Kem: int64(e.KEM), Kdf: int64(e.KDF), Aead: int64(e.AEAD),
			Created: micros(e.Created), PublicKey: some(e.PublicKey), Mac: some(e.MAC),
		}))
	})
	return t.fail(ctx, op, err)
}

// Epoch implements store.AppTx.
func (t *tx) Epoch(ctx context.Context, app sealift.AppID, channel sealift.Channel, n uint64) (store.Epoch, error) {
	var row sqlcgen.Epoch
	var err error
	if n == 0 {
		row, err = t.q.NewestEpoch(ctx, sqlcgen.NewestEpochParams{App: string(app), Channel: string(channel)})
	} else {
		row, err = t.q.Epoch(ctx, sqlcgen.EpochParams{App: string(app), Channel: string(channel), Number: number(n)})
	}
	if err != nil {
		return store.Epoch{}, t.fail(ctx, fmt.Sprintf("reading epoch %d of %s/%s", n, app, channel), err)
	}
	return store.Epoch{
		App: sealift.AppID(row.App), Channel: sealift.Channel(row.Channel), Number: uint64(row.Number),
		KeyID: row.KeyID, KeyVersion: uint64(row.KeyVersion),
		KEM: uint16(row.Kem), KDF: uint16(row.Kdf), AEAD: uint16(row.Aead),
		Created: moment(row.Created), PublicKey: bare(row.PublicKey), MAC: bare(row.Mac),
	}, nil
}

// NextCounter implements store.AppTx.
func (t *tx) NextCounter(ctx context.Context, app sealift.AppID) (sealift.Counter, error) {
	op := "counting a release of " + string(app)
	if err := t.session.write(ctx); err != nil { // the one query with a result that writes
		return 0, t.fail(ctx, op, err)
	}
	counter, err := t.q.NextCounter(ctx, sqlcgen.NextCounterParams{ID: string(app), Last: beyond - 1})
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := t.App(ctx, app); err != nil {
			return 0, err
		}
		return 0, sealift.Errorf(sealift.KindExhausted, op, "all counters are used up").WithReason("counter")
	}
	return sealift.Counter(counter), t.fail(ctx, op, err)
}

// RaiseCounter implements store.AppTx.
func (t *tx) RaiseCounter(ctx context.Context, app sealift.AppID, least sealift.Counter) error {
	rows, err := t.q.RaiseCounter(ctx, sqlcgen.RaiseCounterParams{ID: string(app), Least: number(least)})
	if err == nil && rows == 0 {
		_, err := t.App(ctx, app)
		return err
	}
	return t.fail(ctx, "raising the counter of "+string(app), err)
}
