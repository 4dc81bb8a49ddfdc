package store

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/sealift/sealift"
)

// RolloutTx keeps roll-outs.
type RolloutTx interface {
	// InsertRollout writes a new one; KindConflict if the app has one of that
	// counter, KindNotFound if there is no such channel.
	InsertRollout(ctx context.Context, r Rollout) error
	Rollout(ctx context.Context, app sealift.AppID, counter sealift.Counter) (Rollout, error)
	// UpdateRollout replaces a row whose MAC still is oldMAC; KindConflict
	// otherwise, KindNotFound if there is none.
	UpdateRollout(ctx context.Context, r Rollout, oldMAC []byte) error
	// Rollouts returns those of app, of a channel and a platform unless those are
	// empty, newest counter first.
	Rollouts(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform) ([]Rollout, error)
	// OpenRollouts returns those of all apps that are running or waiting, by app
	// and counter.
	OpenRollouts(ctx context.Context) ([]Rollout, error)
	// OfferedRollbacks returns the roll-outs of releases that are roll-backs, of all apps,
	// that are offered: running, waiting or finished; by app and counter.
	OfferedRollbacks(ctx context.Context) ([]Rollout, error)
}

// Columns implements Authentic.
func (r Rollout) Columns() (kind string, columns []string) {
	columns = []string{
		strconv.FormatUint(uint64(r.Counter), 10), string(r.App), string(r.Channel), string(r.Platform), string(r.Runtime), string(r.Version),
		r.Release.String(), hex.EncodeToString(r.Plan), r.Salt, strconv.FormatBool(r.Urgent), r.Phase, strconv.FormatInt(r.Stage, 10), column(r.Since),
		strconv.FormatInt(int64(r.Spent), 10), column(r.Cleared), strconv.Itoa(int(r.Share)), r.Creator, column(r.Created), column(r.Changed),
	}
	if r.Entry != 0 { // rows of before have none
		columns = append(columns, strconv.FormatInt(r.Entry, 10))
	}
	return "rollout", columns
}

// Tag implements Authentic.
func (r Rollout) Tag() []byte { return r.MAC }

// RowName implements Authentic.
func (r Rollout) RowName() string {
	return named(string(r.App), strconv.FormatUint(uint64(r.Counter), 10))
}
