package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// CreateChannel makes a channel with its first epoch, and publishes the
// epoch's public key for publishers to seal to.
func (s *Service) CreateChannel(ctx context.Context, by access.Caller, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	made, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.Channel, error) {
		now := s.now().UTC()
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return service.Channel{}, err
		}
		if err := tx.InsertChannel(ctx, store.Channel{App: app, Name: name, Created: now}); err != nil {
			return service.Channel{}, hinted(err, "creating channel "+string(name), "see the channels there are with: sealift channel list --app "+string(app))
		}
		epoch, err := s.turnEpoch(ctx, tx, by.Actor(), app, name, 1)
		if err != nil {
			return service.Channel{}, err
		}
		if err := record(ctx, tx, now, by, "channel.create", string(app)+"/"+string(name), nil); err != nil {
			return service.Channel{}, err
		}
		return channelOf(store.Channel{App: app, Name: name, Created: now}, epoch.Epoch, unset(app, name)), s.direct(ctx, tx, by.Actor(), []tufrepo.Target{epoch.target})
	})
	if err != nil {
		return service.Channel{}, err
	}
	return made, s.Flush(ctx)
}

// turned is a channel's new epoch.
type turned struct {
	store.Epoch
	target tufrepo.Target // its epoch.json
}

// turnEpoch makes the next generation of a channel's key.
func (s *Service) turnEpoch(ctx context.Context, tx *vault.Tx, by audit.Actor, app sealift.AppID, channel sealift.Channel, number uint64) (turned, error) {
	info, err := s.createEpochKey(ctx, tx, by, app, channel, number)
	if err != nil {
		return turned{}, err
	}
	suite := bundle.DefaultSuite
	row := store.Epoch{
		App: app, Channel: channel, Number: number, KeyID: info.ID, KeyVersion: info.Version,
		KEM: suite.KEM, KDF: suite.KDF, AEAD: suite.AEAD, PublicKey: info.Public, Created: s.now().UTC(),
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return turned{}, err
	}
	if err := tx.InsertEpoch(ctx, row); err != nil {
		return turned{}, err
	}
	content, err := epochFile(row)
	if err != nil {
		return turned{}, err
	}
	return turned{row, tufrepo.Target{Path: trust.EpochPath(app, channel), Content: content}}, nil
}

// epochFile is the epoch.json of an epoch.
func epochFile(e store.Epoch) ([]byte, error) {
	content, err := (&trust.Epoch{
		App: e.App, Channel: e.Channel, Number: e.Number, KEM: e.KEM, KDF: e.KDF, AEAD: e.AEAD, PublicKey: e.PublicKey,
	}).Encode()
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "writing epoch.json", "%w", err)
	}
	return content, nil
}

// epochOf returns one epoch of a channel that the vault made, or the newest for
// number 0, behind which somebody deleted none.
func (s *Service) epochOf(ctx context.Context, tx store.Tx, app sealift.AppID, channel sealift.Channel, number uint64) (store.Epoch, error) {
	e, err := tx.Epoch(ctx, app, channel, number)
	if err == nil {
		err = s.vault.CheckRow(ctx, tx, e)
	}
	if err == nil && number == 0 {
		err = s.vault.CheckGone(ctx, tx, store.Epoch{App: app, Channel: channel, Number: e.Number + 1})
	}
	return e, err
}

// Channels returns every channel of app, by name, or KindNotFound.
func (s *Service) Channels(ctx context.Context, app sealift.AppID) ([]service.Channel, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.Channel, error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return nil, err
		}
		rows, err := tx.Channels(ctx, app)
		if err != nil {
			return nil, err
		}
		out := make([]service.Channel, len(rows))
		each := make([]*service.Channel, len(rows))
		for i, row := range rows {
			if out[i], err = s.tellChannel(ctx, tx, row); err != nil {
				return nil, err
			}
			each[i] = &out[i]
		}
		return out, s.countDevices(ctx, tx, app, each...)
	})
}

// Channel returns one channel of app, or KindNotFound.
func (s *Service) Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	return view(ctx, s.store, func(tx store.Tx) (service.Channel, error) {
		row, err := s.findChannel(ctx, tx, app, name)
		if err != nil {
			return service.Channel{}, err
		}
		out, err := s.tellChannel(ctx, tx, row)
		if err == nil {
			err = s.countDevices(ctx, tx, app, &out)
		}
		return out, err
	})
}

func (s *Service) tellChannel(ctx context.Context, tx store.Tx, row store.Channel) (service.Channel, error) {
	epoch, err := s.epochOf(ctx, tx, row.App, row.Name, 0)
	if err != nil {
		return service.Channel{}, err
	}
	rules, err := s.ChannelRules(ctx, tx, row.App, row.Name)
	return channelOf(row, epoch, rules), err
}

func channelOf(row store.Channel, epoch store.Epoch, rules store.ChannelRules) service.Channel {
	return service.Channel{App: row.App, Name: row.Name, Epoch: epoch.Number, Settings: settingsOf(rules), Created: row.Created}
}
